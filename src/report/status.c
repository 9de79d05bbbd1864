/* status.c - prints the states of run/step_status.h, once or repeatedly. */
#include "report/status.h"

#include "base/progress.h"
#include "run/step_status.h"
#include "store/lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_S = 5, ASK_EVERY_S = 60 };
static const double SUMMARY_EVERY_S = 60, SILENT_AFTER_S = 60;
static const double SILENT_SIGNS = 4; /* a cell counts as silent after so many missed heartbeats */

typedef struct {
    int n;
    tn_step_status *at;
    int64_t *heartbeat; /* (n) at the reading before, */
    double *changed_s;  /* (n) and when it last changed, on this process's monotonic clock */
    int *shown;         /* (n) state that was last printed as a line; -1 none */
    bool queue_known;
} table;

static void table_free(table *t) {
    free(t->at);
    free(t->heartbeat);
    free(t->changed_s);
    free(t->shown);
}

static tn_status table_new(int n, table *t) {
    size_t N = (size_t)n + 1;
    *t = (table){.n = n,
                 .at = calloc(N, sizeof *t->at),
                 .heartbeat = calloc(N, sizeof *t->heartbeat),
                 .changed_s = calloc(N, sizeof *t->changed_s),
                 .shown = calloc(N, sizeof *t->shown)};
    for (int i = 0; t->shown && i < n; i++) t->shown[i] = -1;
    return t->at && t->heartbeat && t->changed_s && t->shown ? TN_OK : tn_fail_memory(N * sizeof *t->at, "the table");
}

/* squeue fails now and then on a busy cluster: then the table is shown without the queue. */
static tn_status look(const tn_cfg *cfg, const tn_plan *plan, table *t) {
    tn_queue *queue = NULL;
    double now = tn_now_s();
    tn_status st = TN_OK;
    t->queue_known = tn_queue_read(plan, &queue) == TN_OK;
    if (!t->queue_known) {
        tn_warn("%s", tn_msg);
        st = tn_queue_parse("", "", &queue);
    }
    for (int i = 0; st == TN_OK && i < t->n; i++) {
        st = tn_step_status_of(cfg, plan, queue, i, &t->at[i]);
        if (t->at[i].progress.heartbeat == t->heartbeat[i] && t->changed_s[i] > 0) continue;
        t->heartbeat[i] = t->at[i].progress.heartbeat;
        t->changed_s[i] = now;
    }
    tn_queue_free(&queue);
    return st;
}

static bool is_open(const tn_step_status *l) {
    return l->condition == TN_IS_WAITING || l->condition == TN_IS_QUEUED || l->condition == TN_IS_RUNNING;
}

/* --- one row ------------------------------------------------------------------------------------------------------ */

static void print_left(const tn_step_progress *p, FILE *out) {
    double s = p->per_s > 0 ? (double)(p->total - p->done) / p->per_s : 0;
    if (s <= 0) return;
    if (s < 120)
        fprintf(out, ", %.0f s left", s);
    else if (s < 7200)
        fprintf(out, ", %.0f min left", s / 60);
    else
        fprintf(out, ", %.1f h left", s / 3600);
}

static void print_progress(const tn_step_status *l, FILE *out) {
    const tn_step_progress *p = &l->progress;
    bool runs = l->condition == TN_IS_RUNNING;
    if (p->trial >= 0) fprintf(out, " trial %d,", p->trial);
    if (p->trial >= 0 && p->done == 0) fprintf(out, " %" PRId64 " images", p->total);
    if (p->done == 0) return;
    fprintf(out, " %9" PRId64 " of %" PRId64 " images, %4.0f images/s", p->done, p->total, p->per_s);
    if (runs) print_left(p, out);
    if (runs && *p->doing) tn_print(out, ", now %s", p->doing);
    if (p->score > 0) fprintf(out, ", score %.4f", p->score);
    if (p->score == 0) fputs(", score 0: a class has no hit", out);
}

static void print_row(const tn_step *s, const table *t, int i, FILE *out) {
    const tn_step_status *l = &t->at[i];
    double silent_s = tn_now_s() - t->changed_s[i], patience_s = SILENT_SIGNS * l->progress.heartbeat_every_s;
    if (patience_s < SILENT_AFTER_S) patience_s = SILENT_AFTER_S;
    tn_print(out, "%-28s %-8s", s->name, tn_condition_name(l->condition));
    print_progress(l, out);
    if (l->condition == TN_IS_RUNNING && l->progress.heartbeat >= 0 && silent_s > patience_s)
        fprintf(out, ", no heartbeat for %.0f s", silent_s);
    bool below = l->condition == TN_IS_FAILED || l->condition == TN_IS_STOPPED || l->condition == TN_IS_FOREIGN;
    if (*l->why) tn_print(out, below ? "\n    %s" : "  (%s)", l->why);
    if (below && l->condition != TN_IS_FOREIGN) tn_print(out, "\n    log: %s", l->log);
    fputc('\n', out);
}

