/* variant_a.cu - twice as many pieces of depthwise gradients; 8 pixels at a time into a tile; sums row by row. */
#define TN_VARIANT(name) tn_a_##name
#define TN_TRIAL_BLOCKS  2112
#define TN_TRIAL_PIXELS  8
#define TN_TRIAL_ROWS    1
#include "variants.h"
