/* missing.h - what of a run is not done, by its DONE files.          layer: suite, uses: rung, learn, preprocess
 *
 * Local; reads what is published and changes nothing. A step whose inputs will be made again counts as missing too: of
 * a rung behind one that is to be ranked every place, because nobody knows yet who will stand there.
 */
#ifndef TN_SUITE_MISSING_H
#define TN_SUITE_MISSING_H

#include "suite/rung.h"

typedef struct {
    int n_rounds, n_cells; /* cells of a round */
    bool preprocess, finish;
    bool *train, *predict; /* (n_rounds, n_cells) */
    bool *filter;          /* (n_rounds): made before round r; [0] is never missing */
    int n_rungs;           /* of a search, with the judgement; 0: it is none, and else there are no rounds */
    struct {
        int n;       /* tn_rung_list */
        bool *trial; /* (n) */
        bool rank;
    } rung[TN_MAX_RUNGS + 1];
} tn_missing;

/* Errors TN_EARG something was made with other settings: names the keys; as tn_filter_own. */
tn_status tn_missing_find(const tn_cfg *cfg, tn_missing **out);
void tn_missing_free(tn_missing **m);

#endif
