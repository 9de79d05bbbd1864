/* cfg_check.c - rules that involve several keys. */
#include "cfg/cfg_priv.h"

#include "cfg/nearest.h"

#include <stdlib.h>
#include <string.h>

/* The line where a key was given, for messages. */
static int line_of(const tn_cfg *cfg, const char *group, const char *name) {
    for (int i = 0; i < tn_n_keys; i++)
        if (strcmp(tn_keys[i].group, group) == 0 && strcmp(tn_keys[i].name, name) == 0) return cfg->line[i];
    return 0;
}

static void check_sampler(const tn_cfg *cfg, tn_problems *p) {
    bool wanted = cfg->train.sampler == TN_SAMPLER_N_PER_CLASS, given = cfg->train.rows_per_class > 0;
    if (wanted && !given)
        tn_problem(p, line_of(cfg, "train", "sampler"),
                   "train.sampler = \"n_per_class\": set train.rows_per_class, the rows of each class in an epoch");
    if (given && !wanted)
        tn_problem(p, line_of(cfg, "train", "rows_per_class"),
                   "train.rows_per_class: only train.sampler = \"n_per_class\" uses it: take it away");
}

/* Keys of one schedule say nothing in another. */
static void check_schedule(const tn_cfg *cfg, tn_problems *p) {
    bool step = cfg->train.schedule == TN_SCHEDULE_STEP, cosine = cfg->train.schedule == TN_SCHEDULE_COSINE;
    if (step && cfg->train.step_images == 0)
        tn_problem(
            p, line_of(cfg, "train", "schedule"),
            "train.schedule = \"step\": set train.step_images, the images from one fall of the rate to the next");
    if (!step && cfg->train.step_images > 0)
        tn_problem(p, line_of(cfg, "train", "step_images"),
                   "train.step_images: only train.schedule = \"step\" uses it: take it away");
    if (!cosine && cfg->train.restarts > 0)
        tn_problem(p, line_of(cfg, "train", "restarts"),
                   "train.restarts: only train.schedule = \"cosine\" has restarts: take it away");
}

static void check_frozen(const tn_cfg *cfg, tn_problems *p) {
    int64_t stages = cfg->train.freeze_stages, images = cfg->train.freeze_images;
    if (stages > 0 && images == 0)
        tn_problem(p, line_of(cfg, "train", "freeze_stages"),
                   "train.freeze_stages = %lld: set train.freeze_images, the images during which they are frozen",
                   (long long)stages);
    if (images > 0 && stages == 0)
        tn_problem(p, line_of(cfg, "train", "freeze_images"),
                   "train.freeze_images: nothing is frozen: set train.freeze_stages, or take it away");
}

/* Numbers with a value below their range that stands for "by itself". */
static void check_automatic(const tn_cfg *cfg, tn_problems *p) {
    double decay = cfg->train.ema_decay, momentum = cfg->train.bn_momentum;
    if (decay < 0 && decay != -1)
        tn_problem(p, line_of(cfg, "train", "ema_decay"),
                   "train.ema_decay = %g: give 0 to 0.999999, or -1 for a decay by the number of steps", decay);
    if (momentum <= 0 && momentum != -1)
        tn_problem(p, line_of(cfg, "train", "bn_momentum"),
                   "train.bn_momentum = %g: give more than 0, up to 1, or -1 for the net's own", momentum);
}

static void check_train(const tn_cfg *cfg, tn_problems *p) {
    int lanes = cfg->train.lanes;
    check_automatic(cfg, p);
    if (lanes & (lanes - 1))
        tn_problem(p, line_of(cfg, "train", "lanes"), "train.lanes = %d: give a power of two (1, 2, 4, ...)", lanes);
    if (cfg->train.warmup_images >= cfg->train.images)
        tn_problem(p, line_of(cfg, "train", "warmup_images"),
                   "train.warmup_images = %lld: give less than train.images = %lld",
                   (long long)cfg->train.warmup_images, (long long)cfg->train.images);
    tn_augment_check(cfg, line_of(cfg, "train", "augment"), p);
    int line = line_of(cfg, "train", "sizes_px");
    if (cfg->train.n_sizes == 0) tn_problem(p, line, "train.sizes_px: give at least one size");
    for (int i = 0; i < cfg->train.n_sizes; i++)
        for (int j = 0; j < i; j++)
            if (cfg->train.sizes_px[i] == cfg->train.sizes_px[j])
                tn_problem(p, line, "train.sizes_px: %d is named twice", cfg->train.sizes_px[i]);
    line = line_of(cfg, "train", "seeds");
    if (cfg->train.n_seeds == 0) tn_problem(p, line, "train.seeds: give at least one seed");
    for (int i = 0; i < cfg->train.n_seeds; i++)
        for (int j = 0; j < i; j++)
            if (cfg->train.seeds[i] == cfg->train.seeds[j])
                tn_problem(p, line, "train.seeds: %lld is named twice", (long long)cfg->train.seeds[i]);
}

