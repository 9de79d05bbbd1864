/* batch.c - which jobs there are, and what each waits for. batch_words.c has their options. */
#include "suite/batch_priv.h"

#include "suite/job_record.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int tn_task_of(int i, int n_tasks) {
    return i % n_tasks;
}

tn_batch *tn_batch_add(tn_maker *k, tn_step_kind kind, int round, const char *fmt, ...) {
    tn_batch *b = &k->b->at[k->b->n++];
    va_list args;
    va_start(args, fmt);
    *b = (tn_batch){.kind = kind, .round = round};
    vsnprintf(b->label, sizeof b->label, fmt, args);
    va_end(args);
    return b;
}

void tn_batch_wait(tn_batch *b, int before, tn_after kind) {
    if (before < 0) return;
    TN_ASSERT(b->n_after < TN_MAX_AFTER);
    b->after[b->n_after].batch = before;
    b->after[b->n_after++].kind = kind;
}

void tn_batch_command(tn_batch *b, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(b->command[b->n_commands++], sizeof b->command[0], fmt, args);
    va_end(args);
}

int tn_batch_last(const tn_maker *k) {
    return k->b->n - 1;
}

void tn_batch_want(tn_batch *b, int i) {
    int task = tn_task_of(i, b->n_tasks), at = 0;
    if (!b->wanted) b->wanted = calloc((size_t)b->n_tasks, sizeof *b->wanted);
    while (b->wanted && at < b->n_wanted && b->wanted[at] < task) at++;
    if (!b->wanted || (at < b->n_wanted && b->wanted[at] == task)) return;
    memmove(b->wanted + at + 1, b->wanted + at, (size_t)(b->n_wanted++ - at) * sizeof *b->wanted);
    b->wanted[at] = task;
}

/* An array of the cells that are set in `cell` and whose `other` is set (with) or not; -1 where there are none. */
static int add_array(tn_maker *k, tn_step_kind kind, int round, const char *prefix, const bool *cell, const bool *other,
                     bool with) {
    int n_cells = k->m->n_cells, at = -1;
    tn_batch *b = NULL;
    for (int i = 0; i < n_cells; i++) {
        if (!cell[i] || (other && other[i] != with)) continue;
        if (!b) {
            b = tn_batch_add(k, kind, round, "%s.r%d", prefix, round);
            b->n_tasks = k->n_tasks;
            at = tn_batch_last(k);
            tn_batch_command(b, "%s --round %d --part @/%d", tn_step_verb(kind), round, k->n_tasks);
        }
        tn_batch_want(b, i);
    }
    return at;
}

/* The array that trains a round, and the filter before it; before: the job that must have been done well. */
static int add_round(tn_maker *k, int round, int before, int previous_train) {
    const bool *train = k->m->train + round * k->m->n_cells;
    if (round > 0 && k->m->filter[round]) {
        tn_batch *b = tn_batch_add(k, TN_STEP_FILTER, round - 1, "filter.r%d", round);
        tn_batch_command(b, "filter --round %d", round - 1);
        tn_batch_wait(b, previous_train, TN_AFTER_ANY);
        before = tn_batch_last(k);
    }
    int at = add_array(k, TN_STEP_TRAIN, round, "train", train, NULL, true);
    if (at >= 0) tn_batch_wait(&k->b->at[at], before, TN_AFTER_OK);
    return at;
}

/* Predictions of a round; those that wait are listed in `finish`. */
static void add_predictions(tn_maker *k, int round, int train, tn_batch *finish) {
    const bool *predict = k->m->predict + round * k->m->n_cells, *trained = k->m->train + round * k->m->n_cells;
    if (k->packed) {
        tn_batch_wait(finish, train, TN_AFTER_ANY);
        return;
    }
    int with = add_array(k, TN_STEP_PREDICT, round, "predict", predict, trained, true);
    if (with >= 0) tn_batch_wait(&k->b->at[with], train, TN_AFTER_CORR);
    int rest = add_array(k, TN_STEP_PREDICT, round, "predict-rest", predict, trained, false);
    tn_batch_wait(finish, with, TN_AFTER_ANY);
    tn_batch_wait(finish, rest, TN_AFTER_ANY);
}

