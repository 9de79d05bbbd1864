/* check.c - tenfold check: reads a job file and prints its settings and what the run will cost. */
#include "cli/args.h"

#include "base/progress.h"
#include "cfg/cell.h"
#include "cfg/student.h"
#include "data/fold.h"
#include "explore/levels.h"
#include "model/weights.h"
#include "preprocess/columns.h"
#include "report/forecast.h"
#include "search/rung.h"
#include "slurm/gpus.h"
#include "slurm/memory.h"
#include "train/cost.h"
#include "train/sampler.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Print how often a model of round 0 sees the images of each class. size (K): its training rows. */
static tn_status print_exposure(const tn_cfg *cfg, char *const *name, const int64_t *size, int64_t *count) {
    int K = cfg->data.n_classes, rarest = 0, largest = 0;
    int64_t n = 0;
    enum { MOST_LINES = 32 };
    TN_TRY(tn_sampler_count(&(tn_sampler_spec){cfg->train.sampler, cfg->train.rows_per_class}, K, name, size, count));
    for (int k = 0; k < K; k++) {
        n += count[k];
        if (size[k] < size[rarest]) rarest = k;
        if (size[k] > size[largest]) largest = k;
    }
    if (K > MOST_LINES) printf("# of %d classes the rarest and the largest:\n", K);
    for (int k = 0; k < K && n > 0; k++) {
        double seen = (double)cfg->train.images * (double)count[k] / (double)n;
        if (K > MOST_LINES && k != rarest && k != largest) continue;
        tn_print(stdout, "# class %s: about %" PRId64 " training rows, %.0f images seen, each %.1f times\n", name[k],
                 size[k], seen, size[k] ? seen / (double)size[k] : 0.0);
    }
    return TN_OK;
}

/* Few images and weights that start at random: say what would help. A net of another width or depth has no weights to begin with.
 * Source: Kornblith et al. 2019 (arXiv 1805.08974): pretraining helps a lot with few examples, and the gain fades with more of them.
 * Where it begins to be small differs between data sets; ENOUGH is a choice.
 * size (K): training rows of a model. */
static void print_pretraining(const tn_cfg *cfg, const int64_t *size) {
    enum { ENOUGH = 1000 };
    bool is_published = cfg->model.width == 0 && cfg->model.depth == 0 && cfg->model.stem_stride == 2;
    int64_t sum = 0, K = cfg->data.n_classes;
    for (int k = 0; k < K; k++) sum += size[k];
    if (!*cfg->model.pretrained && is_published && sum < ENOUGH * K)
        printf("# model.pretrained is empty: with %" PRId64
               " training rows per class, weights of ImageNet to start from usually help much: docs/weights.md\n",
               sum / K);
}

/* The rows that a model trains on are those of the other folds, less its validation slice. */
static tn_status exposure(const tn_cfg *cfg, const tn_meta *meta) {
    int K = cfg->data.n_classes, F = cfg->folds.count;
    double share = (F - 1.0) / F;
    char **name = calloc((size_t)K, sizeof *name);
    int64_t *size = calloc(2 * (size_t)K, sizeof *size);
    tn_status st = name && size ? TN_OK : tn_fail_memory((size_t)K * 24, "the classes");
    if (cfg->folds.validation == TN_VALIDATION_SLICE) share *= 1 - cfg->folds.validation_share;
    for (int64_t i = 0; st == TN_OK && i < meta->n; i++)
        if (meta->label[i] >= 0 && !meta->is_test[i]) size[meta->label[i]]++;
    for (int k = 0; st == TN_OK && k < K; k++) {
        name[k] = (char *)cfg->data.classes[k];
        size[k] = (int64_t)((double)size[k] * share + 0.5);
    }
    if (st == TN_OK) st = print_exposure(cfg, name, size, size + K);
    if (st == TN_OK) print_pretraining(cfg, size);
    free(name);
    free(size);
    return st;
}

/* --- category levels ---------------------------------------------------------------------------------------------- */

static bool is_searched(const tn_cfg *cfg, const char *key) {
    for (int i = 0; i < cfg->search.n_space; i++)
        if (strcmp(cfg->search.space[i].key, key) == 0) return true;
    return false;
}

/* Warn if model.metadata_levels is another number than the table recommends. */
static void compare_levels(const tn_cfg *cfg, const tn_levels *l) {
    int set = cfg->model.metadata_levels;
    if (set == l->fewest) return;
    tn_warn("%s: model.metadata_levels = %d, but %d would %s: labels predicted from the categories alone, out-of-fold, "
            "have a log loss of %.4f with %d, %.4f with %d levels (`tenfold explore` shows more)",
            cfg->data.metadata, set, l->fewest, set < l->fewest ? "help" : "be enough", l->level[set].log_loss, set,
            l->level[l->fewest].log_loss, l->fewest);
}

