/*
 * ledger.h - the list of judged labels: written, judged by the truth, compared.          layer: learn, uses: base, data
 *
 * Files ledger.csv and ledger.h5 of filter/r<round>/, one row per sample with a fold, in the table's order. Judged is
 * the mean z of all slabs of the view, the row's own fold included: nobody trains by the ledger.
 *
 * path, label, suggested, margin, verdict, reason: judge.h. p_label: the posterior of the given label. id: row of
 * metadata.csv from 0. round. truth: where the job file names a truth column.
 *
 * log_odds: log of (max over c != y of z_c / t_c) / (z_y / t_y), with the thresholds t of confident.h, which are what
 * the models give to a label of the class on average. It ranks best: docs/decisions/ledger-ranking.md.
 *
 * votes: one letter per fold: k keep, d drop (its argmax is not the label), - that fold's model has no voice;
 * votes_drop and votes_keep count them.
 *
 * ledger.h5, kind `ledger` version 1: the same as columns: id i64, path (strings), label, suggested i32, margin,
 * p_label, log_odds f32, verdict, reason u8, votes u8 (n,F) 0 none, 1 keep, 2 drop, truth i32 (-1 unknown; with a truth
 * column); classes (strings); attributes round, index_digest.
 */
#ifndef TN_LEARN_LEDGER_H
#define TN_LEARN_LEDGER_H

#include "data/index.h"
#include "data/table.h"
#include "learn/judge.h"

enum { TN_VOTE_NONE, TN_VOTE_KEEP, TN_VOTE_DROP };

typedef struct {
    const tn_index *ix;
    int round, n_folds;
    bool with_truth;
    const tn_judgement *judgement; /* (N) */
    const float *z;                /* (N,K) that it was made from */
    const uint8_t *judged;         /* (N) 0/1 */
    const uint8_t *votes;          /* (N, n_folds) */
} tn_ledger;

/* Publishes ledger.csv and ledger.h5 in folder. Local. */
tn_status tn_ledger_write(const tn_ledger *l, const char *folder);

/* A file of the ledger of filter/r<round>, after its bytes were compared with what DONE says: TN_EFORMAT. "" where
 * there is no ledger: the filter did not run or did not finish, or the round was skipped. Local. */
tn_status tn_ledger_file(const tn_cfg *cfg, int round, const char *name, char path_out[TN_PATH_BYTES]);
/* The same for ledger.csv of the last filter that made one. */
tn_status tn_ledger_last(const tn_cfg *cfg, char path_out[TN_PATH_BYTES]);

/* How well a filter finds wrong labels, by the truth column. */
typedef struct {
    int64_t judged, wrong;  /* judged rows with known truth, and those of them whose label is wrong */
    int64_t dropped, found; /* suspicious and not brought back by a floor, and those of them that are wrong */
} tn_filter_score;          /* precision: found / dropped; recall: found / wrong; chance: dropped * wrong / judged */
void tn_filter_score_add(tn_filter_score *s, uint8_t verdict, int32_t label, int32_t truth);
/* By the truth as the table has it now, which may have been learnt after the filter ran. path: ledger.h5, which goes by
 * in blocks as the table does.
 * Errors  TN_EARG it is of another data set or fold map; TN_EFORMAT. Local. */
tn_status tn_filter_judge(const char *path, tn_table *t, tn_filter_score *out);

/* Two ledger.csv of the same data set: how many rows changed from which verdict to which, by class, as a markdown table
 * on counts; the changed rows as CSV on rows: path, label, verdict_a, verdict_b, suggested_a, suggested_b, margin_a,
 * margin_b.
 * Errors  TN_EARG a column is missing; other rows or other given labels (the first is named); TN_EIO rows cannot be
 *         written. Local. */
tn_status tn_ledger_diff(const char *path_a, const char *path_b, FILE *counts, FILE *rows);

#endif
