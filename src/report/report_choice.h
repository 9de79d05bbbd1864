/* report_choice.h - what the report says of the choice of rounds, of the decision and of calibration, from metrics.json. All functions are
 * local. */
#ifndef TN_REPORT_REPORT_CHOICE_H
#define TN_REPORT_REPORT_CHOICE_H

#include <stdio.h>

struct json_t; /* of the library jansson: metrics.json */

/* Which rounds were compared, and which are used. */
void tn_report_choice(struct json_t *metrics, FILE *out);
/* How a class is decided, and what that gains. */
void tn_report_decision(struct json_t *metrics, FILE *out);
/* The section on calibration, if there are scored rows. */
void tn_report_calibration(struct json_t *metrics, FILE *out);

/* A picture of it, as HTML: accuracy over the largest probability, by bin, out-of-fold and on the test split, before and after. */
void tn_report_reliability(struct json_t *metrics, FILE *out);

#endif
