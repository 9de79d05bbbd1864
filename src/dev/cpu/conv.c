/*
 * conv.c - convolutions as matrix products over pixels: pointwise ones, and dense ones (the stem) on unfolded rows.
 *
 * Pixels are cut into blocks that fit into a core's cache. While a block is in the cache, it is read through its view (which
 * applies batch norm, activation and scale), multiplied, and written with its moments. In the backward pass a block gives dx
 * and its part of dw.
 */
#include "dev/cpu/cpu_priv.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 16, BLOCK_BYTES = 512 << 10, MOMENT_ROWS = 128, LEAST_ROWS = MOMENT_ROWS, MOST_ROWS = 768 };

/* --- making ------------------------------------------------------------------------------------------------------- */

static bool is_pointwise(const tn_conv_shape *s) {
    return s->R == 1 && s->stride == 1 && !s->depthwise;
}

static tn_status check(const tn_conv_shape *s) {
    if (s->depthwise && ((s->R != 3 && s->R != 5) || (s->stride != 1 && s->stride != 2)))
        return tn_fail(TN_EARG, "a depthwise kernel of %d x %d, stride %d: this device has 3 and 5, strides 1 and 2",
                       s->R, s->R, s->stride);
    return TN_OK;
}

/* The number of 32-bit words of packed weights; a word holds one float or two bf16. */
static int64_t n_panels_words(const tn_dev *dev, int64_t n_summed, int64_t n_columns) {
    return tn_round_up(n_columns, PANEL) * (dev->precision == TN_BF16 ? (n_summed + 1) / 2 : n_summed);
}

static tn_status allocate(tn_dev *dev, tn_conv *c) {
    const tn_conv_shape *s = &c->s;
    bool products = !s->depthwise, unfolded = products && !is_pointwise(s);
    int64_t n = c->n_in * (s->depthwise ? s->C : s->K);
    if (s->depthwise || unfolded) c->prepared = tn_cpu_alloc(dev, n);
    if (products) c->forward = tn_cpu_alloc(dev, n_panels_words(dev, c->n_in, s->K));
    if (products && !unfolded) c->backward = tn_cpu_alloc(dev, n_panels_words(dev, s->K, s->C));
    bool ok = (c->prepared || !(s->depthwise || unfolded)) && (c->forward || !products) &&
              (c->backward || !products || unfolded);
    return ok ? TN_OK : tn_fail_memory((size_t)n * sizeof(float), "a convolution");
}

tn_status tn_cpu_conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out) {
    TN_TRY(check(shape));
    tn_conv *c = calloc(1, sizeof *c);
    if (!c) return tn_fail_memory(sizeof *c, "a convolution");
    c->s = *shape;
    c->n_in = (int64_t)shape->R * shape->R * (shape->depthwise ? 1 : shape->C);
    tn_status st = allocate(dev, c);
    if (st == TN_OK)
        *out = c;
    else
        tn_cpu_conv_free(dev, &c);
    return st;
}

void tn_cpu_conv_free(tn_dev *dev, tn_conv **conv) {
    if (!*conv) return;
    tn_cpu_free(dev, (*conv)->prepared);
    tn_cpu_free(dev, (*conv)->forward);
    tn_cpu_free(dev, (*conv)->backward);
    free(*conv);
    *conv = NULL;
}

/* Transpose weights (K,C,R,R) to (K,R*R*C), the layout of unfolded rows, or back. */
static void transpose(const tn_conv_shape *s, const float *from, float *to, bool back) {
    int taps = s->R * s->R;
    for (int k = 0; k < s->K; k++)
        for (int c = 0; c < s->C; c++)
            for (int t = 0; t < taps; t++) {
                int64_t given = ((int64_t)k * s->C + c) * taps + t, prepared = ((int64_t)k * taps + t) * s->C + c;
                if (back)
                    to[given] = from[prepared];
                else
                    to[prepared] = from[given];
            }
}

