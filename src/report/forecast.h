/*
 * forecast.h - predicts how long a run will take, from optimiser steps and evaluations that are timed on this machine.
 *
 *   tn_forecast f;
 *   TN_TRY(tn_forecast_measure(cfg, &f));            // before this process opens a device (train/pace.h)
 *   TN_TRY(tn_forecast_print(cfg, &f, n_nodes, stdout));
 *
 * Measured   for each image size the pace of train/pace.h, with as many processes as `tenfold run` would start, and with images of
 *            the table if they exist; these are first decoded and stored, which gives the pace of preprocess.
 * Formula    training a cell: optimiser steps x seconds per step + evaluations x rows x seconds per row; rows are all labelled
 *            rows, in the last round the validation slice. Predicting: rows x views x seconds per row. START_S is added for each
 *            step of the plan, for the launcher and for files. The probe: all rows to train on at the size of model.pretrained, and its
 *            classifiers (probe/probe.h). Here the steps run one after another. Under Slurm a task trains
 *            and predicts a cell; the cells of a round, largest first, go each to the next free worker (nodes / slurm.nodes
 *            workers, at most slurm.max_running); rounds follow each other, with a filter between. slurm.size_nodes is ignored.
 * Excluded   waiting in the queue, the network between nodes, full disks; filter, reduce and report beyond START_S.
 * Source     list scheduling: Graham 1969, "Bounds on multiprocessing timing anomalies"
 */
#ifndef TN_REPORT_FORECAST_H
#define TN_REPORT_FORECAST_H

#include "cfg/cfg.h"
#include "train/pace.h"

typedef struct {
    int n_cores, n_ranks; /* cores of this machine, ranks that `tenfold run` would start */
    int64_t rows, judged,
        others;                 /* rows of the table: all, with a label for training, the rest; 0: there is no table */
    int n_images;               /* images of the table that were decoded; 0: none exists */
    double store_s;             /* seconds to decode and store one image */
    tn_pace pace[TN_MAX_SIZES]; /* by index in train.sizes_px */
    tn_pace student;            /* with distil.student: of its net, at the largest size */
    tn_pace probe;              /* with self.probe: prediction at the size of model.pretrained, if that is there */
    int probe_px;               /* that size; 0: the probe is not timed */
    double classify_s;          /* with self.probe: seconds for its classifiers */
} tn_forecast;

/* Takes five seconds per size, or longer if steps are long. Local. Errors of tn_pace_measure and tn_meta_read. */
tn_status tn_forecast_measure(const tn_cfg *cfg, tn_forecast *out);
/* Print lines that begin with #. n_nodes: of the Slurm cluster; 0: print several numbers of nodes. Local. Errors TN_ENOMEM. */
tn_status tn_forecast_print(const tn_cfg *cfg, const tn_forecast *f, int n_nodes, FILE *out);

/* List scheduling: n_workers take n jobs in this order, each the next when it is free. out: when the last job ends. seconds (n).
 * Local. Errors TN_ENOMEM. */
tn_status tn_makespan(int n, const double *seconds, int n_workers, double *out);

#endif
