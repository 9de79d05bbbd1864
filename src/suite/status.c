/* status.c - prints what sight.c sees, once or again and again. */
#include "suite/status.h"

#include "base/lock.h"
#include "base/progress.h"
#include "suite/sight.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_S = 5, ASK_EVERY_S = 60 };
static const double SUMMARY_EVERY_S = 60, SILENT_AFTER_S = 60;
static const double SILENT_SIGNS = 4; /* so many do not come: no sign of life */

typedef struct {
    int n;
    tn_sight *at;
    int64_t *sign;     /* of the look before, */
    double *changed_s; /* and since when, on this process's monotonic clock */
    int *shown;        /* state that was last printed as a line; -1 none */
    bool queue_known;
} table;

static void table_free(table *t) {
    free(t->at);
    free(t->sign);
    free(t->changed_s);
    free(t->shown);
}

static tn_status table_new(int n, table *t) {
    size_t N = (size_t)n + 1;
    *t = (table){.n = n,
                 .at = calloc(N, sizeof *t->at),
                 .sign = calloc(N, sizeof *t->sign),
                 .changed_s = calloc(N, sizeof *t->changed_s),
                 .shown = calloc(N, sizeof *t->shown)};
    for (int i = 0; t->shown && i < n; i++) t->shown[i] = -1;
    return t->at && t->sign && t->changed_s && t->shown ? TN_OK : tn_fail_memory(N * sizeof *t->at, "the table");
}

/* squeue fails now and then on a busy cluster: that is no reason to show nothing. */
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
        st = tn_sight_of(cfg, plan, queue, i, &t->at[i]);
        if (t->at[i].sign == t->sign[i] && t->changed_s[i] > 0) continue;
        t->sign[i] = t->at[i].sign;
        t->changed_s[i] = now;
    }
    tn_queue_free(&queue);
    return st;
}

static bool is_open(const tn_sight *l) {
    return l->state == TN_SIGHT_WAITING || l->state == TN_SIGHT_QUEUED || l->state == TN_SIGHT_RUNNING;
}

/* --- one row ------------------------------------------------------------------------------------------------------ */

static void print_left(const tn_sight *l, FILE *out) {
    double s = l->per_s > 0 ? (double)(l->total - l->done) / l->per_s : 0;
    if (s <= 0) return;
    if (s < 120)
        fprintf(out, ", %.0f s left", s);
    else if (s < 7200)
        fprintf(out, ", %.0f min left", s / 60);
    else
        fprintf(out, ", %.1f h left", s / 3600);
}

static void print_progress(const tn_step *s, const tn_sight *l, FILE *out) {
    bool runs = l->state == TN_SIGHT_RUNNING;
    if (s->kind == TN_STEP_PREDICT && l->done > 0) fprintf(out, " %" PRId64 " of %" PRId64 " cells", l->done, l->total);
    if (l->trial >= 0) fprintf(out, " trial %d,", l->trial);
    if (l->trial >= 0 && l->done == 0) fprintf(out, " %" PRId64 " images", l->total);
    if ((s->kind != TN_STEP_TRAIN && s->kind != TN_STEP_TRIAL) || l->done == 0) return;
    fprintf(out, " %9" PRId64 " of %" PRId64 " images, %4.0f images/s", l->done, l->total, l->per_s);
    if (runs) print_left(l, out);
    if (runs && *l->doing) tn_print(out, ", now %s", l->doing);
    if (l->score >= 0) fprintf(out, ", score %.4f", l->score);
}

static void print_row(const tn_step *s, const table *t, int i, FILE *out) {
    const tn_sight *l = &t->at[i];
    double silent_s = tn_now_s() - t->changed_s[i], patience_s = SILENT_SIGNS * l->sign_every_s;
    if (patience_s < SILENT_AFTER_S) patience_s = SILENT_AFTER_S;
    tn_print(out, "%-28s %-8s", s->name, tn_sight_name(l->state));
    print_progress(s, l, out);
    if (l->state == TN_SIGHT_RUNNING && l->sign >= 0 && silent_s > patience_s)
        fprintf(out, ", no sign of life for %.0f s", silent_s);
    bool below = l->state == TN_SIGHT_FAILED || l->state == TN_SIGHT_STOPPED || l->state == TN_SIGHT_FOREIGN;
    if (*l->why) tn_print(out, below ? "\n    %s" : "  (%s)", l->why);
    if (below && l->state != TN_SIGHT_FOREIGN) tn_print(out, "\n    log: %s", l->log);
    fputc('\n', out);
}

static void print_table(const tn_plan *plan, const table *t, FILE *out) {
    for (int i = 0; i < t->n; i++) print_row(&plan->step[i], t, i, out);
}

static int count(const table *t, tn_sight_state state) {
    int n = 0;
    for (int i = 0; i < t->n; i++) n += t->at[i].state == state;
    return n;
}

static int count_done(const table *t) {
    return count(t, TN_SIGHT_DONE) + count(t, TN_SIGHT_SKIPPED);
}

static void print_summary(const table *t, FILE *out) {
    double per_s = 0;
    for (int i = 0; i < t->n; i++)
        if (t->at[i].state == TN_SIGHT_RUNNING) per_s += t->at[i].per_s;
    fprintf(out, "%d of %d steps done", count_done(t), t->n);
    for (int s = 0; s < TN_SIGHT_STATES; s++)
        if (s != TN_SIGHT_DONE && s != TN_SIGHT_SKIPPED && count(t, (tn_sight_state)s))
            fprintf(out, ", %d %s", count(t, (tn_sight_state)s), tn_sight_name((tn_sight_state)s));
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

/* --- again and again ---------------------------------------------------------------------------------------------- */

static void show_changes(const tn_plan *plan, table *t, FILE *out) {
    for (int i = 0; i < t->n; i++) {
        bool first = t->shown[i] < 0, plain = t->at[i].state == TN_SIGHT_WAITING || t->at[i].state == TN_SIGHT_DONE;
        if (t->shown[i] != (int)t->at[i].state && !(first && plain)) print_row(&plan->step[i], t, i, out);
        t->shown[i] = (int)t->at[i].state;
    }
    fflush(out);
}

/* A run on this machine waits or runs as long as someone holds its lock; one under Slurm as long as it has jobs. */
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

static tn_status verdict(const tn_plan *plan, const table *t) {
    int missing = t->n - count_done(t);
    if (missing == 0) {
        tn_say("all done; results in %s", plan->start.run_dir);
        return TN_OK;
    }
    return tn_fail(TN_EUNFINISHED, "the run has ended, and %d of %d steps are missing: tenfold resume %s", missing,
                   t->n, plan->start.run_dir);
}

static bool has_jobs(const tn_plan *plan) {
    for (int i = 0; i < plan->n; i++)
        if (*plan->step[i].job) return true;
    return false;
}

static tn_status watch(const tn_cfg *cfg, tn_plan *plan, int every_s, table *t, FILE *out) {
    bool terminal = isatty(fileno(out)), over = false;
    double summary_s = tn_now_s();
    for (;;) {
        TN_TRY(tn_plan_recall(plan)); /* a run on this machine writes down where it is */
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
