/* local.c - walks through the plan on this machine. */
#include "suite/local.h"

#include "base/history.h"
#include "base/lock.h"
#include "base/progress.h"
#include "base/run.h"
#include "base/stop.h"
#include "learn/self.h"
#include "learn/train.h"
#include "suite/cores.h"
#include "suite/crew.h"
#include "suite/launch.h"
#include "suite/queue.h"
#include "suite/report.h"
#include "suite/tune_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ARGUMENTS = 120 };

typedef struct {
    char *at[MOST_ARGUMENTS];
    int n;
    char text[8][64];
    int n_text;
} arguments;

static tn_status add(arguments *a, char *word) {
    if (a->n >= MOST_ARGUMENTS - 1)
        return tn_fail(TN_EARG, "more than %d words on a command line: put --set values into the job file",
                       MOST_ARGUMENTS);
    a->at[a->n++] = word;
    a->at[a->n] = NULL;
    return TN_OK;
}

static tn_status add_number(arguments *a, char *option, long long value) {
    char *text = a->text[a->n_text++];
    snprintf(text, sizeof a->text[0], "%lld", value);
    TN_TRY(add(a, option));
    return add(a, text);
}

static tn_status arguments_of(tn_plan *plan, const tn_step *s, arguments *a) {
    static char run[] = "--run", set[] = "--set", round[] = "--round", folds[] = "--folds", size[] = "--size",
                seed[] = "--seed", rung[] = "--rung", place[] = "--place";
    TN_TRY(add(a, (char *)tn_step_verb(s->kind)));
    TN_TRY(add(a, plan->start.job_file));
    TN_TRY(add(a, run));
    TN_TRY(add(a, plan->start.run_dir));
    for (int i = 0; i < plan->start.n_set; i++) {
        TN_TRY(add(a, set));
        TN_TRY(add(a, plan->start.set[i]));
    }
    if (s->kind == TN_STEP_TRAIN || s->kind == TN_STEP_FILTER || s->kind == TN_STEP_PREDICT)
        TN_TRY(add_number(a, round, s->cell.round));
    if (s->kind == TN_STEP_TRIAL || s->kind == TN_STEP_RANK) TN_TRY(add_number(a, rung, s->at.rung));
    if (s->kind == TN_STEP_TRIAL) {
        TN_TRY(add_number(a, place, s->at.place));
        return add_number(a, folds, s->at.fold);
    }
    if (s->kind != TN_STEP_TRAIN) return TN_OK;
    TN_TRY(add_number(a, folds, s->cell.fold));
    TN_TRY(add_number(a, size, s->cell.size_px));
    return add_number(a, seed, s->cell.seed);
}

static int ranks_for(const tn_cfg *cfg, const tn_step *s, int wanted) {
    int cores = tn_cores(), most = cores / cfg->train.lane_threads;
    if (wanted > 0) most = wanted;
    if (s->kind == TN_STEP_REDUCE || s->kind == TN_STEP_FILTER || s->kind == TN_STEP_RANK) return 1;
    if (s->kind == TN_STEP_PREPROCESS) return wanted > 0 ? wanted : cores;
    if (most > cfg->train.lanes) most = cfg->train.lanes;
    return most < 1 ? 1 : most;
}

/* The report needs no ranks, and its text belongs on stdout. */
static tn_status run_report(const tn_cfg *cfg, tn_plan *plan, tn_step *s) {
    TN_TRY(tn_is_search(cfg) ? tn_tune_report(cfg) : tn_report(cfg));
    s->state = TN_STEP_DONE;
    return tn_plan_publish(plan);
}

/* For the report: starts and ends of steps. */
static void remember(const tn_plan *plan, const tn_step *s, int n_nodes) {
    char label[TN_STEP_LABEL_BYTES];
    tn_history_line line = {.at = (int64_t)time(NULL), .nodes = n_nodes, .exit_code = s->exit_code};
    bool begins = s->state == TN_STEP_RUNNING;
    snprintf(line.state, sizeof line.state, "%s", tn_step_state_name(s->state));
    snprintf(line.why, sizeof line.why, "%s", begins ? "" : s->last_line);
    if (begins) line.exit_code = 0;
    tn_step_label(s, label);
    tn_history_add(plan->start.run_dir, label, &line);
}

