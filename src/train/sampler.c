/* sampler.c - computes the stream of training rows, epoch by epoch. */
#include "train/sampler.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tn_sampler {
    tn_sampler_spec spec;
    uint64_t seed;
    int K;
    int64_t *row;      /* (n) training rows, sorted by class, then ascending; rows without label last */
    int64_t *class_at; /* (K+2) index in row where each class begins */
    int64_t *count;    /* (K+1) rows of each class in an epoch, and rows without label */
    int64_t n_epoch;   /* rows per epoch */
    int64_t epoch;     /* the epoch in `order`; -1: none yet */
    int64_t *order;    /* (n_epoch) rows */
    int64_t *scratch;  /* (n) */
};

/* The place of a label among the classes; rows without label (-1) come last. */
static int place_of(const tn_sampler *s, int32_t label) {
    TN_ASSERT(label >= -1 && label < s->K);
    return label < 0 ? s->K : label;
}

/* Training rows sorted by class, stable: counts, then where each class begins, then the rows. class_at and count are 0 before;
 * count is scratch memory here. */
static void sort_by_class(tn_sampler *s, const int64_t *rows, int64_t n, const int32_t *label) {
    for (int64_t i = 0; i < n; i++) s->count[place_of(s, label[rows[i]])]++;
    for (int k = 0; k <= s->K; k++) {
        s->class_at[k + 1] = s->class_at[k] + s->count[k];
        s->count[k] = s->class_at[k];
    }
    for (int64_t i = 0; i < n; i++) s->row[s->count[place_of(s, label[rows[i]])]++] = rows[i];
}

static int64_t class_size(const tn_sampler *s, int k) {
    return s->class_at[k + 1] - s->class_at[k];
}

tn_status tn_sampler_count(const tn_sampler_spec *spec, int n_classes, char *const *class_name, const int64_t *size,
                           int64_t *count_out) {
    int64_t least = INT64_MAX, most = 0, n = 0;
    double roots = 0;
    for (int k = 0; k < n_classes; k++) {
        if (size[k] == 0 && spec->kind != TN_SAMPLER_NATURAL)
            return tn_fail(TN_EARG,
                           "class %s has no training rows, so train.sampler = \"%s\" has nothing to draw: use "
                           "\"natural\", or give rows of that class",
                           class_name[k], tn_sampler_words[spec->kind]);
        if (size[k] < least) least = size[k];
        if (size[k] > most) most = size[k];
        n += size[k];
        roots += sqrt((double)size[k]);
    }
    for (int k = 0; k < n_classes; k++) {
        const int64_t by_kind[] = {[TN_SAMPLER_NATURAL] = size[k],
                                   [TN_SAMPLER_BALANCED_DOWN] = least,
                                   [TN_SAMPLER_BALANCED_UP] = most,
                                   [TN_SAMPLER_N_PER_CLASS] = spec->rows_per_class,
                                   [TN_SAMPLER_SQUARE_ROOT] = llround((double)n * sqrt((double)size[k]) / roots)};
        count_out[k] = by_kind[spec->kind];
    }
    return TN_OK;
}

static tn_status choose_epoch(tn_sampler *s, char *const *class_name) {
    int64_t n_labelled = s->class_at[s->K], n_drawn = 0;
    for (int k = 0; k < s->K; k++) s->scratch[k] = class_size(s, k);
    TN_TRY(tn_sampler_count(&s->spec, s->K, class_name, s->scratch, s->count));
    for (int k = 0; k < s->K; k++) n_drawn += s->count[k];
    s->count[s->K] = class_size(s, s->K);
    if (n_labelled > 0) s->count[s->K] = (int64_t)((double)class_size(s, s->K) * (double)n_drawn / (double)n_labelled);
    s->n_epoch = n_drawn + s->count[s->K];
    s->order = malloc((size_t)s->n_epoch * sizeof *s->order);
    return s->order ? TN_OK : tn_fail_memory((size_t)s->n_epoch * sizeof *s->order, "an epoch of the sampler");
}

tn_status tn_sampler_new(const tn_sampler_spec *spec, uint64_t seed, int n_classes, char *const *class_name,
                         const int64_t *rows, int64_t n, const int32_t *label, tn_sampler **out) {
    if (n < 1)
        return tn_fail(TN_EARG, "there are no rows to train on: all are test, unlabelled, dropped or unreadable");
    tn_sampler *s = calloc(1, sizeof *s);
    if (!s) return tn_fail_memory(sizeof *s, "the sampler");
    *s = (tn_sampler){.spec = *spec, .seed = seed, .K = n_classes, .epoch = -1};
    size_t n_scratch = (size_t)n > (size_t)n_classes ? (size_t)n : (size_t)n_classes;
    s->row = malloc((size_t)n * sizeof *s->row);
    s->scratch = malloc(n_scratch * sizeof *s->scratch);
    s->class_at = calloc((size_t)n_classes + 2, sizeof *s->class_at);
    s->count = calloc((size_t)n_classes + 1, sizeof *s->count);
    tn_status st = TN_OK;
    if (!s->row || !s->scratch || !s->class_at || !s->count) {
        st = tn_fail_memory(n_scratch * 16, "the sampler");
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
    free(s->count);
    free(s);
    *at = NULL;
}

int64_t tn_sampler_epoch_rows(const tn_sampler *s) {
    return s->n_epoch;
}

const int64_t *tn_sampler_counts(const tn_sampler *s) {
    return s->count;
}

/* Draw n rows of class k (K: rows without label): whole permutations, then the first rows of another. */
static void draw_class(tn_sampler *s, int64_t epoch, int k, int64_t n, int64_t *out) {
    int64_t size = class_size(s, k);
    tn_rng r = tn_rng_at(s->seed, TN_STREAM_SAMPLER, (uint64_t)epoch, (uint64_t)k + 1);
    memcpy(s->scratch, s->row + s->class_at[k], (size_t)size * sizeof *s->scratch);
    while (n > 0) {
        int64_t part = n < size ? n : size;
        tn_rng_shuffle(&r, size, s->scratch);
        memcpy(out, s->scratch, (size_t)part * sizeof *out);
        out += part;
        n -= part;
    }
}

static void draw_epoch(tn_sampler *s, int64_t epoch) {
    int64_t *out = s->order;
    if (s->spec.kind == TN_SAMPLER_NATURAL) {
        memcpy(out, s->row, (size_t)s->n_epoch * sizeof *out);
    } else {
        for (int k = 0; k <= s->K; k++) {
            draw_class(s, epoch, k, s->count[k], out);
            out += s->count[k];
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
