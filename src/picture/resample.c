/*
 * resample.c - four rows at a time: their pixels stand side by side as 16 floats (4 rows of red, green, blue and a value that is not
 * used), so that one weight applies to a whole vector.
 */
#include "picture/resample.h"

#include "picture/vectors.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 4, LANES = 4 * ROWS };
typedef float v4 __attribute__((vector_size(16)));
typedef float v16 __attribute__((vector_size(64)));
typedef int32_t v16i __attribute__((vector_size(64)));
typedef unsigned char b16 __attribute__((vector_size(16)));

/* --- weights ------------------------------------------------------------------------------------------------------ */

/* For each of S output pixels: the input pixels [first, first + n) and their weights, which sum to 1. */
typedef struct {
    int most; /* most weights per output pixel */
    int *first, *n;
    float *weight;
} taps;

static void taps_free(taps *t) {
    free(t->first);
    free(t->n);
    free(t->weight);
    *t = (taps){0};
}

static double triangle(double x) {
    return fmax(0, 1 - fabs(x));
}

/* The sine by its series, for 0 <= a <= pi: libraries' sines differ in the last bit from one processor to another. */
static double sine(double a) {
    static const double OVER[] = {1 / 272.0, 1 / 210.0, 1 / 156.0, 1 / 110.0, 1 / 72.0, 1 / 42.0, 1 / 20.0, 1 / 6.0};
    double t = a < M_PI / 2 ? a : M_PI - a, square = t * t, sum = 1;
    for (int k = 0; k < 8; k++) sum = 1 - sum * square * OVER[k]; /* 1 / (2 n (2 n + 1)), n = 8 to 1 */
    return t * sum;
}

/* sinc(x) sinc(x / 3), with sin(3 a) = sin(a) (3 - 4 sin(a)^2) */
static double lanczos(double x) {
    double a = fabs(x) * M_PI / 3, s = sine(a);
    if (a < 1e-6) return 1;
    return a < M_PI ? s * s * (3 - 4 * s * s) / (3 * a * a) : 0;
}

static tn_status taps_new(double span, int n_in, int S, tn_resample_filter filter, taps *t) {
    double scale = span / S, wide = scale > 1 ? scale : 1, support = filter == TN_LANCZOS ? 3 * wide : wide;
    t->most = 2 * (int)ceil(support) + 1;
    t->first = malloc((size_t)S * sizeof *t->first);
    t->n = malloc((size_t)S * sizeof *t->n);
    t->weight = calloc((size_t)S * (size_t)t->most, sizeof *t->weight);
    double *share = malloc((size_t)t->most * sizeof *share);
    if (!t->first || !t->n || !t->weight || !share) {
        free(share);
        taps_free(t);
        return tn_fail_memory((size_t)S * (size_t)t->most * sizeof *t->weight, "resizing");
    }
    for (int s = 0; s < S; s++) {
        double at = (s + 0.5) * scale, sum = 0;
        int from = (int)fmax(0, floor(at - support + 0.5)), to = (int)fmin(n_in, floor(at + support + 0.5));
        float *w = t->weight + (size_t)s * (size_t)t->most;
        TN_ASSERT(to > from && to - from <= t->most);
        for (int i = from; i < to; i++) {
            double x = (i + 0.5 - at) / wide;
            share[i - from] = filter == TN_LANCZOS ? lanczos(x) : triangle(x);
            sum += share[i - from];
        }
        for (int i = from; i < to; i++) w[i - from] = (float)(share[i - from] / sum);
        t->first[s] = from;
        t->n[s] = to - from;
    }
    free(share);
    return TN_OK;
}

/* --- loops over pixels -------------------------------------------------------------------------------------------- */

/* Bytes of four rows to floats: wide (n,ROWS,4). The fourth value of a pixel is the next pixel's red, and does not count. line: n * 3 + 1
 * floats. */
TN_FOR_VECTORS static void widen(const unsigned char *const row[ROWS], int n, float *restrict line,
                                 float *restrict wide) {
    for (int r = 0; r < ROWS; r++) {
        const unsigned char *from = row[r];
        for (int i = 0; i < n * 3; i++) line[i] = (float)from[i];
        for (int x = 0; x < n; x++) memcpy(wide + (size_t)x * LANES + r * 4, line + (size_t)x * 3, sizeof(v4));
    }
}

/* Resize four widened rows to S pixels each: out[r] (S,4). */
TN_FOR_VECTORS static void resize_rows(const taps *t, const float *wide, bool mirrored, int S, float *const out[ROWS]) {
    for (int s = 0; s < S; s++) {
        const float *w = t->weight + (size_t)s * (size_t)t->most, *p = wide + (size_t)t->first[s] * LANES;
        v16 sum = {0}, values;
        for (int i = 0; i < t->n[s]; i++, p += LANES) {
            memcpy(&values, p, sizeof values);
            sum += w[i] * values;
        }
        size_t to = (size_t)(mirrored ? S - 1 - s : s) * 4;
        for (int r = 0; r < ROWS; r++) memcpy(out[r] + to, (const float *)&sum + 4 * r, sizeof(v4));
    }
}