static tn_status cell_done(const tn_cfg *cfg, const tn_step *s, bool *out) {
    *out = false;
    if (s->kind == TN_STEP_TRAIN) return tn_train_done(cfg, &s->cell, out);
    return s->kind == TN_STEP_TRIAL ? tn_place_done(cfg, &s->at, out) : TN_OK;
}

/* Runs one step and records how it went; only a failure to launch or to record is an error here. */
static tn_status run_step(const tn_cfg *cfg, tn_plan *plan, tn_step *s, int wanted_ranks) {
    bool done = false;
    if (s->kind == TN_STEP_REPORT) return run_report(cfg, plan, s);
    TN_TRY(cell_done(cfg, s, &done));
    if (!done) {
        arguments a = {.n = 0};
        TN_TRY(arguments_of(plan, s, &a));
        s->state = TN_STEP_RUNNING;
        TN_TRY(tn_plan_publish(plan));
        remember(plan, s, 1);
        double begin = tn_now_s();
        char last_line[sizeof s->last_line] = "";
        TN_TRY(tn_launch(a.at, ranks_for(cfg, s, wanted_ranks), s->log, &s->exit_code, last_line));
        s->seconds = tn_now_s() - begin;
        done = s->exit_code == 0;
        snprintf(s->last_line, sizeof s->last_line, "%s", done ? "" : last_line);
    }
    bool ran = s->state == TN_STEP_RUNNING;
    s->state = done ? TN_STEP_DONE : s->exit_code == TN_EUNFINISHED ? TN_STEP_STOPPED : TN_STEP_FAILED;
    if (ran) remember(plan, s, 1);
    return tn_plan_publish(plan);
}

/* --- in a job, on its nodes --------------------------------------------------------------------------------------- */

typedef struct {
    tn_step *step; /* NULL: free */
    tn_seats seats;
    tn_words words;
    tn_launched *launched;
    double begin_s;
} running;

typedef struct {
    const tn_cfg *cfg;
    tn_plan *plan;
    tn_crew *crew;
    const tn_lock *lock;
    running *at;  /* (n) */
    int *in_vain; /* (n): starts of a step in a row that published nothing */
    int first, n; /* steps of the plan */
    int n_running;
} pool;

static tn_status begin_step(pool *p, running *r, tn_step *s) {
    arguments a = {.n = 0};
    r->words = (tn_words){0};
    TN_TRY(arguments_of(p->plan, s, &a));
    TN_TRY(tn_crew_words(p->crew, &r->seats, &r->words));
    tn_launch_how how = {.n_ranks = r->seats.want.ranks * r->seats.want.n_nodes,
                         .log_path = s->log,
                         .quiet = true,
                         .launcher = r->words.at};
    TN_TRY(tn_launch_open(a.at, &how, &r->launched));
    r->step = s;
    r->begin_s = tn_now_s();
    s->state = TN_STEP_RUNNING;
    p->n_running++;
    remember(p->plan, s, r->seats.want.n_nodes);
    tn_say("%s begins: %d ranks on %d nodes", s->name, how.n_ranks, r->seats.want.n_nodes);
    return tn_plan_publish(p->plan);
}

/* Whether a step that ended so may begin again at once: what comes again (settings, a damaged file, memory, a bug) may not, nor what
 * has published nothing three times in a row. */
static bool may_go_on(int exit_code, const int *in_vain) {
    char how[64];
    tn_status st = tn_exit_status(exit_code, how, sizeof how);
    return (st == TN_EIO || st == TN_EUNFINISHED || st == TN_EBUSY) && exit_code != 127 && *in_vain < 3;
}

static tn_status end_step(pool *p, running *r) {
    tn_launch_end end;
    tn_step *s = r->step;
    int *in_vain = &p->in_vain[s - &p->plan->step[p->first]];
    tn_launch_close(&r->launched, &end);
    tn_words_free(&r->words);
    tn_crew_give(p->crew, &r->seats);
    r->step = NULL;
    p->n_running--;
    s->seconds += tn_now_s() - r->begin_s;
    s->exit_code = end.exit_code;
    snprintf(s->last_line, sizeof s->last_line, "%s", end.exit_code == 0 ? "" : end.last_line);
    *in_vain = end.further ? 0 : *in_vain + 1;
    if (end.further) tn_run_got_further(); /* for slurm/stage.sh, which queues the job again as long as it does */
    s->state = end.exit_code == 0                  ? TN_STEP_DONE
               : tn_stop_wanted()                  ? TN_STEP_STOPPED
               : may_go_on(end.exit_code, in_vain) ? TN_STEP_WAITING
                                                   : TN_STEP_FAILED;
    remember(p->plan, s, r->seats.want.n_nodes);
    tn_say("%s ends: %s, exit code %d, %.0f s", s->name,
           s->state == TN_STEP_WAITING ? "begins again" : tn_step_state_name(s->state), end.exit_code,
           tn_now_s() - r->begin_s);
    return tn_plan_publish(p->plan);
}

