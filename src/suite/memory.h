/*
 * memory.h - the memory that a job is asked for: what its ranks are predicted to take, and a margin.
 *                                                                             layer: suite, uses: learn, search
 *
 *   tn_memory m;
 *   TN_TRY(tn_memory_predict(cfg, rows, &m));
 *   printf("%d MiB", m.train_mib);
 *
 * Formula   per node: 64 MiB for the launcher, and 1.25 times what its ranks take. A rank that trains: tn_train_cost_of, the
 *           largest of train.sizes_px, or of the trials of a search, with the fewest nodes of slurm.nodes. A rank that
 *           preprocesses: 64 MiB, and for the process that decodes 512 MiB, enough for a picture of 48 million pixels; a
 *           larger one may run out of memory, and is queued again with more. The one rank of filter, rank, reduce and
 *           report: 128 MiB. And 512 bytes a row of the table.
 * Source    peaks measured in docs/performance.md
 */
#ifndef TN_SUITE_MEMORY_H
#define TN_SUITE_MEMORY_H

#include "base/cfg.h"

typedef struct {
    int preprocess_mib, train_mib, one_mib; /* on each node; train: and predict; one: filter, rank, reduce, report */
} tn_memory;

/* rows: of data.metadata. Errors of tn_train_cost_of; TN_EARG a trial that is no job. Local. */
tn_status tn_memory_predict(const tn_cfg *cfg, int64_t rows, tn_memory *out);

/* tn_memory_predict with the rows of the table as it is. Errors of tn_meta_read too. */
tn_status tn_memory_of(const tn_cfg *cfg, tn_memory *out);

#endif
