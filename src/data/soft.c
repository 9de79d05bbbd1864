/* soft.c - see soft.h. */
#include "data/soft.h"

#include "data/overlay.h"

#include <stdlib.h>
#include <string.h>

static tn_status allocate(int64_t n, int K, tn_soft *out) {
    size_t n_floats = (size_t)n * (size_t)K;
    *out = (tn_soft){.K = K, .n = n};
    if (n == 0) return TN_OK;
    out->row = malloc((size_t)n * sizeof *out->row);
    out->target = malloc(n_floats * sizeof *out->target);
    if (out->row && out->target) return TN_OK;
    tn_soft_free(out);
    return tn_fail_memory(n_floats * sizeof *out->target, "the soft targets");
}

void tn_soft_free(tn_soft *s) {
    free(s->row);
    free(s->target);
    *s = (tn_soft){.n = 0};
}

tn_status tn_soft_make(int64_t N, int K, const uint8_t *verdict, const float *q, tn_soft *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < N; i++) n += verdict[i] != TN_VERDICT_NOT_JUDGED;
    TN_TRY(allocate(n, K, out));
    n = 0;
    for (int64_t i = 0; i < N; i++) {
        if (verdict[i] == TN_VERDICT_NOT_JUDGED) continue;
        memcpy(out->target + n * K, q + i * K, (size_t)K * sizeof *q);
        out->row[n++] = i;
    }
    return TN_OK;
}

static int by_row(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

const float *tn_soft_of(const tn_soft *s, int64_t row) {
    const int64_t *at = s->n ? bsearch(&row, s->row, (size_t)s->n, sizeof *s->row, by_row) : NULL;
    return at ? s->target + (at - s->row) * s->K : NULL;
}

tn_status tn_soft_write(tn_h5 *f, const tn_soft *s) {
    if (s->n == 0) return TN_OK;
    TN_TRY(tn_h5_write(f, "target_row", TN_H5_I64, 1, &s->n, s->row));
    return tn_h5_write(f, "target", TN_H5_F32, 2, (int64_t[]){s->n, s->K}, s->target);
}

/* Its sum was rounded. */
static bool is_probability(int K, const float *target) {
    double sum = 0;
    for (int k = 0; k < K; k++) {
        if (!(target[k] >= 0 && target[k] <= 1)) return false;
        sum += (double)target[k];
    }
    return sum > 0.998 && sum < 1.002;
}

static tn_status check(const char *path, int64_t N, const tn_soft *s) {
    for (int64_t i = 0; i < s->n; i++) {
        if (s->row[i] < 0 || s->row[i] >= N || (i > 0 && s->row[i] <= s->row[i - 1]))
            return tn_fail(TN_EFORMAT,
                           "%s: target_row %lld is %lld: rows are from 0 to %lld, ascending: delete its folder", path,
                           (long long)i, (long long)s->row[i], (long long)N - 1);
        if (!is_probability(s->K, s->target + i * s->K))
            return tn_fail(TN_EFORMAT,
                           "%s: the target of row %lld is not a probability for each class: delete its folder", path,
                           (long long)s->row[i]);
    }
    return TN_OK;
}

tn_status tn_soft_read(tn_h5 *f, const char *path, int64_t N, int K, tn_soft *out) {
    int64_t n = 0, shape[2];
    *out = (tn_soft){.K = K};
    if (!tn_h5_has(f, "target_row")) return TN_OK;
    TN_TRY(tn_h5_shape(f, "target_row", 1, &n));
    TN_TRY(tn_h5_shape(f, "target", 2, shape));
    if (n > N || shape[0] != n || shape[1] != K)
        return tn_fail(TN_EFORMAT, "%s: target has %lld rows of %lld classes, not %lld of %d: delete its folder", path,
                       (long long)shape[0], (long long)shape[1], (long long)n, K);
    TN_TRY(allocate(n, K, out));
    tn_status st = tn_h5_read_rows(f, "target_row", TN_H5_I64, 0, n, out->row);
    if (st == TN_OK) st = tn_h5_read_rows(f, "target", TN_H5_F32, 0, n, out->target);
    if (st == TN_OK) st = check(path, N, out);
    if (st != TN_OK) tn_soft_free(out);
    return st;
}
