/*
 * show.h - describes a file of a run, or weights of another program.
 *
 *   TN_TRY(tn_show("results/x/train/r0-f0-s48-x1/checkpoint.safetensors", stdout));
 *
 * The kind is found from the bytes: safetensors, HDF5, JSON (DONE, plan.json, metrics.json, ...), a journal; only tables (.csv) and
 * texts are recognised by name. A file with a hash is verified, either by its own hash or by that in the DONE of its folder. For a
 * folder its DONE or plan.json is shown.
 * Nothing is written. HDF5 is read in a child process (store/guard.h).
 */
#ifndef TN_SHOW_SHOW_H
#define TN_SHOW_SHOW_H

#include "base/status.h"

#include <stdio.h>

/* Print a description. Local. Errors TN_EIO it does not exist or cannot be read; TN_EFORMAT damaged, or of no known kind. */
tn_status tn_show(const char *path, FILE *out);

#endif
