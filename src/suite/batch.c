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

/* --- a round ------------------------------------------------------------------------------------------------------ */

static bool wanted_cell(const tn_maker *k, int round, int i) {
    int at = round * k->m->n_cells + i;
    return k->m->train[at] || k->m->predict[at];
}

static bool filters_after(const tn_maker *k, int round) {
    return round + 1 < k->m->n_rounds && k->m->filter[round + 1];
}

/* What a task does one after the other; what is done already takes a second. */
static void add_commands(tn_maker *k, tn_batch *b) {
    char cells[64] = "";
    if (b->size_px) snprintf(cells, sizeof cells, " --size %d", b->size_px);
    if (b->round > 0 && k->m->filter[b->round]) tn_batch_command(b, "filter --round %d", b->round - 1);
    tn_batch_command(b, "train --round %d%s --part @/%d", b->round, cells, b->n_tasks);
    tn_batch_command(b, "predict --round %d%s --part @/%d", b->round, cells, b->n_tasks);
    if (filters_after(k, b->round)) tn_batch_command(b, "filter --round %d --if-complete", b->round);
}

/* An array of the cells of a size, or of all (0), that are [first, first + n) of the round; none where all are done. */
static void add_array(tn_maker *k, int round, int size_px, int first, int n) {
    tn_batch *b = NULL;
    for (int i = 0; i < n; i++) {
        if (!wanted_cell(k, round, first + i)) continue;
        if (!b) {
            b = size_px ? tn_batch_add(k, TN_STEP_TRAIN, round, "train.r%d.s%d", round, size_px)
                        : tn_batch_add(k, TN_STEP_TRAIN, round, "train.r%d", round);
            b->size_px = size_px;
            b->first_cell = first;
            b->n_cells = n;
            b->n_tasks = n - k->try > 1 ? n - k->try:
                1;
            add_commands(k, b);
        }
        tn_batch_want(b, i);
    }
}

/* Where the filter is missing, behind the arrays of the round before: [before, n). */
static void add_round(tn_maker *k, int round, int preprocess, int before) {
    int n_sizes = k->cfg->slurm.n_size_nodes, first = k->b->n;
    if (n_sizes == 0) add_array(k, round, 0, 0, k->m->n_cells);
    for (int s = n_sizes - 1, n = k->m->n_cells / (n_sizes ? n_sizes : 1); s >= 0; s--)
        add_array(k, round, k->cfg->train.sizes_px[s], (n_sizes - 1 - s) * n, n);
    for (int i = first; i < k->b->n; i++) {
        tn_batch_wait(&k->b->at[i], preprocess, TN_AFTER_OK);
        for (int j = before; j < first && k->m->filter[round]; j++) tn_batch_wait(&k->b->at[i], j, TN_AFTER_ANY);
    }
}

static void add_all(tn_maker *k) {
    int preprocess = -1, before;
    if (k->m->preprocess) {
        tn_batch_command(tn_batch_add(k, TN_STEP_PREPROCESS, 0, "preprocess"), "preprocess");
        preprocess = tn_batch_last(k);
    }
    int first = before = k->b->n;
    for (int round = 0; round < k->m->n_rounds; round++) {
        int n = k->b->n;
        add_round(k, round, preprocess, before);
        before = n;
    }
    if (!k->m->finish) return;
    tn_batch *finish = tn_batch_add(k, TN_STEP_REDUCE, 0, "finish");
    tn_batch_command(finish, "reduce%s", k->cfg->slurm.allow_missing ? " --allow-missing" : "");
    tn_batch_command(finish, "report");
    for (int i = first; i < tn_batch_last(k); i++) tn_batch_wait(finish, i, TN_AFTER_ANY);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

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
    int n = m->n_cells;
    for (int q = 0; q < m->n_rungs; q++)
        if (m->rung[q].n > n) n = m->rung[q].n;
    return n;
}

static void lay_out(tn_maker *k, int try) {
    k->try = try;
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
    int n_room = 2 + TN_MAX_SIZES * missing->n_rounds + 2 * missing->n_rungs;
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

static bool any(const tn_missing *m) {
    bool found = m->preprocess || m->finish;
    for (int i = 0; i < m->n_rounds * m->n_cells; i++) found = found || m->train[i] || m->predict[i];
    return found;
}

tn_status tn_batches_pilot(const tn_missing *missing, int n_nodes, tn_batches **out) {
    tn_maker k = {.m = missing, .b = calloc(1, sizeof *k.b)};
    if (k.b) k.b->at = calloc(1, sizeof *k.b->at);
    if (!k.b || !k.b->at) {
        tn_batches_free(&k.b);
        return tn_fail_memory(sizeof *k.b->at, "the jobs");
    }
    if (any(missing)) {
        tn_batch *b = tn_batch_add(&k, TN_STEP_TRAIN, 0, "pilot");
        b->pilot_nodes = n_nodes;
        tn_batch_command(b, "pilot");
        k.b->n_jobs = 1;
    }
    *out = k.b;
    return TN_OK;
}

void tn_batches_free(tn_batches **b) {
    if (!*b) return;
    if ((*b)->at) clear(*b, (*b)->n);
    free((*b)->at);
    free(*b);
    *b = NULL;
}
