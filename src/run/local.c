/* local.c - walks through the plan on this machine. */
#include "run/local.h"

#include "base/progress.h"
#include "base/run.h"
#include "base/stop.h"
#include "process/cores.h"
#include "process/launch.h"
#include "run/queue.h"
#include "store/history.h"
#include "store/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static tn_status add(tn_arguments *a, char *word) {
    if (a->n >= TN_MOST_ARGUMENTS - 1)
        return tn_fail(TN_EARG, "more than %d words on a command line: put --set values into the job file",
                       TN_MOST_ARGUMENTS);
    a->at[a->n++] = word;
    a->at[a->n] = NULL;
    return TN_OK;
}

static tn_status add_number(tn_arguments *a, char *option, long long value) {
    char *text = a->text[a->n_text++];
    snprintf(text, sizeof a->text[0], "%lld", value);
    TN_TRY(add(a, option));
    return add(a, text);
}

static tn_status add_cell(tn_arguments *a, const tn_cell *cell) {
    static char folds[] = "--folds", size[] = "--size", seed[] = "--seed";
    TN_TRY(add_number(a, folds, cell->fold));
    TN_TRY(add_number(a, size, cell->size_px));
    return add_number(a, seed, cell->seed);
}

static tn_status add_slot(tn_arguments *a, const tn_slot *at) {
    static char slot[] = "--slot", folds[] = "--folds";
    TN_TRY(add_number(a, slot, at->slot));
    return add_number(a, folds, at->fold);
}

tn_status tn_step_arguments(const tn_plan *plan, const tn_step *s, tn_arguments *a) {
    static char run[] = "--run", set[] = "--set", round[] = "--round", rung[] = "--rung";
    tn_per per = s->stage->per;
    TN_TRY(add(a, (char *)s->stage->verb));
    TN_TRY(add(a, (char *)plan->start.job_file));
    TN_TRY(add(a, run));
    TN_TRY(add(a, (char *)plan->start.run_dir));
    for (int i = 0; i < plan->start.n_set; i++) {
        TN_TRY(add(a, set));
        TN_TRY(add(a, plan->start.set[i]));
    }
    if (per == TN_PER_RUN) return TN_OK;
    TN_TRY(add_number(a, per == TN_PER_RUNG || per == TN_PER_SLOT ? rung : round, tn_step_turn(s)));
    if (per == TN_PER_SLOT) return add_slot(a, &s->slot);
    return per == TN_PER_CELL ? add_cell(a, &s->cell) : TN_OK;
}

static int ranks_for(const tn_cfg *cfg, const tn_step *s, int wanted) {
    int cores = tn_cores(), most = wanted > 0 ? wanted : cores / cfg->train.lane_threads;
    switch (s->stage->ranks) {
    case TN_RANKS_NONE:
    case TN_RANKS_ONE:
        return 1;
    case TN_RANKS_OF_CORES:
        return wanted > 0 ? wanted : cores;
    default:
        if (most > cfg->train.lanes) most = cfg->train.lanes;
        return most < 1 ? 1 : most;
    }
}

/* "[ 2/12] train r0-f0-s48-x1      validation macro F1 0.495, accuracy 0.669        73 s" */
static void put_line(const tn_plan *plan, const tn_step *s, bool ran, const char *result) {
    char digits[16], seconds[24] = "";
    int width = snprintf(digits, sizeof digits, "%d", plan->n);
    const char *what = s->state != TN_STEP_DONE ? tn_step_state_name(s->state)
                       : !ran                   ? "was done before"
                       : *result                ? result
                                                : "done";
    if (ran) snprintf(seconds, sizeof seconds, "%6.0f s", s->seconds);
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr); /* over a progress bar */
    tn_print(stderr, "[%*d/%d] %-24s %-*s%s\n", width, (int)(s - plan->step) + 1, plan->n, s->name, ran ? 56 : 0, what,
             seconds);
}

/* A step without ranks: this process makes it. Only the report is one. */
static tn_status run_report(const tn_cfg *cfg, tn_plan *plan, tn_step *s, const tn_run_how *how) {
    double begin = tn_now_s();
    tn_status st = how->report(cfg, NULL);
    s->seconds = tn_now_s() - begin;
    s->state = st == TN_OK ? TN_STEP_DONE : TN_STEP_FAILED;
    s->exit_code = (int)st;
    if (st != TN_OK) snprintf(s->last_line, sizeof s->last_line, "%.200s", tn_msg);
    put_line(plan, s, true, "report/report.html");
    tn_status written = tn_plan_publish(plan);
    return st == TN_OK ? written : st;
}

