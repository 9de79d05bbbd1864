/*
 * report.h - what came out, for people: markdown on stdout and in report/, a page to look at and scores.csv beside it.
 *                                                                                   layer: suite, uses: learn
 */
#ifndef TN_SUITE_REPORT_H
#define TN_SUITE_REPORT_H

#include "base/cfg.h"

/* Reads <run>/metrics.json, journals, ledgers and shards; writes <run>/report/{report.md,report.html,scores.csv,DONE}
 * and prints the text. Local, one process.
 * Errors  TN_EARG reduce has not run. */
tn_status tn_report(const tn_cfg *cfg);

#endif
