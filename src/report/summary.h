/*
 * summary.h - what came out of a run, in a few lines: the top of the report, and the end of `tenfold run`.
 *
 *   TN_TRY(tn_summary_read(cfg, &metrics));              // <run>/metrics.json, vouched for by reduce/DONE
 *   tn_summary_markdown(cfg, metrics, out);
 *   tn_summary_text(cfg, metrics, seconds, out);
 */
#ifndef TN_REPORT_SUMMARY_H
#define TN_REPORT_SUMMARY_H

#include "cfg/cfg.h"

#include <stdio.h>

struct json_t; /* of the library jansson */

/* With distil.student its metrics are there as "student", once it is done. Local. Caller: json_decref. Errors TN_EARG reduce has not run; TN_EFORMAT damaged. */
tn_status tn_summary_read(const tn_cfg *cfg, struct json_t **out);

/* Both begin with a headline of at most five lines: which labels the filter found, what training without them gained, and what
 * the ensemble and its student score. Then a table of scores with intervals, warnings, what the scores mean. */
void tn_summary_markdown(const tn_cfg *cfg, struct json_t *metrics, FILE *out);
/* Then scores by round, warnings, where the results are. */
void tn_summary_text(const tn_cfg *cfg, struct json_t *metrics, double seconds, FILE *out);

#endif
