/*
 * reduce_priv.h - shared by reduce.c (the verb), reduce_new.c (the verb on new pictures), reduce_members.c (what is
 * combined), reduce_pass.c (one pass over all rows), reduce_tune.c (weights and offsets), reduce_write.c (files that
 * grow with N), reduce_json.c (metrics.json), reduce_chosen.c (what was decided).
 *
 * A *column* is a combination of round, image size and seed: F cells, one per fold. A *recipe* makes one prediction of
 * a row's columns. A *blend* is what is judged: a recipe per fold for out-of-fold rows, one for rows that nobody saw.
 * The rows go by in waves: rank r takes block w R + r, rank 0 receives what is to be written in the order of rows, so
 * that nothing depends on R: scores are counts, and files are written by one.
 */
#ifndef TN_LEARN_REDUCE_PRIV_H
#define TN_LEARN_REDUCE_PRIV_H

#include "base/done.h"
#include "base/hash.h"
#include "data/table.h"
#include "learn/bootstrap.h"
#include "learn/chosen.h"
#include "learn/ensemble.h"
#include "learn/metric.h"
#include "learn/pred.h"
#include "learn/rounds.h"
#include "learn/self.h"

#include <jansson.h>

/* --- what is combined --------------------------------------------------------------------------------------------- */

typedef struct {
    tn_cell cell; /* fold 0 */
    bool there[TN_MAX_FOLDS];
    tn_pred *pred[TN_MAX_FOLDS]; /* NULL: not there, or not open */
} tn_column;

enum { TN_MAX_ROUNDS = 21 }; /* self.max_rounds and round 0 */

typedef struct {
    int round, n_members; /* cells that are there */
    int in_fold[TN_MAX_FOLDS];
    char *missing; /* names of the others, one per line */
} tn_round_members;

typedef struct {
    int n_rounds, n_columns; /* rounds with members, and their columns, round slowest */
    tn_round_members round[TN_MAX_ROUNDS];
    tn_column *column;
} tn_members;

/* Number of the last round that was not skipped. Local. Errors as tn_done_skipped. */
tn_status tn_last_round(const tn_cfg *cfg, int *out);
/* Collective. What is there, the same on every rank. TN_EUNFINISHED none, or (unless allow_missing) not all; named. */
tn_status tn_members_find(tn_run *run, const tn_cfg *cfg, bool allow_missing, tn_members *out);
/* Collective. The same for new pictures: the cells that were chosen, as one round; cfg->run_dir is their folder. */
tn_status tn_members_of(tn_run *run, const tn_cfg *cfg, const tn_chosen *chosen, bool allow_missing, tn_members *out);
/* Collective. Opens them on every rank, and refuses what does not belong together: bytes that were not published,
 * another data set, fold map or list of classes, a file of another cell, one model twice. */
tn_status tn_members_open(tn_run *run, const tn_cfg *cfg, const tn_table *table, tn_members *m);
void tn_members_close(tn_members *m);

/* --- counts of the table ------------------------------------------------------------------------------------------ */

/* How often each class has each value of a category, by fold: the prior of a row leaves its own fold out. */
typedef struct {
    int level, n_values; /* level 0: none */
    double count;        /* reduce.prior_count */
    int64_t *n;          /* (F, n_values, K) */
    int64_t *of_class;   /* (F, K) */
} tn_prior;

typedef struct {
    int64_t trainable[TN_MAX_CLASSES]; /* rows with a fold, by class */
    int64_t predicted;                 /* rows with fold -1: lines of ensemble.h5 */
    tn_prior prior;
} tn_table_counts;

/* --- recipes and blends ------------------------------------------------------------------------------------------- */

typedef struct {
    tn_reduce_kind kind; /* mean or gmean */
    int *times;          /* (n_columns): how often a column counts */
    double offset[TN_MAX_CLASSES];
    bool tuned; /* offsets and prior apply */
} tn_recipe;

typedef struct {
    const tn_recipe *by_fold[TN_MAX_FOLDS]; /* NULL: the rows of the fold are not judged */
    const tn_recipe *whole;                 /* of rows with fold -1; NULL: not judged */
    tn_confusion *own, *test;               /* (F): out-of-fold rows; labelled test rows by the fold's members alone */
    tn_confusion pooled_truth, whole_test;
    tn_bootstrap own_spread, test_spread;
    tn_bootstrap match; /* own rows of the folds that all rounds have: rounds are compared on these; n 0: not counted */
} tn_blend;

tn_status tn_blend_new(int n_folds, int n_classes, int n_resamples, tn_blend *out);
void tn_blend_free(tn_blend *b);
tn_confusion tn_blend_pooled(const tn_blend *b, int n_folds);

/* Out-of-fold rows that weights and offsets are tuned on. */
typedef struct {
    double share[TN_MAX_CLASSES]; /* chance of a row of the class to be in it */
    int64_t n, room;
    int n_columns, K;
    int64_t *row;
    int32_t *label, *fold, *value; /* (n); value of the prior's category */
    float *p;                      /* (n, n_columns, K) */
} tn_sample;