/* All that have room now, in their order. A wide one that has none does not hold up the narrow ones behind it. */
static tn_status begin_some(pool *p) {
    for (int i = 0, at = 0; i < p->n && !tn_stop_wanted(); i++) {
        tn_step *s = &p->plan->step[p->first + i];
        if (s->state != TN_STEP_WAITING) continue;
        while (p->at[at].step) at++;
        if (tn_crew_take(p->crew, tn_crew_want(p->crew, p->cfg, s), &p->at[at].seats))
            TN_TRY(begin_step(p, &p->at[at], s));
    }
    return TN_OK;
}

static tn_status run_pool(pool *p) {
    double looked_s = tn_now_s();
    for (;;) {
        TN_TRY(begin_some(p));
        if (p->n_running == 0) return TN_OK;
        for (int i = 0; i < p->n; i++)
            if (p->at[i].step && !tn_launch_pump(p->at[i].launched, 0)) TN_TRY(end_step(p, &p->at[i]));
        if (tn_now_s() - looked_s > 5) {
            TN_TRY(tn_lock_check(p->lock));
            looked_s = tn_now_s();
        }
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000L}, NULL);
    }
}

/* The steps [first, first + n) of the plan, which do not wait for each other. What runs when this ends with an error ends with
 * this process (launch.h). */
static tn_status run_side_by_side(const tn_cfg *cfg, tn_plan *plan, tn_crew *crew, const tn_lock *lock, int first,
                                  int n) {
    pool p = {.cfg = cfg, .plan = plan, .crew = crew, .lock = lock, .first = first, .n = n};
    p.at = calloc((size_t)n, sizeof *p.at);
    p.in_vain = calloc((size_t)n, sizeof *p.in_vain);
    tn_status st = p.at && p.in_vain ? TN_OK : tn_fail_memory((size_t)n * sizeof *p.at, "the steps");
    for (int i = first; st == TN_OK && i < first + n; i++) {
        bool done = false;
        st = cell_done(cfg, &plan->step[i], &done);
        if (done) plan->step[i].state = TN_STEP_DONE;
    }
    if (st == TN_OK) st = run_pool(&p);
    free(p.at);
    free(p.in_vain);
    return st;
}

/* --- what became of it -------------------------------------------------------------------------------------------- */

static int count(const tn_plan *plan, tn_step_state state) {
    int n = 0;
    for (int i = 0; i < plan->n; i++) n += plan->step[i].state == state;
    return n;
}

static tn_status stopped(const tn_plan *plan) {
    return tn_fail(TN_EUNFINISHED, "stopped on request: checkpoints are published; go on with: tenfold resume %s",
                   plan->start.run_dir);
}

/* It stopped, and nobody asked this process to: its ranks were asked, or hung (base/watch.h), or can go on only anew. */
static tn_status unfinished(const tn_plan *plan, const tn_step *s) {
    return tn_fail(TN_EUNFINISHED, "%s is unfinished%s%s: go on with: tenfold resume %s; log: %s", s->name,
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
        if (s->state != TN_STEP_FAILED) continue;
        tn_status st = tn_exit_status(s->exit_code, how, sizeof how);
        common = common == TN_OK || common == st ? st : TN_EUNFINISHED;
        snprintf(list + n, sizeof list - n, "\n  %s (%s): %s", s->name, how, s->log);
    }
    return tn_fail(
        common,
        "%d train cells failed, the others are done:%s\nmend the cause and go on with: tenfold resume %s; or "
        "do without them: tenfold predict, then tenfold reduce --allow-missing",
        count(plan, TN_STEP_FAILED), list, plan->start.run_dir);
}

static bool is_cell(const tn_step *s) {
    return s->kind == TN_STEP_TRAIN || s->kind == TN_STEP_TRIAL;
}