/* Make folds by the groups of the table alone, as if all images differed: which are duplicates only preprocess will know. */
static tn_status score_levels(const tn_cfg *cfg, const tn_meta *meta, tn_levels *out) {
    tn_index *ix = NULL;
    tn_fold_certificate certificate;
    TN_TRY(tn_index_new(meta->n, meta->n_levels, &ix));
    tn_status st = tn_index_fill_columns(cfg, meta, false, ix);
    for (int64_t i = 0; i < meta->n; i++) ix->content_hash[i] = (uint64_t)i;
    if (st == TN_OK) st = tn_fold_assign(cfg, ix, &certificate);
    if (st == TN_OK) st = tn_levels_score(ix, cfg->reduce.prior_count, out);
    tn_index_free(&ix);
    return st;
}

/* What takes longer than about five seconds is left to explore. A row takes at most 4 ns for each class and level, and 1 to 3
 * microseconds, counted as BASE classes, for all else (AMD EPYC, busy). */
static tn_status check_levels(const tn_cfg *cfg, const tn_meta *meta) {
    enum { BASE = 1000 };
    const double most = 1.2e9;
    tn_levels l;
    if (meta->n_levels == 0 || is_searched(cfg, "model.metadata_levels")) return TN_OK;
    if ((double)meta->n * (BASE + (double)cfg->data.n_classes * meta->n_levels) > most) {
        printf("# category levels: not compared, because %" PRId64
               " rows, %d classes and %d levels would take too long here: `tenfold explore` does it\n",
               meta->n, cfg->data.n_classes, meta->n_levels);
        return TN_OK;
    }
    TN_TRY(score_levels(cfg, meta, &l));
    compare_levels(cfg, &l);
    return TN_OK;
}

/* --- cost --------------------------------------------------------------------------------------------------------- */

/* What the teacher costs; and where early-learning regularisation may make all predictions the same (consistency.h, "Collapse"). */
static void print_teacher(const tn_cfg *cfg, int64_t cells) {
    double weight = cfg->self.consistency_weight;
    int most = cfg->data.n_classes - 1;
    if (weight <= 0) return;
    printf("# teacher %" PRId64 " more images, forward pass only = %" PRId64 " cells x train.images\n",
           cells * cfg->train.images, cells);
    if (cfg->self.consistency == TN_CONSISTENCY_ELR && weight >= most && cfg->self.rampup_images == 0)
        printf("# self.consistency_weight = %g with \"elr\" may pull all predictions to one class of %d: give less "
               "than %d, or set self.rampup_images\n",
               weight, most + 1, most);
}

/* Print how many images the run trains on and evaluates. rows_out: rows of the table; 0 if it does not exist. */
static tn_status print_cost(const tn_cfg *cfg, int64_t *rows_out) {
    tn_meta *meta = NULL;
    *rows_out = 0;
    if (!tn_file_exists(cfg->data.metadata)) {
        printf("\n# %s is not there yet: rows and labels are not checked\n", cfg->data.metadata);
        return TN_OK;
    }
    TN_TRY(tn_meta_read(cfg, &meta));
    *rows_out = meta->n;
    int64_t labelled = 0, cells = (int64_t)tn_cell_count(cfg) * (cfg->self.max_rounds + 1);
    for (int64_t i = 0; i < meta->n; i++) labelled += meta->label[i] >= 0 && !meta->is_test[i];
    printf("\n# rows %" PRId64 ": %" PRId64 " labelled for training, %" PRId64 " test or unlabelled\n", meta->n,
           labelled, meta->n - labelled);
    printf("# cells %" PRId64 " = %d folds x %d sizes x %d seeds x %d rounds, %" PRId64
           " training images each (%.1f times every row)\n",
           cells, cfg->folds.count, cfg->train.n_sizes, cfg->train.n_seeds, cfg->self.max_rounds + 1, cfg->train.images,
           (double)cfg->train.images / (double)(labelled ? labelled : 1));
    int64_t other = labelled / cfg->folds.count,
            last = (int64_t)((double)(labelled - other) * cfg->folds.validation_share);
    if (cfg->folds.validation == TN_VALIDATION_HELD_OUT) last = other;
    printf("# evaluation %" PRId64 " images in all = %" PRId64 " cells a round x %d evaluations x (%d rounds x %" PRId64
           " rows + the last round x about %" PRId64 ", the validation slice)\n",
           cells / (cfg->self.max_rounds + 1) * cfg->train.evaluations * (cfg->self.max_rounds * labelled + last),
           cells / (cfg->self.max_rounds + 1), cfg->train.evaluations, cfg->self.max_rounds, labelled, last);
    print_teacher(cfg, cells);
    tn_status st = tn_fold_foresee(cfg, meta);
    if (st == TN_OK) st = exposure(cfg, meta);
    if (st == TN_OK) st = check_levels(cfg, meta);
    tn_meta_free(&meta);
    return st;
}