static void add_all(tn_maker *k) {
    tn_batch finish = {.kind = TN_STEP_REDUCE, .label = "finish"};
    int before = -1, train = -1;
    if (k->m->preprocess) {
        tn_batch_command(tn_batch_add(k, TN_STEP_PREPROCESS, 0, "preprocess"), "preprocess");
        before = tn_batch_last(k);
    }
    for (int round = 0; round < k->m->n_rounds; round++) {
        train = add_round(k, round, round == 0 ? before : -1, train);
        add_predictions(k, round, train, &finish);
    }
    if (!k->m->finish) return;
    if (k->packed) tn_batch_command(&finish, "predict");
    tn_batch_command(&finish, "reduce%s", k->cfg->slurm.allow_missing ? " --allow-missing" : "");
    tn_batch_command(&finish, "report");
    k->b->at[k->b->n++] = finish;
}

static void clear(tn_batches *b, int n_room) {
    for (int i = 0; i < n_room; i++) {
        free(b->at[i].wanted);
        b->at[i].wanted = NULL;
    }
}

static int count_jobs(const tn_batches *b) {
    int n = 0;
    for (int i = 0; i < b->n; i++) n += b->at[i].n_tasks ? b->at[i].n_wanted : 1;
    return n;
}

static bool fits(const tn_maker *k) {
    return k->cfg->slurm.max_jobs == 0 || k->b->n_jobs <= k->cfg->slurm.max_jobs;
}

static bool has_memory(const tn_batches *b) {
    for (int i = 0; i < b->n; i++)
        if (b->at[i].n_tasks && !b->at[i].wanted) return false;
    return true;
}

/* How often jobs can be laid out more tightly. */
static int count_tries(const tn_missing *m) {
    int n = m->n_cells + 1;
    for (int q = 0; q < m->n_rungs; q++)
        if (m->rung[q].n > n) n = m->rung[q].n;
    return n;
}

static void lay_out(tn_maker *k, int try) {
    k->packed = try > 0;
    k->n_tasks = k->m->n_cells - (try > 1 ? try - 1 : 0);
    k->per_task = try + 1;
    k->b->n = 0;
    if (k->m->n_rungs)
        tn_batch_search(k);
    else
        add_all(k);
}

/* As loosely as slurm.max_jobs allows. */
static tn_status make(tn_maker *k, int n_room) {
    for (int try = 0; try < count_tries(k->m); try++) {
        clear(k->b, n_room);
        lay_out(k, try);
        if (!has_memory(k->b)) return tn_fail_memory(4096, "the jobs");
        k->b->n_jobs = count_jobs(k->b);
        if (fits(k)) return TN_OK;
    }
    return tn_fail(TN_EARG, "slurm.max_jobs = %d: however tightly packed, what is missing takes %d jobs",
                   k->cfg->slurm.max_jobs, k->b->n_jobs);
}

tn_status tn_batches_make(const tn_cfg *cfg, const tn_missing *missing, tn_batches **out) {
    int n_room = 2 + 4 * missing->n_rounds + 2 * missing->n_rungs;
    tn_maker k = {.cfg = cfg, .m = missing, .b = calloc(1, sizeof *k.b)};
    if (k.b) k.b->at = calloc((size_t)n_room, sizeof *k.b->at);
    tn_status st = k.b && k.b->at ? make(&k, n_room) : tn_fail_memory((size_t)n_room * sizeof *k.b->at, "the jobs");
    for (int i = 0; st == TN_OK && i < k.b->n; i++)
        k.b->at[i].learned_mib = tn_job_record_memory(cfg->run_dir, k.b->at[i].label, k.b->at[i].n_tasks);
    if (st == TN_OK)
        *out = k.b;
    else
        tn_batches_free(&k.b);
    return st;
}

void tn_batches_free(tn_batches **b) {
    if (!*b) return;
    if ((*b)->at) clear(*b, (*b)->n);
    free((*b)->at);
    free(*b);
    *b = NULL;
}
