/* stages.c - the table of stages: the only place that says which stages a run has, in which order, and what each depends on. */
#include "run/step.h"

#include "distil/distil.h"
#include "filter/filter.h"
#include "predict/predict.h"
#include "preprocess/preprocess.h"
#include "probe/probe.h"
#include "run/cell_progress.h"
#include "search/rung.h"
#include "search/search.h"
#include "store/done.h"
#include "train/train.h"

#include <stdlib.h>

/* --- folders ------------------------------------------------------------------------------------------------------ */

static tn_status folds_folder(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]) {
    (void)s;
    return tn_path(out, "%s/folds", cfg->run_dir); /* made last */
}

static tn_status filter_folder(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]) {
    return tn_filter_folder(cfg, s->cell.round + 1, out);
}

static tn_status cell_folder(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]) {
    return tn_cell_folder(cfg, s->stage->verb, &s->cell, out);
}

static tn_status rung_folder(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]) {
    return tn_rung_folder(cfg, s->slot.rung, out);
}

static tn_status stage_folder(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]) {
    return tn_path(out, "%s/%s", cfg->run_dir, s->stage->verb);
}

static tn_status report_folder(const tn_cfg *cfg, const tn_step *s, char out[TN_PATH_BYTES]) {
    return tn_is_search(cfg) ? tn_path(out, "%s/search", cfg->run_dir) : stage_folder(cfg, s, out);
}

/* --- done --------------------------------------------------------------------------------------------------------- */

/* The settings are compared in every case, also where an earlier step is missing (`inputs` is false). Whether inputs have changed since, the
 * verb itself finds out. */
static tn_status has_done(const tn_cfg *cfg, const tn_step *s, tn_keys_of keys, bool inputs, bool *out) {
    char folder[TN_PATH_BYTES], *settings = tn_cfg_canonical(cfg, keys);
    tn_done_state state = TN_DONE_ABSENT;
    tn_status st = settings ? s->stage->folder(cfg, s, folder) : tn_fail_memory(4096, "the settings");
    tn_done want = {.stage = s->stage->verb, .settings = settings, .inputs = ""};
    if (st == TN_OK) st = tn_done_find(folder, &want, &state);
    free(settings);
    *out = st == TN_OK && inputs && state != TN_DONE_ABSENT;
    return st;
}

static tn_status preprocess_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    (void)s, (void)inputs;
    return tn_preprocess_done(cfg, out);
}

static tn_status train_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    return inputs ? tn_train_done(cfg, &s->cell, out) : TN_OK;
}

/* A filter made with --posteriors is refused even if cells are missing. */
static tn_status filter_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    TN_TRY(tn_filter_own(cfg, s->cell.round));
    return has_done(cfg, s, TN_KEYS_FILTER, inputs, out);
}

static tn_status reduce_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    return has_done(cfg, s, TN_KEYS_REDUCE, inputs, out);
}

static tn_status predict_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    return inputs ? tn_predict_done(cfg, &s->cell, out) : TN_OK;
}

static tn_status trial_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    return inputs ? tn_slot_done(cfg, &s->slot, out) : TN_OK;
}

/* The settings of a ranking are compared even if trials are missing. */
static tn_status rank_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    char folds[TN_PATH_BYTES];
    bool done = false;
    TN_TRY(tn_path(folds, "%s/folds", cfg->run_dir));
    if (tn_done_exists(folds)) TN_TRY(tn_rung_done(cfg, s->slot.rung, &done));
    *out = inputs && done;
    return TN_OK;
}

static tn_status probe_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    (void)s;
    return inputs ? tn_probe_done(cfg, out) : TN_OK;
}

static bool probe_wanted(const tn_cfg *cfg) {
    return cfg->self.probe;
}

static tn_status distil_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    (void)s;
    return inputs ? tn_distil_done(cfg, out) : TN_OK;
}

static bool distil_wanted(const tn_cfg *cfg) {
    return cfg->distil.student;
}

/* --- resources under Slurm ---------------------------------------------------------------------------------------- */

