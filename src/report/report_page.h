/*
 * report_page.h - the report as one HTML page without external files.
 *
 * Contents: the text of report.md; the validation score of every cell over images seen, one colour per round; and the images
 * whose labels the last filter finds most suspicious. Reads journals, the last ledger and shards. Local.
 */
#ifndef TN_REPORT_REPORT_PAGE_H
#define TN_REPORT_REPORT_PAGE_H

#include "cfg/cfg.h"

#include <stdio.h>

struct json_t; /* of the library jansson: metrics.json */

/* markdown: the text of report.md; only headings, paragraphs, tables and bold are supported. out is not closed. Errors TN_EIO,
 * TN_EFORMAT, TN_ENOMEM. */
tn_status tn_report_page(const tn_cfg *cfg, struct json_t *metrics, const char *markdown, FILE *out);

#endif