/* share: about n_wanted rows, as many of each class as there are or an equal number of the others. */
void tn_sample_begin(const tn_table_counts *counts, int n_columns, int K, int64_t n_wanted, tn_sample *out);
bool tn_sample_wants(const tn_sample *s, uint64_t seed, int64_t row, int32_t label);
/* p_out: zeros of (n_columns,K), to be filled. TN_ENOMEM. */
tn_status tn_sample_add(tn_sample *s, int64_t row, int32_t label, int fold, int32_t value, float **p_out);
/* Collective: all ranks' rows on every rank, by row. */
tn_status tn_sample_gather(tn_run *run, tn_sample *s);
void tn_sample_free(tn_sample *s);

/* Offsets and prior of a row's prediction p (K), where the recipe is tuned; fold: whose labels the prior does not know,
 * -1 none. */
void tn_recipe_tune(const tn_recipe *r, const tn_table_counts *counts, int n_folds, int fold, int32_t value, int K,
                    float *p);
/* What the prior of a category's value multiplies p with, as logarithms (K): (n_vk + s q_k) / (n_v + s) / q_k, where
 * n_v and n_vk count training labels with that value, q_k is the share of class k, s is reduce.prior_count; without the
 * labels of two folds (-1: none). */
void tn_prior_log(const tn_prior *p, int n_folds, int K, int32_t value, int fold, int other_fold, double *out);

/* --- the reduction ------------------------------------------------------------------------------------------------ */

typedef struct tn_outputs tn_outputs;

/* A later round against the one that was chosen before it. */
typedef struct {
    int older, newer;       /* numbers of the rounds */
    int n_folds;            /* in common; 0: not compared */
    tn_match_result result; /* where they were compared */
    bool kept;              /* the newer one */
    char why[320];
} tn_round_match;

typedef struct {
    const tn_cfg *cfg;
    tn_table *table;
    tn_members members;
    tn_table_counts counts;
    tn_recipe *of_round;            /* (n_rounds): the plain mean of a round's members */
    tn_blend *round;                /* (n_rounds) */
    bool takes_part[TN_MAX_ROUNDS]; /* it has members enough to be compared with others */
    bool in_common[TN_MAX_FOLDS];   /* folds that all rounds that take part have members of */
    int chosen;                     /* index of the round */
    int n_matches;
    tn_round_match match[TN_MAX_ROUNDS - 1];
    bool tunes;      /* the job file asks for something tuned */
    bool uses_tuned; /* and it is what is written: honest is not below untuned (tn_score_better) */
    tn_sample sample;
    tn_recipe final, nested[TN_MAX_FOLDS]; /* tuned on all folds; on all but one */
    tn_blend tuned, in_sample;             /* nested + final; final on the rows it was tuned on */
    const tn_chosen *given;                /* new pictures: what was decided before; else NULL */
    int64_t n_unknown[TN_MAX_LEVELS];      /* new pictures: usable rows whose category the models do not know */
} tn_reduction;

/* Collective. Counts classes, categories, lines. */
tn_status tn_reduce_count(tn_run *run, tn_reduction *r);

/* Collective: one pass. blend[0..n) are judged; sample (may be NULL) is filled, the same on every rank; written (may be
 * NULL) is handed the rows of blend[n_blends - 1]. */
tn_status tn_reduce_pass(tn_run *run, tn_reduction *r, int n_blends, tn_blend *const *blend, tn_sample *sample,
                         tn_outputs *written);

/* Collective. sample -> final and nested. */
tn_status tn_reduce_tune(tn_run *run, tn_reduction *r);

/* reduce_write.c: ensemble.h5, submission.csv and, where no filter made one, ledger.csv. Collective; rank 0 writes. */
tn_status tn_outputs_open(tn_run *run, const tn_reduction *r, tn_outputs **out);
/* A wave: this rank's block, its rows in order. p (n,K); known (n): there is a prediction. */
tn_status tn_outputs_add(tn_run *run, tn_outputs *o, const tn_rows *rows, const float *p, const uint8_t *known);
tn_status tn_outputs_publish(tn_run *run, tn_outputs *o, char digest_out[TN_HEX_BYTES]);
void tn_outputs_drop(tn_outputs **o); /* what is not published is removed */

/* reduce_json.c. Local, rank 0. */
tn_status tn_reduce_metrics(const tn_reduction *r);
tn_status tn_reduce_metrics_new(const tn_reduction *r); /* of new pictures */

/* reduce_chosen.c: folder/chosen.json (chosen.h). Local, rank 0. */
tn_status tn_reduce_chosen(const tn_reduction *r, const char *folder);

/* reduce.c. "NAME DIGEST" where folder is done. */
tn_status tn_reduce_put_digest(FILE *f, const char *folder, const char *name);
void tn_reduce_release(tn_reduction *r);

#endif
