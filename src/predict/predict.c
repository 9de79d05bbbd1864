/* predict.c - predicts rows with a cell's kept model. */
#include "predict/predict.h"

#include "base/progress.h"
#include "model/model.h"
#include "predict/pred.h"
#include "store/done.h"
#include "store/visible.h"
#include "train/cost.h"
#include "train/eval.h"
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    const tn_shards *shards;
    const tn_cell *cell;
    const char *data_dir; /* folder of new images; NULL: the run's own data set */
    char label[TN_CELL_NAME_BYTES + 16], folder[TN_PATH_BYTES], model_digest[TN_HEX_BYTES];
    tn_model model;
    tn_image_view view[TN_MAX_SINGLE_VIEWS];
    int n_views;
    int64_t n, next;   /* number of rows to predict; row of the data set where the search for the next ones begins */
    int64_t n_wave;    /* rows that all ranks compute before rank 0 writes them */
    int64_t *rows;     /* (n_wave) */
    float *p;          /* n_wave rows (score/prow.h); of several views first (n_wave,K) */
    double *sum;       /* (n_wave,K) sum over views; NULL: there is one view */
    int32_t *own;      /* (N) -1: the kept rows know no label; NULL: there are several views */
    tn_pred_writer *w; /* on rank 0 */
} prediction;

/* Must the row be predicted? Out-of-fold rows, and rows that no model is trained on. */
static bool wants(const prediction *x, int64_t i) {
    return !x->ix->state[i] && (x->ix->fold[i] == x->cell->fold || x->ix->fold[i] == TN_FOLD_NONE);
}

/* Find the next rows to predict, ascending, at most n_wave. */
static int64_t next_rows(prediction *x) {
    int64_t n = 0;
    for (; n < x->n_wave && x->next < x->ix->n; x->next++)
        if (wants(x, x->next)) x->rows[n++] = x->next;
    return n;
}

/* Bring n rows of all K values to the form in which they are kept (score/prow.h), from the first one on in the same memory. */
static void keep_rows(int K, int64_t n, float *p) {
    float row[TN_PROW_MOST];
    for (int64_t i = 0; !tn_prow_whole(K) && i < n; i++) {
        tn_prow_keep(K, -1, p + i * K, row);
        memcpy(p + i * TN_PROW_FEW, row, TN_PROW_FEW * sizeof *row);
    }
}

static tn_status compute(tn_run *run, prediction *x, int64_t n) {
    tn_loader_spec spec = {.index = x->ix,
                           .shards = x->shards,
                           .size_px = x->model.about.size_px,
                           .lane_images = x->cfg->train.lane_images,
                           .n_threads = x->cfg->train.loader_threads,
                           .depth = 4,
                           .seed = (uint64_t)x->cell->seed,
                           .metadata_levels = x->cfg->model.metadata_levels,
                           .norm = x->model.about.norm};
    if (x->n_views == 1) {
        spec.view = x->view;
        return tn_eval_rows(run, x->model.exec, &spec, n, x->rows, x->own, NULL, x->p);
    }
    int64_t floats = n * x->ix->n_classes;
    memset(x->sum, 0, (size_t)floats * sizeof *x->sum);
    for (int v = 0; v < x->n_views; v++) {
        spec.view = &x->view[v];
        TN_TRY(tn_eval_rows(run, x->model.exec, &spec, n, x->rows, NULL, NULL, x->p));
        for (int64_t i = 0; i < floats; i++) x->sum[i] += (double)x->p[i];
    }
    for (int64_t i = 0; i < floats; i++) x->p[i] = (float)(x->sum[i] / x->n_views);
    keep_rows(x->ix->n_classes, n, x->p);
    return TN_OK;
}

/* Predict all rows in waves. A wave has whole lanes for every rank. Lanes are cut from the beginning of the rows, so that a row's
 * neighbours in its lane, and with them its bits, do not depend on the number of ranks. */
static tn_status compute_all(tn_run *run, prediction *x) {
    tn_progress bar;
    if (run->rank == 0) tn_progress_begin(&bar, x->label, x->n, "images");
    tn_status st = TN_OK;
    for (int64_t done = 0; st == TN_OK && done < x->n;) {
        st = tn_agree(run, tn_stop_wanted() ? tn_fail(TN_EUNFINISHED,
                                                      "%s: stopped on request; finished cells are "
                                                      "published: run the same command again",
                                                      x->label)
                                            : TN_OK);
        int64_t n = next_rows(x);
        if (st == TN_OK) st = compute(run, x, n);
        if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? tn_pred_append(x->w, n, x->rows, x->p) : TN_OK);
        done += n;
        if (run->rank == 0) tn_progress_at(&bar, done, NULL);
    }
    if (run->rank == 0) tn_progress_end(&bar, NULL);
    return st;
}

