/* course.c - see course.h. */
#include "run/course.h"

#include "train/journal.h"
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

/* --- one step ----------------------------------------------------------------------------------------------------- */

static tn_status add_lines(const char *run_dir, const char *label, tn_step_course *s) {
    int n = 0;
    tn_history_line *line = NULL;
    TN_TRY(tn_history_read(run_dir, label, &n, &line));
    tn_history_line *more = n ? realloc(s->line, (size_t)(s->n_lines + n) * sizeof *more) : NULL;
    if (more) {
        memcpy(more + s->n_lines, line, (size_t)n * sizeof *more);
        s->line = more;
        s->n_lines += n;
    }
    free(line);
    return n && !more ? tn_fail_memory((size_t)n * sizeof *more, "the course of the run") : TN_OK;
}

static bool has_history(const tn_plan *plan, const char *label) {
    char path[TN_PATH_BYTES];
    return tn_path(path, "%s/history/%s", plan->start.run_dir, label) == TN_OK && tn_file_exists(path);
}

/* A later submission does not record the jobs of cells that were done before. If each cell had a task of its own (the record of the
 * last task shows it), the task number is the cell's index in its array (slurm/batch.h); otherwise out is "". */
static void label_of_before(const tn_cfg *cfg, const tn_plan *plan, const tn_step *step,
                            char out[TN_STEP_LABEL_BYTES]) {
    char array[48];
    bool sizes = cfg->slurm.n_size_nodes > 0;
    int at = 0, n = tn_cell_count(cfg) / (sizes ? cfg->train.n_sizes : 1);
    for (const tn_step *s = plan->step; s < step; s++)
        at += s->stage == step->stage && s->cell.round == step->cell.round &&
              (!sizes || s->cell.size_px == step->cell.size_px);
    snprintf(array, sizeof array, sizes ? "train.r%d.s%d" : "train.r%d", step->cell.round, step->cell.size_px);
    snprintf(out, TN_STEP_LABEL_BYTES, "%s.%d", array, n - 1);
    bool alone = has_history(plan, out);
    snprintf(out, TN_STEP_LABEL_BYTES, "%s.%d", array, at);
    if (!alone) out[0] = 0;
}

/* Under Slurm, predict and filter run in the tasks that train: their time is counted there. */
static tn_status read_lines(const tn_cfg *cfg, const tn_plan *plan, const tn_step *step, tn_step_course *s) {
    char label[TN_STEP_LABEL_BYTES];
    if (*step->job && step->stage->job == TN_JOB_TASK && !tn_course_is_cell(step)) return TN_OK;
    if (*step->job)
        tn_job_label(step, label);
    else
        tn_step_label(step, label);
    if (!*step->job && tn_course_is_cell(step) && !has_history(plan, label)) label_of_before(cfg, plan, step, label);
    if (!*label) return TN_OK;
    return add_lines(plan->start.run_dir, label, s);
}

/* When the job of this id ("12_3": array 12) was submitted; 0: not known. */
static int64_t submitted_at(const char *id, int n, const tn_history_line *line) {
    size_t n_id = strcspn(id, "_");
    for (int i = n - 1; i >= 0; i--)
        if (strlen(line[i].job) == n_id && strncmp(line[i].job, id, n_id) == 0) return line[i].at;
    return 0;
}

/* When the wait before line[at] began: at the end that requeued the step; else when its job was submitted, or at `ready`, when its
 * dependencies had ended, whichever is later. */
static int64_t waits_since(const tn_step_course *s, int at, int64_t ready, int n, const tn_history_line *submitted) {
    const tn_history_line *l = &s->line[at], *before = at ? &s->line[at - 1] : NULL;
    if (before && strcmp(before->job, l->job) == 0) return tn_history_is(before, "requeued") ? before->at : 0;
    int64_t since = submitted_at(l->job, n, submitted);
    return since && ready > since && ready <= l->at ? ready : since;
}

/* Add up the lengths of the starts (*spent_out) and of the waits before them (s->queued_s). */
static void walk(tn_step_course *s, int64_t ready, int n, const tn_history_line *submitted, double *spent_out) {
    const tn_history_line *begin = NULL;
    *spent_out = 0;
    for (int i = 0; i < s->n_lines; i++) {
        const tn_history_line *l = &s->line[i];
        if (tn_history_is(l, "running")) {
            s->n_starts++;
            if (begin) s->n_silent++;
            int64_t since = waits_since(s, i, ready, n, submitted);
            if (since && l->at > since) s->queued_s += (double)(l->at - since);
            begin = l;
            continue;
        }
        if (begin && l->at >= begin->at) *spent_out += (double)(l->at - begin->at);
        begin = NULL;
        if (l->at > s->end_at) s->end_at = l->at;
    }
}

static tn_status read_journal(const tn_cfg *cfg, const tn_cell *cell, double *computed_out) {
    tn_journal journal;
    double training_s = 0, evaluation_s = 0;
    TN_TRY(tn_journal_read(cfg, cell, &journal));
    for (int i = 0; i < journal.n; i++) {
        training_s = journal.at[i].training_s;
        evaluation_s += journal.at[i].evaluation_s;
    }
    tn_journal_free(&journal);
    *computed_out = training_s + evaluation_s;
    return TN_OK;
}

