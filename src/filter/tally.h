/*
 * tally.h - counts what a filter did to each class, warns of it, and writes filter.json; all functions are local.
 *
 *   tn_tally t;
 *   TN_TRY(tn_tally_new(K, &t));
 *   tn_noise_matrix_add(.., &t.noise);  tn_tally_add(&t, N, label, &judgement, class);     for each overlay
 *   tn_tally_say(&t, cfg, round);  TN_TRY(tn_tally_write(&t, cfg, round, folder));
 *   tn_tally_free(&t);
 *
 * File filter/r<round>/filter.json, format "tenfold filter 1": round; overlays (how many were judged: in the own view one for each fold);
 *   classes  of many (cfg/shown.h) those with the most suspicious labels: class; judged, suspicious, taken (labels, summed over the
 *            overlays); kept_by {noise_limit, class_floor, category_floor, class_not_judged} (suspicious labels that were kept after
 *            all); not_judged_in (overlays in which the class is not judged); estimated_from (rows of the noise matrix),
 *            estimated_wrong (their share; null: there are none).
 *   noise    the noise matrix (noise_matrix.h), rows normalised: given, true, rows, share (of the labels `given`). Every element above 0,
 *            or, of more than TN_MOST_SHOWN classes, the TN_MOST_SHOWN largest off the diagonal, most rows first.
 */
#ifndef TN_FILTER_TALLY_H
#define TN_FILTER_TALLY_H

#include "cfg/cfg.h"
#include "data/overlay.h"
#include "filter/noise_matrix.h"

typedef struct {
    int K, n_overlays;
    tn_noise_matrix noise;
    int64_t (*reason)[TN_REASONS]; /* (K) labels by class and reason, summed over the overlays */
    int32_t *not_judged;           /* (K) overlays in which the class is not judged */
} tn_tally;

/* Errors TN_ENOMEM. */
tn_status tn_tally_new(int K, tn_tally *out);
void tn_tally_free(tn_tally *t);

/* Add an overlay. label (N). class (K): by which it was limited; NULL: it was not. */
void tn_tally_add(tn_tally *t, int64_t N, const int32_t *label, const tn_judgement *j, const tn_noise_class *class);

/* Say which limits bound, and how many labels are estimated to be wrong; warn of floors. On stderr. */
void tn_tally_say(const tn_tally *t, const tn_cfg *cfg, int round);

/* Publish filter.json. Errors TN_EIO, TN_ENOMEM. */
tn_status tn_tally_write(const tn_tally *t, const tn_cfg *cfg, int round, const char *folder);

#endif
