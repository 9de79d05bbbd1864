/*
 * report_filter.h - the report's section on filters: flagged labels, classes that were spared, the noise matrix, and what is
 * right by the truth column.
 */
#ifndef TN_REPORT_REPORT_FILTER_H
#define TN_REPORT_REPORT_FILTER_H

#include "cfg/cfg.h"

#include <jansson.h>

/* metrics: metrics.json. Reads the ledgers. Markdown to f. Local. Errors TN_EIO, TN_EFORMAT, TN_ENOMEM. */
tn_status tn_report_filters(const tn_cfg *cfg, json_t *metrics, FILE *f);

#endif