/* Check a list of folds: each must exist and be named once. */
static void check_folds(const tn_cfg *cfg, const char *group, const char *name, int n, const int *fold,
                        tn_problems *p) {
    int line = line_of(cfg, group, name);
    for (int i = 0; i < n; i++) {
        if (fold[i] >= cfg->folds.count)
            tn_problem(p, line, "%s.%s: there is no fold %d; folds.count = %d, so give 0 to %d", group, name, fold[i],
                       cfg->folds.count, cfg->folds.count - 1);
        for (int j = 0; j < i; j++)
            if (fold[i] == fold[j]) tn_problem(p, line, "%s.%s: fold %d is named twice", group, name, fold[i]);
    }
}

static void check_gres(const tn_cfg *cfg, const char *name, const tn_sbatch_options *options, tn_problems *p) {
    for (int i = 0; i < options->n && cfg->slurm.gpus_per_node; i++)
        if (strncmp(options->at[i], "--gres=", 7) == 0)
            tn_problem(
                p, line_of(cfg, "slurm", name),
                "slurm.%s: \"%s\": sbatch takes the last --gres, and there would be no GPU: write GPUs into it, and "
                "take slurm.gpus_per_node = %d away",
                name, options->at[i], cfg->slurm.gpus_per_node);
}

static void check_slurm(const tn_cfg *cfg, tn_problems *p) {
    check_gres(cfg, "options", &cfg->slurm.options, p);
    check_gres(cfg, "train.options", &cfg->slurm.train.options, p);
    int ranks = cfg->slurm.nodes[1] * cfg->slurm.ranks_per_node, line = line_of(cfg, "slurm", "nodes");
    if (cfg->slurm.nodes[0] > cfg->slurm.nodes[1])
        tn_problem(p, line, "slurm.nodes = [ %d, %d ]: give the fewest first, then the most", cfg->slurm.nodes[0],
                   cfg->slurm.nodes[1]);
    if (ranks > cfg->train.lanes)
        tn_problem(p, line, "slurm.nodes x slurm.ranks_per_node = %d ranks: train.lanes = %d gives work to no more",
                   ranks, cfg->train.lanes);
}

static void check_size_nodes(const tn_cfg *cfg, tn_problems *p) {
    int n = cfg->slurm.n_size_nodes, line = line_of(cfg, "slurm", "size_nodes");
    if (n && n != cfg->train.n_sizes)
        tn_problem(p, line,
                   "slurm.size_nodes has %d numbers: give one for each of the %d train.sizes_px, smallest size first",
                   n, cfg->train.n_sizes);
    for (int i = 0; i < n; i++)
        if (cfg->slurm.size_nodes[i] * cfg->slurm.ranks_per_node > cfg->train.lanes)
            tn_problem(p, line,
                       "slurm.size_nodes: %d x slurm.ranks_per_node = %d ranks: train.lanes = %d gives work to no more",
                       cfg->slurm.size_nodes[i], cfg->slurm.size_nodes[i] * cfg->slurm.ranks_per_node,
                       cfg->train.lanes);
}

static void check_self(const tn_cfg *cfg, tn_problems *p) {
    int line = line_of(cfg, "self", "folds");
    check_folds(cfg, "self", "folds", cfg->self.n_folds, cfg->self.folds, p);
    if (cfg->self.dropped == TN_DROPPED_UNLABELED && cfg->self.consistency_weight <= 0)
        tn_problem(p, line_of(cfg, "self", "dropped"),
                   "self.dropped = \"unlabeled\": rows without label are used only for the consistency loss: set "
                   "self.consistency_weight above 0");
    line = line_of(cfg, "self", "probe");
    if (cfg->self.probe && !*cfg->model.pretrained)
        tn_problem(
            p, line,
            "self.probe needs model.pretrained: the features of a net that has not learned anything say nothing of "
            "the labels (docs/weights.md)");
    if (cfg->self.probe && cfg->search.n_space > 0)
        tn_problem(p, line, "self.probe: a search trains on the given labels: set it to false, or remove search.space");
    if (cfg->self.probe && cfg->data.n_classes > TN_WHOLE_CLASSES)
        tn_problem(p, line, "self.probe: only for up to %d classes, and there are %d: set it to false",
                   TN_WHOLE_CLASSES, cfg->data.n_classes);
    line = line_of(cfg, "self", "folds");
    if (cfg->self.method != TN_SELF_SELF && cfg->self.view != TN_VIEW_OWN)
        tn_problem(p, line_of(cfg, "self", "view"),
                   "self.view: only self.method = \"self\" has views; the others judge a row out-of-fold: omit it");
    if (cfg->self.view != TN_VIEW_SHARED && cfg->self.n_folds > 0)
        tn_problem(p, line, "self.folds: only the shared view has a choice of folds: set self.view = \"shared\"");
}

