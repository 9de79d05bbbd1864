/* rung_priv.h - shared by rung.c, slot.c and rung_judge.c. */
#ifndef TN_SEARCH_RUNG_PRIV_H
#define TN_SEARCH_RUNG_PRIV_H

#include "base/hash.h"
#include "cfg/cell.h"
#include "search/rung.h"

/* rung_judge.c: compare trial 0 (two[0]) with the best trial (two[1]) on the out-of-fold rows of search.judge_folds, and publish
 * folder/judge.json. Local. Errors TN_EIO, TN_EFORMAT, TN_ENOMEM. */
tn_status tn_rung_judge(const tn_cfg *cfg, const tn_index *index, const tn_ranked two[2], const char *folder,
                        char digest_out[TN_HEX_BYTES]);

#endif
