/*
 * depthwise.h - depthwise convolution, forward and backward, of one image and 16 channels. Included by kernels.c once for each
 * stored type, with REAL, EXACT, GET, PUT and N(name).
 *
 * Each row is read once, through the view, into a ring of R rows of floats with R zero pixels on either side. So inner loops have
 * no borders, and batch norm and activation are computed once per value. In the backward pass the ring holds rows of dy; the same
 * loads give the gradient of an input row and its part of the weights' gradient.
 */

enum { N(MOST_TASKS) = TN_DW_CHANNELS / VW };

/* Channels [c, c + n) of one image, n <= 16. */
typedef struct {
    const tn_conv_shape *s;
    int b, c, n;
    float *ring; /* (R, width, 16) */
    int width;   /* pixels of a row, including zeros */
} N(task);

static float *N(ring_row)(const N(task) * t, int row) {
    return t->ring + ((int64_t)(row % t->s->R) * t->width + t->s->R) * VW;
}

/* Read input row h through the view, for all tasks at once, because their pixels are adjacent in memory. v, slope: (W,16) of each task;
 * slope may be NULL. */
INLINE void N(read_some)(tn_act kind, int n, const REAL *in, int64_t C, int64_t ahead, int n_pixels, const float *a,
                         const float *b, float *v, float *slope) {
    v16 scale = a ? get_f32(a, n) : all(1), shift = a ? get_f32(b, n) : all(0);
    for (int i = 0; i < n_pixels; i++, in += C, v += VW) {
        v16 value = GET(in, n), by_value;
        if (slope) __builtin_prefetch(in + ahead);
        if (a) value = value * scale + shift;
        put_f32(v, activate(kind, EXACT, value, slope ? &by_value : NULL), VW);
        if (slope) {
            put_f32(slope, by_value, VW);
            slope += VW;
        }
    }
}

INLINE void N(read_pixels)(tn_act kind, const N(task) * t, int n_tasks, const tn_view *x, int h, float *const *v,
                           float *const *slope) {
    const tn_conv_shape *s = t->s;
    const REAL *in = (const REAL *)x->x + ((int64_t)t->b * s->H + h) * s->W * s->C;
#define PIECE(w, n_pixels, i, n)                                                                                       \
    N(read_some)                                                                                                       \
    (kind, n, in + (int64_t)(w)*s->C + t[i].c, s->C, (int64_t)s->W * s->C, n_pixels, x->a ? x->a + t[i].c : NULL,      \
     x->a ? x->b + t[i].c : NULL, v[i] + (w)*VW, slope ? slope[i] + (w)*VW : NULL)
    EACH_PIECE(s->W, n_tasks, PIECE);
#undef PIECE
}

static void N(read_row)(const N(task) * t, int n_tasks, const tn_view *x, int h, float *const *v, float *const *slope) {
#define CALL(KIND) N(read_pixels)(KIND, t, n_tasks, x, h, v, slope)
    if (slope) {
        FOR_ACT(x->act, CALL)
    } else {
#undef CALL
#define CALL(KIND) N(read_pixels)(KIND, t, n_tasks, x, h, v, NULL)
        FOR_ACT(x->act, CALL)
    }
#undef CALL
}

