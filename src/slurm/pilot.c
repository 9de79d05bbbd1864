/* pilot.c - executes the plan on the nodes of a Slurm job, cells side by side. */
#include "slurm/pilot.h"

#include "base/progress.h"
#include "base/run.h"
#include "base/stop.h"
#include "process/launch.h"
#include "run/local.h"
#include "slurm/crew.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    tn_step *step; /* NULL: free */
    tn_seats seats;
    tn_argv words;
    tn_launched *launched;
    double begin_s;
} running;

typedef struct {
    const tn_cfg *cfg;
    tn_plan *plan;
    tn_crew *crew;
    const tn_lock *lock;
    running *at;  /* (n) */
    int *in_vain; /* (n): how many of a step's last starts in a row published nothing */
    int first, n; /* steps of the plan */
    int n_running;
} pool;

static tn_status begin_step(pool *p, running *r, tn_step *s) {
    tn_arguments a = {.n = 0};
    r->words = (tn_argv){0};
    TN_TRY(tn_step_arguments(p->plan, s, &a));
    TN_TRY(tn_crew_argv(p->crew, &r->seats, &r->words));
    tn_launch_how how = {.n_ranks = r->seats.want.ranks * r->seats.want.n_nodes,
                         .log_path = s->log,
                         .quiet = true,
                         .launcher = r->words.at};
    TN_TRY(tn_launch_open(a.at, &how, &r->launched));
    r->step = s;
    r->begin_s = tn_now_s();
    s->state = TN_STEP_RUNNING;
    p->n_running++;
    tn_step_remember(p->plan, s, r->seats.want.n_nodes);
    tn_say("%s started: %d ranks on %d nodes", s->name, how.n_ranks, r->seats.want.n_nodes);
    return tn_plan_publish(p->plan);
}

/* May a step that ended with this exit code start again at once? Not if the same error would come again (settings, a damaged file,
 * memory, a bug), and not after three starts in a row that published nothing. */
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
    tn_argv_free(&r->words);
    tn_crew_give(p->crew, &r->seats);
    r->step = NULL;
    p->n_running--;
    s->seconds += tn_now_s() - r->begin_s;
    s->exit_code = end.exit_code;
    snprintf(s->last_line, sizeof s->last_line, "%s", end.exit_code == 0 ? "" : end.last_line);
    *in_vain = end.further ? 0 : *in_vain + 1;
    if (end.further) tn_run_got_further(); /* tells slurm/stage.sh, which requeues the job while it makes progress */
    s->state = end.exit_code == 0                  ? TN_STEP_DONE
               : tn_stop_wanted()                  ? TN_STEP_STOPPED
               : may_go_on(end.exit_code, in_vain) ? TN_STEP_WAITING
                                                   : TN_STEP_FAILED;
    tn_step_remember(p->plan, s, r->seats.want.n_nodes);
    tn_say("%s ended: %s, exit code %d, %.0f s", s->name,
           s->state == TN_STEP_WAITING ? "will be started again" : tn_step_state_name(s->state), end.exit_code,
           tn_now_s() - r->begin_s);
    return tn_plan_publish(p->plan);
}

/* Start all waiting steps that fit now, in order. A wide step that does not fit does not hold up narrow steps after it. */
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

/* Execute the steps [first, first + n) of the plan, which do not depend on each other. On an error, the steps that still run end
 * together with this process (launch.h). */
static tn_status side_by_side(void *crew, const tn_cfg *cfg, tn_plan *plan, const tn_lock *lock, int first, int n) {
    pool p = {.cfg = cfg, .plan = plan, .crew = crew, .lock = lock, .first = first, .n = n};
    p.at = calloc((size_t)n, sizeof *p.at);
    p.in_vain = calloc((size_t)n, sizeof *p.in_vain);
    tn_status st = p.at && p.in_vain ? TN_OK : tn_fail_memory((size_t)n * sizeof *p.at, "the steps");
    for (int i = first; st == TN_OK && i < first + n; i++) {
        bool done = false;
        if (tn_step_is_cell(&plan->step[i])) st = tn_step_done(cfg, &plan->step[i], &done);
        if (done) plan->step[i].state = TN_STEP_DONE;
    }
    if (st == TN_OK) st = run_pool(&p);
    free(p.at);
    free(p.in_vain);
    return st;
}

/* mpirun takes its slots from --host: as many as a node has cores. */
tn_status tn_pilot_run(const tn_cfg *cfg, tn_plan *plan, tn_status (*report)(const tn_cfg *cfg, FILE *copy)) {
    tn_crew *crew = NULL;
    TN_TRY(tn_crew_open(cfg, &crew));
    const char *cores = getenv("SLURM_JOB_CPUS_PER_NODE");
    if (cores) setenv("SLURM_TASKS_PER_NODE", cores, 1);
    setenv("SLURM_OVERLAP", "1", 1); /* mpirun's daemons of several cells share a node; crew.c counts the cores */
    snprintf(plan->pilot, sizeof plan->pilot, "%s", getenv("SLURM_JOB_ID") ? getenv("SLURM_JOB_ID") : "");
    tn_run_begun();
    tn_say("pilot: %d nodes", tn_crew_nodes(crew));
    tn_status st =
        tn_run_plan(cfg, plan, &(tn_run_how){.report = report, .side_by_side = side_by_side, .context = crew});
    tn_crew_close(&crew);
    return st;
}
