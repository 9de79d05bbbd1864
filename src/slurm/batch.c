/* batch.c - decides which jobs there are, their commands and dependencies. batch_argv.c has their sbatch options. */
#include "slurm/batch.h"

#include "run/job_record.h"
#include "search/rung.h"
#include "search/search.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int tn_task_of(int i, int n_tasks) {
    return i % n_tasks;
}

typedef struct {
    const tn_cfg *cfg;
    const tn_plan *plan;
    const bool *missing; /* (plan->n) */
    tn_batches *b;
    int try; /* attempts so far; each packs cells more tightly than the one before */
    bool no_memory;
} maker;

static tn_batch *add_batch(maker *k, const tn_stage *stage, int turn) {
    tn_batch *b = &k->b->at[k->b->n++];
    *b = (tn_batch){.stage = stage, .turn = turn};
    return b;
}

static void wait_for(tn_batch *b, int before, tn_dependency kind) {
    if (before < 0) return;
    TN_ASSERT(b->n_after < TN_MAX_DEPENDENCIES);
    b->after[b->n_after].batch = before;
    b->after[b->n_after++].kind = kind;
}

__attribute__((format(printf, 2, 3))) static void add_command(tn_batch *b, const char *fmt, ...) {
    va_list args;
    TN_ASSERT(b->n_commands < TN_MAX_COMMANDS);
    va_start(args, fmt);
    vsnprintf(b->command[b->n_commands++], sizeof b->command[0], fmt, args);
    va_end(args);
}

static void add_step(maker *k, tn_batch *b, int step, int task) {
    void *more = realloc(b->does, (size_t)(b->n_does + 1) * sizeof *b->does);
    if (!more) {
        k->no_memory = true;
        return;
    }
    b->does = more;
    b->does[b->n_does].step = step;
    b->does[b->n_does++].task = task;
}

/* Mark the task of the batch's i-th cell as wanted. */
static void want(maker *k, tn_batch *b, int i) {
    int task = tn_task_of(i, b->n_tasks), at = 0;
    if (!b->wanted) b->wanted = calloc((size_t)b->n_tasks, sizeof *b->wanted);
    while (b->wanted && at < b->n_wanted && b->wanted[at] < task) at++;
    k->no_memory |= !b->wanted;
    if (!b->wanted || (at < b->n_wanted && b->wanted[at] == task)) return;
    memmove(b->wanted + at + 1, b->wanted + at, (size_t)(b->n_wanted++ - at) * sizeof *b->wanted);
    b->wanted[at] = task;
}

/* --- a turn: a round, or a rung of a search ----------------------------------------------------------------------- */

static bool is_search(const maker *k) {
    return tn_is_search(k->cfg);
}

static int turns(const maker *k) {
    return (is_search(k) ? k->cfg->search.n_rungs : k->cfg->self.max_rounds) + 1;
}

static int cells_of(const maker *k, int turn) {
    return is_search(k) ? tn_rung_count(k->cfg, turn) : tn_cell_count(k->cfg);
}

static const char *option(const maker *k) {
    return is_search(k) ? "--rung" : "--round";
}

/* The index of a stage's step for the i-th cell of a turn, or, if i < 0, for the turn as a whole. -1: there is none. */
static int find(const maker *k, const tn_stage *stage, int turn, int i) {
    for (int s = 0; s < k->plan->n; s++)
        if (k->plan->step[s].stage == stage && tn_step_turn(&k->plan->step[s]) == turn && i-- <= 0) return s;
    return -1;
}

/* Do tasks of arrays run this stage, for each cell (per_cell) or for a turn as a whole? */
static bool is_task_stage(const maker *k, const tn_stage *stage, bool per_cell) {
    bool cell = stage->per == TN_PER_CELL || stage->per == TN_PER_SLOT;
    return stage->job == TN_JOB_TASK && cell == per_cell &&
           (stage->runs & (is_search(k) ? TN_IN_SEARCH : TN_IN_PIPELINE));
}

/* The filter or rank step that must end this turn before the next one can begin, if it is missing: its index in the plan; else -1. */
static int missing_end(const maker *k, int turn) {
    for (const tn_stage *stage = tn_stages; stage < tn_stages + tn_n_stages; stage++) {
        int step = is_task_stage(k, stage, false) ? find(k, stage, turn, -1) : -1;
        if (step >= 0 && k->missing[step]) return step;
    }
    return -1;
}

