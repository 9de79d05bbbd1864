/*
 * reduce_priv.h - shared by reduce.c (the stage), reduce_new.c (the stage for new images), reduce_members.c (which predictions
 * are combined), reduce_blend.c (scores, and lists and sums over ranks), reduce_pass.c (one pass over all rows), reduce_sample.c (rows
 * to tune on), reduce_tune.c (weights, decisions, temperatures), reduce_gate.c (which rounds are used), reduce_write.c (files that grow
 * with N), reduce_json.c and reduce_json_choice.c (metrics.json), reduce_spec.c (reduce/ensemble.json).
 *
 * A *member group* (tn_member_group) is a combination of round, image size and seed: F cells, one per fold. A *recipe* says how the
 * predictions of a row by all member groups are combined into one, and how its class is decided. A *blend* is what gets a score: a
 * recipe per fold for out-of-fold rows, and one for rows that no model was trained on. A *candidate* is an ensemble that may be written,
 * with what was tuned for it on the other folds, and on all.
 * The rows are processed in waves: in wave w rank r takes block w R + r. Rank 0 receives the results in the order of rows and
 * writes all files. Scores are counts. So no result depends on R.
 */
#ifndef TN_REDUCE_REDUCE_PRIV_H
#define TN_REDUCE_REDUCE_PRIV_H

#include "base/hash.h"
#include "data/beside.h"
#include "data/table.h"
#include "filter/filter.h"
#include "predict/ensemble_spec.h"
#include "predict/pred.h"
#include "reduce/reduce.h"
#include "score/bootstrap.h"
#include "score/calibration.h"
#include "score/match.h"
#include "score/metric.h"
#include "store/done.h"

#include <jansson.h>

/* --- members ------------------------------------------------------------------------------------------------------ */

typedef struct {
    tn_cell cell;                /* round, size and seed; its fold is 0 */
    bool there[TN_MAX_FOLDS];    /* is the prediction of this fold's cell done? */
    tn_pred *pred[TN_MAX_FOLDS]; /* NULL: missing, or not open */
} tn_member_group;

enum { TN_MAX_ROUNDS = 21 }; /* self.max_rounds and round 0 */

typedef struct {
    int round, n_members;      /* n_members: cells with predictions */
    int in_fold[TN_MAX_FOLDS]; /* the same, by fold */
    char *missing;             /* names of the cells without predictions, one per line */
} tn_round_members;

typedef struct {
    int n_rounds, n_groups; /* rounds with members; their member groups, round slowest */
    tn_round_members round[TN_MAX_ROUNDS];
    tn_member_group *group;
} tn_members;

/* The number of the last round that was not skipped. Local. Errors those of tn_done_skipped. */
tn_status tn_last_round(const tn_cfg *cfg, int *out);
/* Find all predictions that are done, the same on every rank. Collective. Errors TN_EUNFINISHED there are none, or, unless
 * allow_missing, some are missing (named). */
tn_status tn_members_find(tn_run *run, const tn_cfg *cfg, bool allow_missing, tn_members *out);
/* Find the predictions of new images: the cells of the chosen ensemble, as one round. cfg->run_dir is the folder of the new images.
 * Collective. */
tn_status tn_members_of(tn_run *run, const tn_cfg *cfg, const tn_spec *chosen, bool allow_missing, tn_members *out);
/* Where in a member group the predictions of a chosen cell stand: at its fold; a student's at 0. */
int tn_member_place(const tn_cell *cell);
/* Open the files on every rank and check that they belong together. Collective. Errors TN_EFORMAT a file differs from its DONE;
 * TN_EARG another data set, fold map or list of classes, a file of another cell, a model twice. */
tn_status tn_members_open(tn_run *run, const tn_cfg *cfg, const tn_table *table, tn_members *m);
void tn_members_close(tn_members *m);

/* --- counts of the table ------------------------------------------------------------------------------------------ */

