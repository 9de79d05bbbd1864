/*
 * memory.h - the memory that a Slurm job requests: the predicted use of its ranks and a margin.
 *
 *   tn_memory m;
 *   TN_TRY(tn_memory_predict(cfg, rows, &m));
 *   printf("%d MiB", m.train_mib);
 *
 * Formula   MiB per node = 64 for the launcher + 1.25 x the sum over its ranks. A rank needs
 *             in train: tn_train_cost_of or tn_predict_cost_of, the largest over train.sizes_px or the trials of a search, with
 *             the fewest nodes that slurm.nodes allows (probabilities of a prediction: the most); in preprocess: 64 MiB, and
 *             512 MiB for its decoding process, enough for
 *             images of 48 million pixels (a larger one may run out of memory, and the job is requeued with more); in filter,
 *             rank, reduce and report: 128 MiB, and what reduce needs for K classes (reduce.h). To each rank 512 bytes per row of
 *             the table are added, and 8 W in train and filter, which hold two posteriors of each row (W values, score/prow.h); 12 W with
 *             soft targets (data/soft.h).
 *             With more than TN_WHOLE_CLASSES classes reduce lists rows: 96 bytes for each and each score.
 * Source    peaks measured in docs/performance.md
 */
#ifndef TN_SLURM_MEMORY_H
#define TN_SLURM_MEMORY_H

#include "cfg/cfg.h"

typedef struct {
    int preprocess_mib, train_mib, one_mib; /* per node; train: also predict; one: filter, rank, reduce, report */
} tn_memory;

/* rows: of data.metadata. Errors of tn_train_cost_of; TN_EARG a trial whose settings are not valid. Local. */
tn_status tn_memory_predict(const tn_cfg *cfg, int64_t rows, tn_memory *out);

/* tn_memory_predict with the rows that the table has now. Errors of tn_meta_read, too. Local. */
tn_status tn_memory_of(const tn_cfg *cfg, tn_memory *out);

#endif
