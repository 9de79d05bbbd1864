/*
 * rows.h - rows of stored activations: reading them for products, writing results of convolutions, and the passes between
 * convolutions. Included by kernels.c once for each stored type, with REAL, GET, PUT and N(name).
 *
 * A row is the C channels of one pixel. Sums over a piece of rows are in float; the caller adds the pieces, which are cut by
 * shape, in order and in double.
 */

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Read v of n rows from row `first` on, into rows of length ld, padded with zeros. */
INLINE void N(read_rows_of)(tn_act kind, const tn_view *x, int64_t HW, int C, int64_t first, int64_t n, REAL *out,
                            int64_t ld) {
    for (int64_t m = first; m < first + n; m++, out += ld) {
        const REAL *row = (const REAL *)x->x + m * C;
        const float *s = x->scale ? x->scale + m / HW * C : NULL;
#define BODY(c, k)                                                                                                     \
    vec v = activate(kind, EXACT, GET(row + (c), k) * get_f32(x->a + (c), k) + get_f32(x->b + (c), k), NULL);          \
    if (s) v *= get_f32(s + (c), k);                                                                                   \
    PUT(out + (c), v, k)
        EACH_VECTOR(C, BODY);
#undef BODY
        for (int64_t c = C; c < ld; c++) out[c] = 0;
    }
}

static void N(scale_rows)(const tn_view *x, int64_t HW, int C, int64_t first, int64_t n, REAL *out, int64_t ld) {
    for (int64_t m = first; m < first + n; m++, out += ld) {
        const REAL *row = (const REAL *)x->x + m * C;
        const float *s = x->scale + m / HW * C;
#define BODY(c, k) PUT(out + (c), GET(row + (c), k) * get_f32(s + (c), k), k)
        EACH_VECTOR(C, BODY);
#undef BODY
        for (int64_t c = C; c < ld; c++) out[c] = 0;
    }
}

static void N(read_rows)(const tn_view *x, int64_t HW, int C, int64_t first, int64_t n, void *out, int64_t ld) {
    if (!x->a && x->scale) {
        N(scale_rows)(x, HW, C, first, n, out, ld);
        return;
    }
    if (!x->a) {
        for (int64_t i = 0; i < n; i++) {
            REAL *to = (REAL *)out + i * ld;
            memcpy(to, (const REAL *)x->x + (first + i) * C, (size_t)C * sizeof(REAL));
            for (int64_t c = C; c < ld; c++) to[c] = 0;
        }
        return;
    }
#define CALL(KIND) N(read_rows_of)(KIND, x, HW, C, first, n, out, ld)
    FOR_ACT(x->act, CALL)
#undef CALL
}

/* Read dy of n rows, likewise. */
static void N(grad_rows)(const tn_grad_view *d, int C, int64_t first, int64_t n, void *to, int64_t ld) {
    REAL *out = to;
    for (int64_t m = first; m < first + n; m++, out += ld) {
        const REAL *dz = (const REAL *)d->dz + m * C, *y = (const REAL *)d->y + m * C;
#define BODY(c, k)                                                                                                     \
    vec v = GET(dz + (c), k);                                                                                          \
    if (d->g) v = v * get_f32(d->g + (c), k) + (GET(y + (c), k) * get_f32(d->h + (c), k) + get_f32(d->o + (c), k));    \
    PUT(out + (c), v, k)
        EACH_VECTOR(C, BODY);
#undef BODY
        for (int64_t c = C; c < ld; c++) out[c] = 0;
    }
}