void tn_step_remember(const tn_plan *plan, const tn_step *s, int n_nodes) {
    char label[TN_STEP_LABEL_BYTES];
    tn_history_line line = {.at = (int64_t)time(NULL), .nodes = n_nodes, .exit_code = s->exit_code};
    bool begins = s->state == TN_STEP_RUNNING;
    snprintf(line.state, sizeof line.state, "%s", tn_step_state_name(s->state));
    snprintf(line.why, sizeof line.why, "%s", begins ? "" : s->last_line);
    if (begins) line.exit_code = 0;
    tn_step_label(s, label);
    tn_history_add(plan->start.run_dir, label, &line);
}

/* Runs one step and records how it went; only a failure to launch or to record is an error here. */
static tn_status run_step(const tn_cfg *cfg, tn_plan *plan, tn_step *s, const tn_run_how *how) {
    bool done = false;
    char result[128] = "";
    if (s->stage->ranks == TN_RANKS_NONE) return run_report(cfg, plan, s, how);
    if (tn_step_is_cell(s)) TN_TRY(tn_step_done(cfg, s, &done)); /* the others look themselves */
    if (!done) {
        tn_arguments a = {.n = 0};
        TN_TRY(tn_step_arguments(plan, s, &a));
        s->state = TN_STEP_RUNNING;
        TN_TRY(tn_plan_publish(plan));
        tn_step_remember(plan, s, 1);
        double begin = tn_now_s();
        tn_launch_end end;
        TN_TRY(tn_launch(
            a.at, &(tn_launch_how){.n_ranks = ranks_for(cfg, s, how->n_ranks), .log_path = s->log, .sparse = true},
            &end));
        s->exit_code = end.exit_code;
        s->seconds = tn_now_s() - begin;
        done = s->exit_code == 0;
        snprintf(s->last_line, sizeof s->last_line, "%s", done ? "" : end.last_line);
        snprintf(result, sizeof result, "%s", end.result);
    }
    bool ran = s->state == TN_STEP_RUNNING;
    s->state = done ? TN_STEP_DONE : s->exit_code == TN_EUNFINISHED ? TN_STEP_STOPPED : TN_STEP_FAILED;
    if (ran) tn_step_remember(plan, s, 1);
    put_line(plan, s, ran, result);
    if (s->stage->optional && s->state == TN_STEP_FAILED)
        tn_warn("%s failed: nothing needs it, and the run goes on; log: %s", s->name, s->log);
    return tn_plan_publish(plan);
}

/* --- what became of it -------------------------------------------------------------------------------------------- */

/* Of those that a run needs. */
static int count_failed(const tn_plan *plan) {
    int n = 0;
    for (int i = 0; i < plan->n; i++) n += plan->step[i].state == TN_STEP_FAILED && !plan->step[i].stage->optional;
    return n;
}

static tn_status stopped(const tn_plan *plan) {
    return tn_fail(TN_EUNFINISHED, "stopped on request: checkpoints are published; go on with: tenfold run %s",
                   plan->start.run_dir);
}

/* It stopped, and nobody asked this process to: its ranks were asked, or hung (base/watch.h), or can go on only anew. */
static tn_status unfinished(const tn_plan *plan, const tn_step *s) {
    return tn_fail(TN_EUNFINISHED, "%s is unfinished%s%s: go on with: tenfold run %s; log: %s", s->name,
                   *s->last_line ? ": " : "", s->last_line, plan->start.run_dir, s->log);
}

static tn_status failed(const tn_step *s) {
    char how[64] = "";
    tn_status st = tn_exit_status(s->exit_code, how, sizeof how);
    return tn_fail(st, "%s failed (%s)%s%s; log: %s", s->name, how, *s->last_line ? ": " : "", s->last_line, s->log);
}

/* Where all failed alike, in a way that running again does not mend (bad settings), the code says so: nobody should
 * requeue that. Else unfinished. */
static tn_status cells_failed(const tn_plan *plan) {
    char list[1024] = "";
    tn_status common = TN_OK;
    for (int i = 0; i < plan->n; i++) {
        const tn_step *s = &plan->step[i];
        size_t n = strlen(list);
        char how[64] = "";
        if (s->state != TN_STEP_FAILED || s->stage->optional) continue;
        tn_status st = tn_exit_status(s->exit_code, how, sizeof how);
        common = common == TN_OK || common == st ? st : TN_EUNFINISHED;
        snprintf(list + n, sizeof list - n, "\n  %s (%s): %s", s->name, how, s->log);
    }
    return tn_fail(common,
                   "%d steps failed, the others are done:%s\nmend the cause and go on with: tenfold run %s; or "
                   "do without them: tenfold predict, then tenfold reduce --allow-missing",
                   count_failed(plan), list, plan->start.run_dir);
}

