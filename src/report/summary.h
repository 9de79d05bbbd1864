/*
 * summary.h - what came out of a run, in a few lines: the top of the report, and the end of `tenfold run`.
 *
 *   TN_TRY(tn_summary_read(cfg, &metrics));              // <run>/metrics.json, vouched for by reduce/DONE
 *   tn_summary_markdown(cfg, metrics, &flagged, out);
 *   tn_summary_text(cfg, metrics, seconds, out);
 */
#ifndef TN_REPORT_SUMMARY_H
#define TN_REPORT_SUMMARY_H

#include "cfg/cfg.h"

#include <stdio.h>

struct json_t; /* of the library jansson */

/* Labels that a filter looked at and flagged, before rounds 1, 2, ... */
enum { TN_SUMMARY_ROUNDS = 100 };
typedef struct {
    int64_t judged[TN_SUMMARY_ROUNDS], flagged[TN_SUMMARY_ROUNDS];
} tn_summary_labels;

/* Local. Caller: json_decref. Errors TN_EARG reduce has not run; TN_EFORMAT damaged. */
tn_status tn_summary_read(const tn_cfg *cfg, struct json_t **out);

/* A conclusion, four scores by round with intervals, the last difference, the flagged labels, warnings, what the scores mean. */
void tn_summary_markdown(const tn_cfg *cfg, struct json_t *metrics, const tn_summary_labels *labels, FILE *out);
/* Two scores by round, the conclusion, where the results are. */
void tn_summary_text(const tn_cfg *cfg, struct json_t *metrics, double seconds, FILE *out);

#endif