static tn_status read_lost(const tn_cfg *cfg, const tn_cell *cell, double *lost_out) {
    char name[TN_CELL_NAME_BYTES];
    int n = 0;
    tn_history_line *line = NULL;
    tn_cell_name(cell, name);
    TN_TRY(tn_history_read(cfg->run_dir, name, &n, &line));
    *lost_out = 0;
    for (int i = 0; i < n; i++) {
        double images = 0, seconds = 0;
        if (tn_history_is(&line[i], "lost") && sscanf(line[i].why, "%lf %lf", &images, &seconds) == 2)
            *lost_out += seconds;
    }
    free(line);
    return TN_OK;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

/* When all direct and indirect dependencies of a step had ended; 0: not known. ready (at): the results for the steps before it. */
static int64_t ready_at(const tn_cfg *cfg, const tn_plan *plan, const tn_course *c, int at, const int64_t *ready) {
    int64_t latest = 0;
    for (int i = 0; i < at; i++) {
        if (!tn_step_after(cfg, &plan->step[at], &plan->step[i])) continue;
        if (c->step[i].end_at > latest) latest = c->step[i].end_at;
        if (ready[i] > latest) latest = ready[i];
    }
    return latest;
}

/* Is the step in the same task as an earlier step? The first step of a task has the task's times. */
static bool shares_job(const tn_plan *plan, int at) {
    for (int i = 0; i < at; i++)
        if (*plan->step[at].job && strcmp(plan->step[i].job, plan->step[at].job) == 0) return true;
    return false;
}

static tn_status of_step(const tn_cfg *cfg, const tn_plan *plan, int at, int n_submitted,
                         const tn_history_line *submitted, int64_t *ready, tn_course *c) {
    const tn_step *step = &plan->step[at];
    tn_step_course *s = &c->step[at];
    double spent = 0;
    bool shares = shares_job(plan, at);
    if (!shares) TN_TRY(read_lines(cfg, plan, step, s));
    ready[at] = ready_at(cfg, plan, c, at, ready);
    walk(s, ready[at], n_submitted, submitted, &spent);
    s->computed_s = spent;
    if (!tn_course_is_cell(step)) return TN_OK;
    TN_TRY(read_journal(cfg, &step->cell, &s->computed_s));
    TN_TRY(read_lost(cfg, &step->cell, &s->lost_s));
    s->other_s = spent - s->computed_s - s->lost_s;
    return TN_OK;
}

/* Several cells of one task: the first cell's times are those of all; subtract what belongs to the others. */
static void share_out(const tn_plan *plan, tn_course *c) {
    for (int i = 0; i < c->n; i++) {
        if (!tn_course_is_cell(&plan->step[i]) || !shares_job(plan, i)) continue;
        for (int k = 0; k < i; k++)
            if (strcmp(plan->step[k].job, plan->step[i].job) == 0 && !shares_job(plan, k))
                c->step[k].other_s -= c->step[i].computed_s + c->step[i].lost_s;
        c->step[i].other_s = 0;
    }
    for (int i = 0; i < c->n; i++) {
        tn_step_course *s = &c->step[i];
        bool known = s->n_lines > 0 && s->n_silent == 0;
        if (tn_course_is_cell(&plan->step[i]) && !shares_job(plan, i) && (!known || s->other_s < 0))
            s->other_s = known ? 0 : -1;
        if (!tn_course_is_cell(&plan->step[i])) continue;
        int nodes = s->n_lines && s->line[0].nodes > 0 ? s->line[0].nodes : 1;
        c->queued_s += s->queued_s;
        c->computed_node_s += s->computed_s * nodes;
        c->lost_node_s += s->lost_s * nodes;
        if (s->other_s > 0) c->other_node_s += s->other_s * nodes;
    }
}

tn_status tn_course_of(const tn_cfg *cfg, const tn_plan *plan, tn_course **out) {
    int n_submitted = 0;
    tn_history_line *submitted = NULL;
    int64_t *ready = calloc((size_t)plan->n + 1, sizeof *ready);
    tn_course *c = calloc(1, sizeof *c);
    if (c) c->step = calloc((size_t)plan->n + 1, sizeof *c->step);
    tn_status st = ready && c && c->step ? tn_history_read(plan->start.run_dir, "submitted", &n_submitted, &submitted)
                                         : tn_fail_memory((size_t)plan->n * sizeof *c->step, "the course of the run");
    if (st == TN_OK) c->n = plan->n;
    for (int i = 0; st == TN_OK && i < plan->n; i++) st = of_step(cfg, plan, i, n_submitted, submitted, ready, c);
    if (st == TN_OK) share_out(plan, c);
    free(submitted);
    free(ready);
    if (st == TN_OK)
        *out = c;
    else
        tn_course_free(&c);
    return st;
}

void tn_course_free(tn_course **c) {
    if (!*c) return;
    for (int i = 0; (*c)->step && i < (*c)->n; i++) free((*c)->step[i].line);
    free((*c)->step);
    free(*c);
    *c = NULL;
}
