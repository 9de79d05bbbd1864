/* status_json.c - the output of `status --json`. Keys: docs/file-formats.md. */
#include "report/status.h"

#include "base/progress.h"
#include "run/course.h"
#include "run/step_status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *text_or_null(const char *text) {
    return *text ? json_string(text) : json_null();
}

static json_t *of_step(const tn_step *s, const tn_step_status *l, const tn_step_course *c) {
    json_t *j =
        json_pack("{s:s,s:s,s:o,s:I,s:o,s:f,s:o,s:o,s:o,s:o,s:s}", "name", s->name, "state",
                  tn_condition_name(l->condition), "job", text_or_null(s->job), "done", (json_int_t)l->progress.done,
                  "total", l->progress.total ? json_integer(l->progress.total) : json_null(), "per_second",
                  l->progress.per_s, "score", l->progress.score >= 0 ? json_real(l->progress.score) : json_null(),
                  "trial", l->progress.trial >= 0 ? json_integer(l->progress.trial) : json_null(), "doing",
                  text_or_null(l->progress.doing), "why", text_or_null(l->why), "log", l->log);
    json_t *course = tn_course_json(c);
    if (!j || !course || json_object_update(j, course) != 0) {
        json_decref(j);
        j = NULL;
    }
    json_decref(course);
    return j;
}

/* The command that continues the run, "tenfold submit RUN"; null while steps wait or run, or if nothing but steps that nothing depends
 * on is missing. n_optional: failed steps of that kind. */
static json_t *next_command(const tn_plan *plan, const int count[TN_CONDITIONS], int n_optional, bool jobs) {
    bool open = count[TN_IS_QUEUED] || count[TN_IS_RUNNING];
    int missing = count[TN_IS_FAILED] - n_optional + count[TN_IS_STOPPED] + count[TN_IS_WAITING];
    char text[TN_PATH_BYTES + 64];
    if (open || missing == 0) return json_null();
    snprintf(text, sizeof text, "tenfold %s %s", jobs ? "submit" : "run", plan->start.run_dir);
    return json_string(text);
}

static tn_status look(const tn_cfg *cfg, const tn_plan *plan, const tn_course *c, bool *queue_known_out, json_t **out) {
    tn_queue *queue = NULL;
    tn_status st = TN_OK;
    int count[TN_CONDITIONS] = {0}, n_optional = 0;
    bool jobs = false;
    json_t *steps = json_array(), *counts = json_object();
    *queue_known_out = tn_queue_read(plan, &queue) == TN_OK;
    if (!*queue_known_out) {
        tn_warn("%s", tn_msg);
        st = tn_queue_parse("", "", &queue);
    }
    for (int i = 0; st == TN_OK && i < plan->n; i++) {
        tn_step_status status;
        st = tn_step_status_of(cfg, plan, queue, i, &status);
        if (st != TN_OK) break;
        count[status.condition]++;
        n_optional += status.condition == TN_IS_FAILED && plan->step[i].stage->optional;
        jobs |= *plan->step[i].job != 0;
        json_array_append_new(steps, of_step(&plan->step[i], &status, &c->step[i]));
    }
    for (int s = 0; s < TN_CONDITIONS; s++)
        json_object_set_new(counts, tn_condition_name((tn_condition)s), json_integer(count[s]));
    tn_queue_free(&queue);
    *out = json_pack("{s:s,s:s,s:s,s:b,s:o,s:{s:f,s:f,s:f,s:f},s:o,s:o}", "format", "tenfold status 1", "run",
                     cfg->name, "run_dir", plan->start.run_dir, "queue_known", *queue_known_out, "counts", counts,
                     "cells", "queued_seconds", c->queued_s, "computed_node_seconds", c->computed_node_s,
                     "lost_node_seconds", c->lost_node_s, "idle_node_seconds", c->other_node_s, "next",
                     next_command(plan, count, n_optional, jobs), "steps", steps);
    return st == TN_OK && !*out ? tn_fail_memory(4096, "the status") : st;
}

tn_status tn_status_json(const tn_cfg *cfg, const tn_plan *plan, FILE *out) {
    tn_course *c = NULL;
    json_t *all = NULL;
    bool queue_known;
    TN_TRY(tn_course_of(cfg, plan, &c));
    tn_status st = look(cfg, plan, c, &queue_known, &all);
    char *text = st == TN_OK ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    if (st == TN_OK && !text) st = tn_fail_memory(4096, "the status");
    if (text) fprintf(out, "%s\n", text);
    free(text);
    json_decref(all);
    tn_course_free(&c);
    return st;
}
