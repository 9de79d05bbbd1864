/* search.c - points of the sequence, values, order of trials. */
#include "search/search.h"

#include "base/rng.h"

#include <gsl/gsl_qrng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SOBOL_BITS = 30 }; /* as in GSL */

bool tn_is_search(const tn_cfg *cfg) {
    return cfg->search.n_space > 0;
}

/* Point i of the Sobol sequence. Point 0 is the origin, which GSL leaves out. */
static void sobol(int64_t i, int n, double *x_out) {
    gsl_qrng *q = gsl_qrng_alloc(gsl_qrng_sobol, (unsigned)n);
    TN_ASSERT(q); /* n <= TN_MAX_SPACE, and GSL has 40 dimensions */
    for (int d = 0; d < n; d++) x_out[d] = 0;
    for (int64_t k = 0; k < i; k++) gsl_qrng_get(q, x_out);
    gsl_qrng_free(q);
}

void tn_search_point(tn_sampling how, int64_t seed, int64_t i, int n, double *x_out) {
    const double scale = (double)(1 << SOBOL_BITS);
    if (how == TN_SAMPLING_SOBOL) sobol(i, n, x_out);
    for (int d = 0; d < n; d++) {
        uint64_t occasion = how == TN_SAMPLING_SOBOL ? 0 : (uint64_t)i + 1;
        tn_rng r = tn_rng_at((uint64_t)seed, TN_STREAM_SEARCH, occasion, (uint64_t)d);
        uint32_t bits = tn_rng_u32(&r) >> (32 - SOBOL_BITS);
        if (how == TN_SAMPLING_SOBOL) bits ^= (uint32_t)(x_out[d] * scale);
        x_out[d] = (bits + 0.5) / scale;
    }
}

static int least_of(double x, int n) {
    int i = (int)(x * n);
    return i < n ? i : n - 1;
}

static void value_of(const tn_dimension *d, double x, char *out, size_t n_bytes) {
    double value =
        d->kind == TN_SPACE_LOG_UNIFORM ? d->low * pow(d->high / d->low, x) : d->low + x * (d->high - d->low);
    char text[32];
    if (d->kind == TN_SPACE_CHOICE) {
        snprintf(out, n_bytes, "%s=%s", d->key, d->choice[least_of(x, d->n_choices)]);
        return;
    }
    if (d->kind == TN_SPACE_INTEGER) value = fmin(d->high, d->low + floor(x * (d->high - d->low + 1)));
    snprintf(text, sizeof text, d->kind == TN_SPACE_INTEGER ? "%.0f" : "%.6g", value);
    if (strtod(text, NULL) < d->low) snprintf(text, sizeof text, "%.17g", d->low); /* rounding went below the bound */
    if (strtod(text, NULL) > d->high) snprintf(text, sizeof text, "%.17g", d->high);
    snprintf(out, n_bytes, "%s=%s", d->key, text);
}

tn_status tn_search_values(const tn_cfg *cfg, int trial, tn_values *out) {
    int n = cfg->search.n_space;
    double x[TN_MAX_SPACE];
    if (n == 0)
        return tn_fail(TN_EARG, "%s: search.space is empty: give the keys to search and their values", cfg->file);
    *out = (tn_values){.n = trial == 0 ? 0 : n};
    if (trial == 0) return TN_OK;
    tn_search_point(cfg->search.sampling, cfg->search.seed, trial - 1, n, x);
    for (int d = 0; d < n; d++) value_of(&cfg->search.space[d], x[d], out->text[d], sizeof out->text[d]);
    return TN_OK;
}

/* Shrink the schedule in proportion to a smaller number of training images. */
static void shrink(tn_cfg *t, int64_t images) {
    double share = (double)images / (double)t->train.images;
    t->train.warmup_images = (int64_t)((double)t->train.warmup_images * share);
    t->self.rampup_images = (int64_t)((double)t->self.rampup_images * share);
    t->train.images = images;
}

tn_status tn_search_no_job(tn_status st, int trial) {
    char why[1024];
    snprintf(why, sizeof why, "%s", tn_msg);
    return tn_fail(st, "trial %d of search.space cannot be trained: %s", trial, why);
}

tn_status tn_search_cfg(const tn_cfg *cfg, int trial, int64_t images, tn_cfg **out) {
    tn_values v;
    tn_cfg *t = NULL;
    char *set[TN_MAX_SPACE];
    TN_TRY(tn_search_values(cfg, trial, &v));
    for (int d = 0; d < v.n; d++) set[d] = v.text[d];
    tn_status st = tn_cfg_derive(cfg, v.n, set, &t);
    if (st != TN_OK) return tn_search_no_job(st, trial);
    shrink(t, images);
    st = tn_path(t->run_dir, "%s/search/t%03d-i%lld", cfg->run_dir, trial, (long long)images);
    if (st == TN_OK)
        *out = t;
    else
        tn_cfg_free(&t);
    return st;
}

static int by_rank(const void *a, const void *b) {
    const tn_ranked *x = a, *y = b;
    if (x->diverged != y->diverged) return x->diverged ? 1 : -1;
    if (x->gmean != y->gmean) return x->gmean > y->gmean ? -1 : 1;
    if (x->macro != y->macro) return x->macro > y->macro ? -1 : 1;
    if (x->accuracy != y->accuracy) return x->accuracy > y->accuracy ? -1 : 1;
    return (x->trial > y->trial) - (x->trial < y->trial);
}

void tn_search_rank(int n, tn_ranked *a) {
    for (int i = 0; i < n; i++)
        if (a[i].diverged) a[i].gmean = a[i].macro = a[i].accuracy = 0;
    qsort(a, (size_t)n, sizeof *a, by_rank);
}
