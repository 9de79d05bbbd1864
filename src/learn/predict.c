/* predict.c - a cell's best model over the rows that it did not see. */
#include "learn/ensemble.h"

#include "base/done.h"
#include "base/progress.h"
#include "learn/eval.h"
#include "learn/model.h"
#include "learn/pred.h"
#include "learn/train.h"

#include <stdlib.h>
#include <string.h>

/* Out-of-fold rows and rows that nobody trains on, ascending. out: (N). */
static int64_t rows_of(const tn_index *ix, int fold, int64_t *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->fold[i] == fold || ix->fold[i] == TN_FOLD_NONE) out[n++] = i;
    return n;
}

static tn_status compute(tn_run *run, const tn_cfg *cfg, const tn_index *ix, const tn_shards *shards,
                         const tn_cell *cell, tn_model *m, int64_t *rows, float *p, int64_t n) {
    tn_loader_spec spec = {.index = ix,
                           .shards = shards,
                           .size_px = m->about.size_px,
                           .lane_images = cfg->train.lane_images,
                           .n_threads = cfg->train.loader_threads,
                           .depth = 4,
                           .seed = (uint64_t)cell->seed,
                           .metadata_levels = cfg->model.metadata_levels,
                           .norm = m->about.norm};
    char name[TN_CELL_NAME_BYTES], label[TN_CELL_NAME_BYTES + 16];
    tn_cell_name(cell, name);
    snprintf(label, sizeof label, "predict %s", name);
    return tn_eval_rows(run, m->exec, &spec, n, rows, label, p);
}

static tn_status publish(const tn_index *ix, const tn_cell *cell, const char *folder, const tn_done *done,
                         const char *model_digest, int64_t n, const int64_t *rows, const float *p) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    tn_pred_info info = {.cell = *cell, .n = n, .K = ix->n_classes};
    snprintf(info.index_digest, sizeof info.index_digest, "%s", ix->digest);
    snprintf(info.model_digest, sizeof info.model_digest, "%s", model_digest);
    TN_TRY(tn_path(path, "%s/predictions.h5", folder));
    TN_TRY(tn_pred_write(path, &info, rows, p));
    tn_hash *h = tn_hash_new();
    tn_hash_add(h, rows, (size_t)n * sizeof *rows);
    tn_hash_add(h, p, (size_t)(n * ix->n_classes) * sizeof *p);
    tn_hash_hex(h, digest);
    tn_hash_free(&h);
    return tn_done_publish(folder, done, digest, (const char *[]){"predictions.h5", NULL});
}

static tn_status predict_anew(tn_run *run, const tn_cfg *cfg, const tn_index *ix, const tn_shards *shards,
                              const tn_cell *cell, const char *folder, const char *model_digest, const tn_done *done) {
    char path[TN_PATH_BYTES];
    tn_model m = {.net = NULL};
    int64_t *rows = malloc((size_t)ix->n * sizeof *rows + 1), n = rows ? rows_of(ix, cell->fold, rows) : 0;
    float *p = malloc((size_t)(n * ix->n_classes) * sizeof *p + 1);
    int isa = (int)tn_isa_best();
    MPI_Allreduce(MPI_IN_PLACE, &isa, 1, MPI_INT, MPI_MIN, run->comm);
    tn_status st =
        rows && p ? tn_cell_folder(cfg, "train", cell, path) : tn_fail_memory((size_t)ix->n * 28, "the predictions");
    if (st == TN_OK) st = tn_done_file(path, "best.safetensors", "train", path);
    if (st == TN_OK)
        st = tn_model_open(path,
                           &(tn_model_use){cfg->train.device, cfg->train.lane_threads, (tn_isa)isa,
                                           cfg->train.precision, cfg->train.lane_images, 0},
                           &m);
    st = tn_agree(run, st);
    if (st == TN_OK) st = compute(run, cfg, ix, shards, cell, &m, rows, p, n);
    if (st == TN_OK)
        st = tn_agree(run, run->rank == 0 ? publish(ix, cell, folder, done, model_digest, n, rows, p) : TN_OK);
    tn_model_close(&m);
    free(rows);
    free(p);
    return st;
}

/* A cell of a round that was not trained. */
static tn_status skip(tn_run *run, const char *label, const char *folder, const tn_done *done) {
    tn_status st = TN_OK;
    if (run->rank == 0) {
        st = tn_done_publish(folder, done, TN_SKIPPED, NULL);
        tn_say("%s: skipped, there is no such model", label);
    }
    return tn_agree(run, st);
}

tn_status tn_predict(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                     const tn_cell *cell) {
    char name[TN_CELL_NAME_BYTES], label[TN_CELL_NAME_BYTES + 16], folder[TN_PATH_BYTES], digest[TN_HEX_BYTES] = "",
                                                                                          settings[96], inputs[128];
    tn_cell_name(cell, name);
    snprintf(label, sizeof label, "predict %s", name);
    tn_status st = tn_cell_folder(cfg, "predict", cell, folder);
    if (st == TN_OK) st = tn_train_digest(cfg, cell, digest);
    TN_TRY(tn_agree(run, st));
    snprintf(settings, sizeof settings, "cell = %s\n", name);
    snprintf(inputs, sizeof inputs, "train %s\nindex %s\n", digest, index->digest);
    tn_done want = {.stage = "predict", .settings = settings, .inputs = inputs};
    bool valid = false;
    TN_TRY(tn_done_begin_all(run, folder, label, &want, &valid));
    if (!valid && strcmp(digest, TN_SKIPPED) == 0) return skip(run, label, folder, &want);
    return valid ? TN_OK : predict_anew(run, cfg, index, shards, cell, folder, digest, &want);
}