/* Counts of classes by category value and fold. The prior of a row is computed without its own fold. */
typedef struct {
    int level, n_values; /* level: which category column, from 1; 0: no prior */
    double count;        /* reduce.prior_count */
    int64_t *n;          /* (F, n_values, K) */
    int64_t *of_class;   /* (F, K) */
} tn_prior;

typedef struct {
    int64_t trainable[TN_MAX_CLASSES]; /* rows with a fold, by class */
    int64_t predicted;                 /* rows with fold -1, which ensemble.h5 contains */
    double
        log_share[TN_MAX_CLASSES]; /* log of the class's share of trainable; a class without rows counts as one row */
    tn_prior prior;
    tn_beside beside;
} tn_table_counts;

/* --- recipes and blends ------------------------------------------------------------------------------------------- */

typedef struct {
    tn_reduce_kind kind; /* mean or gmean */
    int *times;          /* (n_groups): weights of the member groups */
    bool prior;          /* the prior of categories applies */
    double tau;          /* reduce.decision = prior: offset is -tau log_share; else 0 */
    double *offset;      /* (K), added to log p where the class is decided; NULL: the most probable one */
    double temperature;  /* of the probabilities that are written; nothing is decided by it. 0: as they are */
} tn_recipe;

typedef struct {
    const tn_recipe *by_fold[TN_MAX_FOLDS]; /* for out-of-fold rows of a fold; NULL: they get no score */
    const tn_recipe *whole;                 /* for rows with fold -1; NULL: they get no score */
    tn_counts *own, *test;                  /* (F): out-of-fold rows; labelled test rows, by the fold's members alone */
    tn_counts pooled, pooled_truth,
        whole_test;                       /* out-of-fold rows; the same by the truth column; test rows by all members */
    tn_counts apart;                      /* those of whole_test that resemble no training row */
    tn_confusion own_pairs, test_pairs;   /* the rows of pooled, of whole_test */
    tn_bootstrap own_spread, test_spread; /* resamples of out-of-fold rows, of test rows */
    tn_calibration own_calibration[2], test_calibration[2]; /* with temperature 1, with the recipe's */
    tn_bootstrap match; /* out-of-fold rows of the folds that all rounds have, to compare rounds; n 0: not counted */
} tn_blend;

tn_status tn_blend_new(int n_folds, int n_classes, int n_resamples, uint64_t seed, tn_blend *out);
void tn_blend_free(tn_blend *b, int n_folds);
/* Give every rank the sums over all ranks. Collective. Errors TN_ENOMEM, never up to TN_WHOLE_CLASSES. */
tn_status tn_blend_sum(tn_run *run, int n_folds, tn_blend *b);

/* Give every rank the list of all ranks, rank by rank; the caller frees *all_out. list (n): elements of size bytes. what: their name in
 * the message of TN_ENOMEM. Collective. */
tn_status tn_reduce_gather(tn_run *run, int64_t n, const void *list, size_t size, const char *what, int64_t *n_all_out,
                           void **all_out);

/* A sample of out-of-fold rows, to tune weights and offsets on. */
typedef struct {
    double share[TN_MAX_CLASSES]; /* probability of a row of the class to be in the sample */
    int64_t n, room;              /* rows; allocated rows */
    int n_groups, K;
    int64_t *row;
    int32_t *label, *fold, *value; /* (n); value: of the prior's category column */
    float *p;                      /* (n, n_groups) rows (score/prow.h) */
} tn_sample;

/* Choose share so that the sample has about n_wanted rows: all rows of rare classes, and equally many of each other class. */
void tn_sample_begin(const tn_table_counts *counts, int n_groups, int K, int64_t n_wanted, tn_sample *out);
bool tn_sample_wants(const tn_sample *s, uint64_t seed, int64_t row, int32_t label);
/* Add a row. *p_out: n_groups rows of zeros in the sample, which the caller fills. Errors TN_ENOMEM. */
tn_status tn_sample_add(tn_sample *s, int64_t row, int32_t label, int fold, int32_t value, float **p_out);
/* Give every rank the rows of all ranks, ordered by row. Collective. */
tn_status tn_sample_gather(tn_run *run, tn_sample *s);
void tn_sample_free(tn_sample *s);

