/* forecast.c - see forecast.h. */
#include "report/forecast.h"

#include "base/progress.h"
#include "cfg/cell.h"
#include "cfg/student.h"
#include "data/meta.h"
#include "data/view.h"
#include "model/weights.h"
#include "preprocess/decoder.h"
#include "probe/probe.h"
#include "process/cores.h"
#include "search/rung.h"
#include "train/cost.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 16, MOST_DECODED = 512, DECODE_S = 8 };
static const double START_S = 0.8; /* mpirun, MPI, reading the index, publishing; measured: 0.5 to 1.1 */

/* --- measuring ---------------------------------------------------------------------------------------------------- */

/* Decode and store images from all over the table: they are visited in golden-ratio order, so that the first n are spread evenly
 * for any n. Missing and bad images are skipped. The first few are kept to time the loader. Image sizes differ: the mean needs many
 * images. */
static tn_status store_images(const tn_cfg *cfg, const tn_meta *meta, tn_forecast *f, tn_pace_image *image) {
    const double golden = 0.6180339887498949;
    tn_decoder *d = NULL;
    double begin_s = 0;
    int n = 0;
    tn_status st = tn_decoder_open(cfg, NULL, &d);
    for (int i = -1; st == TN_OK && i < MOST_DECODED && i < meta->n;
         i++) { /* the first image starts the decoder and is not counted */
        char path[TN_PATH_BYTES];
        tn_found found = {.bytes = NULL};
        int64_t row = (int64_t)(fmod((i < 0 ? 0 : i) * golden, 1) * (double)meta->n);
        if (i == 0) begin_s = tn_now_s();
        if (i > MOST_IMAGES && tn_now_s() - begin_s > DECODE_S) break;
        st = tn_path(path, "%s/%s", cfg->data.images, meta->path[row]);
        if (st == TN_OK) st = tn_decoder_read(d, path, &found);
        bool good = st == TN_OK && !*found.reason && i >= 0;
        n += good;
        if (good && f->n_images < MOST_IMAGES)
            image[f->n_images++] = (tn_pace_image){found.bytes, found.n_bytes, found.w, found.h};
        else
            free(found.bytes);
    }
    f->store_s = n ? (tn_now_s() - begin_s) / n : 0;
    tn_decoder_close(&d);
    return st;
}

static tn_status look_at_table(const tn_cfg *cfg, tn_forecast *f, tn_pace_image *image) {
    tn_meta *meta = NULL;
    if (!tn_file_exists(cfg->data.metadata)) return TN_OK;
    TN_TRY(tn_meta_read(cfg, &meta));
    f->rows = meta->n;
    for (int64_t i = 0; i < meta->n; i++) f->judged += meta->label[i] >= 0 && !meta->is_test[i];
    f->others = f->rows - f->judged;
    tn_status st = store_images(cfg, meta, f, image);
    tn_meta_free(&meta);
    return st;
}

/* The pace of the student, whose net may be another one. */
static tn_status measure_student(const tn_cfg *cfg, tn_pace_image *image, tn_forecast *out) {
    tn_cfg *its = malloc(sizeof *its);
    if (!its) return tn_fail_memory(sizeof *its, "the student");
    *its = *cfg;
    tn_cfg_student(its);
    tn_status st =
        tn_pace_measure(its, tn_student_cell(its).size_px, out->n_ranks, out->n_images, image, &out->student);
    free(its);
    return st;
}

/* The size of the images that model.pretrained was trained on. */
static tn_status find_probe_px(const tn_cfg *cfg, int *out) {
    tn_net_spec spec = tn_train_net(cfg, 0);
    tn_input_norm norm;
    tn_ckpt_model about;
    tn_ckpt *ck = NULL;
    TN_TRY(tn_pretrained_open(cfg->model.pretrained, &spec, &norm, &ck));
    tn_status st = tn_ckpt_model_of(ck, &about);
    if (st == TN_OK) *out = about.size_px;
    tn_ckpt_free(&ck);
    return st;
}

/* The pace of the probe's features: that of a prediction, at another size. */
static tn_status measure_probe(const tn_cfg *cfg, tn_pace_image *image, tn_forecast *out) {
    if (!tn_file_exists(cfg->model.pretrained)) return TN_OK;
    TN_TRY(find_probe_px(cfg, &out->probe_px));
    tn_cfg *its = malloc(sizeof *its);
    if (!its) return tn_fail_memory(sizeof *its, "the probe");
    *its = *cfg;
    its->predict.size_factor = (double)out->probe_px / cfg->train.sizes_px[0];
    tn_status st = tn_pace_measure(its, cfg->train.sizes_px[0], out->n_ranks, out->n_images, image, &out->probe);
    free(its);
    return st;
}