static void print_table(const tn_plan *plan, const table *t, FILE *out) {
    for (int i = 0; i < t->n; i++) print_row(&plan->step[i], t, i, out);
}

static int count(const table *t, tn_condition state) {
    int n = 0;
    for (int i = 0; i < t->n; i++) n += t->at[i].condition == state;
    return n;
}

static int count_done(const table *t) {
    return count(t, TN_IS_DONE) + count(t, TN_IS_SKIPPED);
}

static void print_summary(const table *t, FILE *out) {
    double per_s = 0;
    for (int i = 0; i < t->n; i++)
        if (t->at[i].condition == TN_IS_RUNNING) per_s += t->at[i].progress.per_s;
    fprintf(out, "%d of %d steps done", count_done(t), t->n);
    for (int s = 0; s < TN_CONDITIONS; s++)
        if (s != TN_IS_DONE && s != TN_IS_SKIPPED && count(t, (tn_condition)s))
            fprintf(out, ", %d %s", count(t, (tn_condition)s), tn_condition_name((tn_condition)s));
    if (per_s > 0) fprintf(out, ", %.0f images/s", per_s);
    fputc('\n', out);
    fflush(out);
}

tn_status tn_status_print(const tn_cfg *cfg, const tn_plan *plan, FILE *out) {
    table t;
    tn_status st = table_new(plan->n, &t);
    if (st == TN_OK) st = look(cfg, plan, &t);
    if (st == TN_OK) print_table(plan, &t, out);
    table_free(&t);
    return st;
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

static void show_changes(const tn_plan *plan, table *t, FILE *out) {
    for (int i = 0; i < t->n; i++) {
        bool first = t->shown[i] < 0, plain = t->at[i].condition == TN_IS_WAITING || t->at[i].condition == TN_IS_DONE;
        if (t->shown[i] != (int)t->at[i].condition && !(first && plain)) print_row(&plan->step[i], t, i, out);
        t->shown[i] = (int)t->at[i].condition;
    }
    fflush(out);
}

/* Has the run ended? A run on this machine goes on while a process holds its lock, a run under Slurm while it has jobs. */
static tn_status is_over(const tn_plan *plan, const table *t, bool *out) {
    bool open = false, jobs = false;
    char path[TN_PATH_BYTES];
    for (int i = 0; i < t->n; i++) {
        open = open || is_open(&t->at[i]);
        jobs = jobs || (*plan->step[i].job && is_open(&t->at[i]));
    }
    TN_TRY(tn_path(path, "%s/.run.lock", plan->start.run_dir));
    *out = t->queue_known && (!open || (!jobs && !tn_lock_is_held(path)));
    return TN_OK;
}

static bool has_jobs(const tn_plan *plan) {
    for (int i = 0; i < plan->n; i++)
        if (*plan->step[i].job) return true;
    return false;
}

/* A failed step that nothing depends on is not missing: the run is over without it. */
static tn_status verdict(const tn_plan *plan, const table *t) {
    int missing = t->n - count_done(t);
    for (int i = 0; i < t->n; i++) {
        if (t->at[i].condition != TN_IS_FAILED || !plan->step[i].stage->optional) continue;
        tn_warn("%s failed; nothing needs it; log: %s", plan->step[i].name, t->at[i].log);
        missing--;
    }
    if (missing == 0) {
        tn_say("all done; results in %s", plan->start.run_dir);
        return TN_OK;
    }
    return tn_fail(TN_EUNFINISHED, "the run has ended, and %d of %d steps are missing: tenfold %s %s", missing, t->n,
                   has_jobs(plan) ? "submit" : "run", plan->start.run_dir);
}

static tn_status watch(const tn_cfg *cfg, tn_plan *plan, int every_s, table *t, FILE *out) {
    bool terminal = isatty(fileno(out)), over = false;
    double summary_s = tn_now_s();
    for (;;) {
        TN_TRY(tn_plan_recall(plan)); /* plan.json tells where a run on this machine is */
        TN_TRY(look(cfg, plan, t));
        TN_TRY(is_over(plan, t, &over));
        if (terminal) {
            fputs("\033[H\033[2J", out);
            print_table(plan, t, out);
        } else {
            show_changes(plan, t, out);
        }
        if (terminal || over || tn_now_s() - summary_s >= SUMMARY_EVERY_S) {
            print_summary(t, out);
            summary_s = tn_now_s();
        }
        if (over) return verdict(plan, t);
        int wait_s = every_s ? every_s : has_jobs(plan) ? ASK_EVERY_S : LOOK_EVERY_S;
        nanosleep(&(struct timespec){.tv_sec = wait_s}, NULL);
    }
}

tn_status tn_status_watch(const tn_cfg *cfg, tn_plan *plan, int every_s, FILE *out) {
    table t;
    tn_status st = table_new(plan->n, &t);
    if (st == TN_OK) st = watch(cfg, plan, every_s, &t, out);
    table_free(&t);
    return st;
}
