/* report_classes.h - what the report says of classes where there are many. All functions are local. */
#ifndef TN_REPORT_REPORT_CLASSES_H
#define TN_REPORT_REPORT_CLASSES_H

#include "cfg/cfg.h"

#include <jansson.h>

/* Print a name in a cell of a table. */
void tn_report_name(FILE *f, const char *name);

/* Print `begin`, the names of a list of classes, and `end`: a line for each class, or one line that counts them if there are many. */
void tn_report_zeros(FILE *f, const char *begin, json_t *names, const char *end);

/* With more than TN_MOST_SHOWN classes, which have no columns in the table of scores: print a table of those with the lowest F1,
 * out-of-fold, of what is submitted. */
void tn_report_worst(const tn_cfg *cfg, json_t *metrics, FILE *f);

/* "The 20 of 1000 classes with <what>:", or nothing if all are shown. */
void tn_report_chosen(const tn_cfg *cfg, const char *what, FILE *f);

#endif
