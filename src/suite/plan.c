/* plan.c - steps of a run and their manifest. */
#include "suite/plan.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const VERB[] = {"preprocess", "train", "filter", "predict", "reduce", "trial", "rank", "report"};
static const char *const STATE[] = {"waiting", "running", "done", "failed", "stopped"};
enum { N_STATES = sizeof STATE / sizeof *STATE };

const char *tn_step_verb(tn_step_kind kind) {
    return VERB[kind];
}
const char *tn_step_state_name(tn_step_state state) {
    return STATE[state];
}

void tn_step_label(const tn_step *step, char out[TN_STEP_LABEL_BYTES]) {
    snprintf(out, TN_STEP_LABEL_BYTES, "%s", step->name);
    for (char *at = out; (at = strchr(at, ' '));) *at = '-';
}

static tn_status add_step(tn_plan *plan, tn_step_kind kind, const tn_cell *cell) {
    tn_step *s = &plan->step[plan->n++];
    char cell_name[TN_CELL_NAME_BYTES] = "";
    s->kind = kind;
    if (cell) s->cell = *cell;
    if (kind == TN_STEP_TRAIN) tn_cell_name(cell, cell_name);
    if (kind == TN_STEP_FILTER) snprintf(cell_name, sizeof cell_name, "r%d", cell->round + 1);
    if (kind == TN_STEP_PREDICT) snprintf(cell_name, sizeof cell_name, "r%d", cell->round);
    const char *verb = tn_step_verb(kind);
    snprintf(s->name, sizeof s->name, "%s%s%s", verb, *cell_name ? " " : "", cell_name);
    return tn_path(s->log, "%s/log/%s%s%s.log", plan->start.run_dir, verb, *cell_name ? "-" : "", cell_name);
}

static tn_status add_round(const tn_cfg *cfg, tn_plan *plan, int round, tn_cell *cell) {
    tn_cell_order(cfg, round, cell);
    for (int i = 0; i < tn_cell_count(cfg); i++) TN_TRY(add_step(plan, TN_STEP_TRAIN, &cell[i]));
    if (round == cfg->self.max_rounds) return TN_OK;
    return add_step(plan, TN_STEP_FILTER, &(tn_cell){.round = round});
}

static tn_status add_place(tn_plan *plan, const tn_cfg *cfg, const tn_place *at) {
    tn_step *s = &plan->step[plan->n++];
    char what[48], rung[16];
    s->kind = at->fold < 0 ? TN_STEP_RANK : TN_STEP_TRIAL;
    s->at = *at;
    tn_rung_name(cfg, at->rung, rung);
    if (s->kind == TN_STEP_RANK)
        snprintf(what, sizeof what, "%s", rung);
    else if (at->rung == cfg->tune.n_rungs)
        snprintf(what, sizeof what, "%s-f%d", at->place ? "best" : "start", at->fold);
    else
        snprintf(what, sizeof what, "%s-p%02d-f%d", rung, at->place, at->fold);
    snprintf(s->name, sizeof s->name, "%s %s", tn_step_verb(s->kind), what);
    return tn_path(s->log, "%s/log/%s-%s.log", plan->start.run_dir, tn_step_verb(s->kind), what);
}

static tn_status add_rung(const tn_cfg *cfg, tn_plan *plan, int rung) {
    int n = tn_rung_list(cfg, rung, NULL);
    tn_place *at = calloc((size_t)n, sizeof *at);
    if (!at) return tn_fail_memory((size_t)n * sizeof *at, "the plan");
    tn_rung_list(cfg, rung, at);
    tn_status st = TN_OK;
    for (int i = 0; i < n && st == TN_OK; i++) st = add_place(plan, cfg, &at[i]);
    free(at);
    return st == TN_OK ? add_place(plan, cfg, &(tn_place){rung, 0, -1}) : st;
}

static tn_status add_search(const tn_cfg *cfg, tn_plan *plan) {
    TN_TRY(add_step(plan, TN_STEP_PREPROCESS, NULL));
    for (int q = 0; q <= cfg->tune.n_rungs; q++) TN_TRY(add_rung(cfg, plan, q));
    return add_step(plan, TN_STEP_REPORT, NULL);
}

static size_t most_steps(const tn_cfg *cfg) {
    size_t n = 4;
    if (!tn_is_search(cfg)) return n + (size_t)(cfg->self.max_rounds + 1) * ((size_t)tn_cell_count(cfg) + 2);
    for (int q = 0; q <= cfg->tune.n_rungs; q++) n += (size_t)tn_rung_list(cfg, q, NULL) + 1;
    return n;
}

