/*
 * report.h - the report of a finished run: markdown on stdout and in report/, an HTML page, and scores.csv.
 */
#ifndef TN_REPORT_REPORT_H
#define TN_REPORT_REPORT_H

#include "cfg/cfg.h"

#include <stdio.h>

/* Reads <run>/metrics.json, journals, ledgers and shards; writes <run>/report/{report.md,report.html,scores.csv,DONE} and prints
 * report.md to copy, if that is not NULL. For a search see search/search_report.h. Local, one process.
 * Errors  TN_EARG reduce has not run; TN_EIO, TN_EFORMAT. */
tn_status tn_report(const tn_cfg *cfg, FILE *copy);

#endif
