/* submit.c - calls sbatch for one job after another and records the job ids in plan.json. */
#include "slurm/submit.h"

#include "base/progress.h"
#include "run/queue.h"
#include "slurm/batch.h"
#include "slurm/gpus.h"
#include "store/done.h"
#include "store/history.h"
#include "store/lock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- plan.json ---------------------------------------------------------------------------------------------------- */

/* A step that any task of a turn may execute gets the ids of all arrays of that turn. */
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
    if (b->pilot_nodes) snprintf(plan->pilot, sizeof plan->pilot, "%s", b->id);
    for (int i = 0; i < b->n_does; i++) TN_TRY(record_step(plan, &plan->step[b->does[i].step], b, b->does[i].task));
    return tn_plan_publish(plan);
}

/* --- Slurm -------------------------------------------------------------------------------------------------------- */

/* A job id is digits, optionally followed by ";cluster". It stands in the last line: a site's words may come before. */
static bool take_id(const char *text, char out[32]) {
    for (const char *end = strchr(text, '\n'); end && end[1]; end = strchr(text, '\n')) text = end + 1;
    size_t n = strspn(text, "0123456789");
    snprintf(out, 32, "%.*s", (int)(n < 31 ? n : 31), text);
    return n > 0 && n < 31 && strchr(";\n", text[n]);
}

static tn_status submit_one(const tn_batch_about *about, tn_batches *b, int i) {
    tn_argv w = {0};
    tn_output output = {.exit_code = -1};
    tn_status st = tn_batch_argv(about, b, i, &w);
    if (st == TN_OK) st = tn_command(&w, &output);
    if (st == TN_OK && (output.exit_code != 0 || !take_id(output.text, b->at[i].id)))
        st = tn_fail(TN_EIO, "sbatch refuses %s (exit code %d): %s%s", b->at[i].label, output.exit_code, output.errs,
                     output.text);
    tn_argv_free(&w);
    tn_output_free(&output);
    return st;
}

/* Cancel the jobs that were submitted before the refused one. The message about the refused job is kept. */
static void cancel(const tn_batches *b, int n) {
    tn_argv w = {0};
    tn_output output = {.exit_code = -1};
    char why[TN_MSG_BYTES];
    snprintf(why, sizeof why, "%s", tn_msg);
    tn_status st = tn_argv_add(&w, "scancel");
    for (int i = 0; st == TN_OK && i < n; i++) st = tn_argv_add(&w, "%s", b->at[i].id);
    if (n > 0 && st == TN_OK) st = tn_command(&w, &output);
    if (n > 0 && (st != TN_OK || output.exit_code != 0))
        tn_warn("the %d jobs that were submitted before it could not be cancelled: use scancel", n);
    tn_argv_free(&w);
    tn_output_free(&output);
    tn_fail(TN_EIO, "%s", why);
}

/* Record the time of submission: the report counts the wait from it. */
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

/* Remove the DONE of steps that will be repeated (a reduction of nine folds, a filter of other cells, the ranking of a rung): they
 * do not count as done until then. Cells check their own inputs and keep their DONE. */
static tn_status forget(const tn_cfg *cfg, const tn_plan *plan, const tn_batches *b) {
    for (int i = 0; i < b->n; i++)
        for (int k = 0; k < b->at[i].n_does; k++) {
            const tn_step *s = &plan->step[b->at[i].does[k].step];
            char path[TN_PATH_BYTES];
            if (tn_step_is_cell(s)) continue;
            TN_TRY(s->stage->folder(cfg, s, path));
            TN_TRY(tn_done_forget(path));
        }
    return TN_OK;
}

/* Write everything that jobs read before the first sbatch: a job may begin before the last one is submitted. */
static tn_status prepare(const tn_cfg *cfg, tn_plan *plan, const tn_batches *b) {
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
    TN_TRY(tn_folder_remove(records)); /* records of earlier jobs are out of date */
    TN_TRY(tn_folder_make(records));
    TN_TRY(forget(cfg, plan, b));
    TN_TRY(tn_plan_keep_job_file(plan));
    return tn_plan_publish(plan);
}

static tn_status submit_locked(const tn_batch_about *about, tn_plan *plan, tn_batches *b) {
    char path[TN_PATH_BYTES];
    tn_lock *lock = NULL;
    TN_TRY(tn_path(path, "%s/.run.lock", plan->start.run_dir));
    TN_TRY(tn_lock_take(path, plan->start.run_dir, &lock));
    tn_status st = tn_plan_recall(plan); /* another `submit` may have had the lock since the plan was read */
    if (st == TN_OK) st = tn_queue_check_empty(plan);
    if (st == TN_OK) st = tn_lock_check(lock);
    if (st == TN_OK) st = prepare(about->cfg, plan, b);
    if (st == TN_OK) st = submit_all(about, plan, b);
    tn_lock_drop(&lock);
    return st;
}

tn_status tn_submit(tn_cfg *cfg, tn_plan *plan, int pilot_nodes, bool dry_run) {
    tn_site site;
    tn_memory memory;
    char program[TN_PATH_BYTES];
    tn_batches *b = NULL;
    if (!realpath("/proc/self/exe", program)) return tn_fail(TN_EIO, "/proc/self/exe: cannot be read");
    TN_TRY(tn_site_find(&site));
    TN_TRY(tn_site_read(&site, cfg));
    TN_TRY(tn_gpus_check(cfg));
    TN_TRY(tn_memory_of(cfg, &memory));
    if (!dry_run)
        TN_TRY(tn_queue_check_empty(plan)); /* running jobs could publish steps while we check what is missing */
    bool *missing = calloc((size_t)plan->n + 1, 1);
    tn_status st = missing ? tn_steps_missing(cfg, plan->n, plan->step, missing) : tn_fail_memory(256, "the plan");
    if (st == TN_OK)
        st = pilot_nodes ? tn_batches_pilot(plan, missing, pilot_nodes, &b) : tn_batches_make(cfg, plan, missing, &b);
    free(missing);
    if (st != TN_OK) return st;
    tn_batch_about about = {cfg, plan, &site, program, &memory};
    if (b->n == 0)
        tn_say("nothing is missing; results in %s", plan->start.run_dir);
    else
        st = dry_run ? tn_batches_print(&about, b, stdout) : submit_locked(&about, plan, b);
    tn_batches_free(&b);
    return st;
}
