/* noise.h - by tests/golden/make_noise.py, numpy 2.4.6 */
#define NUMPY_SMALL_SQ    4.7584137653206247
#define NUMPY_BIG_SQ      1.9418971513726773
#define NUMPY_NOISE_SCALE 29.951244588114424