/* Print how many images a search trains on. */
static tn_status print_search(const tn_cfg *cfg) {
    int64_t images = 0;
    int fold[TN_MAX_FOLDS];
    if (cfg->search.n_space == 0) return TN_OK;
    TN_TRY(tn_rungs_check(cfg, NULL));
    for (int q = 0; q <= cfg->search.n_rungs; q++) {
        int places = tn_rung_slots(cfg, q), folds = tn_rung_folds(cfg, q, fold);
        bool judge = q == cfg->search.n_rungs;
        printf("# search: %s: %d trials x %d folds, %" PRId64 " images each\n", judge ? "final comparison" : "rung",
               places, folds, tn_rung_images(cfg, q));
        images += (int64_t)places * folds * tn_rung_images(cfg, q);
    }
    printf("# search: %" PRId64 " training images in all, times the sizes and seeds of a trial\n", images);
    return TN_OK;
}

static double mib(size_t bytes) {
    return (double)bytes / 0x1p20;
}

/* Print at which size a model of this training size predicts, and what a rank then needs. */
static tn_status print_prediction(const tn_cfg *cfg, int size_px) {
    int px = tn_predict_px(cfg, size_px), stored = cfg->preprocess.size_px;
    tn_train_cost cost;
    TN_TRY(tn_predict_cost_of(cfg, size_px, 0, &cost));
    if (px != size_px)
        printf("# models of %d px predict at %d px: a rank about %.0f MiB%s\n", size_px, px, mib(cost.host_bytes),
               cost.device_bytes ? ", beside its GPU's memory" : "");
    if (px != size_px && cost.device_bytes)
        printf("# GPU memory in prediction at %d px: %.0f MiB\n", px, mib(cost.device_bytes));
    if (px > stored)
        tn_warn("preprocess.size_px = %d: models of %d px predict at %d px, so that images are enlarged, which adds "
                "nothing to see: store %d px or more",
                stored, size_px, px, px);
    return TN_OK;
}

/* Print the memory of a rank with all lanes of a step, and of a rank with one lane. The metadata head is left out: its size is not
 * known yet, and it is small. */
static tn_status print_memory(const tn_cfg *cfg, int64_t rows) {
    tn_memory m;
    for (int i = 0; i < cfg->train.n_sizes; i++) {
        tn_train_cost all, one;
        TN_TRY(tn_train_cost_of(cfg, cfg->train.sizes_px[i], cfg->train.lanes, 0, &all));
        TN_TRY(tn_train_cost_of(cfg, cfg->train.sizes_px[i], 1, 0, &one));
        printf("# memory at %d px: a lane %.0f MiB; a rank with one of %d lanes about %.0f MiB, "
               "with all of them %.0f MiB\n",
               cfg->train.sizes_px[i], mib(all.lane_bytes), cfg->train.lanes, mib(one.host_bytes), mib(all.host_bytes));
        if (one.device_bytes)
            printf("# GPU memory at %d px: a rank with one of %d lanes %.0f MiB, with all of them %.0f MiB, "
                   "and some 500 MiB for CUDA itself, which nobody has measured\n",
                   cfg->train.sizes_px[i], cfg->train.lanes, mib(one.device_bytes), mib(all.device_bytes));
        TN_TRY(print_prediction(cfg, cfg->train.sizes_px[i]));
    }
    TN_TRY(tn_memory_predict(cfg, rows, &m));
    const tn_slurm_stage *stage[] = {&cfg->slurm.preprocess, &cfg->slurm.train, &cfg->slurm.reduce};
    bool set = cfg->slurm.memory_gib != 0;
    for (size_t i = 0; i < sizeof stage / sizeof *stage; i++) set = set || stage[i]->memory_gib;
    printf("# memory that submit requests per node, with a margin of 25 %%: preprocess %d MiB, train and predict %d "
           "MiB, other jobs %d MiB%s\n",
           m.preprocess_mib, m.train_mib, m.one_mib,
           set ? "; the job file's memory_gib is used instead where it is set" : "");
    return TN_OK;
}