tn_status tn_forecast_measure(const tn_cfg *cfg, tn_forecast *out) {
    tn_pace_image image[MOST_IMAGES] = {{0}};
    *out = (tn_forecast){.n_cores = tn_cores()};
    out->n_ranks = out->n_cores / cfg->train.lane_threads;
    if (out->n_ranks > cfg->train.lanes) out->n_ranks = cfg->train.lanes;
    if (out->n_ranks < 1) out->n_ranks = 1;
    tn_status st = look_at_table(cfg, out, image);
    for (int i = 0; st == TN_OK && i < cfg->train.n_sizes; i++)
        st = tn_pace_measure(cfg, cfg->train.sizes_px[i], out->n_ranks, out->n_images, image, &out->pace[i]);
    if (st == TN_OK && cfg->distil.student) st = measure_student(cfg, image, out);
    if (st == TN_OK && cfg->self.probe) st = measure_probe(cfg, image, out);
    if (st == TN_OK && out->probe_px)
        st = tn_probe_classify_s(cfg, out->judged, &out->classify_s); /* after all forks */
    for (int i = 0; i < out->n_images; i++) free(image[i].bytes);
    return st;
}

/* --- the prediction ----------------------------------------------------------------------------------------------- */

tn_status tn_makespan(int n, const double *seconds, int n_workers, double *out) {
    double *free_at = calloc((size_t)n_workers, sizeof *free_at);
    *out = 0;
    if (!free_at) return tn_fail_memory((size_t)n_workers * sizeof *free_at, "the forecast");
    for (int i = 0; i < n; i++) {
        int first = 0;
        for (int w = 1; w < n_workers; w++)
            if (free_at[w] < free_at[first]) first = w;
        free_at[first] += seconds[i];
        *out = fmax(*out, free_at[first]);
    }
    free(free_at);
    return TN_OK;
}

/* Rows that an evaluation predicts: all labelled rows, for the filter; in the last round only the validation slice. */
static double evaluated_rows(const tn_cfg *cfg, const tn_forecast *f, bool last_round) {
    double own = (double)f->judged / cfg->folds.count;
    if (!last_round) return (double)f->judged;
    return cfg->folds.validation == TN_VALIDATION_HELD_OUT ? own
                                                           : ((double)f->judged - own) * cfg->folds.validation_share;
}

/* Seconds to train a cell of size i, with ranks that share cores. */
static double train_s(const tn_cfg *cfg, const tn_forecast *f, int i, bool last_round, int n_ranks, int n_cores) {
    int64_t n_steps = 0;
    tn_train_steps(cfg, &n_steps);
    double evaluated = cfg->train.evaluations * evaluated_rows(cfg, f, last_round);
    return START_S + (double)n_steps * tn_pace_step_s(cfg, &f->pace[i], n_ranks, n_cores) +
           evaluated * tn_pace_eval_s(cfg, &f->pace[i], n_ranks, n_cores);
}

static double predict_s(const tn_cfg *cfg, const tn_forecast *f, int i, int n_ranks, int n_cores) {
    tn_image_view view[TN_MAX_SINGLE_VIEWS];
    double rows = (double)f->judged / cfg->folds.count + (double)f->others;
    return rows * tn_views_of(cfg, view) * tn_pace_predict_s(cfg, &f->pace[i], n_ranks, n_cores);
}

/* Seconds to train the student, on all folds less its slice, and to predict what belongs to no fold. */
static double student_s(const tn_cfg *cfg, const tn_forecast *f, int n_ranks, int n_cores) {
    tn_image_view view[TN_MAX_SINGLE_VIEWS];
    if (!cfg->distil.student) return 0;
    return 2 * START_S +
           (double)tn_cfg_steps(cfg, tn_student_images(cfg)) * tn_pace_step_s(cfg, &f->student, n_ranks, n_cores) +
           cfg->train.evaluations * (double)f->judged * cfg->folds.validation_share *
               tn_pace_eval_s(cfg, &f->student, n_ranks, n_cores) +
           (double)f->others * tn_views_of(cfg, view) * tn_pace_predict_s(cfg, &f->student, n_ranks, n_cores);
}

/* Seconds of the probe and of its filter; 0: there is none, or its weights are not there yet. */
static double probe_s(const tn_cfg *cfg, const tn_forecast *f, int n_ranks, int n_cores) {
    if (f->probe_px == 0) return 0;
    return START_S + (double)f->judged * tn_pace_predict_s(cfg, &f->probe, n_ranks, n_cores) + f->classify_s;
}

static int size_of(const tn_cfg *cfg, int size_px) {
    int i = 0;
    while (i < cfg->train.n_sizes - 1 && cfg->train.sizes_px[i] != size_px) i++;
    return i;
}