/* Pack weights w(k,j) for products of this precision; the products sum over k < K. */
static void pack(tn_dev *dev, int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step, float *out) {
    const tn_kernels *k = tn_cpu_of(dev)->k;
    if (dev->precision == TN_BF16)
        k->pack_pairs(dev->n_threads, K, J, w, k_step, j_step, (uint32_t *)(void *)out);
    else
        k->pack_f32(K, J, w, k_step, j_step, out);
}

void tn_cpu_conv_weights(tn_dev *dev, tn_conv *conv, const float *w) {
    const tn_conv_shape *s = &conv->s;
    if (s->depthwise) {
        int taps = s->R * s->R;
        for (int t = 0; t < taps; t++)
            for (int c = 0; c < s->C; c++) conv->prepared[(int64_t)t * s->C + c] = w[(int64_t)c * taps + t];
        return;
    }
    if (conv->prepared) transpose(s, w, conv->prepared, false);
    const float *rows = conv->prepared ? conv->prepared : w;
    if (conv->forward) pack(dev, conv->n_in, s->K, rows, 1, conv->n_in, conv->forward);
    if (conv->backward) pack(dev, s->K, s->C, rows, s->C, 1, conv->backward);
}

/* --- blocks of pixels --------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t M, rows; /* number of pixels, and of pixels in a block */
    int n;
    int64_t ld_in, ld_out;      /* row lengths of blocks of input values and of products */
    int64_t ld_x, ld_dy, ld_dw; /* backward: row lengths of blocks of x and dy, and of sums of dw */
} blocks;

static blocks blocks_of(const tn_conv *c, int B) {
    const tn_conv_shape *s = &c->s;
    blocks b = {.M = (int64_t)B * s->P * s->Q};
    int64_t rows = BLOCK_BYTES / (8 * c->n_in + 4 * s->K);
    rows = rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : rows;
    int64_t n = (b.M + rows - 1) / rows;
    n += n > 1 ? n % 2 : 0; /* even, for two threads */
    b.rows = tn_round_up((b.M + n - 1) / n, MOMENT_ROWS);
    b.n = (int)((b.M + b.rows - 1) / b.rows);
    b.ld_in = tn_round_up(c->n_in, 2);
    b.ld_out = tn_round_up(s->K, PANEL);
    b.ld_x = b.ld_dw = tn_round_up(c->n_in, PANEL);
    b.ld_dy = tn_round_up(s->K, PANEL);
    return b;
}

static int64_t rows_in(const blocks *b, int i) {
    int64_t left = b->M - i * b->rows;
    return left < b->rows ? left : b->rows;
}

/* The input rows of block i. If the view changes nothing and the row length is a multiple of `whole`, they are used in place; otherwise
 * they are read into `room`. */
static const void *input_rows(tn_dev *dev, const tn_conv *c, const tn_view *x, int64_t first, int64_t n, int whole,
                              void *room, int64_t *ld) {
    const tn_conv_shape *s = &c->s;
    const tn_real_kernels *k = tn_cpu_real(dev);
    if (!is_pointwise(s)) {
        k->unfold_rows(s, x->x, first, n, room, *ld);
        return room;
    }
    if (!x->a && !x->scale && s->C % whole == 0) {
        *ld = s->C;
        return (const char *)x->x + (size_t)(first * s->C) * tn_real_bytes(dev);
    }
    k->read_rows(x, (int64_t)s->H * s->W, s->C, first, n, room, *ld);
    return room;
}

