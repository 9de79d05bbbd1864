/* status.h - the table of cells of a run folder, for people.                        layer: suite, uses: plan, learn */
#ifndef TN_SUITE_STATUS_H
#define TN_SUITE_STATUS_H

#include "suite/plan.h"

#include <stdio.h>

/* One line per step: state, images seen of all and validation score from its journal, log of a failed one. */
tn_status tn_status_print(const tn_cfg *cfg, const tn_plan *plan, FILE *out);

#endif