static void check_search_folds(const tn_cfg *cfg, tn_problems *p) {
    int line = line_of(cfg, "search", "judge_folds");
    check_folds(cfg, "search", "folds", cfg->search.n_folds, cfg->search.folds, p);
    check_folds(cfg, "search", "judge_folds", cfg->search.n_judge_folds, cfg->search.judge_folds, p);
    if (cfg->search.n_folds == 0)
        tn_problem(p, line_of(cfg, "search", "folds"), "search.folds: give at least one fold");
    if (cfg->search.n_folds >= cfg->folds.count)
        tn_problem(
            p, line_of(cfg, "search", "folds"),
            "search.folds has all %d folds: leave at least one for the final comparison, which the search must not use",
            cfg->folds.count);
    for (int i = 0; i < cfg->search.n_judge_folds; i++)
        for (int j = 0; j < cfg->search.n_folds; j++)
            if (cfg->search.judge_folds[i] == cfg->search.folds[j])
                tn_problem(p, line,
                           "search.judge_folds: fold %d is in search.folds: the final comparison needs other folds",
                           cfg->search.judge_folds[i]);
}

int tn_cfg_cpus_per_rank(const tn_cfg *cfg) {
    if (cfg->slurm.cpus_per_rank) return cfg->slurm.cpus_per_rank;
    return (cfg->train.device == TN_DEVICE_CUDA ? 1 : cfg->train.lane_threads) + cfg->train.loader_threads;
}

int tn_cfg_head_units(const tn_cfg *cfg) {
    enum { UNITS = 256 }; /* docs/decisions/hidden-head.md */
    if (cfg->model.head_units >= 0) return cfg->model.head_units;
    if (cfg->model.metadata_levels == 0) return 0;
    return cfg->data.n_classes > UNITS ? cfg->data.n_classes : UNITS;
}

int tn_cfg_slots(const tn_cfg *cfg, int rung) {
    int n = cfg->search.trials;
    for (int q = 0; q < rung; q++) n = (int)(n * cfg->search.keep + 0.5);
    return n < 1 ? 1 : n;
}

static void check_search(const tn_cfg *cfg, tn_problems *p) {
    if (cfg->search.n_space == 0) return;
    int line = line_of(cfg, "search", "rungs"), n = cfg->search.n_rungs;
    check_search_folds(cfg, p);
    if (n == 0) tn_problem(p, line, "search.rungs: give at least one budget in images, such as [ 5000, 15000 ]");
    for (int q = 1; q < n; q++)
        if (cfg->search.rungs[q] <= cfg->search.rungs[q - 1])
            tn_problem(p, line, "search.rungs: %lld behind %lld: give ascending budgets",
                       (long long)cfg->search.rungs[q], (long long)cfg->search.rungs[q - 1]);
    if (n && cfg->search.rungs[n - 1] > cfg->train.images)
        tn_problem(p, line, "search.rungs: %lld is more than train.images = %lld", (long long)cfg->search.rungs[n - 1],
                   (long long)cfg->train.images);
    if (n > 1 && tn_cfg_slots(cfg, n - 1) < 2)
        tn_problem(p, line,
                   "search.rungs: only one of %d trials is left for rung %d: give fewer rungs, more search.trials or a "
                   "larger search.keep",
                   cfg->search.trials, n - 1);
    tn_space_check(cfg, p);
}

const char *const tn_view_words[] = {"identity", "horizontal_flip", "center_crop", "five_crop", "squish", "pad", NULL};

/* What stands behind the word: "_80" of the crops, "_flip" of all but the first two. */
static bool parse_ending(const char *text, tn_view_spec *out) {
    bool crops = out->kind == TN_VIEW_KIND_CENTER || out->kind == TN_VIEW_KIND_FIVE;
    if (crops && text[0] == '_' && text[1] >= '0' && text[1] <= '9') {
        char *end;
        long percent = strtol(text + 1, &end, 10);
        if (percent < 10 || percent > 100) return false;
        out->percent = (int)percent;
        text = end;
    }
    if (out->kind >= TN_VIEW_KIND_CENTER && strcmp(text, "_flip") == 0) {
        out->flip = true;
        return true;
    }
    return !*text;
}

