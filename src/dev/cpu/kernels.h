/*
 * kernels.h - the vectorised inner loops, compiled once for each instruction set.
 *
 * A kernel works on a piece of rows or on one image, in one thread. cpu.c and conv.c cut the work by shape and by
 * dev->n_threads, not by the number of existing threads, and merge sums in the order of the pieces. The arguments are those of
 * dev.h: C channels, HW pixels per image; rows [first, first + n) are pixels of all images.
 */
#ifndef TN_DEV_CPU_KERNELS_H
#define TN_DEV_CPU_KERNELS_H

#include "dev/dev.h"

/* Input rows of a depthwise convolution that are computed when they are needed, not stored: act(a (x w^T) + b). */
typedef struct {
    const void *x; /* (B,H,W,n_in); n_in is even in bf16 */
    int n_in;
    const float *w; /* packed for products, all columns */
    const float *a, *b;
    tn_act act;
} tn_expand;

/* Kernels on stored activations of one precision: void * is float or bf16. */
typedef struct {
    /* Read values, gradients or unfolded images into rows of length ld, padded with zeros, as input of products. */
    void (*read_rows)(const tn_view *x, int64_t HW, int C, int64_t first, int64_t n, void *out, int64_t ld);
    void (*grad_rows)(const tn_grad_view *d, int C, int64_t first, int64_t n, void *out, int64_t ld);
    void (*unfold_rows)(const tn_conv_shape *s, const void *x, int64_t first, int64_t n, void *out, int64_t ld);
    /* Write n rows of products to y. moments (3,K): the first row, and sums of the differences to it and of their squares; NULL = not
     * computed. */
    void (*write_rows)(int K, int64_t n, const float *products, int64_t ld, void *y, bool add, float *moments);
    /* Write n rows with tn_finish applied. side: its first row for these rows. */
    void (*finish_rows)(int K, int64_t n, const float *products, int64_t ld, const tn_finish *f, const void *side,
                        void *y);
    void (*store)(int64_t n, const float *host, void *x);
    void (*load)(int64_t n, const void *x, float *host);

    void (*sum_rows)(const tn_view *x, int C, int64_t first, int64_t n, float *sum);
    void (*scale_sums)(const tn_view *x, int C, int64_t first, int64_t n, const void *g, float *sum);
    void (*read_backward)(const tn_view *x, int b, int64_t HW, int C, int64_t first, int64_t n, const void *g,
                          const float *keep, const float *dpool, void *dz, float *sums);
    void (*residual_rows)(const tn_view *x, int C, int64_t first, int64_t n, float keep, const void *side, void *y);

    /* Depthwise: channels [c, c+n), n <= TN_DW_CHANNELS, of image b; weights (R*R,C); scratch: tn_dw_scratch(s, n) floats.
     * expand: the input rows are computed, x is NULL, and c is a multiple of 16. */
    void (*dw_forward)(const tn_conv_shape *s, int b, int c, int n, const tn_view *x, const tn_expand *expand,
                       const float *w, const tn_finish *finish, void *y, float *moments, float *scratch);
    void (*dw_backward)(const tn_conv_shape *s, int b, int c, int n, const tn_view *x, const tn_grad_view *dy,
                        const float *w, void *dx, bool add, float *dw, float *sums, float *scratch);
} tn_real_kernels;