static tn_status add_steps(const tn_cfg *cfg, tn_plan *plan, tn_cell *cell) {
    TN_TRY(add_step(plan, TN_STEP_PREPROCESS, NULL));
    for (int round = 0; round <= cfg->self.max_rounds; round++) TN_TRY(add_round(cfg, plan, round, cell));
    for (int round = 0; round <= cfg->self.max_rounds; round++)
        TN_TRY(add_step(plan, TN_STEP_PREDICT, &(tn_cell){.round = round}));
    TN_TRY(add_step(plan, TN_STEP_REDUCE, NULL));
    return add_step(plan, TN_STEP_REPORT, NULL);
}

static tn_status copy_start(const tn_start *from, tn_start *to) {
    *to = *from;
    to->n_set = 0;
    to->set = calloc((size_t)from->n_set + 1, sizeof *to->set);
    if (!to->set) return tn_fail_memory((size_t)from->n_set * sizeof *to->set, "the plan");
    for (; to->n_set < from->n_set; to->n_set++)
        if (!(to->set[to->n_set] = strdup(from->set[to->n_set]))) return tn_fail_memory(64, "the plan");
    return TN_OK;
}

/* Not found out by the last stage, after hours of training. */
static tn_status leaves_room(const char *run_dir) {
    enum { BELOW = 200 }; /* more than the longest path in a run folder, `.tmp` included */
    size_t n = strlen(run_dir);
    if (n + BELOW < TN_PATH_BYTES) return TN_OK;
    return tn_fail(
        TN_EARG,
        "the path of the run folder has %zu bytes, and files in it need %d more than the %d there are: %.200s...", n,
        (int)(n + BELOW + 1 - TN_PATH_BYTES), TN_PATH_BYTES - 1, run_dir);
}

tn_status tn_plan_make(const tn_cfg *cfg, const tn_start *start, tn_plan **out) {
    TN_TRY(leaves_room(start->run_dir));
    size_t most = most_steps(cfg);
    tn_plan *plan = calloc(1, sizeof *plan);
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    tn_status st = plan && cell && (plan->step = calloc(most, sizeof *plan->step))
                       ? copy_start(start, &plan->start)
                       : tn_fail_memory(most * sizeof *plan->step, "the plan");
    if (st == TN_OK) st = tn_is_search(cfg) ? add_search(cfg, plan) : add_steps(cfg, plan, cell);
    free(cell);
    if (st == TN_OK)
        *out = plan;
    else
        tn_plan_free(&plan);
    return st;
}

void tn_plan_free(tn_plan **plan) {
    if (!*plan) return;
    for (int i = 0; i < (*plan)->start.n_set; i++) free((*plan)->start.set[i]);
    free((*plan)->start.set);
    free((*plan)->step);
    free(*plan);
    *plan = NULL;
}

/* --- the manifest ------------------------------------------------------------------------------------------------- */

tn_status tn_plan_publish(const tn_plan *plan) {
    json_t *sets = json_array(), *steps = json_array();
    for (int i = 0; i < plan->start.n_set; i++) json_array_append_new(sets, json_string(plan->start.set[i]));
    for (int i = 0; i < plan->n; i++) {
        const tn_step *s = &plan->step[i];
        json_array_append_new(steps, json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:f}", "name", s->name, "state",
                                               STATE[s->state], "job", s->job, "exit_code", s->exit_code, "last_line",
                                               s->last_line, "log", s->log, "seconds", s->seconds));
    }
    json_t *all = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "pilot", plan->pilot, "format", "tenfold plan 1",
                            "job_file", plan->start.job_file, "folder", plan->start.folder, "run_dir",
                            plan->start.run_dir, "set", sets, "steps", steps);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(all);
    char path[TN_PATH_BYTES];
    tn_status st = text ? tn_path(path, "%s/plan.json", plan->start.run_dir) : tn_fail_memory(4096, "plan.json");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}

static void recall_step(const tn_plan *plan, json_t *j) {
    const char *name = NULL, *state = NULL, *last_line = NULL, *job = "", *log = "";
    int exit_code = 0;
    double seconds = 0;
    if (json_unpack(j, "{s:s,s:s,s?s,s:i,s:s,s:s,s:F}", "name", &name, "state", &state, "job", &job, "exit_code",
                    &exit_code, "last_line", &last_line, "log", &log, "seconds", &seconds) != 0)
        return;
    for (int i = 0; i < plan->n; i++) {
        tn_step *s = &plan->step[i];
        if (strcmp(s->name, name) != 0) continue;
        for (int k = 0; k < N_STATES; k++)
            if (strcmp(STATE[k], state) == 0) s->state = (tn_step_state)k;
        s->exit_code = exit_code;
        s->seconds = seconds;
        snprintf(s->last_line, sizeof s->last_line, "%s", last_line);
        snprintf(s->job, sizeof s->job, "%s", job);
        const char *slash = strrchr(log, '/'); /* the run folder may have been moved */
        if (*job && slash) snprintf(s->log, sizeof s->log, "%.4000s/log%s", plan->start.run_dir, slash);
    }
}

