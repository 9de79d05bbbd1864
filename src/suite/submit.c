/* submit.c - sbatch, one after another, with the manifest kept up to date. */
#include "suite/submit.h"

#include "base/history.h"
#include "base/lock.h"
#include "base/progress.h"
#include "suite/batch.h"
#include "suite/queue.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- the manifest ------------------------------------------------------------------------------------------------- */

static bool is_trial(const tn_step *s) {
    return s->kind == TN_STEP_TRIAL || s->kind == TN_STEP_RANK;
}

static int round_of(const tn_step *s) {
    return is_trial(s) ? s->at.rung : s->cell.round;
}

/* Which cell of its round or rung this step is. */
static int cell_index(const tn_plan *plan, int at) {
    const tn_step *s = plan->step;
    int first = at;
    while (first > 0 && s[first - 1].kind == s[at].kind && round_of(&s[first - 1]) == round_of(&s[at])) first--;
    return at - first;
}

static bool wants(const tn_batch *b, int task) {
    for (int i = 0; i < b->n_wanted; i++)
        if (b->wanted[i] == task) return true;
    return false;
}

static bool has_verb(const tn_batch *b, tn_step_kind kind) {
    const char *verb = tn_step_verb(kind);
    size_t n = strlen(verb);
    for (int i = 0; i < b->n_commands; i++)
        if (strncmp(b->command[i], verb, n) == 0 && (b->command[i][n] == 0 || b->command[i][n] == ' ')) return true;
    return false;
}

/* Does this job do this step, and as which task? task_out -1: as a whole. The filter before a round is that of its own
 * array, which goes without it no further. */
static bool does(const tn_batch *b, const tn_plan *plan, int at, int *task_out) {
    const tn_step *s = &plan->step[at];
    bool whole = b->kind == TN_STEP_REDUCE || b->kind == TN_STEP_PREPROCESS;
    int round = round_of(s) + (s->kind == TN_STEP_FILTER);
    *task_out = -1;
    if (!has_verb(b, s->kind)) return false;
    if ((!whole || is_trial(s)) && b->round != round) return false;
    if (s->kind != TN_STEP_TRAIN && s->kind != TN_STEP_TRIAL) return true;
    int i = cell_index(plan, at) - b->first_cell;
    if (i < 0 || i >= b->n_cells) return false;
    *task_out = tn_task_of(i, b->n_tasks);
    return wants(b, *task_out);
}

/* The filter and the predictions of a round are of all its arrays: of all their ids. */
static tn_status record_step(tn_plan *plan, tn_step *s, const tn_batch *b, int task) {
    char id[64];
    if (task >= 0)
        snprintf(id, sizeof id, "%s_%d", b->id, task);
    else
        snprintf(id, sizeof id, "%s", b->id);
    bool more = b->n_tasks && task < 0 && *s->job;
    size_t n = more ? strlen(s->job) : 0;
    snprintf(s->job + n, sizeof s->job - n, "%s%s", more ? "," : "", id);
    s->state = TN_STEP_WAITING;
    return tn_path(s->log, "%s/log/%s-%s%s.log", plan->start.run_dir, b->label, id, b->n_tasks && task < 0 ? "_*" : "");
}

static tn_status record(tn_plan *plan, const tn_batch *b) {
    int task;
    if (b->pilot_nodes) snprintf(plan->pilot, sizeof plan->pilot, "%s", b->id);
    for (int i = 0; i < plan->n; i++)
        if (does(b, plan, i, &task)) TN_TRY(record_step(plan, &plan->step[i], b, task));
    return tn_plan_publish(plan);
}

/* --- Slurm -------------------------------------------------------------------------------------------------------- */

/* Digits, and behind them at most ";cluster". */
static bool take_id(const char *text, char out[32]) {
    size_t n = strspn(text, "0123456789");
    snprintf(out, 32, "%.*s", (int)(n < 31 ? n : 31), text);
    return n > 0 && n < 31 && strchr(";\n", text[n]);
}

static tn_status submit_one(const tn_batch_about *about, tn_batches *b, int i) {
    tn_words w = {0};
    tn_said said = {.exit_code = -1};
    tn_status st = tn_batch_words(about, b, i, &w);
    if (st == TN_OK) st = tn_command(&w, &said);
    if (st == TN_OK && (said.exit_code != 0 || !take_id(said.text, b->at[i].id)))
        st = tn_fail(TN_EIO, "sbatch refuses %s (exit code %d): %s%s", b->at[i].label, said.exit_code, said.errs,
                     said.text);
    tn_words_free(&w);
    tn_said_free(&said);
    return st;
}

/* What was submitted before the one that was refused; the message of that stays. */
static void cancel(const tn_batches *b, int n) {
    tn_words w = {0};
    tn_said said = {.exit_code = -1};
    char why[TN_MSG_BYTES];
    snprintf(why, sizeof why, "%s", tn_msg);
    tn_status st = tn_words_add(&w, "scancel");
    for (int i = 0; st == TN_OK && i < n; i++) st = tn_words_add(&w, "%s", b->at[i].id);
    if (n > 0 && st == TN_OK) st = tn_command(&w, &said);
    if (n > 0 && (st != TN_OK || said.exit_code != 0))
        tn_warn("the %d jobs that were submitted before could not be cancelled: use scancel", n);
    tn_words_free(&w);
    tn_said_free(&said);
    tn_fail(TN_EIO, "%s", why);
}