/* The weighted sum of n rows (S,4), as bytes: out (S,3). S is rounded up to 4 pixels in the rows. */
TN_FOR_VECTORS static void add_rows(const float *const *row, const float *weight, int n, int S, unsigned char *out) {
    for (int x = 0; x < S; x += 4) {
        v16 sum = (v16){0} + 0.5F, values;
        for (int i = 0; i < n; i++) {
            memcpy(&values, row[i] + (size_t)x * 4, sizeof values);
            sum += weight[i] * values;
        }
        v16i whole = __builtin_convertvector(sum, v16i);
        whole &= whole > 0;
        whole = (whole & (whole < 255)) | (255 & (whole >= 255));
        b16 bytes = __builtin_convertvector(whole, b16);
        unsigned char *to = out + (size_t)x * 3, four[16];
        memcpy(four, &bytes, sizeof four);
        if (x + 4 < S) { /* a byte too many each, which the next pixel replaces */
            for (int i = 0; i < 4; i++) memcpy(to + 3 * i, four + 4 * i, 4);
        } else {
            for (int i = 0; i < S - x; i++) memcpy(to + 3 * i, four + 4 * i, 3);
        }
    }
}

/* --- both directions ---------------------------------------------------------------------------------------------- */

/* What is needed of the input, row by row, as floats. */
typedef struct {
    const unsigned char *pixels; /* of the box */
    size_t stride;
    int w, h, S, n_kept; /* kept: a multiple of ROWS */
    size_t n_row;        /* floats of a row of the ring */
    int done;            /* rows of the box that were resized */
    float *line, *wide, *ring;
    const float **row; /* (n_kept) those of an output row */
} strip;

static float *kept_row(const strip *s, int i) {
    return s->ring + (size_t)(i % s->n_kept) * s->n_row;
}

static void resize_next(strip *s, const taps *tx, bool mirrored) {
    const unsigned char *row[ROWS];
    float *out[ROWS];
    for (int r = 0; r < ROWS; r++) {
        int i = s->done + r;
        row[r] =
            s->pixels + (size_t)(i < s->h ? i : s->h - 1) * s->stride; /* the last row stands in for missing ones */
        out[r] = kept_row(s, i);
    }
    widen(row, s->w, s->line, s->wide);
    resize_rows(tx, s->wide, mirrored, s->S, out);
    s->done += ROWS;
}

static void resample(strip *in, const taps *tx, const taps *ty, const tn_resampled *to) {
    for (int s = 0; s < to->h; s++) {
        int first = ty->first[s], n = ty->n[s];
        while (in->done < first + n) resize_next(in, tx, to->flips & TN_FLIP_ACROSS);
        for (int i = 0; i < n; i++) in->row[i] = kept_row(in, first + i);
        add_rows(in->row, ty->weight + (size_t)s * (size_t)ty->most, n, to->w,
                 to->out + (size_t)(to->flips & TN_FLIP_DOWN ? to->h - 1 - s : s) * to->stride);
    }
}

tn_status tn_resample(const unsigned char *pixels, int w, tn_box box, double span_x, double span_y,
                      tn_resample_filter filter, const tn_resampled *to) {
    taps tx = {.most = 0}, ty = {.most = 0};
    TN_TRY(taps_new(span_x, box.w, to->w, filter, &tx));
    tn_status st = taps_new(span_y, box.h, to->h, filter, &ty);
    strip s = {.pixels = pixels + ((size_t)box.y * (size_t)w + (size_t)box.x) * 3,
               .stride = (size_t)w * 3,
               .w = box.w,
               .h = box.h,
               .S = to->w,
               .n_kept = (ty.most / ROWS + 2) * ROWS,
               .n_row = ((size_t)to->w + 3) / 4 * 16};
    size_t n_ring = (size_t)s.n_kept * s.n_row, n_wide = (size_t)box.w * LANES,
           n_floats = n_ring + n_wide + (size_t)box.w * 3 + 1;
    s.ring = st == TN_OK ? calloc(n_floats, sizeof(float)) : NULL;
    s.row = st == TN_OK ? malloc((size_t)s.n_kept * sizeof *s.row) : NULL;
    s.wide = s.ring + n_ring;
    s.line = s.wide + n_wide;
    if (s.ring && s.row)
        resample(&s, &tx, &ty, to);
    else if (st == TN_OK)
        st = tn_fail_memory(n_floats * sizeof(float), "resizing");
    free(s.ring);
    free(s.row);
    taps_free(&tx);
    taps_free(&ty);
    return st;
}