bool tn_view_parse(const char *text, tn_view_spec *out) {
    for (int k = 0; tn_view_words[k]; k++) {
        size_t n = strlen(tn_view_words[k]);
        if (strncmp(text, tn_view_words[k], n) != 0) continue;
        *out = (tn_view_spec){.kind = (tn_view_kind)k, .percent = 87, .flip = k == TN_VIEW_KIND_FLIP};
        return parse_ending(text + n, out);
    }
    return false;
}

static void check_distil(const tn_cfg *cfg, tn_problems *p) {
    int line = line_of(cfg, "distil", "student");
    if (!cfg->distil.student) return;
    if (cfg->search.n_space > 0)
        tn_problem(p, line,
                   "distil.student: a search has no ensemble to learn from: set it to false, or remove search.space");
    if (cfg->data.n_classes > TN_WHOLE_CLASSES)
        tn_problem(p, line,
                   "distil.student: only for up to %d classes, because it learns from whole rows of probabilities; "
                   "there are %d: set it to false",
                   TN_WHOLE_CLASSES, cfg->data.n_classes);
    if (cfg->distil.images > 0 && cfg->train.warmup_images >= cfg->distil.images)
        tn_problem(p, line_of(cfg, "distil", "images"),
                   "distil.images = %lld: give more than train.warmup_images = %lld", (long long)cfg->distil.images,
                   (long long)cfg->train.warmup_images);
}

static void check_predict(const tn_cfg *cfg, tn_problems *p) {
    int line = line_of(cfg, "predict", "views"), n_words = 0;
    while (tn_view_words[n_words]) n_words++;
    if (cfg->predict.n_views == 0) tn_problem(p, line, "predict.views: give at least \"identity\"");
    for (int i = 0; i < cfg->predict.n_views; i++) {
        tn_view_spec look;
        const char *text = cfg->predict.views[i], *near = tn_nearest(text, n_words, tn_view_words);
        if (!tn_view_parse(text, &look))
            tn_problem(p, line,
                       "predict.views: no view \"%s\"%s%s%s: give identity, horizontal_flip, center_crop or five_crop "
                       "(with _10 to _100 behind them: percent of the short side), squish or pad; behind the last four "
                       "_flip mirrors",
                       text, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
        for (int j = 0; j < i; j++)
            if (strcmp(text, cfg->predict.views[j]) == 0)
                tn_problem(p, line, "predict.views: \"%s\" is named twice", text);
    }
}

/* Lists without meaningful order are sorted, so that their order in the job file changes no identity. */
static int by_int(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}
static int by_i64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
static void sort_lists(tn_cfg *cfg) {
    qsort(cfg->train.sizes_px, (size_t)cfg->train.n_sizes, sizeof *cfg->train.sizes_px, by_int);
    qsort(cfg->train.seeds, (size_t)cfg->train.n_seeds, sizeof *cfg->train.seeds, by_i64);
    qsort(cfg->self.folds, (size_t)cfg->self.n_folds, sizeof *cfg->self.folds, by_int);
    qsort(cfg->search.folds, (size_t)cfg->search.n_folds, sizeof *cfg->search.folds, by_int);
    qsort(cfg->search.judge_folds, (size_t)cfg->search.n_judge_folds, sizeof *cfg->search.judge_folds, by_int);
}

/* What cannot be done with the largest probabilities of a row alone (score/prow.h). */
static void check_many_classes(const tn_cfg *cfg, tn_problems *p) {
    int K = cfg->data.n_classes;
    if (K > TN_WHOLE_CLASSES && cfg->self.dropped == TN_DROPPED_SOFT)
        tn_problem(p, line_of(cfg, "self", "dropped"),
                   "self.dropped: soft targets are for up to %d classes, because whole rows of probabilities are "
                   "stored; there are %d: give "
                   "\"drop\", \"unlabeled\" or \"relabel\"",
                   TN_WHOLE_CLASSES, K);
    if (K > TN_WHOLE_CLASSES && cfg->reduce.category_prior > 0)
        tn_problem(
            p, line_of(cfg, "reduce", "category_prior"),
            "reduce.category_prior: only for up to %d classes, because it counts every class for every category; "
            "there are %d: take it away",
            TN_WHOLE_CLASSES, K);
}

void tn_cfg_check(tn_cfg *cfg, tn_problems *p) {
    sort_lists(cfg);
    tn_classes_check(cfg, line_of(cfg, "data", "classes"), p);
    check_many_classes(cfg, p);
    check_train(cfg, p);
    check_sampler(cfg, p);
    check_schedule(cfg, p);
    check_frozen(cfg, p);
    check_self(cfg, p);
    check_search(cfg, p);
    check_distil(cfg, p);
    check_predict(cfg, p);
    check_size_nodes(cfg, p);
    check_slurm(cfg, p);
}
