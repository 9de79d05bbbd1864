/*
 * depthwise.h - depthwise convolution, forward and backward, of one image and a vector of channels. Included by kernels.c once for each
 * stored type, with REAL, EXACT, GET, PUT and N(name).
 *
 * Each row is read once, through the view, into a buffer of floats with zero pixels around it. So inner loops have no borders, and
 * batch norm and activation are computed once per value. In the backward pass the buffer holds rows of dy; the same loads give the
 * gradient of an input row and its part of the weights' gradient.
 *
 * Small images (tn_dw_whole) lie in the buffer whole, with R/2 zeros between two rows, and one loop runs over all pixels: at 6 x 6
 * pixels the work for a row costs less than its beginning. What it computes at the zeros is not read. Of other images the buffer is
 * a ring of R rows, each with R zeros on either side, and they are computed row by row.
 */

enum { N(MOST_TASKS) = TN_DW_CHANNELS / VW };

/* Channels [c, c + n) of one image, n <= VW. */
typedef struct {
    const tn_conv_shape *s;
    int b, c, n;
    float *buffer;    /* rows of `pitch` pixels, (.,VW) */
    const float *k;   /* weights (R*R,VW) */
    int pitch;        /* pixels from row to row, including zeros */
    int rows_at_once; /* 1, or all */
} N(task);

static N(task) N(task_of)(const tn_conv_shape *s, int b, int c, int n, int W, const float *w, float *k, float *buffer) {
    int n_taps = s->R * s->R;
    for (int i = 0; i < n_taps; i++) put_f32(k + i * VW, get_f32(w + (int64_t)i * s->C + c, n), VW);
    memset(buffer, 0, (size_t)tn_dw_buffer(s, W) * VW * sizeof *buffer);
    return (N(task)){s, b, c, n, buffer, k, tn_dw_pitch(s, W), tn_dw_whole(s) ? s->H : 1};
}

static float *N(buffer_row)(const N(task) * t, int row) {
    int R = t->s->R;
    return t->buffer +
           (t->rows_at_once > 1 ? (int64_t)(row + R / 2) * t->pitch + R / 2 : (int64_t)(row % R) * t->pitch + R) * VW;
}

/* From row to row, what comes after `n_pixels`. */
static int64_t N(gap)(const N(task) * t, int n_pixels) {
    return (int64_t)(t->pitch - n_pixels) * VW;
}

/* Read pixels of n_rows input rows through the view, for all tasks at once, because they are adjacent in memory. v, slope: rows of
 * each task; slope may be NULL. */
INLINE void N(read_some)(tn_act kind, int n, const REAL *in, int64_t C, int64_t ahead, int n_rows, int n_pixels,
                         int64_t gap, const float *a, const float *b, float *v, float *slope) {
    vec scale = a ? get_f32(a, n) : all(1), shift = a ? get_f32(b, n) : all(0);
    for (int r = 0; r < n_rows; r++) {
        for (int i = 0; i < n_pixels; i++, in += C, v += VW) {
            vec value = GET(in, n), by_value;
            if (slope) __builtin_prefetch(in + ahead);
            if (a) value = value * scale + shift;
            put_f32(v, activate(kind, EXACT, value, slope ? &by_value : NULL), VW);
            if (slope) {
                put_f32(slope, by_value, VW);
                slope += VW;
            }
        }
        v += gap;
        if (slope) slope += gap;
    }
}

INLINE void N(read_pixels)(tn_act kind, const N(task) * t, int n_tasks, const tn_view *x, int first, float *const *v,
                           float *const *slope) {
    const tn_conv_shape *s = t->s;
    const REAL *in = (const REAL *)x->x + ((int64_t)t->b * s->H + first) * s->W * s->C;
#define PIECE(h, n_rows, w, n_pixels, i, n)                                                                            \
    N(read_some)                                                                                                       \
    (kind, n, in + ((int64_t)(h)*s->W + (w)) * s->C + t[i].c, s->C, (int64_t)s->W * s->C, n_rows, n_pixels,            \
     N(gap)(t, n_pixels), x->a ? x->a + t[i].c : NULL, x->a ? x->b + t[i].c : NULL, v[i] + ((h)*t->pitch + (w)) * VW,  \
     slope ? slope[i] + ((h)*t->pitch + (w)) * VW : NULL)
    EACH_PIECE(t->rows_at_once, s->W, n_tasks, PIECE);
#undef PIECE
}