/* out (n, ld_out) = in (n, n_summed) times packed weights. */
static void multiply(tn_dev *dev, int64_t n, int64_t n_summed, int64_t n_columns, const void *in, int64_t ld,
                     const float *panels, float *out, int64_t ld_out) {
    const tn_kernels *k = tn_cpu_of(dev)->k;
    int64_t whole = tn_round_up(n_columns, PANEL), n_pairs = (n_summed + 1) / 2;
    if (dev->precision == TN_BF16)
        k->product(n, (int)(whole / PANEL), n_pairs, in, ld / 2, (const uint32_t *)(const void *)panels, out, ld_out);
    else
        k->product_f32(n, whole, n_summed, in, ld, 1, panels, n_summed * PANEL, PANEL, false, out, ld_out);
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

/* Write rows, and moments (3,K) of every MOMENT_ROWS rows: sums this short are accurate enough in float. */
static void write_in_pieces(tn_dev *dev, int K, int64_t n, const float *products, int64_t ld, char *y, float *moments) {
    for (int64_t i = 0; i < n; i += MOMENT_ROWS, products += MOMENT_ROWS * ld) {
        int64_t here = n - i < MOMENT_ROWS ? n - i : MOMENT_ROWS;
        tn_cpu_real(dev)->write_rows(K, here, products, ld, y + (size_t)(i * K) * tn_real_bytes(dev), false, moments);
        if (moments) moments += 3 * (int64_t)K;
    }
}

static void forward_block(tn_dev *dev, const tn_conv *c, const blocks *b, int i, const tn_view *x,
                          const tn_finish *finish, char *y, float *room, float *moments) {
    const tn_real_kernels *k = tn_cpu_real(dev);
    const tn_conv_shape *s = &c->s;
    int64_t first = i * b->rows, n = rows_in(b, i), ld = b->ld_in;
    size_t at = (size_t)(first * s->K) * tn_real_bytes(dev);
    float *products = room + b->rows * b->ld_in;
    const void *in = input_rows(dev, c, x, first, n, 2, room, &ld);
    multiply(dev, n, c->n_in, s->K, in, ld, c->forward, products, b->ld_out);
    if (finish)
        k->finish_rows(s->K, n, products, b->ld_out, finish, finish->side ? (const char *)finish->side + at : NULL,
                       y + at);
    else
        write_in_pieces(dev, s->K, n, products, b->ld_out, y + at, moments);
}

void tn_cpu_conv_forward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var) {
    const tn_conv_shape *s = &conv->s;
    if (s->depthwise) {
        tn_depthwise_forward(dev, conv, B, x, finish, y, mean, var);
        return;
    }
    blocks b = blocks_of(conv, B);
    int64_t n_room = tn_round_up(b.rows * (b.ld_in + b.ld_out), PANEL),
            n_pieces = (b.M + MOMENT_ROWS - 1) / MOMENT_ROWS;
    int64_t n_block = b.rows / MOMENT_ROWS * 3 * s->K;
    float *room = tn_cpu_scratch(dev, dev->n_threads * n_room + n_pieces * 3 * s->K),
          *moments = room + dev->n_threads * n_room;
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int i = 0; i < b.n; i++)
        forward_block(dev, conv, &b, i, x, finish, y, room + omp_get_thread_num() * n_room,
                      mean ? moments + i * n_block : NULL);
    if (mean) tn_moments_merge(dev, (int)n_pieces, MOMENT_ROWS, b.M, s->K, moments, mean, var);
}

/* --- backward ----------------------------------------------------------------------------------------------------- */

/* Layout of the memory of a piece; offsets in floats: block of dy (at 0), block of x, products of dx, sums of dw, and for bf16 room for
 * both blocks as pairs. */
typedef struct {
    int64_t x, products, sums, pairs, n;
} layout;

static layout layout_of(const tn_conv *c, const blocks *b) {
    layout l;
    l.x = tn_round_up(b->rows * b->ld_dy, PANEL);
    l.products = l.x + tn_round_up(b->rows * b->ld_x, PANEL);
    l.sums = l.products + tn_round_up(b->rows * b->ld_x, PANEL);
    l.pairs = l.sums + tn_round_up(c->s.K, PANEL) * b->ld_dw;
    l.n = l.pairs + tn_weights_room(b->rows, c->s.K, b->ld_dw);
    return l;
}