/* Decide the class of the prediction p, a row, in this order: the prior of categories, if the recipe has it, changes p (computed without
 * the labels of `fold`; -1: with all); the class is the one with the largest log p + offset. The temperature comes after that
 * (tn_recipe_temper), so that it changes no decision. */
int tn_recipe_decide(const tn_recipe *r, const tn_table_counts *counts, int n_folds, int fold, int32_t value, int K,
                     float *p);
void tn_recipe_temper(const tn_recipe *r, int K, float *p);
/* Set log_share from trainable. */
void tn_shares_of(int K, tn_table_counts *counts);
/* For up to TN_WHOLE_CLASSES classes: the logarithm of the factors (K) by which the prior of a category value changes p:
 * (n_vk + s q_k) / (n_v + s) / q_k, where n_v and n_vk count training labels with that value (and of class k), q_k is the share of
 * class k, and s is reduce.prior_count. Labels of two folds are left out (-1: none). */
void tn_prior_log(const tn_prior *p, int n_folds, int K, int32_t value, int fold, int other_fold, double *out);
/* Change the whole row p by these factors. */
void tn_prior_apply(const tn_prior *prior, int n_folds, int K, int32_t value, int fold, int other_fold, float *p);

/* --- the reduction ------------------------------------------------------------------------------------------------ */

typedef struct tn_outputs tn_outputs;

/* Every round as an ensemble of its own, and two of them pooled, if there are two to compare: all by argmax. */
typedef struct {
    int n_blends;                   /* n_rounds, or one more: pooled */
    tn_recipe *mean;                /* (n_blends): the plain mean of the members */
    tn_blend *blend;                /* (n_blends) */
    bool takes_part[TN_MAX_ROUNDS]; /* has the round enough members to be compared with others? */
    bool in_common[TN_MAX_FOLDS];   /* has every round that takes part members of this fold? */
    int n_common;
} tn_reduce_rounds;

typedef struct {
    int at;                                /* rounds.mean, rounds.blend: its members with equal weights, by argmax */
    int first, last;                       /* numbers of its rounds */
    char what[64];                         /* "round 1", "rounds 0 and 1 pooled" */
    int64_t n_rows;                        /* of the sample, that it was tuned on */
    tn_recipe final, nested[TN_MAX_FOLDS]; /* tuned on all folds; on all folds but one */
    tn_blend honest;                       /* nested by fold, final for other rows */
} tn_candidate;

enum { TN_MAX_CANDIDATES = 3 };

/* A candidate's comparison with the first one, on the out-of-fold rows of the folds that all rounds have. */
typedef struct {
    tn_score score;
    double smoothed;
    tn_interval gmean, macro, accuracy;       /* of the difference to the first one */
    bool better, macro_worse, accuracy_worse; /* smoothed score above; interval below 0 */
} tn_comparison;

/* Which rounds are used (reduce_gate.c). */
typedef struct {
    int n, chosen;
    tn_candidate *candidate; /* (TN_MAX_CANDIDATES): the first round, the newest one, both pooled; or one round */
    tn_comparison compared[TN_MAX_CANDIDATES]; /* if n > 1 */
    char why[512], left_out[640];              /* left_out: rounds that take no part, a line each */
    json_t *decision; /* on rank 0: what the tuned decision of the chosen one is worth, also if it is given up */
} tn_gate;

/* The chosen rounds with tuned weights, or the prior of categories. */
typedef struct {
    bool asked; /* the job file asks for it */
    bool used;  /* it is written: its honest score is not below that of the chosen candidate (smoothed) */
    tn_sample sample;
    tn_candidate *best;
    tn_blend in_sample; /* final for all rows */
} tn_reduce_tuning;

typedef struct {
    const tn_cfg *cfg;
    tn_table *table;
    tn_members members;
    tn_table_counts counts;
    tn_reduce_rounds rounds;
    tn_gate gate;
    tn_reduce_tuning tuning;
    bool foreign[TN_MAX_ROUNDS];      /* on rank 0: did a filter by given posteriors make the round's labels? */
    const tn_spec *given;             /* for new images: the ensemble chosen before; else NULL */
    int64_t n_unknown[TN_MAX_LEVELS]; /* for new images: usable rows whose category value is unknown to the models */
} tn_reduction;