/* After the cells of a turn, or at any other step: is there a reason not to go on? */
static tn_status verdict(const tn_plan *plan, int at) {
    const tn_step *s = &plan->step[at];
    bool turn_ends = at + 1 == plan->n || plan->step[at + 1].stage != s->stage || !tn_step_is_cell(s);
    if (tn_stop_wanted()) return stopped(plan);
    if (s->state == TN_STEP_STOPPED) return unfinished(plan, s);
    if (!tn_step_is_cell(s) && s->state == TN_STEP_FAILED && !s->stage->optional) return failed(s);
    return turn_ends && count_failed(plan) > 0 ? cells_failed(plan) : TN_OK;
}

/* How many steps from here on do not wait for each other. */
static int width(const tn_plan *plan, int at) {
    int n = 1;
    while (tn_step_is_cell(&plan->step[at]) && at + n < plan->n && plan->step[at + n].stage == plan->step[at].stage &&
           tn_step_turn(&plan->step[at + n]) == tn_step_turn(&plan->step[at]))
        n++;
    return n;
}

/* In front of the first model of a round. */
static void put_heading(const tn_cfg *cfg, const tn_plan *plan, int at) {
    const tn_step *s = &plan->step[at];
    if (strcmp(s->stage->verb, "train") != 0 || (at > 0 && plan->step[at - 1].stage == s->stage)) return;
    fprintf(stderr, "Round %d: train %s (validation scores)\n", s->cell.round,
            tn_is_filtered(cfg, s->cell.round) ? "by what the filter says of the labels" : "on all labels");
}

static tn_status walk(const tn_cfg *cfg, tn_plan *plan, const tn_run_how *how, const tn_lock *lock) {
    for (int i = 0; i < plan->n; i++) {
        plan->step[i].state = TN_STEP_WAITING;
        plan->step[i].job[0] = 0;
    }
    TN_TRY(tn_plan_keep_job_file(plan));
    tn_print(stderr, "Run: %s   %d steps   details: log/\n", plan->start.run_dir, plan->n);
    for (int i = 0; i < plan->n; i++) {
        tn_step *s = &plan->step[i];
        TN_TRY(tn_lock_check(lock));
        put_heading(cfg, plan, i);
        if (how->side_by_side && s->stage->ranks != TN_RANKS_NONE) {
            int n = width(plan, i);
            TN_TRY(how->side_by_side(how->context, cfg, plan, lock, i, n));
            for (; n > 1; n--, i++)
                if (plan->step[i].state == TN_STEP_STOPPED) TN_TRY(verdict(plan, i));
        } else {
            TN_TRY(run_step(cfg, plan, s, how));
        }
        TN_TRY(verdict(plan, i));
    }
    return TN_OK;
}

/* What was made with other settings is told before anything begins. */
static tn_status check(const tn_cfg *cfg, const tn_plan *plan) {
    bool *missing = calloc((size_t)plan->n + 1, 1);
    tn_status st = missing ? tn_steps_missing(cfg, plan->n, plan->step, missing) : tn_fail_memory(256, "the plan");
    free(missing);
    return st;
}

tn_status tn_run_plan(const tn_cfg *cfg, tn_plan *plan, const tn_run_how *how) {
    char path[TN_PATH_BYTES];
    tn_lock *lock = NULL;
    TN_TRY(tn_launch_begin());
    TN_TRY(check(cfg, plan));
    TN_TRY(tn_path(path, "%s/log", plan->start.run_dir));
    TN_TRY(tn_folder_make(path));
    TN_TRY(tn_path(path, "%s/.run.lock", plan->start.run_dir));
    TN_TRY(tn_lock_take(path, plan->start.run_dir, &lock));
    tn_status st = how->side_by_side ? TN_OK : tn_plan_recall(plan); /* a `submit` may have had the lock since */
    if (st == TN_OK && !how->side_by_side) st = tn_queue_check_empty(plan);
    if (st == TN_OK && !how->side_by_side) *plan->pilot = 0;
    if (st == TN_OK) st = walk(cfg, plan, how, lock);
    tn_lock_drop(&lock);
    return st;
}
