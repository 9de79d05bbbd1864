/*
 * journal.h - reads the journal of a training cell.
 *
 *   tn_journal j;
 *   TN_TRY(tn_journal_read(cfg, &cell, &j));
 *   for (int i = 0; i < j.n; i++) ... j.at[i].images ...
 *   tn_journal_free(&j);
 *
 * File train/<cell>/journal.jsonl: one JSON object per evaluation (docs/file-formats.md); train_evaluation.c writes it.
 */
#ifndef TN_TRAIN_JOURNAL_H
#define TN_TRAIN_JOURNAL_H

#include "cfg/cell.h"

typedef struct {
    int64_t images;                  /* seen so far */
    bool best;                       /* kept when it was made; the last such one counts */
    double gmean, macro, accuracy;   /* on the validation rows */
    double training_s, evaluation_s; /* of all steps so far; of this evaluation */
    double noise_images; /* gradient noise scale (noise.h); infinite: too noisy to be told; < 0: not recorded */
} tn_journal_entry;

typedef struct {
    int n;
    tn_journal_entry *at;
    int64_t *images_of, *rows_of; /* (K), at the last evaluation, by class: images seen so far, training rows */
} tn_journal;

/* The evaluations so far; none if there is no journal. A line that is incomplete or not an evaluation is left out. The caller frees
 * what out holds. Local. Errors TN_EIO, TN_ENOMEM. */
tn_status tn_journal_read(const tn_cfg *cfg, const tn_cell *cell, tn_journal *out);
void tn_journal_free(tn_journal *j);

#endif
