/* match.c - compares two models on the same rows. */
#include "score/match.h"

tn_status tn_match_new(int K, uint64_t seed, tn_match *out) {
    *out = (tn_match){.seed = seed};
    TN_TRY(tn_counts_new(K, &out->older_rows));
    TN_TRY(tn_counts_new(K, &out->newer_rows));
    TN_TRY(tn_bootstrap_new(K, TN_MATCH_RESAMPLES, seed, &out->older));
    return tn_bootstrap_new(K, TN_MATCH_RESAMPLES, seed, &out->newer);
}

void tn_match_free(tn_match *m) {
    tn_bootstrap_free(&m->older);
    tn_bootstrap_free(&m->newer);
    tn_counts_free(&m->older_rows);
    tn_counts_free(&m->newer_rows);
}

tn_status tn_match_add(tn_match *m, int32_t component, int label, int predicted_old, int predicted_new) {
    uint8_t weight[TN_MATCH_RESAMPLES] = {0};
    if (tn_bootstrap_takes_weights(m->older.K, m->older.n))
        tn_bootstrap_weights(m->seed, component, TN_MATCH_RESAMPLES, weight);
    TN_TRY(tn_bootstrap_add(&m->older, component, weight, label, predicted_old));
    TN_TRY(tn_bootstrap_add(&m->newer, component, weight, label, predicted_new));
    tn_counts_add(&m->older_rows, label, predicted_old);
    tn_counts_add(&m->newer_rows, label, predicted_new);
    return TN_OK;
}

tn_match_result tn_match_end(const tn_match *m) {
    tn_score older = tn_score_of(&m->older_rows), newer = tn_score_of(&m->newer_rows);
    bool macro = older.gmean <= 0 && newer.gmean <= 0;
    tn_match_result r = {.metric = macro ? "macro F1" : "geometric mean F1",
                         .rows = older.N,
                         .older = macro ? older.macro : older.gmean,
                         .newer = macro ? newer.macro : newer.gmean};
    tn_interval lost = tn_bootstrap_difference(&m->newer, &m->older, macro ? TN_METRIC_MACRO : TN_METRIC_GMEAN,
                                               &r.share_worse); /* older - newer */
    r.low = -lost.high;
    r.high = -lost.low;
    r.worse = r.high < 0;
    return r;
}

bool tn_match_keeps(const tn_match *m, bool *highest_out) {
    tn_score older = tn_score_of(&m->older_rows), newer = tn_score_of(&m->newer_rows);
    *highest_out = tn_score_better(&newer, &older);
    return *highest_out || !tn_match_end(m).worse;
}