static void N(clear_ring)(N(task) * t) {
    memset(t->ring, 0, (size_t)t->s->R * (size_t)t->width * VW * sizeof *t->ring);
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

/* Compute n_out adjacent output pixels, loading shared inputs once. rows[r] + at: the input of the first tap of the first pixel. */
INLINE void N(forward_pixels)(int n_out, int R, int stride, const float *const *rows, int64_t at, const v16 *k,
                              float *out) {
    v16 sum[4];
#pragma GCC unroll 4
    for (int o = 0; o < n_out; o++) sum[o] = all(0);
#pragma GCC unroll 5
    for (int r = 0; r < R; r++)
#pragma GCC unroll 11
        for (int j = 0; j < R + (n_out - 1) * stride; j++) {
            v16 x = get_f32(rows[r] + (at + j) * VW, VW);
#pragma GCC unroll 4
            for (int o = 0; o < n_out; o++) {
                int t = j - o * stride;
                if (t >= 0 && t < R) sum[o] += x * k[r * R + t];
            }
        }
#pragma GCC unroll 4
    for (int o = 0; o < n_out; o++) put_f32(out + o * VW, sum[o], VW);
}

/* Compute an output row out (Q,16). rows: its R input rows, beginning at the first tap. */
INLINE void N(forward_row)(int R, int stride, const float *const *rows, const float *w, int64_t C, int Q, int n,
                           float *out) {
    v16 k[5 * 5];
    for (int i = 0; i < R * R; i++) k[i] = get_f32(w + (int64_t)i * C, n);
    int q = 0;
    for (; q + 4 <= Q; q += 4) N(forward_pixels)(4, R, stride, rows, (int64_t)q * stride, k, out + q * VW);
    for (; q < Q; q++) N(forward_pixels)(1, R, stride, rows, (int64_t)q * stride, k, out + q * VW);
}

static void N(forward_step)(const N(task) * t, const float *w, int p, const float *zeros, float *out) {
    const tn_conv_shape *s = t->s;
    const float *rows[5];
    int top = p * s->stride - s->pad_top;
    for (int r = 0; r < s->R; r++)
        rows[r] = (top + r >= 0 && top + r < s->H ? N(ring_row)(t, top + r) : zeros) - s->pad_left * VW;
#define ROWS(R, STRIDE)                                                                                                \
    if (t->n == VW)                                                                                                    \
        N(forward_row)(R, STRIDE, rows, w + t->c, s->C, s->Q, VW, out);                                                \
    else                                                                                                               \
        N(forward_row)(R, STRIDE, rows, w + t->c, s->C, s->Q, t->n, out)
    if (s->R == 3 && s->stride == 1) {
        ROWS(3, 1);
    } else if (s->R == 3) {
        ROWS(3, 2);
    } else if (s->stride == 1) {
        ROWS(5, 1);
    } else {
        ROWS(5, 2);
    }
#undef ROWS
}

/* Moments of an image as in write_rows; in evaluation first = 0, and the sum is that of the finished values. */
typedef struct {
    v16 first, sum, squares;
} N(moments);

INLINE void N(write_some)(tn_act kind, const float *a, const float *b, int n, const float *row, int64_t C, int n_pixels,
                          REAL *out, N(moments) * m) {
    v16 scale = a ? get_f32(a, n) : all(1), shift = a ? get_f32(b, n) : all(0), sum = all(0), squares = all(0);
    for (int i = 0; i < n_pixels; i++, row += VW, out += C) {
        v16 v = get_f32(row, VW);
        if (a) v = activate(kind, EXACT, v * scale + shift, NULL);
        PUT(out, v, n);
        v = N(round)(v) - m->first;
        sum += v;
        if (!a) squares += v * v;
    }
    m->sum += sum;
    m->squares += squares;
}

/* Write output row p of all tasks. Moments are summed in pieces, because shorter sums are more accurate. */
INLINE void N(write_pixels)(tn_act kind, const tn_finish *f, const N(task) * t, int n_tasks, int p, float *const *row,
                            REAL *y, N(moments) * m) {
    const tn_conv_shape *s = t->s;
    REAL *out = y + ((int64_t)t->b * s->P + p) * s->Q * s->C;
    for (int i = 0; !f && p == 0 && i < n_tasks; i++) m[i].first = N(round)(get_f32(row[i], VW));
#define PIECE(q, n_pixels, i, n)                                                                                       \
    N(write_some)                                                                                                      \
    (kind, f ? f->a + t[i].c : NULL, f ? f->b + t[i].c : NULL, n, row[i] + (q)*VW, s->C, n_pixels,                     \
     out + (int64_t)(q)*s->C + t[i].c, &m[i])
    EACH_PIECE(s->Q, n_tasks, PIECE);
#undef PIECE
}

static void N(write_row)(const tn_finish *f, const N(task) * t, int n_tasks, int p, float *const *row, REAL *y,
                         N(moments) * m) {
    if (!f) {
        N(write_pixels)(TN_ACT_NONE, NULL, t, n_tasks, p, row, y, m);
        return;
    }
#define CALL(KIND) N(write_pixels)(KIND, f, t, n_tasks, p, row, y, m)
    FOR_ACT(f->act, CALL)
#undef CALL
}

static int64_t N(ring_floats)(const tn_conv_shape *s, int width) {
    return (int64_t)s->R * width * VW;
}

/* Forward, channels [c, c + n), n <= TN_DW_CHANNELS, of image b. moments (3,C) of the image, or NULL. */
static void N(dw_forward)(const tn_conv_shape *s, int b, int c, int n, const tn_view *x, const float *w,
                          const tn_finish *finish, void *y, float *moments, float *scratch) {
    N(task) t[N(MOST_TASKS)];
    N(moments) m[N(MOST_TASKS)]; /* of one row; rows are added in double, because there may be ten thousand pixels */
    wide sum[N(MOST_TASKS)], squares[N(MOST_TASKS)];
    int n_tasks = (n + VW - 1) / VW, width = s->W + 3 * s->R, ready = 0;
    int64_t n_ring = N(ring_floats)(s, width);
    float *zeros = scratch + n_tasks * n_ring, *rows = zeros + width * VW, *row[N(MOST_TASKS)], *out[N(MOST_TASKS)];
    memset(zeros, 0, (size_t)width * VW * sizeof *zeros);
    for (int i = 0; i < n_tasks; i++) {
        int left = n - i * VW;
        t[i] = (N(task)){s, b, c + i * VW, left < VW ? left : VW, scratch + i * n_ring, width};
        m[i] = (N(moments)){all(0), all(0), all(0)};
        sum[i] = squares[i] = (wide){{0}};
        out[i] = rows + (int64_t)i * s->Q * VW;
        N(clear_ring)(&t[i]);
    }
    for (int p = 0; p < s->P; p++) {
        for (; ready < s->H && ready < p * s->stride - s->pad_top + s->R; ready++) {
            for (int i = 0; i < n_tasks; i++) row[i] = N(ring_row)(&t[i], ready);
            N(read_row)(t, n_tasks, x, ready, row, NULL);
        }
        for (int i = 0; i < n_tasks; i++) N(forward_step)(&t[i], w, p, zeros + s->R * VW, out[i]);
        N(write_row)(finish, t, n_tasks, p, out, y, m);
        for (int i = 0; moments && i < n_tasks; i++) {
            pour(&m[i].sum, &sum[i]);
            pour(&m[i].squares, &squares[i]);
        }
    }
    for (int i = 0; moments && i < n_tasks; i++) {
        float *to = moments + t[i].c;
        put_f32(to, m[i].first, t[i].n);
        put_f32(to + s->C, narrow(&sum[i]), t[i].n);
        put_f32(to + 2 * s->C, narrow(&squares[i]), t[i].n);
    }
}

/* --- backward ----------------------------------------------------------------------------------------------------- */

/* For the pixels w = first, first + stride, ... of an input row, and the taps t0, t0 + stride, ... of one kernel row that reach them:
 * dx += k dy, dw += dy v. dy: the row in the ring, at the output pixel that uses pixel `first` in tap t0. */
INLINE void N(gather_row)(int n_taps, int stride, int W, int first, const float *dy, const float *k, int64_t k_step,
                          const float *v, float *dx, float *dw, int n) {
    v16 weight[5], sum[5];
    for (int j = 0; j < n_taps; j++) {
        weight[j] = get_f32(k + j * k_step, n);
        sum[j] = all(0);
    }
    for (int w = first; w < W; w += stride, dy += VW) {
        v16 d = get_f32(dx + (int64_t)w * VW, VW), in = get_f32(v + (int64_t)w * VW, VW);
#pragma GCC unroll 5
        for (int j = 0; j < n_taps; j++) {
            v16 g = get_f32(dy - j * VW, VW);
            d += g * weight[j];
            sum[j] += g * in;
        }
        put_f32(dx + (int64_t)w * VW, d, VW);
    }
    for (int j = 0; j < n_taps; j++) put_f32(dw + j * stride * VW, get_f32(dw + j * stride * VW, VW) + sum[j], VW);
}

/* The part of dx and dw that comes from kernel row r. v, dx (W,16) of the input row; dw (R*R,16). */
static void N(gather)(const N(task) * t, int p, int r, const float *w, const float *v, float *dx, float *dw) {
    const tn_conv_shape *s = t->s;
    int R = s->R, stride = s->stride;
    for (int first = 0; first < stride && first < s->W; first++) {
        int t0 = (first + s->pad_left) % stride, q = (first + s->pad_left - t0) / stride,
            n_taps = (R - t0 + stride - 1) / stride;
        const float *dy = N(ring_row)(t, p) + (int64_t)q * VW, *k = w + (int64_t)(r * R + t0) * s->C + t->c;
        float *sums = dw + (r * R + t0) * VW;
        int64_t k_step = (int64_t)stride * s->C;
#define CASE(TAPS, STRIDE)                                                                                             \
    if (n_taps == TAPS && stride == STRIDE) {                                                                          \
        if (t->n == VW)                                                                                                \
            N(gather_row)(TAPS, STRIDE, s->W, first, dy, k, k_step, v, dx, sums, VW);                                  \
        else                                                                                                           \
            N(gather_row)(TAPS, STRIDE, s->W, first, dy, k, k_step, v, dx, sums, t->n);                                \
        continue;                                                                                                      \
    }
        CASE(3, 1)
        CASE(5, 1)
        CASE(1, 2)
        CASE(2, 2)
        CASE(3, 2)
#undef CASE
    }
}

INLINE void N(read_some_gradient)(int n, const tn_grad_view *d, int c, int64_t at, int64_t C, int64_t ahead,
                                  int n_pixels, float *out) {
    const REAL *dz = (const REAL *)d->dz + at + c, *y = (const REAL *)d->y + at + c;
    v16 g = all(1), h = all(0), o = all(0);
    if (d->g) g = get_f32(d->g + c, n), h = get_f32(d->h + c, n), o = get_f32(d->o + c, n);
    for (int i = 0; i < n_pixels; i++, dz += C, y += C, out += VW) {
        v16 v = GET(dz, n) * g;
        __builtin_prefetch(dz + ahead);
        __builtin_prefetch(y + ahead);
        if (d->g) v += GET(y, n) * h + o;
        put_f32(out, v, VW);
    }
}

/* Read row p of dy into the rings of all tasks. */
static void N(read_gradient_row)(const N(task) * t, int n_tasks, const tn_grad_view *d, int p, float *const *out) {
    const tn_conv_shape *s = t->s;
    int64_t at = ((int64_t)t->b * s->P + p) * s->Q * s->C;
#define PIECE(q, n_pixels, i, n)                                                                                       \
    N(read_some_gradient)(n, d, t[i].c, at + (int64_t)(q)*s->C, s->C, (int64_t)s->Q * s->C, n_pixels, out[i] + (q)*VW)
    EACH_PIECE(s->Q, n_tasks, PIECE);
#undef PIECE
}

INLINE void N(write_some_gradient)(int n, const REAL *in, int64_t C, int64_t ahead, int n_pixels, const float *row,
                                   const float *slope, REAL *out, bool add, v16 *sum, v16 *sum_x) {
    v16 here = all(0), here_x = all(0);
    for (int i = 0; i < n_pixels; i++, in += C, out += C) {
        v16 d = get_f32(row + i * VW, VW);
        __builtin_prefetch(out + ahead, 1);
        if (slope) d *= get_f32(slope + i * VW, VW);
        if (add) d += GET(out, n);
        PUT(out, d, n);
        d = N(round)(d);
        here += d;
        here_x += d * GET(in, n);
    }
    *sum += here;
    *sum_x += here_x;
}

/* Write dx of input row h, and its sums, from the gradients at v in `row` and the slopes (NULL = ones). */
static void N(write_gradient_row)(const N(task) * t, int n_tasks, const tn_view *x, int h, float *const *row,
                                  float *const *slope, REAL *dx, bool add, v16 *sum, v16 *sum_x) {
    const tn_conv_shape *s = t->s;
    int64_t at = ((int64_t)t->b * s->H + h) * s->W * s->C;
#define PIECE(w, n_pixels, i, n)                                                                                       \
    N(write_some_gradient)                                                                                             \
    (n, (const REAL *)x->x + at + (int64_t)(w)*s->C + t[i].c, s->C, (int64_t)s->W * s->C, n_pixels, row[i] + (w)*VW,   \
     slope ? slope[i] + (w)*VW : NULL, dx + at + (int64_t)(w)*s->C + t[i].c, add, &sum[i], &sum_x[i])
    EACH_PIECE(s->W, n_tasks, PIECE);
#undef PIECE
}

/* Backward. dw (R*R,C): of this image, overwritten; sums (2,C) of dx and dx x of this image; NULL = not computed. */
static void N(dw_backward)(const tn_conv_shape *s, int b, int c, int n, const tn_view *x, const tn_grad_view *dy,
                           const float *w, void *dx, bool add, float *dw, float *sums, float *scratch) {
    N(task) t[N(MOST_TASKS)];
    float *v[N(MOST_TASKS)], *slope[N(MOST_TASKS)], *row[N(MOST_TASKS)], *taps[N(MOST_TASKS)], *ring[N(MOST_TASKS)];
    v16 sum[N(MOST_TASKS)], sum_x[N(MOST_TASKS)]; /* of one row */
    wide total[N(MOST_TASKS)], total_x[N(MOST_TASKS)];
    int n_tasks = (n + VW - 1) / VW, width = s->Q + 3 * s->R, n_taps = s->R * s->R, ready = 0;
    int64_t n_ring = N(ring_floats)(s, width), n_row = (int64_t)s->W * VW;
    for (int i = 0; i < n_tasks; i++) {
        int left = n - i * VW;
        float *at = scratch + i * (n_ring + 3 * n_row + n_taps * VW);
        t[i] = (N(task)){s, b, c + i * VW, left < VW ? left : VW, at, width};
        v[i] = at + n_ring;
        slope[i] = v[i] + n_row;
        row[i] = slope[i] + n_row;
        taps[i] = row[i] + n_row;
        sum[i] = sum_x[i] = all(0);
        total[i] = total_x[i] = (wide){{0}};
        N(clear_ring)(&t[i]);
        memset(taps[i], 0, (size_t)n_taps * VW * sizeof *taps[i]);
    }
    for (int h = 0; h < s->H; h++) {
        for (; ready < s->P && ready <= (h + s->pad_top) / s->stride; ready++) {
            for (int i = 0; i < n_tasks; i++) ring[i] = N(ring_row)(&t[i], ready);
            N(read_gradient_row)(t, n_tasks, dy, ready, ring);
        }
        N(read_row)(t, n_tasks, x, h, v, x->a ? slope : NULL);
        for (int i = 0; i < n_tasks; i++) {
            memset(row[i], 0, (size_t)n_row * sizeof *row[i]);
            for (int r = 0; r < s->R; r++) {
                int p = h + s->pad_top - r;
                if (p >= 0 && p % s->stride == 0 && p / s->stride < s->P)
                    N(gather)(&t[i], p / s->stride, r, w, v[i], row[i], taps[i]);
            }
        }
        if (dx) N(write_gradient_row)(t, n_tasks, x, h, row, x->a ? slope : NULL, dx, add, sum, sum_x);
        for (int i = 0; sums && i < n_tasks; i++) {
            pour(&sum[i], &total[i]);
            pour(&sum_x[i], &total_x[i]);
        }
    }
    for (int i = 0; i < n_tasks; i++) {
        for (int j = 0; j < n_taps; j++)
            put_f32(dw + (int64_t)j * s->C + t[i].c, get_f32(taps[i] + j * VW, VW), t[i].n);
        if (!sums) continue;
        put_f32(sums + t[i].c, narrow(&total[i]), t[i].n);
        put_f32(sums + s->C + t[i].c, narrow(&total_x[i]), t[i].n);
    }
}