/* Print the GPUs and CPUs that the jobs will ask for. site.env, which `submit` reads, is left out. */
static void print_gpus(const tn_cfg *cfg) {
    int gpus = cfg->slurm.gpus_per_node;
    if (cfg->train.device != TN_DEVICE_CUDA && gpus == 0) return;
    printf("# GPUs that submit requests per node for train and predict: %d, for %d ranks with %d CPUs each\n", gpus,
           cfg->slurm.ranks_per_node, tn_cfg_cpus_per_rank(cfg));
    if (tn_gpus_check(cfg) != TN_OK) printf("# GPUs: `tenfold submit` will refuse this: %s\n", tn_msg);
}

/* Check that the pretrained weights fit the network of the job file, and print their properties. */
static tn_status print_pretrained(const tn_cfg *cfg) {
    const char *path = cfg->model.pretrained;
    if (!*path) return TN_OK;
    if (!tn_file_exists(path)) {
        printf("\n# %s is not there yet: the pretrained weights are not checked\n", path);
        return TN_OK;
    }
    tn_net_spec spec = tn_train_net(cfg, 0);
    tn_input_norm norm;
    tn_ckpt *ck = NULL;
    TN_TRY(tn_pretrained_open(path, &spec, &norm, &ck));
    tn_ckpt_free(&ck);
    printf("\n# pretrained: padding %s, batch norm eps %g momentum %g, input mean %g %g %g std %g %g %g\n",
           spec.pad_same ? "same" : "symmetric", spec.bn_eps, spec.bn_momentum, (double)norm.mean[0],
           (double)norm.mean[1], (double)norm.mean[2], (double)norm.std[0], (double)norm.std[1], (double)norm.std[2]);
    return TN_OK;
}

/* tn_train_check also checks whether the student can be trained. */
static tn_status print_student(const tn_cfg *cfg) {
    if (!cfg->distil.student) return TN_OK;
    TN_TRY(tn_train_check(cfg));
    printf("# student: one more model, %s, after reduce: %" PRId64 " training images\n",
           *cfg->distil.net ? cfg->distil.net : cfg->model.net, tn_student_images(cfg));
    return TN_OK;
}

/* Settings that cannot be trained are refused before anything is timed. */
static tn_status measure(const tn_cfg *cfg, tn_forecast *out) {
    int64_t n_steps;
    if (cfg->train.device == TN_DEVICE_CUDA)
        return tn_fail(TN_EARG,
                       "check --time forecasts training on processors only: leave --time away for train.device = "
                       "\"cuda\"");
    TN_TRY(tn_train_steps(cfg, &n_steps));
    return tn_forecast_measure(cfg, out);
}

static tn_status verb_check(const tn_args *args) {
    if (args->reference) {
        tn_cfg_print_reference(stdout);
        return TN_OK;
    }
    if (args->n_words == 0)
        return tn_fail(TN_EARG, "usage: tenfold check JOB.cfg [options], or tenfold check --reference");
    if (args->nodes && !args->time) return tn_fail(TN_EARG, "--nodes belongs to the forecast: give --time, too");
    tn_cfg *cfg = NULL;
    tn_forecast forecast;
    TN_TRY(tn_args_cfg(args, &cfg));
    tn_status st = args->time ? measure(cfg, &forecast) : TN_OK; /* before anything below opens a device */
    if (st == TN_OK) tn_cfg_print(cfg, stdout);
    int64_t n_steps, rows;
    if (st == TN_OK) st = print_cost(cfg, &rows);
    if (st == TN_OK) st = tn_train_steps(cfg, &n_steps); /* memory and weights show the rest of tn_train_check */
    if (st == TN_OK) st = print_memory(cfg, rows);
    if (st == TN_OK) print_gpus(cfg);
    if (st == TN_OK) st = print_pretrained(cfg);
    if (st == TN_OK) st = print_student(cfg);
    if (st == TN_OK) st = print_search(cfg);
    if (st == TN_OK && args->time) st = tn_forecast_print(cfg, &forecast, args->nodes, stdout);
    tn_cfg_free(&cfg);
    return st;
}

const tn_verb tn_verb_check = {
    .name = "check",
    .words = "JOB.cfg|RUN",
    .least_words = 0,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_REFERENCE | TN_OPT_TIME,
    .summary = "check a job file: lists all problems with file:line, else all settings",
    .help =
        "Prints all settings of a job file, defaults included, as a job file, and the images and memory that the\n"
        "run will need. Also reads the metadata table, if it exists, and warns if model.metadata_levels is not the\n"
        "number of category levels that help by the rule of `tenfold explore`, with folds by the table's groups.\n"
        "Changes nothing.\n"
        "--time trains and evaluates some micro-batches of artificial images of every size on this machine, decodes\n"
        "images of the table, and forecasts how long the run will take here and under Slurm. Run nothing else\n"
        "meanwhile.\n\n"
        "example: tenfold check jobs/baseline.cfg --set train.lanes=4",
    .run = verb_check,
};
