/* room.c - see room.h. */
#include "dev/cuda/room.h"

#include "dev/cuda/pieces.h"

static size_t largest(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The values of views and gradients, partial sums, and cuDNN's workspace. */
typedef struct {
    size_t read, grad, out, partial, workspace, weights;
} room;

static void add_training(const tn_conv_shape *s, size_t real, room *r) {
    int64_t B = s->B, M = B * s->H * s->W;
    size_t x = (size_t)(M * s->C) * real, y = (size_t)(B * s->P * s->Q * s->K) * real;
    r->grad = largest(r->grad, y);
    if (s->depthwise) {
        int64_t wide = TN_CUDA_STRIP / s->stride, across = (s->Q + wide - 1) / wide;
        int64_t filter = (tn_cuda_strips_pieces(B * s->P * across, s->C) + 1) * (int64_t)(s->R * s->R) * s->C;
        r->read = largest(r->read, x);
        r->partial = largest(r->partial, (size_t)filter * sizeof(float));
        r->partial = largest(r->partial, (size_t)(tn_cuda_pieces(M) * 3 * s->C) * sizeof(float));
    } else if (s->K > s->C && s->R == 1) { /* it may read a block's output, whose gradient it adds to */
        r->out = largest(r->out, x);
    }
}

/* A dense layer that reads a depthwise one, which has more channels, reads through a view. For the first layer cuDNN pads 3 channels to
 * 8; workspaces of others are small, or in float32 about as large (graph.c). */
size_t tn_cuda_room(tn_precision precision, int n, const tn_conv_shape *shape, bool training) {
    enum { PADDED = 8, STAGED = 2 };
    size_t real = precision == TN_BF16 ? 2 : 4, staged = 0;
    room r = {0};
    for (int i = 0; i < n; i++) {
        const tn_conv_shape *s = &shape[i];
        size_t pixels = (size_t)s->B * (size_t)s->H * (size_t)s->W;
        size_t n_weights = (size_t)s->K * (size_t)(s->R * s->R) * (size_t)(s->depthwise ? 1 : s->C);
        int64_t sums = tn_cuda_pieces((int64_t)s->B * s->P * s->Q) * 3 * s->K; /* moments, pools */
        r.weights += n_weights * sizeof(float);
        r.partial = largest(r.partial, (size_t)sums * sizeof(float));
        if (!s->depthwise) r.out = largest(r.out, n_weights * real);
        if (!s->depthwise && s->C > s->K) r.read = largest(r.read, pixels * (size_t)s->C * real);
        if (s->C == 3) {
            r.workspace = pixels * PADDED * real;
            staged = STAGED * pixels * 3;
        }
        if (training) add_training(s, real, &r);
    }
    return r.read + r.grad + r.out + r.partial + r.workspace + r.weights + staged;
}