static tn_status open_writer(prediction *x) {
    char path[TN_PATH_BYTES], *classes = NULL;
    const tn_index *ix = x->ix;
    tn_pred_info info = {.cell = *x->cell, .n = x->n, .K = ix->n_classes};
    snprintf(info.shards_digest, sizeof info.shards_digest, "%s", ix->shards_digest);
    snprintf(info.index_digest, sizeof info.index_digest, "%s", ix->digest);
    snprintf(info.model_digest, sizeof info.model_digest, "%s", x->model_digest);
    TN_TRY(tn_path(path, "%s/predictions.h5", x->folder));
    TN_TRY(tn_pred_classes(ix->n_classes, ix->class_name, &classes));
    info.classes = classes;
    tn_status st = tn_pred_create(path, &info, &x->w);
    free(classes);
    return st;
}

/* Rank 0 compares the model's hash with DONE; then all ranks wait until they see the same file. */
static tn_status see_model(tn_run *run, const prediction *x) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES];
    TN_TRY(tn_cell_folder(x->cfg, "train", x->cell, folder));
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_done_file(folder, "best.safetensors", "train", path) : TN_OK));
    TN_TRY(tn_path(path, "%s/best.safetensors", folder));
    return tn_wait_visible(run, path, NULL);
}

/* Open the model with the instruction set that it was trained with, so that all nodes compute the same bits. */
static tn_status open_model(prediction *x) {
    char path[TN_PATH_BYTES];
    const tn_cfg *cfg = x->cfg;
    TN_TRY(tn_cell_folder(cfg, "train", x->cell, path));
    TN_TRY(tn_path(path, "%s/best.safetensors", path));
    return tn_model_open(path,
                         &(tn_model_use){cfg->train.device, cfg->train.lane_threads, TN_ISA_BEST, cfg->train.precision,
                                         cfg->train.lane_images, tn_predict_px(cfg, x->cell->size_px)},
                         &x->model);
}

/* With one view only kept rows are held and sent to the other ranks; several views are summed over all K values. */
static tn_status allocate(const tn_run *run, prediction *x) {
    int K = x->ix->n_classes;
    x->n_wave = (int64_t)tn_predict_wave_lanes(x->cfg, run->n_ranks) * x->cfg->train.lane_images * run->n_ranks;
    size_t n = (size_t)x->n_wave, width = (size_t)(x->n_views == 1 ? tn_prow_width(K) : K);
    x->rows = malloc(n * sizeof *x->rows);
    x->p = malloc(n * width * sizeof *x->p);
    if (x->n_views == 1)
        x->own = malloc((size_t)x->ix->n * sizeof *x->own + 1);
    else
        x->sum = malloc(n * width * sizeof *x->sum);
    if (!x->rows || !x->p || (!x->own && !x->sum))
        return tn_fail_memory(n * tn_predict_row_bytes(x->cfg), "the predictions");
    for (int64_t i = 0; x->own && i < x->ix->n; i++) x->own[i] = -1;
    return TN_OK;
}

static tn_status begin(const tn_run *run, prediction *x) {
    for (int64_t i = 0; i < x->ix->n; i++) x->n += wants(x, i);
    x->n_views = tn_views_of(x->cfg, x->view);
    TN_TRY(allocate(run, x));
    TN_TRY(open_model(x));
    int units = tn_extra_units(x->ix, x->cfg->model.metadata_levels);
    if (units != x->model.about.net.extra_units)
        return tn_fail(TN_EARG,
                       "%s: its model was trained with %d category values, the data set has %d: train it again",
                       x->label, x->model.about.net.extra_units, units);
    return run->rank == 0 ? open_writer(x) : TN_OK;
}

static tn_status publish_predictions(prediction *x, const tn_done *done) {
    char digest[TN_HEX_BYTES];
    TN_TRY(tn_pred_finish(&x->w, digest));
    tn_result("%lld images", (long long)x->n);
    return tn_done_publish(x->folder, done, digest, (const char *[]){"predictions.h5", NULL});
}

static tn_status predict_anew(tn_run *run, prediction *x, const tn_done *done) {
    tn_status st = see_model(run, x);
    if (st == TN_OK) st = tn_agree(run, begin(run, x));
    if (st == TN_OK) st = compute_all(run, x);
    if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? publish_predictions(x, done) : TN_OK);
    tn_pred_drop(&x->w);
    tn_model_close(&x->model);
    free(x->rows);
    free(x->p);
    free(x->sum);
    free(x->own);
    return st;
}

/* Publish the predictions of a skipped cell as skipped. */
static tn_status skip(tn_run *run, const prediction *x, const tn_done *done) {
    tn_status st = TN_OK;
    if (run->rank == 0) {
        st = tn_done_publish(x->folder, done, TN_SKIPPED, NULL);
        tn_say("%s: skipped, because its cell was skipped", x->label);
    }
    return tn_agree(run, st);
}