/* The commands of a task in sequence. A command whose step is done already ends within a second. */
static void add_commands(maker *k, tn_batch *b) {
    char size[32] = "";
    int before = b->turn > 0 ? missing_end(k, b->turn - 1) : -1, end = missing_end(k, b->turn);
    if (b->size_px) snprintf(size, sizeof size, " --size %d", b->size_px);
    if (before >= 0) {
        add_command(b, "%s %s %d", k->plan->step[before].stage->verb, option(k), b->turn - 1);
        add_step(k, b, before, -1);
    }
    for (const tn_stage *stage = tn_stages; stage < tn_stages + tn_n_stages; stage++)
        if (is_task_stage(k, stage, true))
            add_command(b, "%s %s %d%s --part @/%d", stage->verb, option(k), b->turn, size, b->n_tasks);
    if (end >= 0) add_command(b, "%s %s %d --if-complete", k->plan->step[end].stage->verb, option(k), b->turn);
}

static tn_batch *begin_array(maker *k, const tn_stage *stage, int turn, int size_px, int first, int n) {
    tn_batch *b = add_batch(k, stage, turn);
    char name[16];
    if (is_search(k))
        tn_rung_name(k->cfg, turn, name);
    else
        snprintf(name, sizeof name, "r%d", turn);
    snprintf(b->label, sizeof b->label, size_px ? "%s.%s.s%d" : "%s.%s", stage->verb, name, size_px);
    b->size_px = size_px;
    b->first_cell = first;
    b->n_cells = n;
    b->n_tasks = is_search(k) ? (n + k->try) / (k->try + 1) : n - k->try > 1 ? n - k->try:
        1;
    add_commands(k, b);
    return b;
}

/* Add an array for the cells [first, first + n) of a turn, which have one size (or all, 0). No array if all of them are done. */
static void add_array(maker *k, int turn, int size_px, int first, int n) {
    tn_batch *b = NULL;
    const tn_stage *main = NULL;
    for (const tn_stage *stage = tn_stages; stage < tn_stages + tn_n_stages; stage++) {
        if (!is_task_stage(k, stage, true)) continue;
        if (!main) main = stage;
        for (int i = 0; i < n; i++) {
            int step = find(k, stage, turn, first + i);
            if (!k->missing[step]) continue;
            if (!b) b = begin_array(k, main, turn, size_px, first, n);
            want(k, b, i);
            add_step(k, b, step, tn_task_of(i, b->n_tasks));
        }
    }
}

/* Add the arrays of a turn. If the filter or ranking of the turn before is missing, they wait for that turn's arrays, which are the
 * jobs [before, n). */
