/* plan.c - the steps of a run, and their file plan.json. */
#include "run/plan.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const STATE[] = {"waiting", "running", "done", "failed", "stopped"};
enum { N_STATES = sizeof STATE / sizeof *STATE };

const char *tn_step_state_name(tn_step_state state) {
    return STATE[state];
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

/* A path that is too long is refused now, and not by the last stage after hours of training. */
static tn_status leaves_room(const char *run_dir) {
    enum { BELOW = 200 }; /* longer than any path inside a run folder, `.tmp` included */
    size_t n = strlen(run_dir);
    if (n + BELOW < TN_PATH_BYTES) return TN_OK;
    return tn_fail(TN_EARG,
                   "the path of the run folder is too long: it has %zu bytes, files in it need %d more, and the limit "
                   "is %d: %.200s...",
                   n, (int)(n + BELOW + 1 - TN_PATH_BYTES), TN_PATH_BYTES - 1, run_dir);
}

static tn_status add_logs(tn_plan *plan) {
    for (int i = 0; i < plan->n; i++) {
        char label[TN_STEP_LABEL_BYTES];
        tn_step_label(&plan->step[i], label);
        TN_TRY(tn_path(plan->step[i].log, "%s/log/%s.log", plan->start.run_dir, label));
    }
    return TN_OK;
}

tn_status tn_plan_make(const tn_cfg *cfg, const tn_start *start, tn_plan **out) {
    TN_TRY(leaves_room(start->run_dir));
    int n = tn_steps_list(cfg, NULL);
    tn_plan *plan = calloc(1, sizeof *plan);
    tn_status st = plan && (plan->step = calloc((size_t)n, sizeof *plan->step))
                       ? copy_start(start, &plan->start)
                       : tn_fail_memory((size_t)n * sizeof *plan->step, "the plan");
    if (st == TN_OK) plan->n = tn_steps_list(cfg, plan->step);
    if (st == TN_OK) st = add_logs(plan);
    if (st == TN_OK)
        *out = plan;
    else if (plan)
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

/* --- plan.json ---------------------------------------------------------------------------------------------------- */

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

/* Relative paths of --set start at this folder. */
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
    /* a run folder that was moved or copied: use its present path, not the recorded one */
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