/* For the report: since when it waits. */
static void remember(const tn_plan *plan, const tn_batch *b) {
    tn_history_line line = {.state = "submitted", .at = (int64_t)time(NULL)};
    snprintf(line.job, sizeof line.job, "%s", b->id);
    tn_history_add(plan->start.run_dir, "submitted", &line);
}

static tn_status submit_all(const tn_batch_about *about, tn_plan *plan, tn_batches *b) {
    for (int i = 0; i < b->n; i++) {
        tn_status st = submit_one(about, b, i);
        if (st == TN_OK) st = record(plan, &b->at[i]);
        if (st == TN_OK) remember(plan, &b->at[i]);
        if (st != TN_OK) {
            cancel(b, i + (*b->at[i].id != 0));
            return st;
        }
        printf("%-16s job %s", b->at[i].label, b->at[i].id);
        if (b->at[i].n_tasks) printf(", %d tasks", b->at[i].n_wanted);
        printf("\n");
    }
    tn_say("%d jobs are submitted; tenfold status %s --watch", b->n_jobs, plan->start.run_dir);
    return TN_OK;
}

/* --- the run folder ----------------------------------------------------------------------------------------------- */

static tn_status remove_done(const tn_plan *plan, const char *folder) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/%s/DONE", plan->start.run_dir, folder));
    return tn_file_remove(path);
}

/* What will be made again does not count as done until it is: a reduction of nine folds, a filter of other cells, the
 * ranking of a rung. Cells and shards know their inputs, and are not thrown away here. */
static tn_status forget(const tn_plan *plan, const tn_batches *b) {
    for (int i = 0; i < b->n; i++) {
        char filter[32], rung[32];
        bool search = has_verb(&b->at[i], TN_STEP_RANK);
        snprintf(filter, sizeof filter, "filter/r%d", b->at[i].round);
        snprintf(rung, sizeof rung, "tune/rung%d", b->at[i].round);
        if (b->at[i].kind == TN_STEP_PREPROCESS) TN_TRY(remove_done(plan, "folds"));
        if (b->at[i].kind == TN_STEP_TRAIN && strncmp(b->at[i].command[0], "filter", 6) == 0)
            TN_TRY(remove_done(plan, filter));
        if (b->at[i].kind == TN_STEP_RANK) TN_TRY(remove_done(plan, rung));
        if (b->at[i].kind != TN_STEP_REDUCE) continue;
        TN_TRY(remove_done(plan, search ? "tune/judge" : "reduce"));
        TN_TRY(remove_done(plan, search ? "tune" : "report"));
    }
    return TN_OK;
}

/* Jobs may begin before the last one is submitted: they must find all they read. */
static tn_status prepare(tn_plan *plan, const tn_batches *b) {
    char log[TN_PATH_BYTES], records[TN_PATH_BYTES];
    for (int i = 0; i < plan->n; i++) {
        plan->step[i].job[0] = plan->step[i].last_line[0] = 0;
        plan->step[i].exit_code = 0;
        plan->step[i].state = TN_STEP_WAITING;
    }
    *plan->pilot = 0;
    TN_TRY(tn_path(log, "%s/log", plan->start.run_dir));
    TN_TRY(tn_folder_make(log));
    TN_TRY(tn_path(records, "%s/slurm", plan->start.run_dir));
    TN_TRY(tn_folder_remove(records)); /* how the jobs of before ended is no news any more */
    TN_TRY(tn_folder_make(records));
    TN_TRY(forget(plan, b));
    TN_TRY(tn_plan_keep_job_file(plan));
    return tn_plan_publish(plan);
}

static tn_status submit_locked(const tn_batch_about *about, tn_plan *plan, tn_batches *b) {
    char path[TN_PATH_BYTES];
    tn_lock *lock = NULL;
    TN_TRY(tn_path(path, "%s/.run.lock", plan->start.run_dir));
    TN_TRY(tn_lock_take(path, plan->start.run_dir, &lock));
    tn_status st = tn_queue_check_empty(plan);
    if (st == TN_OK) st = tn_lock_check(lock);
    if (st == TN_OK) st = prepare(plan, b);
    if (st == TN_OK) st = submit_all(about, plan, b);
    tn_lock_drop(&lock);
    return st;
}

tn_status tn_submit(tn_cfg *cfg, tn_plan *plan, int pilot_nodes, bool dry_run) {
    tn_site site;
    tn_memory memory;
    char program[TN_PATH_BYTES];
    tn_missing *missing = NULL;
    tn_batches *b = NULL;
    if (!realpath("/proc/self/exe", program)) return tn_fail(TN_EIO, "/proc/self/exe: cannot be read");
    TN_TRY(tn_site_find(&site));
    TN_TRY(tn_site_read(&site, cfg));
    TN_TRY(tn_memory_of(cfg, &memory));
    if (!dry_run) TN_TRY(tn_queue_check_empty(plan)); /* its jobs may be publishing what we are about to look at */
    TN_TRY(tn_missing_find(cfg, &missing));
    tn_status st = pilot_nodes ? tn_batches_pilot(missing, pilot_nodes, &b) : tn_batches_make(cfg, missing, &b);
    tn_missing_free(&missing);
    if (st != TN_OK) return st;
    tn_batch_about about = {cfg, plan, &site, program, &memory};
    if (b->n == 0)
        tn_say("nothing is missing; results in %s", plan->start.run_dir);
    else
        st = dry_run ? tn_batches_print(&about, b, stdout) : submit_locked(&about, plan, b);
    tn_batches_free(&b);
    return st;
}