/* Seconds of the cells of a round in the order in which they start, largest first. */
typedef struct {
    int n_cells, n_rounds;
    double *train, *last, *predict; /* (n_cells): training; training in the last round; predicting */
    double preprocess_s, probe_s, student_s;
} stages;

static void fill(const tn_cfg *cfg, const tn_forecast *f, int n_ranks, int n_cores, stages *s) {
    for (int i = 0; i < s->n_cells; i++) {
        int size = size_of(cfg, tn_cell_nth(cfg, 0, i).size_px);
        s->train[i] = train_s(cfg, f, size, false, n_ranks, n_cores);
        s->last[i] = train_s(cfg, f, size, true, n_ranks, n_cores);
        s->predict[i] = predict_s(cfg, f, size, n_ranks, n_cores);
    }
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

/* A duration for people: "6.0 min". */
static const char *in_words(double s, char out[32]) {
    if (s < 120)
        snprintf(out, 32, "%.0f s", s);
    else if (s < 7200)
        snprintf(out, 32, "%.1f min", s / 60);
    else
        snprintf(out, 32, "%.1f h", s / 3600);
    return out;
}

static void put_paces(const tn_cfg *cfg, const tn_forecast *f, FILE *out) {
    fprintf(out, "\n# forecast: timed here with %d processes at once on %d cores (%s), with %s\n", f->n_ranks,
            f->n_cores, tn_isa_words[cfg->train.isa == TN_ISA_BEST ? tn_isa_best() : cfg->train.isa],
            f->n_images ? "images of the table" : "an image that was made up");
    for (int i = 0; i < cfg->train.n_sizes; i++) {
        const tn_pace *p = &f->pace[i];
        double images = (double)cfg->train.lanes * cfg->train.lane_images;
        fprintf(
            out,
            "# forecast: %d px: a lane trains in %.1f ms and is evaluated in %.1f ms, the rest of a step takes %.1f "
            "ms, loading an image %.2f ms: here %.0f images/s in training, %.0f in evaluation\n",
            cfg->train.sizes_px[i], 1e3 * p->lane_s, 1e3 * p->eval_s, 1e3 * p->rest_s, 1e3 * p->load_s,
            images / tn_pace_step_s(cfg, p, f->n_ranks, f->n_cores),
            1 / tn_pace_eval_s(cfg, p, f->n_ranks, f->n_cores));
        if (tn_predict_px(cfg, cfg->train.sizes_px[i]) != cfg->train.sizes_px[i])
            fprintf(out, "# forecast: its models predict at %d px: a lane in %.1f ms, here %.0f images/s\n",
                    tn_predict_px(cfg, cfg->train.sizes_px[i]), 1e3 * p->predict_s,
                    1 / tn_pace_predict_s(cfg, p, f->n_ranks, f->n_cores));
    }
    if (cfg->self.probe && f->probe_px == 0)
        fputs("# forecast: model.pretrained is not there yet: the probe is not included below\n", out);
    if (f->probe_px)
        fprintf(out, "# forecast: the probe computes features at %d px: a lane in %.1f ms, here %.0f images/s\n",
                f->probe_px, 1e3 * f->probe.predict_s, 1 / tn_pace_predict_s(cfg, &f->probe, f->n_ranks, f->n_cores));
    if (f->rows == 0)
        fputs("# forecast: there is no table yet: evaluation, prediction and preprocess are not included below\n", out);
    else if (f->n_images == 0)
        fputs("# forecast: no image of the table exists yet: preprocess is not included below\n", out);
    else
        fprintf(out, "# forecast: preprocess decodes and stores an image in %.1f ms per rank\n", 1e3 * f->store_s);
}

static double total(int n, const double *x) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum;
}

static double training(const stages *s) {
    return total(s->n_cells, s->train) * (s->n_rounds - 1) + total(s->n_cells, s->last);
}

static void put_here(const stages *s, FILE *out) {
    char words[6][32];
    double predict = (total(s->n_cells, s->predict) + START_S) * s->n_rounds, others = START_S * (s->n_rounds + 1);
    double all = s->preprocess_s + s->probe_s + training(s) + predict + s->student_s + others;
    fprintf(out, "# forecast: here, by tenfold run: %.0f s = %s: preprocess %s, ", all, in_words(all, words[0]),
            in_words(s->preprocess_s, words[1]));
    if (s->probe_s > 0) fprintf(out, "probe %s, ", in_words(s->probe_s, words[5]));
    fprintf(out, "train %s, predict %s, ", in_words(training(s), words[2]), in_words(predict, words[3]));
    if (s->student_s > 0) fprintf(out, "student %s, ", in_words(s->student_s, words[3]));
    fprintf(out, "others %s\n", in_words(others, words[4]));
}