/* Read rows_at_once rows from `first` on. */
static void N(read_input)(const N(task) * t, int n_tasks, const tn_view *x, int first, float *const *v,
                          float *const *slope) {
#define CALL(KIND) N(read_pixels)(KIND, t, n_tasks, x, first, v, slope)
    if (slope) {
        FOR_ACT(x->act, CALL)
    } else {
#undef CALL
#define CALL(KIND) N(read_pixels)(KIND, t, n_tasks, x, first, v, NULL)
        FOR_ACT(x->act, CALL)
    }
#undef CALL
}

/* Compute rows_at_once input rows from their products (pixels, n_columns). */
INLINE void N(expand_pixels)(tn_act kind, const N(task) * t, int n_tasks, const tn_expand *e, const float *products,
                             int n_columns, float *const *v) {
    const tn_conv_shape *s = t->s;
    for (int i = 0; i < n_tasks; i++) {
        vec scale = get_f32(e->a + t[i].c, t[i].n), shift = get_f32(e->b + t[i].c, t[i].n);
        const float *from = products + i * VW;
        float *to = v[i];
        for (int h = 0; h < t->rows_at_once; h++, to += N(gap)(t, s->W))
            for (int w = 0; w < s->W; w++, from += n_columns, to += VW)
                put_f32(to, activate(kind, EXACT, get_f32(from, VW) * scale + shift, NULL), VW);
    }
}

