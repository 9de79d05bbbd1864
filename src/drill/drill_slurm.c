/* drill_slurm.c - the drill under Slurm, as described in drill.h. */
#include "drill/drill_priv.h"

#include "base/progress.h"
#include "base/rng.h"
#include "base/stop.h"
#include "process/command.h"
#include "process/launch.h"
#include "run/queue.h"
#include "store/done.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RESUMES = 4, POLL_MS = 500 };
static const double LONGEST_S = 900; /* limit from a submission to an empty queue: after this it counts as a hang */

typedef enum { REQUEUE, LIMIT, TERM, CANCEL, NODE, N_KINDS } kind; /* NODE only with --node-command */
static const char *const KIND[] = {"requeue", "time-limit", "term", "cancel", "node"};

typedef struct {
    char task[32], node[64]; /* the task that was disturbed, and its node */
    kind kind;
    double point_s, seconds;
    int n_resumes;
    bool hit, ended, equal;
} outcome;

typedef struct {
    const tn_cfg *cfg;
    const tn_drill_how *how;
    char program[TN_PATH_BYTES], job[TN_PATH_BYTES], base[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    double undisturbed_s;
    outcome *run; /* (n_runs) */
    int n_done;
} drill;

/* --- commands ----------------------------------------------------------------------------------------------------- */

/* Run a command. output_out may be NULL. Errors TN_EIO it fails: the message has its output. */
static tn_status call(const char *const *word, tn_output *output_out) {
    tn_argv w = {.n = 0};
    tn_output output = {.exit_code = 0};
    tn_status st = TN_OK;
    for (; st == TN_OK && *word; word++) st = tn_argv_add(&w, "%s", *word);
    if (st == TN_OK) st = tn_command(&w, &output);
    if (st == TN_OK && output.exit_code != 0)
        st = tn_fail(TN_EIO, "%s %s: exit code %d: %s", w.at[0], w.n > 1 ? w.at[1] : "", output.exit_code, output.errs);
    tn_argv_free(&w);
    if (st == TN_OK && output_out)
        *output_out = output;
    else
        tn_output_free(&output);
    return st;
}

static tn_status submit(const drill *d, const char *folder) {
    return call((const char *[]){d->program, "submit", d->job, "--run", folder, NULL}, NULL);
}

static tn_status resume(const drill *d, const char *folder) {
    return call((const char *[]){d->program, "submit", folder, NULL}, NULL);
}

/* --- what is in the queue ----------------------------------------------------------------------------------------- */

/* squeue may fail while a controller restarts: try for a minute. */
static tn_status read_queue(const tn_plan *plan, tn_queue **out) {
    tn_status st = TN_OK;
    for (int i = 0; i < 120; i++) {
        st = tn_queue_read(plan, out);
        if (st != TN_EIO) return st;
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return st;
}

/* Cancel the jobs of a run; tn_msg is kept. */
static void cancel_jobs(const tn_plan *plan) {
    tn_argv w = {.n = 0};
    tn_output output = {.exit_code = -1};
    tn_queue *q = NULL;
    char why[TN_MSG_BYTES];
    snprintf(why, sizeof why, "%s", tn_msg);
    tn_status st = read_queue(plan, &q);
    if (st == TN_OK) st = tn_argv_add(&w, "scancel");
    for (int i = 0; st == TN_OK && i < q->n; i++) st = tn_argv_add(&w, "%s", q->at[i].id);
    if (st == TN_OK && q->n > 0) st = tn_command(&w, &output);
    if (st != TN_OK || (q->n > 0 && output.exit_code != 0))
        tn_warn("drill: jobs of %s could not be cancelled: use scancel", plan->start.run_dir);
    tn_queue_free(&q);
    tn_argv_free(&w);
    tn_output_free(&output);
    snprintf(tn_msg, TN_MSG_BYTES, "%s", why);
}

static tn_status find_node(const char *task, char out[64]) {
    tn_output output;
    TN_TRY(call((const char *[]){"squeue", "--noheader", "--format=%B", "--jobs", task, NULL}, &output));
    snprintf(out, 64, "%.*s", (int)strcspn(output.text, "\n"), output.text);
    tn_output_free(&output);
    return TN_OK;
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

static tn_status strike(const drill *d, outcome *o) {
    const char *id = o->task;
    switch (o->kind) {
    case REQUEUE:
        return call((const char *[]){"scontrol", "requeue", id, NULL}, NULL);
    case LIMIT: /* the signal that Slurm sends before the time limit */
        return call((const char *[]){"scancel", "--signal=USR1", "--batch", id, NULL}, NULL);
    case TERM:
        return call((const char *[]){"scancel", "--signal=TERM", "--full", id, NULL}, NULL);
    case CANCEL:
        return call((const char *[]){"scancel", id, NULL}, NULL);
    default:
        TN_TRY(find_node(id, o->node));
        return *o->node ? call((const char *[]){d->how->node_command, o->node, NULL}, NULL) : TN_OK;
    }
}

/* Disturb one of the running tasks. If none runs now, or it has just ended, the next call tries again. */
static void strike_some(const drill *d, const tn_queue *q, uint32_t which, outcome *o) {
    const tn_queued *running[64];
    uint32_t n = 0;
    for (int i = 0; i < q->n && n < 64; i++)
        if (q->at[i].running) running[n++] = &q->at[i];
    if (n == 0) return;
    snprintf(o->task, sizeof o->task, "%s", running[which % n]->id);
    o->hit = strike(d, o) == TN_OK;
    if (!o->hit) tn_warn("drill: %s", tn_msg);
}

static tn_status watch_queue(const drill *d, const tn_plan *plan, bool disturb, uint32_t which, outcome *o) {
    double begin = tn_now_s();
    for (int n = 1; n > 0;) {
        tn_queue *q = NULL;
        TN_TRY(read_queue(plan, &q));
        n = q->n;
        if (disturb && !o->hit && tn_now_s() - begin >= o->point_s) strike_some(d, q, which, o);
        tn_queue_free(&q);
        if (tn_stop_wanted()) return tn_fail(TN_EUNFINISHED, "drill: stopped on request");
        if (tn_now_s() - begin > LONGEST_S)
            return tn_fail(TN_EBUG, "drill: %s: jobs still wait or run after %.0f s: see squeue and its log/",
                           plan->start.run_dir, LONGEST_S);
        if (n > 0) nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return TN_OK;
}

/* Wait until no job of the run waits or runs, and disturb it once if wanted. After an error its jobs are cancelled. */
static tn_status watch(const drill *d, const char *folder, bool disturb, uint32_t which, outcome *o) {
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    TN_TRY(tn_plan_read(folder, false, &cfg, &plan));
    tn_status st = watch_queue(d, plan, disturb, which, o);
    if (st != TN_OK) cancel_jobs(plan);
    tn_plan_free(&plan);
    tn_cfg_free(&cfg);
    return st;
}

/* The digest of all stages and folds, and of the ensemble. Errors TN_EARG names a step that is not done. */
static tn_status digest_of(const drill *d, const char *folder, char hex_out[TN_HEX_BYTES]) {
    char path[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    tn_hash *h = tn_hash_new();
    tn_status st = tn_path(path, "%s/reduce", folder);
    if (st == TN_OK) st = tn_done_digest(path, "reduce", hex);
    if (st == TN_OK) tn_hash_text(h, hex);
    for (tn_drill_stage s = 0; st == TN_OK && s < TN_DRILL_STAGES; s++)
        for (int f = 0; st == TN_OK && f < (s == TN_DRILL_PREPROCESS ? 1 : d->cfg->folds.count); f++) {
            st = tn_drill_digest(d->cfg, s, f, folder, hex);
            if (st == TN_OK) tn_hash_text(h, hex);
        }
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
    return st;
}

static tn_status run_once(drill *d, int number, outcome *o) {
    char folder[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    tn_rng rng = tn_rng_at(d->how->seed, TN_STREAM_DRILL, (uint64_t)number, 1000);
    o->kind = (kind)tn_rng_below(&rng, d->how->node_command ? N_KINDS : N_KINDS - 1);
    o->point_s = tn_rng_uniform(&rng) * d->undisturbed_s * 0.6;
    uint32_t which = tn_rng_u32(&rng);
    double begin = tn_now_s();
    TN_TRY(tn_path(folder, "%s/%d", d->cfg->run_dir, number));
    TN_TRY(tn_folder_remove(folder));
    TN_TRY(submit(d, folder));
    TN_TRY(watch(d, folder, true, which, o));
    tn_status st = digest_of(d, folder, hex);
    for (; st != TN_OK && o->n_resumes < MOST_RESUMES; o->n_resumes++) {
        TN_TRY(resume(d, folder));
        TN_TRY(watch(d, folder, !o->hit, which, o));
        st = digest_of(d, folder, hex);
    }
    o->seconds = tn_now_s() - begin;
    o->ended = st == TN_OK;
    o->equal = o->ended && strcmp(hex, d->digest) == 0;
    if (st != TN_OK) tn_warn("drill: run %d: %s", number, tn_msg);
    return o->equal ? tn_folder_remove(folder) : TN_OK;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static int count_equal(const drill *d) {
    int n = 0;
    for (int i = 0; i < d->n_done; i++) n += d->run[i].equal;
    return n;
}

static int count_hit(const drill *d) {
    int n = 0;
    for (int i = 0; i < d->n_done; i++) n += d->run[i].hit;
    return n;
}

static const char *what_hit(const outcome *o) {
    return o->hit ? KIND[o->kind] : "nothing: it had ended";
}

static void print_markdown(const void *context, FILE *f) {
    const drill *d = context;
    fprintf(
        f,
        "# Drill under Slurm\n\n%d of %d runs, %d of them disturbed, ended in the bits of the undisturbed one, which "
        "ran on one machine. Seed %llu. Undisturbed under Slurm: %.0f s.\n\n"
        "| run | disturbed by | task | node | at s | resumed by hand | seconds | same bits |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        count_equal(d), d->n_done, count_hit(d), (unsigned long long)d->how->seed, d->undisturbed_s);
    for (int i = 0; i < d->n_done; i++) {
        const outcome *o = &d->run[i];
        fprintf(f, "| %d | %s | %s | %s | %.1f | %d | %.0f | %s |\n", i + 1, what_hit(o), o->task, o->node, o->point_s,
                o->n_resumes, o->seconds, tn_drill_says(o->ended, o->equal));
    }
}

static void print_csv(const void *context, FILE *f) {
    const drill *d = context;
    fputs("run,seed,kind,task,node,point_s,resumes,seconds,same_bits\n", f);
    for (int i = 0; i < d->n_done; i++) {
        const outcome *o = &d->run[i];
        fprintf(f, "%d,%llu,%s,%s,%s,%.2f,%d,%.1f,%s\n", i + 1, (unsigned long long)d->how->seed, what_hit(o), o->task,
                o->node, o->point_s, o->n_resumes, o->seconds, tn_drill_says(o->ended, o->equal));
    }
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* Run undisturbed on this machine, for the bits, and once under Slurm, for the time. */
static tn_status run_undisturbed(drill *d) {
    char folder[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    outcome none = {.hit = false};
    TN_TRY(tn_folder_remove(d->base));
    TN_TRY(call((const char *[]){d->program, "run", d->job, "--run", d->base, NULL}, NULL));
    TN_TRY(digest_of(d, d->base, d->digest));
    TN_TRY(tn_path(folder, "%s/undisturbed-slurm", d->cfg->run_dir));
    TN_TRY(tn_folder_remove(folder));
    double begin = tn_now_s();
    TN_TRY(submit(d, folder));
    TN_TRY(watch(d, folder, false, 0, &none));
    d->undisturbed_s = tn_now_s() - begin;
    tn_status st = digest_of(d, folder, hex);
    if (st != TN_OK) return tn_fail(st, "drill: fails without being disturbed: %s; logs: %s/log", tn_msg, folder);
    if (strcmp(hex, d->digest) != 0)
        return tn_fail(TN_EBUG, "drill: %s has other bits than %s: do not trust this installation", folder, d->base);
    tn_say("drill: undisturbed under Slurm: %.0f s", d->undisturbed_s);
    return TN_OK;
}

static tn_status run_all(drill *d) {
    TN_TRY(run_undisturbed(d));
    for (int i = 0; i < d->how->n_runs; i++) {
        outcome *o = &d->run[i];
        TN_TRY(run_once(d, i + 1, o));
        d->n_done++;
        tn_say("drill: run %d of %d: %s, task %s %s at %.1f s, resumed by hand %d times: same bits: %s", i + 1,
               d->how->n_runs, o->hit ? KIND[o->kind] : "not disturbed", o->task, o->node, o->point_s, o->n_resumes,
               tn_drill_says(o->ended, o->equal));
        TN_TRY(tn_drill_publish(d->cfg, "drill.csv", print_csv, d));
        TN_TRY(tn_drill_publish(d->cfg, "drill.md", print_markdown, d));
    }
    return tn_drill_verdict(d->cfg, count_equal(d), d->n_done);
}

tn_status tn_drill_slurm(const tn_cfg *cfg, const tn_drill_how *how) {
    drill d = {.cfg = cfg, .how = how, .run = calloc((size_t)how->n_runs, sizeof *d.run)};
    tn_status st = d.run ? tn_path(d.job, "%s/drill.cfg", cfg->run_dir)
                         : tn_fail_memory((size_t)how->n_runs * sizeof *d.run, "the drill");
    if (st == TN_OK) st = tn_path(d.base, "%s/undisturbed", cfg->run_dir);
    if (st == TN_OK && !realpath("/proc/self/exe", d.program)) st = tn_fail(TN_EIO, "/proc/self/exe: cannot be read");
    if (st == TN_OK) st = tn_launch_begin();
    if (st == TN_OK) st = run_all(&d);
    if (st != TN_OK && tn_stop_wanted())
        st = tn_fail(TN_EUNFINISHED, "drill: stopped on request after %d of %d runs; its jobs are cancelled", d.n_done,
                     how->n_runs);
    free(d.run);
    return st;
}
