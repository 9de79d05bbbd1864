/* sampler.c - computes the stream of training rows, epoch by epoch. */
#include "data/sampler.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

struct tn_sampler {
    tn_sampler_kind kind;
    uint64_t seed;
    int K;
    int64_t *row;        /* (n) training rows, sorted by class, then ascending; rows without label last */
    int64_t *class_at;   /* (K+2) index in row where each class begins */
    int64_t per_class;   /* balanced: rows of each class in an epoch */
    int64_t n_unlabeled; /* balanced: rows without label in an epoch */
    int64_t n_epoch;     /* rows per epoch */
    int64_t epoch;       /* the epoch in `order`; -1: none yet */
    int64_t *order;      /* (n_epoch) rows */
    int64_t *scratch;    /* (largest class) */
};

/* Training rows sorted by class, stable. */
static void sort_by_class(tn_sampler *s, const int64_t *rows, int64_t n, const int32_t *label) {
    int64_t at = 0;
    for (int k = 0; k <= s->K; k++) {
        s->class_at[k] = at;
        for (int64_t i = 0; i < n; i++)
            if (label[rows[i]] == (k < s->K ? k : -1)) s->row[at++] = rows[i];
    }
    s->class_at[s->K + 1] = at;
    TN_ASSERT(at == n);
}

static int64_t class_size(const tn_sampler *s, int k) {
    return s->class_at[k + 1] - s->class_at[k];
}

static tn_status choose_epoch(tn_sampler *s, char *const *class_name) {
    int64_t n_labelled = s->class_at[s->K];
    s->n_epoch = s->class_at[s->K + 1];
    if (s->kind == TN_SAMPLER_NATURAL) return TN_OK;
    s->per_class = class_size(s, 0);
    for (int k = 0; k < s->K; k++) {
        if (class_size(s, k) == 0)
            return tn_fail(TN_EARG,
                           "class %s has no training rows, so train.sampler = \"balanced_down\" has nothing to draw: "
                           "use \"natural\", or give rows of that class",
                           class_name[k]);
        if (class_size(s, k) < s->per_class) s->per_class = class_size(s, k);
    }
    s->n_unlabeled = (int64_t)((double)class_size(s, s->K) * (double)(s->per_class * s->K) / (double)n_labelled);
    s->n_epoch = s->per_class * s->K + s->n_unlabeled;
    return TN_OK;
}

tn_status tn_sampler_new(tn_sampler_kind kind, uint64_t seed, int n_classes, char *const *class_name,
                         const int64_t *rows, int64_t n, const int32_t *label, tn_sampler **out) {
    if (n < 1)
        return tn_fail(TN_EARG, "there are no rows to train on: all are test, unlabelled, dropped or unreadable");
    tn_sampler *s = calloc(1, sizeof *s);
    if (!s) return tn_fail_memory(sizeof *s, "the sampler");
    *s = (tn_sampler){.kind = kind, .seed = seed, .K = n_classes, .epoch = -1};
    s->row = malloc((size_t)n * sizeof *s->row);
    s->order = malloc((size_t)n * sizeof *s->order);
    s->scratch = malloc((size_t)n * sizeof *s->scratch);
    s->class_at = calloc((size_t)n_classes + 2, sizeof *s->class_at);
    tn_status st = TN_OK;
    if (!s->row || !s->order || !s->scratch || !s->class_at) {
        st = tn_fail_memory((size_t)n * 24, "the sampler");
    } else {
        sort_by_class(s, rows, n, label);
        st = choose_epoch(s, class_name);
    }
    if (st == TN_OK)
        *out = s;
    else
        tn_sampler_free(&s);
    return st;
}

void tn_sampler_free(tn_sampler **at) {
    tn_sampler *s = *at;
    if (!s) return;
    free(s->row);
    free(s->order);
    free(s->scratch);
    free(s->class_at);
    free(s);
    *at = NULL;
}

int64_t tn_sampler_epoch_rows(const tn_sampler *s) {
    return s->n_epoch;
}

static void draw_epoch(tn_sampler *s, int64_t epoch) {
    int64_t at = 0;
    if (s->kind == TN_SAMPLER_NATURAL) {
        memcpy(s->order, s->row, (size_t)s->n_epoch * sizeof *s->order);
    } else {
        for (int k = 0; k <= s->K; k++) { /* the first rows of a permutation are drawn without replacement */
            int64_t n = k < s->K ? s->per_class : s->n_unlabeled;
            tn_rng r = tn_rng_at(s->seed, TN_STREAM_SAMPLER, (uint64_t)epoch, (uint64_t)k + 1);
            memcpy(s->scratch, s->row + s->class_at[k], (size_t)class_size(s, k) * sizeof *s->scratch);
            tn_rng_shuffle(&r, class_size(s, k), s->scratch);
            memcpy(s->order + at, s->scratch, (size_t)n * sizeof *s->order);
            at += n;
        }
    }
    tn_rng r = tn_rng_at(s->seed, TN_STREAM_SAMPLER, (uint64_t)epoch, 0);
    tn_rng_shuffle(&r, s->n_epoch, s->order);
    s->epoch = epoch;
}

int64_t tn_sampler_at(tn_sampler *s, int64_t position) {
    int64_t epoch = position / s->n_epoch;
    if (epoch != s->epoch) draw_epoch(s, epoch);
    return s->order[position % s->n_epoch];
}