/* Unfold: for each of the output pixels [first, first+n) a row (R*R*C) of its input values; zeros in the padding. */
static void N(unfold_rows)(const tn_conv_shape *s, const void *x, int64_t first, int64_t n, void *to, int64_t ld) {
    REAL *out = to;
    int64_t PQ = (int64_t)s->P * s->Q, b = first / PQ;
    int p = (int)(first % PQ / s->Q), q = (int)(first % s->Q);
    for (int64_t m = first; m < first + n; m++, out += ld, q++) {
        if (q == s->Q) q = 0, p++;
        if (p == s->P) p = 0, b++;
        const REAL *image = (const REAL *)x + b * s->H * s->W * s->C;
        int top = p * s->stride - s->pad_top,
            left = q * s->stride - s->pad_left; /* the pixels inside the image are contiguous */
        int t0 = left < 0 ? -left : 0, t1 = left + s->R > s->W ? s->W - left : s->R;
        bool inside = top >= 0 && top + s->R <= s->H && t0 == 0 && t1 == s->R;
        for (int64_t c = inside ? (int64_t)s->R * s->R * s->C : 0; c < ld; c++) out[c] = 0;
        for (int r = 0; r < s->R; r++) {
            if (top + r < 0 || top + r >= s->H || t0 >= t1) continue;
            const REAL *from = image + ((int64_t)(top + r) * s->W + left + t0) * s->C;
            REAL *at = out + (r * s->R + t0) * s->C;
#define BODY(c, k) PUT(at + (c), GET(from + (c), k), k)
            EACH_VECTOR((t1 - t0) * s->C, BODY);
#undef BODY
        }
    }
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Write rows of products to y. moments (3,K): the first row as stored, and sums of the differences to it and of their squares, which
 * avoids cancellation; NULL = not computed. */
INLINE void N(write_tile)(int rows, bool with_moments, int K, const float *products, int64_t ld, REAL *y, bool add,
                          float *moments) {
#define BODY(c, k)                                                                                                     \
    vec first = with_moments ? get_f32(moments + (c), k) : all(0), sum = all(0), squares = all(0);                     \
    for (int i = 0; i < rows; i++) {                                                                                   \
        vec v = get_f32(products + i * ld + (c), k);                                                                   \
        REAL *to = y + (int64_t)i * K + (c);                                                                           \
        if (add) v += GET(to, k);                                                                                      \
        PUT(to, v, k);                                                                                                 \
        v = N(round)(v) - first;                                                                                       \
        sum += v;                                                                                                      \
        squares += v * v;                                                                                              \
    }                                                                                                                  \
    if (with_moments) {                                                                                                \
        put_f32(moments + K + (c), get_f32(moments + K + (c), k) + sum, k);                                            \
        put_f32(moments + 2 * K + (c), get_f32(moments + 2 * K + (c), k) + squares, k);                                \
    }
    EACH_VECTOR(K, BODY);
#undef BODY
}

static void N(write_rows)(int K, int64_t n, const float *products, int64_t ld, void *to, bool add, float *moments) {
    REAL *y = to;
    if (!moments) {
#define TILE(i, rows) N(write_tile)(rows, false, K, products + (i)*ld, ld, y + (i)*K, add, NULL)
        EACH_TILE(n, TILE);
#undef TILE
        return;
    }
    memset(moments + K, 0, 2 * (size_t)K * sizeof *moments);
#define BODY(c, k) put_f32(moments + (c), N(round)(get_f32(products + (c), k)), k)
    EACH_VECTOR(K, BODY);
#undef BODY
#define TILE(i, rows) N(write_tile)(rows, true, K, products + (i)*ld, ld, y + (i)*K, false, moments)
    EACH_TILE(n, TILE);
#undef TILE
}

/* Write y = act(a products + b) + side. */
INLINE void N(finish_tile)(tn_act kind, int rows, int K, const float *products, int64_t ld, const tn_finish *f,
                           const REAL *side, REAL *y) {
#define BODY(c, k)                                                                                                     \
    vec a = get_f32(f->a + (c), k), b = get_f32(f->b + (c), k);                                                        \
    for (int i = 0; i < rows; i++) {                                                                                   \
        vec v = activate(kind, EXACT, get_f32(products + i * ld + (c), k) * a + b, NULL);                              \
        if (side) v += GET(side + (int64_t)i * K + (c), k);                                                            \
        PUT(y + (int64_t)i * K + (c), v, k);                                                                           \
    }
    EACH_VECTOR(K, BODY);
#undef BODY
}

static void N(finish_rows)(int K, int64_t n, const float *products, int64_t ld, const tn_finish *f, const void *side,
                           void *y) {
    const REAL *s = side;
#define TILE(i, rows) N(finish_tile)(KIND_, rows, K, products + (i)*ld, ld, f, s ? s + (i)*K : NULL, (REAL *)y + (i)*K)
#define CALL(KIND)                                                                                                     \
    {                                                                                                                  \
        const tn_act KIND_ = KIND;                                                                                     \
        EACH_TILE(n, TILE);                                                                                            \
    }
    FOR_ACT(f->act, CALL)
#undef CALL
#undef TILE
}

static void N(store)(int64_t n, const float *host, void *x) {
#define BODY(c, k) PUT((REAL *)x + at + (c), get_f32(host + at + (c), k), k)
    for (int64_t at = 0; at < n; at += 1024) EACH_VECTOR((int)(n - at < 1024 ? n - at : 1024), BODY);
#undef BODY
}
static void N(load)(int64_t n, const void *x, float *host) {
#define BODY(c, k) put_f32(host + at + (c), GET((const REAL *)x + at + (c), k), k)
    for (int64_t at = 0; at < n; at += 1024) EACH_VECTOR((int)(n - at < 1024 ? n - at : 1024), BODY);
#undef BODY
}

/* --- passes over rows [first, first+n) of image b; an image has HW rows -------------------------------------------- */

/* Add to sum (C) the values v (g NULL) or g v of the rows. */
INLINE void N(sum_tile)(tn_act kind, int rows, const tn_view *x, int C, const REAL *in, const REAL *g, float *sum) {
#define BODY(c, k)                                                                                                     \
    vec a = x->a ? get_f32(x->a + (c), k) : all(1), b = x->a ? get_f32(x->b + (c), k) : all(0), total = all(0);        \
    for (int i = 0; i < rows; i++) {                                                                                   \
        vec v = activate(kind, EXACT, GET(in + (int64_t)i * C + (c), k) * a + b, NULL);                                \
        total += g ? v * GET(g + (int64_t)i * C + (c), k) : v;                                                         \
    }                                                                                                                  \
    put_f32(sum + (c), get_f32(sum + (c), k) + total, k)
    EACH_VECTOR(C, BODY);
#undef BODY
}

static void N(sum_rows)(const tn_view *x, int C, int64_t first, int64_t n, float *sum) {
    const REAL *in = (const REAL *)x->x + first * C;
    memset(sum, 0, (size_t)C * sizeof *sum);
#define TILE(i, rows) N(sum_tile)(KIND_, rows, x, C, in + (i)*C, NULL, sum)
#define CALL(KIND)                                                                                                     \
    {                                                                                                                  \
        const tn_act KIND_ = KIND;                                                                                     \
        EACH_TILE(n, TILE);                                                                                            \
    }
    FOR_ACT(x->act, CALL)
#undef TILE
}

static void N(scale_sums)(const tn_view *x, int C, int64_t first, int64_t n, const void *g, float *sum) {
    const REAL *in = (const REAL *)x->x + first * C, *d = (const REAL *)g + first * C;
    memset(sum, 0, (size_t)C * sizeof *sum);
#define TILE(i, rows) N(sum_tile)(KIND_, rows, x, C, in + (i)*C, d + (i)*C, sum)
    FOR_ACT(x->act, CALL)
#undef CALL
#undef TILE
}

/* dz, and sums (2,C) of dz and dz x: read_backward in dev.h. keep, scale and dpool: of the rows' image. */
typedef struct {
    const tn_view *x;
    const float *scale, *dpool;
    float keep, share;
} N(way_back);

INLINE void N(back_tile)(tn_act kind, int rows, const N(way_back) * w, int C, const REAL *in, const REAL *g, REAL *dz,
                         float *sums) {
#define BODY(c, k)                                                                                                     \
    vec a = get_f32(w->x->a + (c), k), b = get_f32(w->x->b + (c), k), factor = all(w->keep), pooled = all(0);          \
    vec sum = all(0), sum_x = all(0);                                                                                  \
    if (w->scale) factor *= get_f32(w->scale + (c), k);                                                                \
    if (w->dpool) pooled = get_f32(w->dpool + (c), k) * w->share;                                                      \
    for (int i = 0; i < rows; i++) {                                                                                   \
        vec v = GET(in + (int64_t)i * C + (c), k), slope, d = pooled;                                                  \
        activate(kind, EXACT, v *a + b, &slope);                                                                       \
        if (g) d += GET(g + (int64_t)i * C + (c), k) * factor;                                                         \
        d = N(round)(d * slope);                                                                                       \
        PUT(dz + (int64_t)i * C + (c), d, k);                                                                          \
        sum += d;                                                                                                      \
        sum_x += d * v;                                                                                                \
    }                                                                                                                  \
    put_f32(sums + (c), get_f32(sums + (c), k) + sum, k);                                                              \
    put_f32(sums + C + (c), get_f32(sums + C + (c), k) + sum_x, k)
    EACH_VECTOR(C, BODY);
#undef BODY
}

static void N(read_backward)(const tn_view *x, int b, int64_t HW, int C, int64_t first, int64_t n, const void *g,
                             const float *keep, const float *dpool, void *dz, float *sums) {
    const N(way_back) w = {x, x->scale ? x->scale + (int64_t)b * C : NULL, dpool ? dpool + (int64_t)b * C : NULL,
                           keep ? keep[b] : 1.0F, 1.0F / (float)HW};
    const REAL *in = (const REAL *)x->x + first * C, *d = g ? (const REAL *)g + first * C : NULL;
    REAL *out = (REAL *)dz + first * C;
    memset(sums, 0, 2 * (size_t)C * sizeof *sums);
#define TILE(i, rows) N(back_tile)(KIND_, rows, &w, C, in + (i)*C, d ? d + (i)*C : NULL, out + (i)*C, sums)
#define CALL(KIND)                                                                                                     \
    {                                                                                                                  \
        const tn_act KIND_ = KIND;                                                                                     \
        EACH_TILE(n, TILE);                                                                                            \
    }
    FOR_ACT(x->act, CALL)
#undef CALL
#undef TILE
}

/* y = side + keep v */
INLINE void N(residual_rows_of)(tn_act kind, const tn_view *x, int C, int64_t first, int64_t n, float keep,
                                const REAL *side, REAL *y) {
    for (int64_t at = first * C; at < (first + n) * C; at += C) {
        const REAL *row = (const REAL *)x->x + at;
#define BODY(c, k)                                                                                                     \
    vec v = activate(kind, EXACT, GET(row + (c), k) * get_f32(x->a + (c), k) + get_f32(x->b + (c), k), NULL) * keep;   \
    if (side) v += GET(side + at + (c), k);                                                                            \
    PUT(y + at + (c), v, k)
        EACH_VECTOR(C, BODY);
#undef BODY
    }
}
static void N(residual_rows)(const tn_view *x, int C, int64_t first, int64_t n, float keep, const void *side, void *y) {
#define CALL(KIND) N(residual_rows_of)(KIND, x, C, first, n, keep, side, y)
    FOR_ACT(x->act, CALL)
#undef CALL
}
