/* tune_report.h - what a search found, as files for people.                          layer: suite, uses: rung
 *
 * trials.csv   one line per trial: values, per rung rank and score, empty where it did not take part
 * tune.md      the same as a table, and the comparison on the judge folds
 * best.cfg     the best trial as a complete job file, its paths absolute, without the search
 * best-2.cfg   the next best of the last rung, and so on to its last that did not diverge
 * DONE         vouches for the first three; its input is the judgement */
#ifndef TN_SUITE_TUNE_REPORT_H
#define TN_SUITE_TUNE_REPORT_H

#include "base/cfg.h"

/* Reads rung<q>/ranking.json and judge/judge.json of <run>/tune, writes there, prints tune.md on stdout. Local.
 * Errors TN_EARG the search has not ended. */
tn_status tn_tune_report(const tn_cfg *cfg);

#endif
