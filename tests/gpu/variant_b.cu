/* variant_b.cu - half as many pieces of depthwise gradients; tiles of one strip; sums of four rows at a time. */
#define TN_VARIANT(name) tn_b_##name
#define TN_TRIAL_BLOCKS  528
#define TN_TRIAL_ACROSS  1
#define TN_TRIAL_ROWS    4
#include "variants.h"
