/* memory.c - see memory.h. */
#include "slurm/memory.h"

#include "base/fs.h"
#include "cfg/student.h"
#include "data/meta.h"
#include "probe/probe.h"
#include "score/match.h"
#include "search/search.h"
#include "train/cost.h"

#include <math.h>
#include <stdlib.h>

enum { LAUNCHER_MIB = 64, PREPROCESS_MIB = 64 + 512, ONE_MIB = 128 };
static const double MARGIN = 1.25, ROW_BYTES = 512, POSTERIOR_BYTES = 8; /* two floats for each value of a row */
/* A row whose score is listed takes 12 for the resamples and 16 for the confusion matrix, in memory that doubles; 16 for an interval. */
static const double LISTED_BYTES = 2 * 2 * 12 + 2 * 16 + 16;

static int on_a_node(int ranks, double rank_mib) {
    return LAUNCHER_MIB + (int)(MARGIN * ranks * rank_mib) + 1;
}

/* Raise *mib to what the largest rank of a cell of this job file needs. */
static tn_status add_cell(const tn_cfg *cfg, double *mib) {
    int ranks = cfg->slurm.nodes[0] * cfg->slurm.ranks_per_node;
    int lanes_here = (cfg->train.lanes + ranks - 1) / ranks;
    for (int i = 0; i < cfg->train.n_sizes; i++) {
        tn_train_cost cost;
        TN_TRY(tn_train_cost_of(cfg, cfg->train.sizes_px[i], lanes_here, 0, &cost));
        *mib = fmax(*mib, (double)cost.host_bytes / 0x1p20);
        TN_TRY(tn_predict_cost_of(cfg, cfg->train.sizes_px[i], 0, &cost)); /* in the same job */
        *mib = fmax(*mib, (double)cost.host_bytes / 0x1p20);
    }
    return TN_OK;
}

static tn_status add_student(const tn_cfg *cfg, double *mib) {
    tn_cfg *its = malloc(sizeof *its);
    if (!its) return tn_fail_memory(sizeof *its, "the student");
    *its = *cfg;
    tn_cfg_student(its);
    tn_status st = add_cell(its, mib);
    free(its);
    return st == TN_OK ? TN_OK : tn_fail(st, "the student (distil.net): %s", tn_msg);
}

/* All trials count: at submission it is not known which of them will be in later rungs. */
static tn_status add_trials(const tn_cfg *cfg, double *mib) {
    for (int t = 0; t < cfg->search.trials; t++) {
        tn_cfg *trial = NULL;
        TN_TRY(tn_search_cfg(cfg, t, cfg->train.images, &trial));
        tn_status st = add_cell(trial, mib);
        tn_cfg_free(&trial);
        if (st != TN_OK) return tn_search_no_job(st, t);
    }
    return TN_OK;
}

/* What reduce holds: scores, their resamples, and rows to tune on. Up to TN_WHOLE_CLASSES classes it is the same for any number of rows. */
static double reduce_mib(const tn_cfg *cfg, int64_t rows) {
    bool tuned = cfg->reduce.method == TN_REDUCE_GREEDY || cfg->reduce.category_prior;
    double K = cfg->data.n_classes, n_rounds = cfg->self.max_rounds + 1,
           n_groups = cfg->train.n_sizes * cfg->train.n_seeds * n_rounds;
    double blends = n_rounds + (n_rounds > 1 ? 4 : 1) + (tuned ? 2 : 0),
           resamples = 2 * cfg->reduce.bootstrap + TN_MATCH_RESAMPLES;
    double bytes = blends * ((24 * K + 16) * resamples + 16 * K * K),
           tuned_row = K * (8 * n_groups + 12); /* twice while they are gathered */
    if (!tn_prow_whole(cfg->data.n_classes)) {
        bytes = blends * (48 * K * (cfg->folds.count + 2) + LISTED_BYTES * (double)rows);
        tuned_row = TN_PROW_FEW * 4 * (2 * n_groups + 1) + TN_PSUM_FEW * 8 + TN_PROW_TOP * 16;
    }
    return (bytes + (double)cfg->reduce.tune_rows * tuned_row) / 0x1p20;
}

tn_status tn_memory_predict(const tn_cfg *cfg, int64_t rows, tn_memory *out) {
    double cell_mib = 0, rows_mib = (double)rows * ROW_BYTES / 0x1p20,
           posteriors_mib = (double)rows * POSTERIOR_BYTES * tn_prow_width(cfg->data.n_classes) / 0x1p20;
    if (cfg->self.dropped == TN_DROPPED_SOFT)
        posteriors_mib *= 2; /* two more floats: the targets, and their copy for the overlay */
    else if (cfg->distil.student || cfg->self.probe)
        posteriors_mib *=
            1.5; /* a third float: the student's targets, or the probe's posteriors while they are joined */
    double probe_mib = 0;
    if (cfg->self.probe) TN_TRY(tn_probe_mib(cfg, rows, &probe_mib));
    if (cfg->distil.student) TN_TRY(add_student(cfg, &cell_mib));
    int ranks = cfg->slurm.ranks_per_node;
    TN_TRY(tn_is_search(cfg) ? add_trials(cfg, &cell_mib) : add_cell(cfg, &cell_mib));
    *out = (tn_memory){.preprocess_mib = on_a_node(ranks, PREPROCESS_MIB + rows_mib),
                       .train_mib = on_a_node(ranks, cell_mib + rows_mib + fmax(posteriors_mib, probe_mib)),
                       .one_mib = on_a_node(1, ONE_MIB + rows_mib + posteriors_mib + reduce_mib(cfg, rows))};
    return TN_OK;
}

/* A missing table is no error here: preprocess reports it, unless preprocess is done already. */
tn_status tn_memory_of(const tn_cfg *cfg, tn_memory *out) {
    tn_meta *meta = NULL;
    if (tn_file_exists(cfg->data.metadata)) TN_TRY(tn_meta_read(cfg, &meta));
    tn_status st = tn_memory_predict(cfg, meta ? meta->n : 0, out);
    tn_meta_free(&meta);
    return st;
}
