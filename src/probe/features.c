/* features.c - all ranks compute waves of rows, rank 0 writes them. */
#include "probe/features.h"

#include "base/progress.h"
#include "base/stop.h"
#include "data/loader.h"
#include "model/model.h"
#include "train/cost.h"
#include "train/eval.h"

#include <stdlib.h>

enum { WAVE_FLOATS = 1 << 24 }; /* between two writes; on every rank */

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    const char *path;
    tn_model model;
    tn_loader_spec spec;
    int d;
    int64_t n, n_wave, *rows;
    float *x; /* (n_wave,d) */
    tn_h5 *file;
} features;

/* The highest instruction set that all ranks have, unless the job file names one. */
static tn_isa common_isa(tn_run *run, const tn_cfg *cfg) {
    int least = (int)tn_isa_best();
    MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_INT, MPI_MIN, run->comm);
    return cfg->train.isa == TN_ISA_BEST ? (tn_isa)least : cfg->train.isa;
}

static tn_status open_net(features *f, tn_isa isa) {
    const tn_cfg *c = f->cfg;
    tn_net_spec spec = tn_train_net(c, 0);
    tn_model_use use = {c->train.device, c->train.lane_threads, isa, c->train.precision, c->train.lane_images, 0};
    tn_status st = tn_model_open_features(c->model.pretrained, &spec, &use, &f->model);
    if (st != TN_OK) return tn_fail(st, "model.pretrained: %s", tn_msg);
    f->d = f->model.about.net.n_classes;
    f->spec.norm = f->model.about.norm;
    f->spec.size_px = f->model.about.size_px;
    return TN_OK;
}

static tn_status create(features *f) {
    TN_TRY(tn_h5_create(f->path, &f->file));
    TN_TRY(tn_h5_stamp(f->file, "features", 1));
    TN_TRY(tn_h5_write(f->file, "row", TN_H5_I64, 1, &f->n, f->rows));
    return tn_h5_reserve(f->file, "features", TN_H5_F32, 2, (int64_t[]){f->n, f->d});
}

static tn_status begin(features *f, int n_ranks, int rank, tn_isa isa) {
    const tn_index *ix = f->ix;
    TN_TRY(open_net(f, isa));
    f->rows = malloc((size_t)ix->n * sizeof *f->rows + 1);
    int64_t lanes = WAVE_FLOATS / ((int64_t)f->spec.lane_images * f->d);
    f->n_wave = (lanes > n_ranks ? lanes : n_ranks) * f->spec.lane_images;
    size_t floats = (size_t)f->n_wave * (size_t)f->d;
    f->x = malloc(floats * sizeof *f->x);
    if (!f->rows || !f->x) return tn_fail_memory(floats * sizeof *f->x, "the features");
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->fold[i] >= 0) f->rows[f->n++] = i;
    return rank == 0 ? create(f) : TN_OK;
}

tn_status tn_probe_go_on(void) {
    return tn_stop_wanted() ? tn_fail(TN_EUNFINISHED, "probe: stopped on request: run the same command again") : TN_OK;
}

static tn_status compute(tn_run *run, features *f) {
    tn_progress bar;
    tn_status st = TN_OK;
    if (run->rank == 0) tn_progress_begin(&bar, "probe", f->n, "images");
    for (int64_t at = 0; st == TN_OK && at < f->n; at += f->n_wave) {
        int64_t n = f->n - at < f->n_wave ? f->n - at : f->n_wave;
        st = tn_agree(run, tn_probe_go_on());
        if (st == TN_OK) st = tn_eval_logits(run, f->model.exec, &f->spec, f->d, n, f->rows + at, f->x);
        if (st == TN_OK)
            st = tn_agree(run, run->rank == 0 ? tn_h5_write_rows(f->file, "features", TN_H5_F32, at, n, f->x) : TN_OK);
        if (run->rank == 0) tn_progress_at(&bar, at + n, NULL);
    }
    if (run->rank == 0) tn_progress_end(&bar, NULL);
    return st;
}

tn_status tn_features_make(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                           const char *path) {
    features f = {.cfg = cfg, .ix = index, .path = path};
    f.spec = (tn_loader_spec){.index = index,
                              .shards = shards,
                              .lane_images = cfg->train.lane_images,
                              .n_threads = cfg->train.loader_threads,
                              .depth = 4};
    tn_isa isa = common_isa(run, cfg);
    tn_status st = tn_agree(run, begin(&f, run->n_ranks, run->rank, isa));
    if (st == TN_OK) st = compute(run, &f);
    tn_status closed = tn_h5_close(&f.file);
    st = st == TN_OK ? tn_agree(run, closed) : st;
    tn_model_close(&f.model);
    free(f.rows);
    free(f.x);
    return st;
}
