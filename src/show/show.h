/*
 * show.h - what a file is: of a run, or weights of another program.
 *
 *   TN_TRY(tn_show("results/x/train/r0-f0-s48-x1/checkpoint.safetensors", stdout));
 *
 * The bytes decide, not the name: safetensors, HDF5, JSON (DONE, plan.json, metrics.json, ...), a journal; by name
 * alone are known tables (.csv) and texts. What carries a hash is compared with it: of a file that the DONE of its folder
 * vouches for, with that. A folder is shown by its DONE, or by its plan.json.
 * Nothing is written. HDF5 is read in a process of its own (store/guard.h).
 */
#ifndef TN_SHOW_SHOW_H
#define TN_SHOW_SHOW_H

#include "base/status.h"

#include <stdio.h>

/* Errors  TN_EIO it is not there, or cannot be read; TN_EFORMAT damaged, or nothing of this suite and no weights. Local. */
tn_status tn_show(const char *path, FILE *out);

#endif
