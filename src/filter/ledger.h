/*
 * ledger.h - the ledger, a table of all judged labels: writes it, scores it with a truth column, compares two of them.
 *
 * Files ledger.csv and ledger.h5 of filter/r<round>/: one row per sample with a fold, in the table's order. A row is judged by
 * the mean z of all slabs, also of its own fold, because no model is trained from the ledger. Its values:
 *
 * path, label, suggested, margin, verdict, reason: judge.h. p_label: the posterior of the given label. id: row of
 * metadata.csv, from 0. round. truth: only if the job file names a truth column.
 *
 * log_odds: logarithm of the odds against the label, relative to the class (tn_confident_odds), with thresholds from the same mean z.
 * It ranks wrong labels best: docs/decisions/ledger-ranking.md.
 *
 * votes: one letter per fold: k keep, d drop (the argmax of its model is not the label), - its model does not judge the row;
 * votes_drop and votes_keep count them.
 *
 * ledger.h5, kind `ledger` version 1: the same as columns: id i64, path (strings), label, suggested i32, margin,
 * p_label, log_odds f32, verdict, reason u8, votes u8 (n,F) 0 none, 1 keep, 2 drop, truth i32 (-1 unknown; with a truth
 * column); classes (strings); attributes round, index_digest.
 */
#ifndef TN_FILTER_LEDGER_H
#define TN_FILTER_LEDGER_H

#include "data/index.h"
#include "data/table.h"
#include "filter/judge.h"

enum { TN_VOTE_NONE, TN_VOTE_KEEP, TN_VOTE_DROP };

typedef struct {
    const tn_index *ix;
    int round, n_folds;
    bool with_truth;
    const tn_judgement *judgement; /* (N) */
    const float *z;                /* N rows (score/prow.h): posteriors that the rows were judged by */
    const uint8_t *judged;         /* (N) 0/1 */
    const uint8_t *votes;          /* (N, n_folds) */
} tn_ledger;

/* Publish ledger.csv and ledger.h5 in folder. Local. Errors TN_EIO, TN_ENOMEM. */
tn_status tn_ledger_write(const tn_ledger *l, const char *folder);

/* The path of ledger.csv or ledger.h5 (name) in filter/r<round>, after its hash was compared with DONE. "" if there is no ledger:
 * the filter is not done, or the round was skipped. Local. Errors TN_EFORMAT the hash differs. */
tn_status tn_ledger_file(const tn_cfg *cfg, int round, const char *name, char path_out[TN_PATH_BYTES]);
/* The same for ledger.csv of the last round that has one. Local. */
tn_status tn_ledger_last(const tn_cfg *cfg, char path_out[TN_PATH_BYTES]);

/* How many labels a filter flags, and how many of them are wrong by the truth column. */
typedef struct {
    int64_t labels, flagged; /* judged rows; suspicious ones not kept by a floor */
    int64_t judged, wrong;   /* judged rows with known truth; how many of them have a wrong label */
    int64_t dropped, found;  /* flagged rows with known truth; how many of them have a wrong label */
} tn_filter_score;           /* precision: found / dropped; recall: found / wrong; chance: dropped * wrong / judged */
void tn_filter_score_add(tn_filter_score *s, uint8_t verdict, int32_t label, int32_t truth);
/* Score ledger.h5 (path) with the truth column that the table has now, which may be newer than the filter. Both are read in blocks.
 * Local.
 * Errors  TN_EARG the ledger is of another data set or fold map; TN_EFORMAT. */
tn_status tn_filter_judge(const char *path, tn_table *t, tn_filter_score *out);

/* Compare two ledger.csv of the same data set. Local.
 * counts  gets a markdown table: class, verdict before, verdict after, number of rows
 * rows    gets the rows whose verdict changed, as CSV: path, label, verdict_a, verdict_b, suggested_a, suggested_b, margin_a, margin_b
 * Errors  TN_EARG a column is missing, or rows or given labels differ (the first is named); TN_EIO rows cannot be written. */
tn_status tn_ledger_diff(const char *path_a, const char *path_b, FILE *counts, FILE *rows);

#endif
