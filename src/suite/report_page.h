/*
 * report_page.h - the report as one HTML page that needs nothing else.              layer: suite, uses: learn, data
 *
 * The text of report.md; the validation score of every cell over images seen, one colour per round; and the labels that
 * the last filter believes least, as pictures from the shards. Reads journals, the last ledger, shards. Local.
 */
#ifndef TN_SUITE_REPORT_PAGE_H
#define TN_SUITE_REPORT_PAGE_H

#include "base/cfg.h"

#include <stdio.h>

/* markdown: the text of report.md (headings, paragraphs, tables, bold: nothing else). out is not closed. */
tn_status tn_report_page(const tn_cfg *cfg, const char *markdown, FILE *out);

#endif
