/* run.c - tenfold run: executes all missing steps of a run on this machine. */
#include "cli/common.h"

#include "base/progress.h"

#include "data/fold.h"
#include "report/report.h"
#include "report/summary.h"
#include "run/local.h"
#include "search/rung.h"
#include "train/cost.h"

#include <jansson.h>

/* Weights that are missing are found before the first training, not after all images are preprocessed. tn_train_check sees whether
 * those that are there fit. trained: the folder in the run folder that is there when training has begun. */
static tn_status check_weights(const tn_cfg *cfg, const char *key, const char *path, const char *trained) {
    char folder[TN_PATH_BYTES];
    TN_TRY(tn_path(folder, "%s/%s", cfg->run_dir, trained));
    if (!*path || tn_file_exists(path) || tn_file_exists(folder)) return TN_OK;
    return tn_fail(TN_EIO,
                   "%s: %s: cannot be read: it is not there; `tenfold weights import` writes such files "
                   "(docs/weights.md)",
                   key, path);
}

/* Check everything that can be checked before any work is done. */
static tn_status check(const tn_cfg *cfg) {
    TN_TRY(tn_is_search(cfg) ? tn_rungs_check(cfg, NULL) : tn_train_check(cfg));
    TN_TRY(check_weights(cfg, "model.pretrained", cfg->model.pretrained, "train"));
    if (cfg->distil.student) TN_TRY(check_weights(cfg, "distil.pretrained", cfg->distil.pretrained, "distil"));
    return tn_table_check(cfg);
}

tn_status tn_plan_open(const tn_args *args, bool make_folder, tn_cfg **cfg_out, tn_plan **out) {
    return tn_args_plan(args, check, make_folder, cfg_out, out);
}

static tn_status print_search(const tn_cfg *cfg) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/search/search.md", cfg->run_dir));
    TN_TRY(tn_file_read(path, &text, &n));
    tn_print(stdout, "%s", text);
    free(text);
    return TN_OK;
}

static tn_status print_summary(const tn_cfg *cfg, double seconds) {
    json_t *metrics = NULL;
    if (tn_is_search(cfg)) return print_search(cfg);
    TN_TRY(tn_summary_read(cfg, &metrics));
    tn_summary_text(cfg, metrics, seconds, stdout);
    json_decref(metrics);
    return TN_OK;
}

static tn_status verb_run(const tn_args *args) {
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    double begin_s = tn_now_s();
    tn_status st = tn_plan_open(args, true, &cfg, &plan);
    if (st == TN_OK) st = tn_run_plan(cfg, plan, &(tn_run_how){.n_ranks = args->ranks, .report = tn_report});
    if (st == TN_OK) st = print_summary(cfg, tn_now_s() - begin_s);
    tn_plan_free(&plan);
    tn_cfg_free(&cfg);
    return st;
}

const tn_verb tn_verb_run = {
    .name = "run",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_RANKS,
    .summary = "run the whole pipeline on this machine, or continue a run",
    .help =
        "Runs preprocess, then train and filter for each round, then predict, reduce and report. Each step has its\n"
        "own processes and a log in RUN/log. Steps that are done are not repeated: after an interruption, the same\n"
        "command continues, and so does `tenfold run RUN`, which reads the job file again. An interrupted cell\n"
        "continues from its checkpoint and ends with the same bits. A step that was done with other settings is\n"
        "refused. Ctrl-C writes a checkpoint and ends with exit code 6.\n\n"
        "A job file with a search.space is a search: search.trials settings are trained on few images, the best of "
        "them\n"
        "on more, and so on. The best one is then compared with the job file as it stands, on folds that the search\n"
        "has not used.\n"
        "writes  RUN/plan.json, RUN/job.cfg, RUN/log, and the output of the steps; for a search RUN/search: "
        "search.md,\n"
        "        trials.csv, best.cfg (a complete job file), best-2.cfg, ... (other trials of the last rung)\n\n"
        "example: tenfold run jobs/quickstart.cfg --set train.images=5000 --run results/short\n"
        "         tenfold run results/short",
    .run = verb_run,
};