/* Count classes, category values and rows to predict. Collective. */
tn_status tn_reduce_count(tn_run *run, tn_reduction *r);

/* One pass over all rows. Collective.
 * blend    (n_blends): their scores are counted
 * sample   NULL, or filled, the same on every rank
 * written  NULL, or gets the rows of blend[n_blends - 1] */
tn_status tn_reduce_pass(tn_run *run, tn_reduction *r, int n_blends, tn_blend *const *blend, tn_sample *sample,
                         tn_outputs *written);

/* Tune final and nested of n candidates on the sample. weights: the weights of members and the prior of categories, too. Collective. */
tn_status tn_reduce_tune(tn_run *run, tn_reduction *r, int n, tn_candidate *candidate, bool weights);

/* reduce_gate.c. Which rounds can be compared, and on which folds. Local. */
void tn_gate_find_common(tn_reduction *r);
/* Make the candidates' list, whose honest blends still have no recipes. Local. */
tn_status tn_gate_begin(tn_reduction *r);
/* Compare the candidates by their honest blends and choose one. Local; the same on every rank. */
tn_status tn_gate_choose(tn_reduction *r);
/* The candidate that is written. */
const tn_candidate *tn_written(const tn_reduction *r);
/* Has a plain blend, an index of rounds.mean, members of the fold? */
bool tn_has_fold(const tn_reduction *r, int at, int fold);
int tn_member_count(const tn_reduction *r, const tn_recipe *recipe); /* cells with predictions */

/* reduce_write.c: ensemble.h5, submission.csv, and ledger.csv if no filter made one. Collective; rank 0 writes. Publishing takes the name and
 * the members from tn_written. */
tn_status tn_outputs_open(tn_run *run, const tn_reduction *r, tn_outputs **out);
/* Add this rank's block of a wave. p: n rows; decided (n): their classes; -1: the row has no prediction. */
tn_status tn_outputs_add(tn_run *run, tn_outputs *o, const tn_rows *rows, const float *p, const int32_t *decided);
tn_status tn_outputs_publish(tn_run *run, tn_outputs *o, char digest_out[TN_HEX_BYTES]);
void tn_outputs_drop(tn_outputs **o); /* removes files that are not published */

/* reduce_json.c. Local, rank 0. */
tn_status tn_reduce_metrics(const tn_reduction *r);
tn_status tn_reduce_metrics_new(const tn_reduction *r); /* for new images */

/* reduce_json_choice.c, for reduce_json.c. tn_score_json: spread NULL: without intervals and, of more than TN_WHOLE_CLASSES classes, without F1
 * values. */
json_t *tn_score_json(const tn_table *t, const tn_counts *c, const tn_bootstrap *spread);
json_t *tn_confusion_json(const tn_table *t, const tn_confusion *c);
json_t *tn_gate_json(const tn_reduction *r);
json_t *tn_submitted_json(const tn_reduction *r);
json_t *tn_beside_json(const tn_reduction *r, const tn_blend *b);
json_t *tn_decision_json(const tn_reduction *r, bool tested, bool pays);
json_t *tn_tuned_json(const tn_reduction *r);
json_t *tn_calibration_json(const tn_calibration c[2]);
json_t *tn_lines_json(const char *text); /* an array of the lines of text */
json_t *tn_caveats_json(const tn_reduction *r, int last_round, bool tuned);

/* reduce_spec.c: folder/ensemble.json (ensemble_spec.h). Local, rank 0. */
tn_status tn_reduce_spec(const tn_reduction *r, const char *folder);

/* reduce.c: write "NAME DIGEST" to f if the folder is done. */
tn_status tn_reduce_put_digest(FILE *f, const char *folder, const char *name);
void tn_recipe_free(tn_recipe *r);
void tn_reduce_release(tn_reduction *r);

#endif
