/*
 * forecast.h - how long a run will take, from steps that are timed here.          layer: suite, uses: learn, preprocess
 *
 *   tn_forecast f;
 *   TN_TRY(tn_forecast_measure(cfg, &f));            // before this process opens a device (learn/pace.h)
 *   TN_TRY(tn_forecast_print(cfg, &f, n_nodes, stdout));
 *
 * Measured   per size the pace of learn/pace.h, with as many processes as `tenfold run` would start, and with images of the
 *            table where they are there; these are decoded and stored first, which is the pace of preprocess.
 * Formula    a cell: steps x step + evaluation points x rows x evaluation, where rows are all judged ones, in the last round the
 *            validation slice; predictions: rows x views x evaluation; and START_S a step of the plan, for a launcher and
 *            what is read and written. Here they come one after another. Under Slurm a task trains and predicts a cell; those
 *            of a round, largest first, share the workers (nodes / slurm.nodes, at most slurm.max_running), each the next
 *            that is free; rounds come one after another, with a filter between. slurm.size_nodes is not looked at.
 * Not in it  waiting in the queue, the network between nodes, full disks; filter, reduce and report beyond START_S.
 * Source     list scheduling: Graham 1969, "Bounds on multiprocessing timing anomalies"
 */
#ifndef TN_SUITE_FORECAST_H
#define TN_SUITE_FORECAST_H

#include "base/cfg.h"
#include "learn/pace.h"

typedef struct {
    int n_cores, n_ranks;         /* of this machine, and as `tenfold run` would use them */
    int64_t rows, judged, others; /* of the table: all, with a label for training, the rest; 0: it is not there */
    int n_images;                 /* of the table, that were decoded; 0: none is there */
    double store_s;               /* to decode and store one of them */
    tn_pace pace[TN_MAX_SIZES];   /* of train.sizes_px */
} tn_forecast;

/* Takes five seconds a size, or longer where steps are long. Errors of tn_pace_measure and tn_meta_read. Local. */
tn_status tn_forecast_measure(const tn_cfg *cfg, tn_forecast *out);
/* n_nodes 0: for several numbers of them. Lines that begin with #. TN_ENOMEM. */
tn_status tn_forecast_print(const tn_cfg *cfg, const tn_forecast *f, int n_nodes, FILE *out);

/* When the last of n pieces is done that n_workers take in this order, each the next that is free. TN_ENOMEM. */
tn_status tn_makespan(int n, const double *seconds, int n_workers, double *out);

#endif
