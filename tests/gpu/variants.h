/*
 * variants.h - the same kernels with other numbers, under other names, for kernel_times.c alone: TN_VARIANT(NAME) is what the file that
 * includes this one calls tn_cuda_NAME. Included before anything else.
 */
#include "dev/cuda/kernels.h"

#define TN_DECLARE(name) extern "C" decltype(tn_cuda_##name) TN_VARIANT(name);
TN_DECLARE(partial_floats)
TN_DECLARE(moments)
TN_DECLARE(read_backward)
TN_DECLARE(pool)
TN_DECLARE(scale_backward)
TN_DECLARE(bn_affine)
TN_DECLARE(bn_backward)
TN_DECLARE(depthwise_weights)
TN_DECLARE(depthwise_forward)
TN_DECLARE(depthwise_data)
TN_DECLARE(depthwise_floats)
TN_DECLARE(depthwise_filter)

#define tn_cuda_partial_floats    TN_VARIANT(partial_floats)
#define tn_cuda_moments           TN_VARIANT(moments)
#define tn_cuda_read_backward     TN_VARIANT(read_backward)
#define tn_cuda_pool              TN_VARIANT(pool)
#define tn_cuda_scale_backward    TN_VARIANT(scale_backward)
#define tn_cuda_bn_affine         TN_VARIANT(bn_affine)
#define tn_cuda_bn_backward       TN_VARIANT(bn_backward)
#define tn_cuda_depthwise_weights TN_VARIANT(depthwise_weights)
#define tn_cuda_depthwise_forward TN_VARIANT(depthwise_forward)
#define tn_cuda_depthwise_data    TN_VARIANT(depthwise_data)
#define tn_cuda_depthwise_floats  TN_VARIANT(depthwise_floats)
#define tn_cuda_depthwise_filter  TN_VARIANT(depthwise_filter)
#include "dev/cuda/depthwise.cu"
#include "dev/cuda/sums.cu"