/* Compute rows_at_once input rows from `first` on; called for all rows in order. Products are computed of several rows at a time. */
static void N(expand_input)(const N(task) * t, int n_tasks, const tn_expand *e, int first, float *room,
                            float *const *v) {
    const tn_conv_shape *s = t->s;
    int n_rows = tn_dw_product_rows(s), at = first % n_rows, left = s->H - first,
        n_panels = (n_tasks * VW + PW - 1) / PW;
    const REAL *x = (const REAL *)e->x + ((int64_t)t->b * s->H + first) * s->W * e->n_in;
    if (at == 0)
        N(multiply)((int64_t)(left < n_rows ? left : n_rows) * s->W, n_panels, e->n_in, x, e->w, t->c / PW, room);
#define CALL(KIND) N(expand_pixels)(KIND, t, n_tasks, e, room + (int64_t)at * s->W * n_panels * PW, n_panels * PW, v)
    FOR_ACT(e->act, CALL)
#undef CALL
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

/* Compute n_out adjacent output pixels, loading shared inputs once. rows[r] + at: the input of the first tap of the first pixel. */
INLINE void N(forward_pixels)(int n_out, int R, int stride, const float *const *rows, int64_t at, const vec *k,
                              float *out) {
    vec sum[4];
#pragma GCC unroll 4
    for (int o = 0; o < n_out; o++) sum[o] = all(0);
#pragma GCC unroll 5
    for (int r = 0; r < R; r++)
#pragma GCC unroll 11
        for (int j = 0; j < R + (n_out - 1) * stride; j++) {
            vec x = get_f32(rows[r] + (at + j) * VW, VW);
#pragma GCC unroll 4
            for (int o = 0; o < n_out; o++) {
                int t = j - o * stride;
                if (t >= 0 && t < R) sum[o] += x * k[r * R + t];
            }
        }
#pragma GCC unroll 4
    for (int o = 0; o < n_out; o++) put_f32(out + o * VW, sum[o], VW);
}

/* Compute n_out output pixels. rows: their R input rows, beginning at the first tap. k (R*R,VW). */
INLINE void N(forward_row)(int R, int stride, const float *const *rows, const float *weights, int n_out, float *out) {
    vec k[5 * 5];
    for (int i = 0; i < R * R; i++) k[i] = get_f32(weights + i * VW, VW);
    int q = 0;
    for (; q + 4 <= n_out; q += 4) N(forward_pixels)(4, R, stride, rows, (int64_t)q * stride, k, out + q * VW);
    for (; q < n_out; q++) N(forward_pixels)(1, R, stride, rows, (int64_t)q * stride, k, out + q * VW);
}

static void N(forward_step)(const N(task) * t, int p, const float *zeros, float *out) {
    const tn_conv_shape *s = t->s;
    const float *rows[5];
    int top = p * s->stride - s->pad_top, n_out = (t->rows_at_once - 1) * t->pitch + s->Q;
    for (int r = 0; r < s->R; r++)
        rows[r] = (t->rows_at_once > 1 || (top + r >= 0 && top + r < s->H) ? N(buffer_row)(t, top + r) : zeros) -
                  s->pad_left * VW;
    if (s->R == 3 && s->stride == 1)
        N(forward_row)(3, 1, rows, t->k, n_out, out);
    else if (s->R == 3)
        N(forward_row)(3, 2, rows, t->k, n_out, out);
    else if (s->stride == 1)
        N(forward_row)(5, 1, rows, t->k, n_out, out);
    else
        N(forward_row)(5, 2, rows, t->k, n_out, out);
}

/* Moments of an image as in write_rows; in evaluation first = 0, and the sum is that of the finished values. */
typedef struct {
    vec first, sum, squares;
} N(moments);

INLINE void N(write_some)(tn_act kind, const float *a, const float *b, int n, const float *row, int64_t C, int n_rows,
                          int n_pixels, int64_t gap, REAL *out, N(moments) * m) {
    vec scale = a ? get_f32(a, n) : all(1), shift = a ? get_f32(b, n) : all(0), sum = all(0), squares = all(0);
    for (int r = 0; r < n_rows; r++, row += gap)
        for (int i = 0; i < n_pixels; i++, row += VW, out += C) {
            vec v = get_f32(row, VW);
            if (a) v = activate(kind, EXACT, v * scale + shift, NULL);
            PUT(out, v, n);
            v = N(round)(v) - m->first;
            sum += v;
            if (!a) squares += v * v;
        }
    m->sum += sum;
    m->squares += squares;
}

/* Write the output rows from p on of all tasks. Moments are summed in pieces, because shorter sums are more accurate. */
INLINE void N(write_pixels)(tn_act kind, const tn_finish *f, const N(task) * t, int n_tasks, int p, float *const *row,
                            REAL *y, N(moments) * m) {
    const tn_conv_shape *s = t->s;
    REAL *out = y + ((int64_t)t->b * s->P + p) * s->Q * s->C;
    for (int i = 0; !f && p == 0 && i < n_tasks; i++) m[i].first = N(round)(get_f32(row[i], VW));
#define PIECE(h, n_rows, q, n_pixels, i, n)                                                                            \
    N(write_some)                                                                                                      \
    (kind, f ? f->a + t[i].c : NULL, f ? f->b + t[i].c : NULL, n, row[i] + ((h)*t->pitch + (q)) * VW, s->C, n_rows,    \
     n_pixels, N(gap)(t, n_pixels), out + ((int64_t)(h)*s->Q + (q)) * s->C + t[i].c, &m[i])
    EACH_PIECE(t->rows_at_once, s->Q, n_tasks, PIECE);
#undef PIECE
}

static void N(write_output)(const tn_finish *f, const N(task) * t, int n_tasks, int p, float *const *row, REAL *y,
                            N(moments) * m) {
    if (!f) {
        N(write_pixels)(TN_ACT_NONE, NULL, t, n_tasks, p, row, y, m);
        return;
    }
#define CALL(KIND) N(write_pixels)(KIND, f, t, n_tasks, p, row, y, m)
    FOR_ACT(f->act, CALL)
#undef CALL
}

/* Forward, channels [c, c + n), n <= TN_DW_CHANNELS, of image b. moments (3,C) of the image, or NULL. */
static void N(dw_forward)(const tn_conv_shape *s, int b, int c, int n, const tn_view *x, const tn_expand *expand,
                          const float *w, const tn_finish *finish, void *y, float *moments, float *scratch) {
    N(task) t[N(MOST_TASKS)];
    /* m: of the rows at once; they are added in double, because there may be ten thousand pixels */
    N(moments) m[N(MOST_TASKS)];
    wide sum[N(MOST_TASKS)], squares[N(MOST_TASKS)];
    int n_tasks = (n + VW - 1) / VW, ready = 0;
    float *row[N(MOST_TASKS)], *out[N(MOST_TASKS)];
    for (int i = 0; i < n_tasks; i++) {
        int left = n - i * VW;
        float *at = scratch;
        scratch += (tn_dw_buffer(s, s->W) + tn_dw_pixels(s) + s->R * s->R) * VW;
        out[i] = at + tn_dw_buffer(s, s->W) * VW;
        t[i] = N(task_of)(s, b, c + i * VW, left < VW ? left : VW, s->W, w, out[i] + tn_dw_pixels(s) * VW, at);
        m[i] = (N(moments)){all(0), all(0), all(0)};
        sum[i] = squares[i] = (wide){{0}};
    }
    memset(scratch, 0, (size_t)(s->W + 3 * s->R) * VW * sizeof *scratch);
    for (int p = 0; p < s->P; p += t->rows_at_once) {
        for (; ready < s->H && ready < p * s->stride - s->pad_top + s->R; ready += t->rows_at_once) {
            for (int i = 0; i < n_tasks; i++) row[i] = N(buffer_row)(&t[i], ready);
            if (expand)
                N(expand_input)(t, n_tasks, expand, ready, scratch + (s->W + 3 * s->R) * VW, row);
            else
                N(read_input)(t, n_tasks, x, ready, row, NULL);
        }
        for (int i = 0; i < n_tasks; i++) N(forward_step)(&t[i], p, scratch + s->R * VW, out[i]);
        N(write_output)(finish, t, n_tasks, p, out, y, m);
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

/* Stride 1. Of n_pixels input pixels and the n_rows kernel rows from the first of dy, weights and dw on: dx = k dy (begin) or
 * dx += k dy, dw += dy v. dy[r]: the output pixel that uses input pixel 0 in tap 0 of kernel row r. */
INLINE void N(gather_rows)(int n_rows, int R, bool begin, int n_pixels, const float *const *dy, const float *weights,
                           const float *v, float *dx, float *dw) {
    vec k[3 * 3 + 1], sum[3 * 3 + 1];
    for (int i = 0; i < n_rows * R; i++) {
        k[i] = get_f32(weights + i * VW, VW);
        sum[i] = all(0);
    }
    for (int64_t at = 0; at < (int64_t)n_pixels * VW; at += VW) {
        vec d = begin ? all(0) : get_f32(dx + at, VW), in = get_f32(v + at, VW);
#pragma GCC unroll 3
        for (int r = 0; r < n_rows; r++)
#pragma GCC unroll 5
            for (int j = 0; j < R; j++) {
                vec g = get_f32(dy[r] + at - j * VW, VW);
                d += g * k[r * R + j];
                sum[r * R + j] += g * in;
            }
        put_f32(dx + at, d, VW);
    }
    for (int i = 0; i < n_rows * R; i++) put_f32(dw + i * VW, get_f32(dw + i * VW, VW) + sum[i], VW);
}

/* Stride 1, all kernel rows: as many at a time as there are registers for their weights and sums. dx (n_pixels,VW) gets the gradient of
 * the input rows from h on. dw (R*R,VW) is added to. */
static void N(gather)(const N(task) * t, int h, const float *zeros, const float *v, float *dx, float *dw) {
    const tn_conv_shape *s = t->s;
    const float *dy[5];
    int n_pixels = (t->rows_at_once - 1) * t->pitch + s->W;
    for (int r = 0; r < s->R; r++) {
        int p = h + s->pad_top - r;
        dy[r] = (t->rows_at_once > 1 || (p >= 0 && p < s->P) ? N(buffer_row)(t, p) : zeros) + s->pad_left * VW;
    }
#define ROWS(R, r, N_ROWS)                                                                                             \
    N(gather_rows)(N_ROWS, R, (r) == 0, n_pixels, dy + (r), t->k + (r)*R * VW, v, dx, dw + (r)*R * VW)
#if defined(__AVX512F__)
    if (s->R == 3) {
        ROWS(3, 0, 3);
    } else {
        ROWS(5, 0, 2);
        ROWS(5, 2, 2);
        ROWS(5, 4, 1);
    }
#else
    if (s->R == 3) {
        ROWS(3, 0, 1);
        for (int r = 1; r < 3; r++) ROWS(3, r, 1);
    } else {
        ROWS(5, 0, 1);
        for (int r = 1; r < 5; r++) ROWS(5, r, 1);
    }
#endif
#undef ROWS
}

/* Stride 2. For every other pixel of an input row from `first` on, and the n_taps taps t0, t0 + 2 ... of one kernel row that reach
 * them: dx += k dy, dw += dy v. dy: the output pixel that uses pixel `first` in tap t0. */
INLINE void N(gather_every_other)(int n_taps, int W, int first, const float *dy, const float *weights, const float *v,
                                  float *dx, float *dw) {
    vec k[3], sum[3];
    for (int j = 0; j < n_taps; j++) {
        k[j] = get_f32(weights + j * 2 * VW, VW);
        sum[j] = all(0);
    }
    for (int w = first; w < W; w += 2, dy += VW) {
        vec d = get_f32(dx + (int64_t)w * VW, VW), in = get_f32(v + (int64_t)w * VW, VW);
#pragma GCC unroll 3
        for (int j = 0; j < n_taps; j++) {
            vec g = get_f32(dy - j * VW, VW);
            d += g * k[j];
            sum[j] += g * in;
        }
        put_f32(dx + (int64_t)w * VW, d, VW);
    }
    for (int j = 0; j < n_taps; j++) put_f32(dw + j * 2 * VW, get_f32(dw + j * 2 * VW, VW) + sum[j], VW);
}

static void N(gather_at_stride_2)(const N(task) * t, int h, const float *v, float *dx, float *dw) {
    const tn_conv_shape *s = t->s;
    memset(dx, 0, (size_t)s->W * VW * sizeof *dx);
    for (int r = (h + s->pad_top) % 2; r < s->R; r += 2) {
        int p = (h + s->pad_top - r) / 2;
        if (h + s->pad_top < r || p >= s->P) continue;
        for (int first = 0; first < 2 && first < s->W; first++) {
            int t0 = (first + s->pad_left) % 2, q = (first + s->pad_left) / 2, n_taps = (s->R - t0 + 1) / 2;
            const float *dy = N(buffer_row)(t, p) + (int64_t)q * VW, *k = t->k + (r * s->R + t0) * VW;
            float *sums = dw + (r * s->R + t0) * VW;
            if (n_taps == 1)
                N(gather_every_other)(1, s->W, first, dy, k, v, dx, sums);
            else if (n_taps == 2)
                N(gather_every_other)(2, s->W, first, dy, k, v, dx, sums);
            else
                N(gather_every_other)(3, s->W, first, dy, k, v, dx, sums);
        }
    }
}

INLINE void N(read_some_gradient)(int n, const tn_grad_view *d, int c, int64_t at, int64_t C, int64_t ahead, int n_rows,
                                  int n_pixels, int64_t gap, float *out) {
    const REAL *dz = (const REAL *)d->dz + at + c, *y = (const REAL *)d->y + at + c;
    vec g = all(1), h = all(0), o = all(0);
    if (d->g) g = get_f32(d->g + c, n), h = get_f32(d->h + c, n), o = get_f32(d->o + c, n);
    for (int r = 0; r < n_rows; r++, out += gap)
        for (int i = 0; i < n_pixels; i++, dz += C, y += C, out += VW) {
            vec v = GET(dz, n) * g;
            __builtin_prefetch(dz + ahead);
            __builtin_prefetch(y + ahead);
            if (d->g) v += GET(y, n) * h + o;
            put_f32(out, v, VW);
        }
}

/* Read the rows of dy from p on into the buffers of all tasks. */
static void N(read_gradient)(const N(task) * t, int n_tasks, const tn_grad_view *d, int p, float *const *out) {
    const tn_conv_shape *s = t->s;
    int64_t first = ((int64_t)t->b * s->P + p) * s->Q * s->C;
#define PIECE(h, n_rows, q, n_pixels, i, n)                                                                            \
    N(read_some_gradient)                                                                                              \
    (n, d, t[i].c, first + ((int64_t)(h)*s->Q + (q)) * s->C, s->C, (int64_t)s->Q * s->C, n_rows, n_pixels,             \
     N(gap)(t, n_pixels), out[i] + ((h)*t->pitch + (q)) * VW)
    EACH_PIECE(t->rows_at_once, s->Q, n_tasks, PIECE);
#undef PIECE
}

INLINE void N(write_some_gradient)(int n, const REAL *in, int64_t C, int64_t ahead, int n_rows, int n_pixels,
                                   int64_t gap, const float *row, const float *slope, REAL *out, bool add, vec *sum,
                                   vec *sum_x) {
    vec here = all(0), here_x = all(0);
    for (int r = 0; r < n_rows; r++) {
        for (int i = 0; i < n_pixels; i++, in += C, out += C, row += VW) {
            vec d = get_f32(row, VW);
            __builtin_prefetch(out + ahead, 1);
            if (slope) {
                d *= get_f32(slope, VW);
                slope += VW;
            }
            if (add) d += GET(out, n);
            PUT(out, d, n);
            d = N(round)(d);
            here += d;
            here_x += d * GET(in, n);
        }
        row += gap;
        if (slope) slope += gap;
    }
    *sum += here;
    *sum_x += here_x;
}

/* Write dx of the input rows from `first` on, and its sums, from the gradients at v in `row` and the slopes (NULL = ones). */
static void N(write_gradient)(const N(task) * t, int n_tasks, const tn_view *x, int first, float *const *row,
                              float *const *slope, REAL *dx, bool add, vec *sum, vec *sum_x) {
    const tn_conv_shape *s = t->s;
    int64_t begin = ((int64_t)t->b * s->H + first) * s->W * s->C;
#define AT(h, w) begin + ((int64_t)(h)*s->W + (w)) * s->C
#define PIECE(h, n_rows, w, n_pixels, i, n)                                                                            \
    N(write_some_gradient)                                                                                             \
    (n, (const REAL *)x->x + AT(h, w) + t[i].c, s->C, (int64_t)s->W * s->C, n_rows, n_pixels, N(gap)(t, n_pixels),     \
     row[i] + ((h)*t->pitch + (w)) * VW, slope ? slope[i] + ((h)*t->pitch + (w)) * VW : NULL, dx + AT(h, w) + t[i].c,  \
     add, &sum[i], &sum_x[i])
    EACH_PIECE(t->rows_at_once, s->W, n_tasks, PIECE);
#undef PIECE
#undef AT
}

/* Backward. dw (R*R,C): of this image, overwritten; sums (2,C) of dx and dx x of this image; NULL = not computed. */
static void N(dw_backward)(const tn_conv_shape *s, int b, int c, int n, const tn_view *x, const tn_grad_view *dy,
                           const float *w, void *dx, bool add, float *dw, float *sums, float *scratch) {
    N(task) t[N(MOST_TASKS)];
    float *v[N(MOST_TASKS)], *slope[N(MOST_TASKS)], *row[N(MOST_TASKS)], *taps[N(MOST_TASKS)], *rows[N(MOST_TASKS)];
    vec sum[N(MOST_TASKS)], sum_x[N(MOST_TASKS)]; /* of the rows at once */
    wide total[N(MOST_TASKS)], total_x[N(MOST_TASKS)];
    int n_tasks = (n + VW - 1) / VW, n_taps = s->R * s->R, ready = 0;
    int64_t n_pixels = tn_dw_pixels(s) * VW;
    for (int i = 0; i < n_tasks; i++) {
        int left = n - i * VW;
        float *at = scratch, *k = at + tn_dw_buffer(s, s->Q) * VW;
        t[i] = N(task_of)(s, b, c + i * VW, left < VW ? left : VW, s->Q, w, k, at);
        taps[i] = k + n_taps * VW;
        v[i] = taps[i] + n_taps * VW;
        slope[i] = v[i] + n_pixels;
        row[i] = slope[i] + n_pixels;
        scratch = row[i] + n_pixels;
        sum[i] = sum_x[i] = all(0);
        total[i] = total_x[i] = (wide){{0}};
        memset(taps[i], 0, (size_t)(n_taps * VW + n_pixels) * sizeof *taps[i]);
    }
    memset(scratch, 0, (size_t)(s->W + 3 * s->R) * VW * sizeof *scratch);
    for (int h = 0; h < s->H; h += t->rows_at_once) {
        for (; ready < s->P && ready <= (h + s->pad_top) / s->stride; ready += t->rows_at_once) {
            for (int i = 0; i < n_tasks; i++) rows[i] = N(buffer_row)(&t[i], ready);
            N(read_gradient)(t, n_tasks, dy, ready, rows);
        }
        N(read_input)(t, n_tasks, x, h, v, x->a ? slope : NULL);
        for (int i = 0; i < n_tasks; i++)
            if (s->stride == 1)
                N(gather)(&t[i], h, scratch + s->R * VW, v[i], row[i], taps[i]);
            else
                N(gather_at_stride_2)(&t[i], h, v[i], row[i], taps[i]);
        if (dx) N(write_gradient)(t, n_tasks, x, h, row, x->a ? slope : NULL, dx, add, sum, sum_x);
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