/* The settings of the identity. keys: the canonical settings that the probabilities depend on. The caller frees *out. */
static tn_status settings_of(const tn_cell *cell, const char *keys, char **out) {
    char name[TN_CELL_NAME_BYTES];
    size_t n = 0;
    FILE *f = open_memstream(out, &n);
    tn_cell_name(cell, name);
    if (f && keys) fprintf(f, "cell = %s\n%s", name, keys);
    return tn_text_end(f, keys ? TN_OK : tn_fail_memory(4096, "the settings"), "the settings");
}

static void inputs_of(const char *model_digest, const char *index_digest, char out[160]) {
    snprintf(out, 160, "train %s\nindex %s\nformat %d\n", model_digest, index_digest, TN_PRED_VERSION);
}

/* Predict the cell unless it is done. x->model_digest and x->folder are set. */
static tn_status predict_cell(tn_run *run, prediction *x) {
    /* a folder of new images belongs to one run's models: its identity contains their settings, too */
    char *keys = x->data_dir ? tn_spec_settings(x->cfg) : tn_cfg_canonical(x->cfg, TN_KEYS_PREDICT);
    char *settings = NULL, inputs[160];
    bool valid = false;
    inputs_of(x->model_digest, x->ix->digest, inputs);
    tn_status st = tn_agree(run, settings_of(x->cell, keys, &settings));
    free(keys);
    tn_done want = {.stage = "predict", .settings = settings, .inputs = inputs};
    if (st == TN_OK) st = tn_done_begin_all(run, x->folder, x->label, &want, &valid);
    if (st == TN_OK && !valid)
        st = strcmp(x->model_digest, TN_SKIPPED) == 0 ? skip(run, x, &want) : predict_anew(run, x, &want);
    free(settings);
    return st;
}

/* Set the model's digest, as rank 0 reads it, on every rank. */
static tn_status find_model(tn_run *run, prediction *x) {
    char name[TN_CELL_NAME_BYTES];
    tn_cell_name(x->cell, name);
    snprintf(x->label, sizeof x->label, "predict %s", name);
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_train_digest(x->cfg, x->cell, x->model_digest) : TN_OK));
    MPI_Bcast(x->model_digest, sizeof x->model_digest, MPI_CHAR, 0, run->comm);
    return TN_OK;
}

tn_status tn_predict(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                     const tn_cell *cell) {
    prediction x = {.cfg = cfg, .ix = index, .shards = shards, .cell = cell};
    TN_TRY(find_model(run, &x));
    TN_TRY(tn_agree(run, tn_cell_folder(cfg, "predict", cell, x.folder)));
    return predict_cell(run, &x);
}

tn_status tn_predict_new(tn_run *run, const tn_cfg *cfg, const char *data_dir, const tn_index *index,
                         const tn_shards *shards, const tn_spec_member *member) {
    char name[TN_CELL_NAME_BYTES];
    prediction x = {.cfg = cfg, .ix = index, .shards = shards, .cell = &member->cell, .data_dir = data_dir};
    TN_TRY(find_model(run, &x));
    tn_cell_name(x.cell, name);
    tn_status st = tn_path(x.folder, "%s/predict/%s", data_dir, name);
    if (st == TN_OK && strcmp(x.model_digest, member->model_digest) != 0)
        st = tn_fail(TN_EARG,
                     "%s was trained again since %s was reduced: run `tenfold predict` and `tenfold reduce` on "
                     "that run first",
                     name, cfg->run_dir);
    TN_TRY(tn_agree(run, st));
    return predict_cell(run, &x);
}

/* --- done --------------------------------------------------------------------------------------------------------- */

static tn_status find_done(const tn_cfg *cfg, const tn_cell *cell, const char *folder, bool *out) {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES], index[TN_HEX_BYTES], model[TN_HEX_BYTES], inputs[160];
    char *keys = tn_cfg_canonical(cfg, TN_KEYS_PREDICT), *settings = NULL;
    tn_done_state state = TN_DONE_ABSENT;
    tn_status st = settings_of(cell, keys, &settings);
    free(keys);
    if (st == TN_OK) st = tn_path(shards, "%s/shards", cfg->run_dir);
    if (st == TN_OK) st = tn_path(folds, "%s/folds", cfg->run_dir);
    if (st == TN_OK) st = tn_index_digest(shards, folds, index);
    if (st == TN_OK) st = tn_train_digest(cfg, cell, model);
    if (st == TN_OK) {
        inputs_of(model, index, inputs);
        st = tn_done_find(folder, &(tn_done){.stage = "predict", .settings = settings, .inputs = inputs}, &state);
    }
    free(settings);
    *out = st == TN_OK && state == TN_DONE_VALID;
    return st;
}

tn_status tn_predict_done(const tn_cfg *cfg, const tn_cell *cell, bool *out) {
    char folder[TN_PATH_BYTES];
    *out = false;
    TN_TRY(tn_cell_folder(cfg, "predict", cell, folder));
    return tn_done_exists(folder) ? find_done(cfg, cell, folder, out) : TN_OK;
}
