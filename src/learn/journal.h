/*
 * journal.h - the journal of a training cell, for its readers.                       layer: learn, uses: base
 *
 * File train/<cell>/journal.jsonl: one JSON object per evaluation point (docs/file-formats.md); train_point.c writes
 * it.
 */
#ifndef TN_LEARN_JOURNAL_H
#define TN_LEARN_JOURNAL_H

#include "learn/cell.h"

#include <jansson.h>

/* An array of the points so far; empty when there is no journal. A last line that is not complete yet is left out.
 * Caller: json_decref. */
tn_status tn_journal_read(const tn_cfg *cfg, const tn_cell *cell, json_t **out);

#endif