static const tn_slurm_stage *slurm_preprocess(const tn_cfg *cfg) {
    return &cfg->slurm.preprocess;
}
static const tn_slurm_stage *slurm_train(const tn_cfg *cfg) {
    return &cfg->slurm.train;
}
static const tn_slurm_stage *slurm_reduce(const tn_cfg *cfg) {
    return &cfg->slurm.reduce;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const tn_stage tn_stages[] = {
    {.verb = "preprocess",
     .per = TN_PER_RUN,
     .runs = TN_IN_BOTH,
     .ranks = TN_RANKS_OF_CORES,
     .job = TN_JOB_FIRST,
     .slurm = slurm_preprocess,
     .folder = folds_folder,
     .done = preprocess_done},
    {.verb = "explore",
     .per = TN_PER_RUN,
     .runs = TN_IN_BOTH,
     .ranks = TN_RANKS_ONE,
     .job = TN_JOB_FIRST,
     .optional = true,
     .slurm = slurm_preprocess,
     .after = {{"preprocess", TN_AFTER_ALL}},
     .folder = stage_folder},
    {.verb = "probe",
     .per = TN_PER_RUN,
     .runs = TN_IN_PIPELINE,
     .ranks = TN_RANKS_OF_CELL,
     .job = TN_JOB_SECOND,
     .wanted = probe_wanted,
     .slurm = slurm_train,
     .after = {{"preprocess", TN_AFTER_ALL}},
     .folder = stage_folder,
     .done = probe_done},
    {.verb = "train",
     .per = TN_PER_CELL,
     .runs = TN_IN_PIPELINE,
     .loop = 1,
     .ranks = TN_RANKS_OF_CELL,
     .job = TN_JOB_TASK,
     .slurm = slurm_train,
     .after = {{"preprocess", TN_AFTER_ALL}, {"probe", TN_AFTER_ALL}, {"filter", TN_AFTER_TURN_BEFORE}},
     .folder = cell_folder,
     .done = train_done,
     .progress = tn_progress_of_cell},
    {.verb = "filter",
     .per = TN_PER_ROUND,
     .runs = TN_IN_PIPELINE,
     .loop = 1,
     .ranks = TN_RANKS_ONE,
     .job = TN_JOB_TASK,
     .slurm = slurm_train,
     .after = {{"train", TN_AFTER_TURN}},
     .folder = filter_folder,
     .done = filter_done},
    {.verb = "predict",
     .per = TN_PER_CELL,
     .runs = TN_IN_PIPELINE,
     .loop = 2,
     .ranks = TN_RANKS_OF_CELL,
     .job = TN_JOB_TASK,
     .slurm = slurm_train,
     .after = {{"train", TN_AFTER_CELL}},
     .folder = cell_folder,
     .done = predict_done},
    {.verb = "reduce",
     .per = TN_PER_RUN,
     .runs = TN_IN_PIPELINE,
     .ranks = TN_RANKS_ONE,
     .job = TN_JOB_LAST,
     .slurm = slurm_reduce,
     .after = {{"predict", TN_AFTER_ALL}},
     .folder = stage_folder,
     .done = reduce_done},
    {.verb = "distil",
     .per = TN_PER_RUN,
     .runs = TN_IN_PIPELINE,
     .ranks = TN_RANKS_OF_CELL,
     .job = TN_JOB_STUDENT,
     .wanted = distil_wanted,
     .slurm = slurm_train,
     .after = {{"reduce", TN_AFTER_ALL}},
     .folder = stage_folder,
     .done = distil_done,
     .progress = tn_progress_of_student},
    {.verb = "trial",
     .per = TN_PER_SLOT,
     .runs = TN_IN_SEARCH,
     .loop = 3,
     .ranks = TN_RANKS_OF_CELL,
     .job = TN_JOB_TASK,
     .slurm = slurm_train,
     .after = {{"preprocess", TN_AFTER_ALL}, {"rank", TN_AFTER_TURN_BEFORE}},
     .done = trial_done,
     .progress = tn_progress_of_trial},
    {.verb = "rank",
     .per = TN_PER_RUNG,
     .runs = TN_IN_SEARCH,
     .loop = 3,
     .ranks = TN_RANKS_ONE,
     .job = TN_JOB_TASK,
     .slurm = slurm_train,
     .after = {{"trial", TN_AFTER_TURN}},
     .folder = rung_folder,
     .done = rank_done},
    {.verb = "report",
     .per = TN_PER_RUN,
     .runs = TN_IN_BOTH,
     .ranks = TN_RANKS_NONE,
     .job = TN_JOB_LAST,
     .slurm = slurm_reduce,
     .after = {{"reduce", TN_AFTER_ALL}, {"distil", TN_AFTER_ALL}, {"rank", TN_AFTER_ALL}},
     .folder = report_folder},
};
const int tn_n_stages = sizeof tn_stages / sizeof *tn_stages;