/* Depthwise convolution: most channels that a kernel takes; images of at most TN_DW_WHOLE_PIXELS are processed whole, not row by row. */
enum { TN_DW_CHANNELS = 256, TN_DW_WHOLE_PIXELS = 100 };
static inline bool tn_dw_whole(const tn_conv_shape *s) {
    int pad = s->R / 2;
    return s->stride == 1 && s->pad_top == pad && s->pad_left == pad && s->P == s->H && s->Q == s->W && s->H > 1 &&
           s->H * s->W <= TN_DW_WHOLE_PIXELS;
}
/* Pixels, of a vector of channels: from row to row of the buffer of rows of W pixels, of this buffer, and of input rows outside of it. */
static inline int tn_dw_pitch(const tn_conv_shape *s, int W) {
    return tn_dw_whole(s) ? W + s->R / 2 : W + 3 * s->R;
}
static inline int64_t tn_dw_buffer(const tn_conv_shape *s, int W) {
    return tn_dw_whole(s) ? (int64_t)(s->H + s->R - 1) * tn_dw_pitch(s, W) + s->R : (int64_t)s->R * tn_dw_pitch(s, W);
}
static inline int64_t tn_dw_pixels(const tn_conv_shape *s) {
    return tn_dw_whole(s) ? (int64_t)s->H * tn_dw_pitch(s, s->W) : s->W;
}
/* tn_expand: the input rows whose products are computed at once. */
static inline int tn_dw_product_rows(const tn_conv_shape *s) {
    return tn_dw_whole(s) ? s->H : s->W < 256 ? 256 / s->W : 1;
}
/* Enough for vectors of 16 channels and of fewer. */
static inline int64_t tn_dw_scratch(const tn_conv_shape *s, int channels) {
    int64_t W = s->W > s->Q ? s->W : s->Q, pixels = tn_dw_buffer(s, (int)W) + 3 * tn_dw_pixels(s) + 2 * s->R * s->R;
    return 16 * ((channels + 15) / 16 * (pixels + (int64_t)tn_dw_product_rows(s) * s->W) + W + 3 * s->R);
}

static inline int64_t tn_weights_room(int64_t n, int K, int64_t ld_sums) {
    return (n + 31) / 32 * 16 * ((K + 15) / 16 * 16 + ld_sums);
}

typedef struct {
    tn_real_kernels real[2]; /* by tn_precision */

    /* bf16 products: product.h, on processors with AMX product_tiles.h.
     * product           c (n_rows, 16 n_panels) = a b; a: rows of n_pairs pairs, a_row pairs apart; b: packed by pack_pairs
     * weights_product   sums (K,C) += dy^T x over n rows; ld_sums: C rounded up to 16, as are the rows of sums and the columns of dy that may be read;
     *                   room: tn_weights_room(n, K, ld_sums) words */
    void (*product)(int64_t n_rows, int n_panels, int64_t n_pairs, const uint32_t *a, int64_t a_row, const uint32_t *b,
                    float *c, int64_t c_row);
    void (*weights_product)(int64_t n, int K, int64_t C, const uint16_t *dy, int64_t ld_dy, const uint16_t *x,
                            int64_t ld_x, uint32_t *room, float *sums, int64_t ld_sums);
    void (*pack_pairs)(int n_threads, int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step,
                       uint32_t *out);

    /* fp32 products: product_f32.h */
    void (*product_f32)(int64_t n_rows, int64_t n_columns, int64_t n, const float *a, int64_t a_row, int64_t a_step,
                        const float *b, int64_t b_panel, int64_t b_step, bool add, float *c, int64_t c_row);
    void (*dots_f32)(int64_t n_rows, int64_t n_columns, int64_t n, const float *a, int64_t a_row, const float *b,
                     int64_t b_row, float *c, int64_t c_row);
    void (*pack_f32)(int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step, float *out);

    void (*act_forward)(int64_t n, tn_act act, const float *x, float *y);
    void (*act_backward)(int64_t n, tn_act act, const float *x, const float *dy, float *dx);
    void (*mul)(int n_threads, int64_t n, const float *x, const float *mask, float *y);
    void (*scale)(int n_threads, int64_t n, float a, float *x);
    void (*lerp)(int n_threads, int64_t n, float a, const float *x, float *y);
    double (*sum_of_squares)(int64_t n, const float *x);
    void (*sgd)(int n_threads, int64_t n, float rate, float momentum, float decay, const float *g, float *m, float *w);
    /* c1, c2: 1 / (1 - beta^step) */
    void (*adamw)(int n_threads, int64_t n, float rate, float beta1, float beta2, float eps, float decay, float c1,
                  float c2, const float *g, float *m, float *v, float *w);
} tn_kernels;

const tn_kernels *tn_kernels_for(tn_isa isa);

#endif
