/* search_report.h - the results of a search, as files for people.
 *
 * trials.csv   one line per trial: its values, and for each rung its rank and score (empty if it did not take part)
 * search.md      the same as a table, and the final comparison
 * best.cfg     the best trial as a complete job file with absolute paths and without search.space
 * best-2.cfg   the next best trial of the last rung, and so on; diverged trials are left out
 * DONE         has the hashes of the first three; its input is the final comparison */
#ifndef TN_SEARCH_SEARCH_REPORT_H
#define TN_SEARCH_SEARCH_REPORT_H

#include "cfg/cfg.h"

#include <stdio.h>

/* Reads rung<q>/ranking.json and judge/judge.json of <run>/search, writes the files there, prints search.md to copy, if that is not NULL. Local.
 * Errors TN_EARG the search has not ended. */
tn_status tn_search_report(const tn_cfg *cfg, FILE *copy);

#endif