static void add_turn(maker *k, int turn, int first_job, int before) {
    int n_sizes = is_search(k) ? 0 : k->cfg->slurm.n_size_nodes, first = k->b->n, n = cells_of(k, turn);
    if (n_sizes == 0) add_array(k, turn, 0, 0, n);
    for (int s = n_sizes - 1; s >= 0; s--)
        add_array(k, turn, k->cfg->train.sizes_px[s], (n_sizes - 1 - s) * (n / n_sizes), n / n_sizes);
    for (int i = first; i < k->b->n; i++) {
        wait_for(&k->b->at[i], first_job, TN_DEPEND_OK);
        for (int j = before; j < first && turn > 0 && missing_end(k, turn - 1) >= 0; j++)
            wait_for(&k->b->at[i], j, TN_DEPEND_ANY);
    }
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* Which job does a step: behind the student's, its job does what would be done in the last one. */
static tn_job_kind job_of(const maker *k, int step) {
    tn_job_kind kind = k->plan->step[step].stage->job;
    for (int i = 0; i < step && kind == TN_JOB_LAST; i++)
        kind = k->plan->step[i].stage->job == TN_JOB_STUDENT ? TN_JOB_STUDENT : kind;
    return kind;
}

/* Add one job for all missing steps of the stages of a kind; NULL: none is missing. */
static tn_batch *add_single(maker *k, tn_job_kind kind, const char *label) {
    tn_batch *b = NULL;
    for (int i = 0; i < k->plan->n; i++) {
        const tn_step *s = &k->plan->step[i];
        if (job_of(k, i) != kind || !k->missing[i]) continue;
        if (!b) {
            b = add_batch(k, s->stage, 0);
            snprintf(b->label, sizeof b->label, "%s", label ? label : s->stage->verb);
        }
        bool some = strcmp(s->stage->verb, "reduce") == 0 && k->cfg->slurm.allow_missing;
        if (b->n_commands == 0 && kind == TN_JOB_LAST) { /* the last turn's end, in case no task ran it */
            int end = missing_end(k, turns(k) - 1);
            if (end >= 0) add_command(b, "%s %s %d", k->plan->step[end].stage->verb, option(k), turns(k) - 1);
            if (end >= 0) add_step(k, b, end, -1);
        }
        add_command(b, "%s%s%s", s->stage->optional ? "-" : "", s->stage->verb, some ? " --allow-missing" : "");
        add_step(k, b, i, -1);
    }
    return b;
}

/* Does any step need what the batch does? */
static bool is_needed(const maker *k, const tn_batch *b) {
    for (int i = 0; b && i < b->n_does; i++)
        if (!k->plan->step[b->does[i].step].stage->optional) return true;
    return false;
}

static void lay_out(maker *k) {
    int first_job = is_needed(k, add_single(k, TN_JOB_FIRST, NULL)) ? 0 : -1;
    tn_batch *second = add_single(k, TN_JOB_SECOND, NULL);
    if (second) wait_for(second, first_job, TN_DEPEND_OK);
    if (second) first_job = k->b->n - 1;
    int first = k->b->n, before = first;
    for (int turn = 0; turn < turns(k); turn++) {
        int n = k->b->n;
        add_turn(k, turn, first_job, before);
        before = n;
    }
    tn_batch *last = add_single(k, TN_JOB_LAST, "finish");
    int at_last = last ? k->b->n - 1 : -1;
    for (int i = first; i < at_last; i++) wait_for(last, i, TN_DEPEND_ANY);
    tn_batch *student = add_single(k, TN_JOB_STUDENT, NULL);
    if (student) wait_for(student, at_last, TN_DEPEND_OK);
}

static void clear(tn_batches *b) {
    for (int i = 0; i < b->n; i++) {
        free(b->at[i].wanted);
        free(b->at[i].does);
    }
    b->n = 0;
}

static int count_jobs(const tn_batches *b) {
    int n = 0;
    for (int i = 0; i < b->n; i++) n += b->at[i].n_tasks ? b->at[i].n_wanted : 1;
    return n;
}

/* Pack cells into tasks as loosely as slurm.max_jobs allows. */
static tn_status make(maker *k) {
    int most = k->cfg->slurm.max_jobs, tries = 1;
    for (int turn = 0; turn < turns(k); turn++)
        if (cells_of(k, turn) > tries) tries = cells_of(k, turn);
    for (k->try = 0; k->try < tries; k->try++) {
        clear(k->b);
        lay_out(k);
        if (k->no_memory) return tn_fail_memory(4096, "the jobs");
        k->b->n_jobs = count_jobs(k->b);
        if (most == 0 || k->b->n_jobs <= most) return TN_OK;
    }
    return tn_fail(TN_EARG, "slurm.max_jobs = %d: however tightly packed, what is missing takes %d jobs", most,
                   k->b->n_jobs);
}

static tn_status begin(int n_room, tn_batches **out) {
    tn_batches *b = calloc(1, sizeof *b);
    if (b) b->at = calloc((size_t)n_room, sizeof *b->at);
    *out = b;
    if (b && b->at) return TN_OK;
    tn_batches_free(out);
    return tn_fail_memory((size_t)n_room * sizeof *b->at, "the jobs");
}

tn_status tn_batches_make(const tn_cfg *cfg, const tn_plan *plan, const bool *missing, tn_batches **out) {
    maker k = {.cfg = cfg, .plan = plan, .missing = missing};
    TN_TRY(begin(4 + TN_MAX_SIZES * turns(&k), out));
    k.b = *out;
    tn_status st = make(&k);
    for (int i = 0; st == TN_OK && i < k.b->n; i++)
        k.b->at[i].learned_mib = tn_job_record_memory(cfg->run_dir, k.b->at[i].label, k.b->at[i].n_tasks);
    if (st != TN_OK) tn_batches_free(out);
    return st;
}

tn_status tn_batches_pilot(const tn_plan *plan, const bool *missing, int n_nodes, tn_batches **out) {
    bool any = false;
    for (int i = 0; i < plan->n; i++) any = any || missing[i];
    TN_TRY(begin(1, out));
    if (!any) return TN_OK;
    tn_batch *b = &(*out)->at[(*out)->n++];
    *b = (tn_batch){.stage = tn_stage_find("train"), .label = "pilot", .pilot_nodes = n_nodes};
    add_command(b, "pilot");
    (*out)->n_jobs = 1;
    return TN_OK;
}

void tn_batches_free(tn_batches **b) {
    if (!*b) return;
    if ((*b)->at) clear(*b);
    free((*b)->at);
    free(*b);
    *b = NULL;
}