static void recall_steps(json_t *j, tn_plan *plan) {
    size_t i;
    json_t *step, *steps = json_object_get(j, "steps");
    const char *pilot = json_string_value(json_object_get(j, "pilot"));
    snprintf(plan->pilot, sizeof plan->pilot, "%s", pilot ? pilot : "");
    json_array_foreach(steps, i, step) recall_step(plan, step);
}

static tn_status start_from(json_t *j, const char *path, tn_start *out) {
    const char *job_file = NULL, *folder = NULL, *run_dir = NULL;
    json_t *sets = NULL;
    if (json_unpack(j, "{s:s,s:s,s:s,s:o}", "job_file", &job_file, "folder", &folder, "run_dir", &run_dir, "set",
                    &sets) != 0)
        return tn_fail(TN_EFORMAT, "%s: not a plan: start again with `tenfold run JOB.cfg --run` this folder", path);
    TN_TRY(tn_path(out->job_file, "%s", job_file));
    TN_TRY(tn_path(out->folder, "%s", folder));
    TN_TRY(tn_path(out->run_dir, "%s", run_dir));
    out->set = calloc(json_array_size(sets) + 1, sizeof *out->set);
    if (!out->set) return tn_fail_memory(json_array_size(sets) * sizeof *out->set, "the plan");
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const char *text = json_string_value(json_array_get(sets, i));
        out->set[out->n_set] = strdup(text ? text : "");
        if (!out->set[out->n_set++]) return tn_fail_memory(64, "the plan");
    }
    return TN_OK;
}

/* Where relative paths of --set begin. */
static tn_status go_to(const char *folder) {
    if (chdir(folder) == 0) return TN_OK;
    return tn_fail(TN_EIO, "%s, where the run was started: %s", folder, strerror(errno));
}

static tn_status plan_from(json_t *j, const char *path, bool edited, tn_cfg **cfg_out, tn_plan **out) {
    tn_start start = {.n_set = 0};
    tn_cfg *cfg = NULL;
    char copy[TN_PATH_BYTES];
    tn_status st = start_from(j, path, &start);
    if (st == TN_OK) st = go_to(start.folder);
    if (st == TN_OK) st = tn_path(copy, "%s/job.cfg", start.run_dir);
    if (st == TN_OK)
        st = tn_cfg_read_copy(start.job_file, edited || !tn_file_exists(copy) ? start.job_file : copy, start.n_set,
                              start.set, start.run_dir, &cfg);
    if (st == TN_OK) st = tn_plan_make(cfg, &start, out);
    if (st == TN_OK) recall_steps(j, *out);
    if (st == TN_OK)
        *cfg_out = cfg;
    else
        tn_cfg_free(&cfg);
    for (int k = 0; k < start.n_set; k++) free(start.set[k]);
    free(start.set);
    return st;
}

static tn_status read_manifest(const char *run_dir, char path[TN_PATH_BYTES], json_t **out) {
    char *text = NULL;
    size_t n_bytes = 0;
    TN_TRY(tn_path(path, "%s/plan.json", run_dir));
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_file_read(path, &text, &n_bytes));
    *out = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    return json_is_object(*out) ? TN_OK
                                : tn_fail(TN_EFORMAT,
                                          "%s: not a plan: delete it, then start again with `tenfold run JOB.cfg "
                                          "--run` this folder",
                                          path);
}

tn_status tn_plan_recall(tn_plan *plan) {
    char path[TN_PATH_BYTES];
    json_t *j = NULL;
    tn_status st = read_manifest(plan->start.run_dir, path, &j);
    if (j && st == TN_OK) recall_steps(j, plan);
    json_decref(j);
    return st;
}

tn_status tn_plan_read(const char *run_dir, bool edited, tn_cfg **cfg_out, tn_plan **out) {
    char path[TN_PATH_BYTES], here[TN_PATH_BYTES];
    json_t *j = NULL;
    tn_status st = read_manifest(run_dir, path, &j);
    if (st == TN_OK && !j)
        st = tn_fail(TN_EARG,
                     "%s: no plan.json: not a run folder, or never started by `tenfold run` or `tenfold submit`",
                     run_dir);
    /* a run folder that was moved or copied is itself, not what it came from */
    if (st == TN_OK && realpath(run_dir, here)) json_object_set_new(j, "run_dir", json_string(here));
    if (st == TN_OK) st = plan_from(j, path, edited, cfg_out, out);
    json_decref(j);
    return st;
}

tn_status tn_plan_keep_job_file(const tn_plan *plan) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n_bytes = 0;
    TN_TRY(tn_path(path, "%s/job.cfg", plan->start.run_dir));
    TN_TRY(tn_file_read(plan->start.job_file, &text, &n_bytes));
    tn_status st = tn_file_publish(path, text, n_bytes);
    free(text);
    return st;
}