/* How many cells of a round may run at a time. */
static int most_workers(const tn_cfg *cfg, const stages *s) {
    int most = cfg->slurm.max_running;
    return most > 0 && most < s->n_cells ? most : s->n_cells;
}

/* A task trains and predicts; the last task of a round also filters. */
static tn_status put_nodes(const tn_cfg *cfg, const stages *s, int n_nodes, FILE *out) {
    char words[32];
    int each = cfg->slurm.nodes[0], workers = n_nodes < each ? 1 : n_nodes / each, most = most_workers(cfg, s);
    double round_s = 0, last_s = 0;
    if (workers > most) workers = most;
    TN_TRY(tn_makespan(s->n_cells, s->train, workers, &round_s));
    TN_TRY(tn_makespan(s->n_cells, s->last, workers, &last_s));
    double all =
        s->preprocess_s + s->probe_s + (s->n_rounds - 1) * (round_s + START_S) + last_s + 2 * START_S + s->student_s;
    fprintf(out, "# forecast: with %d nodes at a time the run ends after %s (%d cells at a time)\n", workers * each,
            in_words(all, words), workers);
    return TN_OK;
}

static tn_status put_slurm(const tn_cfg *cfg, const stages *s, int n_nodes, FILE *out) {
    int each = cfg->slurm.nodes[0], most = most_workers(cfg, s), shown = 0;
    double models_s = (training(s) + s->student_s + s->probe_s) * each,
           node_s = models_s + s->preprocess_s + START_S * (s->n_rounds + 1);
    fprintf(out,
            "# forecast: under Slurm, on nodes like this machine: %.2f node-hours: preprocess %.2f, train and predict "
            "%.2f; a cell has %d nodes of %d ranks\n",
            node_s / 3600, s->preprocess_s / 3600, models_s / 3600, each, cfg->slurm.ranks_per_node);
    if (n_nodes > 0) return put_nodes(cfg, s, n_nodes, out);
    for (int w = 1; w < 2 * most && shown < 8; w *= 2, shown++)
        TN_TRY(put_nodes(cfg, s, (w < most ? w : most) * each, out));
    return TN_OK;
}

static tn_status put_all(const tn_cfg *cfg, const tn_forecast *f, int n_nodes, stages *s, FILE *out) {
    int ranks = cfg->slurm.nodes[0] * cfg->slurm.ranks_per_node;
    int cpus = tn_cfg_cpus_per_rank(cfg);
    if (ranks > cfg->train.lanes) ranks = cfg->train.lanes;
    fill(cfg, f, f->n_ranks, f->n_cores, s);
    s->student_s = student_s(cfg, f, f->n_ranks, f->n_cores);
    s->probe_s = probe_s(cfg, f, f->n_ranks, f->n_cores);
    s->preprocess_s = START_S + (double)f->rows * f->store_s / f->n_cores;
    put_here(s, out);
    fill(cfg, f, ranks, ranks * cpus, s);
    s->student_s = student_s(cfg, f, ranks, ranks * cpus);
    s->probe_s = probe_s(cfg, f, ranks, ranks * cpus);
    for (int i = 0; i < s->n_cells; i++) { /* one task */
        s->train[i] += s->predict[i] + START_S;
        s->last[i] += s->predict[i] + START_S;
    }
    s->preprocess_s = START_S + (double)f->rows * f->store_s / cfg->slurm.ranks_per_node;
    TN_TRY(put_slurm(cfg, s, n_nodes, out));
    fputs("# forecast: not included: waiting in the queue, the network between nodes, and the time that filter, reduce "
          "and "
          "report\n"
          "# forecast: need for a large table; a round that is skipped takes no time\n",
          out);
    return TN_OK;
}

tn_status tn_forecast_print(const tn_cfg *cfg, const tn_forecast *f, int n_nodes, FILE *out) {
    put_paces(cfg, f, out);
    if (tn_is_search(cfg)) {
        fputs(
            "# forecast: for a search this is the pace of the job file as it stands; trials may be faster or slower\n",
            out);
        return TN_OK;
    }
    stages s = {.n_cells = tn_cell_count(cfg), .n_rounds = cfg->self.max_rounds + 1};
    s.train = calloc(3 * (size_t)s.n_cells, sizeof *s.train);
    if (!s.train) return tn_fail_memory((size_t)s.n_cells * 24, "the forecast");
    s.last = s.train + s.n_cells;
    s.predict = s.last + s.n_cells;
    tn_status st = put_all(cfg, f, n_nodes, &s, out);
    free(s.train);
    return st;
}
