/*
 * depthwise.h - depthwise convolution for one vector width; included by kernels.c with V (type), VW (width) and
 * N(name).
 *
 * Channels are innermost, so a vector is VW channels of one pixel. A row of weights or sums for all R*R taps stays in
 * registers while a row of pixels streams by. R is a constant wherever it is 3 or 5.
 */

static inline __attribute__((always_inline)) V N(load)(const float *p) {
    return *(const N(unaligned) *)(const void *)p;
}
static inline __attribute__((always_inline)) void N(store)(float *p, V v) {
    *(N(unaligned) *)(void *)p = v;
}

/* Taps [first, end) that fall inside [0, size) for an output place. */
static inline void N(taps)(int at, int size, int R, int *first, int *end) {
    *first = at < 0 ? -at : 0;
    *end = at + R > size ? size - at : R;
}

static inline __attribute__((always_inline)) void N(forward_row)(const tn_conv_shape *s, int R, int b, int p, int c,
                                                                 const float *x, const float *w, float *y) {
    int C = s->C, r0, r1, h = p * s->stride - s->pad_top;
    N(taps)(h, s->H, R, &r0, &r1);
    V k[5 * 5];
    for (int i = 0; i < R * R; i++) k[i] = N(load)(w + (int64_t)i * C + c);
    const float *image = x + (int64_t)b * s->H * s->W * C + c;
    for (int q = 0; q < s->Q; q++) {
        int t0, t1, v = q * s->stride - s->pad_left;
        N(taps)(v, s->W, R, &t0, &t1);
        V sum = {0};
        if (r0 == 0 && r1 == R && t0 == 0 && t1 == R) {
            const float *at = image + ((int64_t)h * s->W + v) * C;
            for (int r = 0; r < R; r++, at += (int64_t)s->W * C)
                for (int t = 0; t < R; t++) sum += N(load)(at + (int64_t)t * C) * k[r * R + t];
        } else {
            for (int r = r0; r < r1; r++)
                for (int t = t0; t < t1; t++)
                    sum += N(load)(image + ((int64_t)(h + r) * s->W + v + t) * C) * k[r * R + t];
        }
        N(store)(y + (((int64_t)b * s->P + p) * s->Q + q) * C + c, sum);
    }
}

/* Input row h gathers from the output rows that saw it. */
static inline __attribute__((always_inline)) void N(data_row)(const tn_conv_shape *s, int R, int b, int h, int c,
                                                              const float *dy, const float *w, float *dx) {
    int C = s->C, stride = s->stride;
    const float *image = dy + (int64_t)b * s->P * s->Q * C + c;
    V k[5 * 5];
    for (int i = 0; i < R * R; i++) k[i] = N(load)(w + (int64_t)i * C + c);
    for (int v = 0; v < s->W; v++) {
        V sum = {0};
        for (int r = 0; r < R; r++) {
            int p = h + s->pad_top - r;
            if (p < 0 || p % stride || p / stride >= s->P) continue;
            const float *row = image + (int64_t)(p / stride) * s->Q * C;
            for (int t = 0; t < R; t++) {
                int q = v + s->pad_left - t;
                if (q < 0 || q % stride || q / stride >= s->Q) continue;
                sum += N(load)(row + (int64_t)(q / stride) * C) * k[r * R + t];
            }
        }
        N(store)(dx + (((int64_t)b * s->H + h) * s->W + v) * C + c, sum);
    }
}

/* Adds what output row p of image b contributes to all taps: sums (R*R,C) of the image. */
static inline __attribute__((always_inline)) void N(weights_row)(const tn_conv_shape *s, int R, int b, int p, int c,
                                                                 const float *x, const float *dy, float *sums) {
    int C = s->C, r0, r1, h = p * s->stride - s->pad_top;
    N(taps)(h, s->H, R, &r0, &r1);
    V k[5 * 5];
    for (int i = 0; i < R * R; i++) k[i] = N(load)(sums + (int64_t)i * C + c);
    const float *image = x + (int64_t)b * s->H * s->W * C + c;
    const float *g = dy + ((int64_t)b * s->P + p) * s->Q * C + c;
    for (int q = 0; q < s->Q; q++, g += C) {
        int t0, t1, v = q * s->stride - s->pad_left;
        N(taps)(v, s->W, R, &t0, &t1);
        V d = N(load)(g);
        if (r0 == 0 && r1 == R && t0 == 0 && t1 == R) {
            const float *at = image + ((int64_t)h * s->W + v) * C;
            for (int r = 0; r < R; r++, at += (int64_t)s->W * C)
                for (int t = 0; t < R; t++) k[r * R + t] += N(load)(at + (int64_t)t * C) * d;
        } else {
            for (int r = r0; r < r1; r++)
                for (int t = t0; t < t1; t++)
                    k[r * R + t] += N(load)(image + ((int64_t)(h + r) * s->W + v + t) * C) * d;
        }
    }
    for (int i = 0; i < R * R; i++) N(store)(sums + (int64_t)i * C + c, k[i]);
}