static void weights_block(tn_dev *dev, const tn_conv *c, const blocks *b, int64_t n, const void *x, int64_t ld_x,
                          float *room, const layout *l) {
    const tn_kernels *k = tn_cpu_of(dev)->k;
    int K = c->s.K;
    float *sums = room + l->sums;
    if (dev->precision == TN_FP32) {
        k->product_f32(K, b->ld_dw, n, room, 1, b->ld_dy, x, PANEL, ld_x, true, sums, b->ld_dw);
        return;
    }
    k->weights_product(n, K, c->n_in, (const uint16_t *)(const void *)room, b->ld_dy, x, ld_x,
                       (uint32_t *)(void *)(room + l->pairs), sums, b->ld_dw);
}

static void backward_block(tn_dev *dev, const tn_conv *c, const blocks *b, int i, const tn_view *x,
                           const tn_grad_view *dy, char *dx, bool add, float *room, const layout *l) {
    const tn_real_kernels *k = tn_cpu_real(dev);
    int C = c->s.C, K = c->s.K;
    int64_t first = i * b->rows, n = rows_in(b, i), ld = b->ld_x;
    k->grad_rows(dy, K, first, n, room, b->ld_dy);
    if (dx) {
        multiply(dev, n, K, C, room, b->ld_dy, c->backward, room + l->products, b->ld_x);
        k->write_rows(C, n, room + l->products, b->ld_x, dx + (size_t)(first * C) * tn_real_bytes(dev), add, NULL);
    }
    const void *in = input_rows(dev, c, x, first, n, dev->precision == TN_BF16 ? 2 : PANEL, room + l->x, &ld);
    weights_block(dev, c, b, n, in, ld, room, l);
}

/* dw (K,C,R,R): add up the sums of the pieces, in order. */
static void sum_weights(const tn_conv *c, const blocks *b, int n_pieces, int64_t n_room, float *room, float *total,
                        float *dw) {
#pragma omp parallel for schedule(static) num_threads(n_pieces)
    for (int k = 0; k < c->s.K; k++) {
        float *row = total + k * b->ld_dw;
        for (int t = 1; t < n_pieces; t++) {
            const float *other = row + t * n_room;
            for (int64_t i = 0; i < c->n_in; i++) row[i] += other[i];
        }
        if (is_pointwise(&c->s)) memcpy(dw + k * c->n_in, row, (size_t)c->n_in * sizeof *dw);
    }
    if (is_pointwise(&c->s)) return;
    for (int k = 0; k < c->s.K; k++) memmove(room + k * c->n_in, total + k * b->ld_dw, (size_t)c->n_in * sizeof *dw);
    transpose(&c->s, room, dw, true);
}

void tn_cpu_conv_backward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw) {
    if (conv->s.depthwise) {
        tn_depthwise_backward(dev, conv, B, x, dy, dx, add, sums, dw);
        return;
    }
    TN_ASSERT(!dx || is_pointwise(&conv->s));
    blocks b = blocks_of(conv, B);
    layout l = layout_of(conv, &b);
    float *room = tn_cpu_scratch(dev, dev->n_threads * l.n);
    /* pieces are not threads: fewer threads compute the same pieces */
#pragma omp parallel for schedule(static) num_threads(dev->n_threads)
    for (int t = 0; t < dev->n_threads; t++) {
        float *mine = room + t * l.n;
        memset(mine + l.sums, 0, (size_t)(conv->s.K * b.ld_dw) * sizeof *mine);
        for (int i = b.n * t / dev->n_threads; i < b.n * (t + 1) / dev->n_threads; i++)
            backward_block(dev, conv, &b, i, x, dy, dx, add, mine, &l);
    }
    sum_weights(conv, &b, dev->n_threads, l.n, room, room + l.sums, dw);
}
