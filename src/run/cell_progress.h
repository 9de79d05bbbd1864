/* cell_progress.h - the progress of a cell or a trial: from the heartbeat of a running training (base/progress.h), else from
 * the journal.
 *
 * Local. The result is for display only; no decision depends on it. */
#ifndef TN_RUN_CELL_PROGRESS_H
#define TN_RUN_CELL_PROGRESS_H

#include "run/step.h"

/* The caller passes out zeroed, with score, heartbeat and trial set to -1. Errors TN_EIO, TN_ENOMEM. */
tn_status tn_progress_of_cell(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out);
/* Find the progress of the student. */
tn_status tn_progress_of_student(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out);
/* The same for the trial of a search slot, once it is known. done and total are summed over the trial's sizes and seeds; score is
 * the mean of the cells that have one. */
tn_status tn_progress_of_trial(const tn_cfg *cfg, const tn_step *s, tn_step_progress *out);

#endif