/* After the cells of a round or rung, or at any other step: is there a reason not to go on? */
static tn_status verdict(const tn_plan *plan, int at) {
    const tn_step *s = &plan->step[at];
    bool round_ends = at + 1 == plan->n || !is_cell(&plan->step[at + 1]);
    if (tn_stop_wanted()) return stopped(plan);
    if (s->state == TN_STEP_STOPPED) return unfinished(plan, s);
    if (!is_cell(s) && s->state == TN_STEP_FAILED) return failed(s);
    return round_ends && count(plan, TN_STEP_FAILED) > 0 ? cells_failed(plan) : TN_OK;
}

/* How many steps from here on do not wait for each other. */
static int width(const tn_plan *plan, int at) {
    int n = 1;
    while (is_cell(&plan->step[at]) && at + n < plan->n && is_cell(&plan->step[at + n]) &&
           plan->step[at + n].kind == plan->step[at].kind)
        n++;
    return n;
}

static tn_status walk(const tn_cfg *cfg, tn_plan *plan, int n_ranks, tn_crew *crew, const tn_lock *lock) {
    for (int i = 0; i < plan->n; i++) {
        plan->step[i].state = TN_STEP_WAITING;
        plan->step[i].job[0] = 0;
    }
    TN_TRY(tn_plan_keep_job_file(plan));
    double begin = tn_now_s();
    for (int i = 0; i < plan->n; i++) {
        tn_step *s = &plan->step[i];
        TN_TRY(tn_lock_check(lock));
        tn_say("step %d of %d: %s", i + 1, plan->n, s->name);
        if (crew && s->kind != TN_STEP_REPORT) {
            int n = width(plan, i);
            TN_TRY(run_side_by_side(cfg, plan, crew, lock, i, n));
            for (; n > 1; n--, i++)
                if (plan->step[i].state == TN_STEP_STOPPED) TN_TRY(verdict(plan, i));
        } else {
            TN_TRY(run_step(cfg, plan, s, n_ranks));
        }
        TN_TRY(verdict(plan, i));
    }
    tn_say("all done in %.0f s; results in %s", tn_now_s() - begin, plan->start.run_dir);
    return TN_OK;
}

static tn_status run_locked(const tn_cfg *cfg, tn_plan *plan, int n_ranks, tn_crew *crew) {
    char path[TN_PATH_BYTES];
    tn_lock *lock = NULL;
    TN_TRY(tn_launch_begin());
    for (int round = 0; round < cfg->self.max_rounds; round++) TN_TRY(tn_filter_own(cfg, round));
    TN_TRY(tn_path(path, "%s/log", plan->start.run_dir));
    TN_TRY(tn_folder_make(path));
    TN_TRY(tn_path(path, "%s/.run.lock", plan->start.run_dir));
    TN_TRY(tn_lock_take(path, plan->start.run_dir, &lock));
    tn_status st = crew ? TN_OK : tn_queue_check_empty(plan);
    if (st == TN_OK && !crew) *plan->pilot = 0;
    if (st == TN_OK) st = walk(cfg, plan, n_ranks, crew, lock);
    tn_lock_drop(&lock);
    return st;
}

tn_status tn_local_run(const tn_cfg *cfg, tn_plan *plan, int n_ranks) {
    return run_locked(cfg, plan, n_ranks, NULL);
}

/* mpirun's slots are what --host says: as many as a node has cores. */
tn_status tn_pilot_run(const tn_cfg *cfg, tn_plan *plan) {
    tn_crew *crew = NULL;
    TN_TRY(tn_crew_open(cfg, &crew));
    const char *cores = getenv("SLURM_JOB_CPUS_PER_NODE");
    if (cores) setenv("SLURM_TASKS_PER_NODE", cores, 1);
    setenv("SLURM_OVERLAP", "1",
           1); /* mpirun's daemons of several cells share a node; who has which core is counted here */
    snprintf(plan->pilot, sizeof plan->pilot, "%s", getenv("SLURM_JOB_ID") ? getenv("SLURM_JOB_ID") : "");
    tn_run_begun();
    tn_say("pilot: %d nodes", tn_crew_nodes(crew));
    tn_status st = run_locked(cfg, plan, 0, crew);
    tn_crew_close(&crew);
    return st;
}
