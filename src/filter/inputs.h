/*
 * inputs.h - what a filter was made from: lines of name and digest, for its DONE. All functions are local.
 */
#ifndef TN_FILTER_INPUTS_H
#define TN_FILTER_INPUTS_H

#include "cfg/cell.h"
#include "data/index.h"

#define TN_INPUT_FOREIGN "posteriors" /* the name of a file of models trained elsewhere */

/* The lines of the filter after `round` (filter.h: tn_filter). The caller frees *out, also after an error. *skipped_out becomes true if
 * a cell among them was skipped. Errors TN_EARG a cell or the probe is not done, or a cell has no posteriors of all rows. */
tn_status tn_filter_inputs(const tn_cfg *cfg, const tn_index *ix, int round, const char *posteriors, char **out,
                           bool *skipped_out);

#endif
