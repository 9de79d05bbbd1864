/* step_status.c - DONE files, Slurm's queue, records of jobs, plan.json. */
#include "run/step_status.h"

#include "base/utf8.h"
#include "process/launch.h"
#include "run/job_record.h"
#include "store/done.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAME[TN_CONDITIONS] = {"waiting", "queued",  "running", "done",
                                                "failed",  "stopped", "skipped", "foreign"};
const char *tn_condition_name(tn_condition condition) {
    return NAME[condition];
}

/* --- is it done? -------------------------------------------------------------------------------------------------- */

/* A cell checks its inputs. For other steps the DONE file counts, even if the stage would refuse to repeat them. */
static tn_status look_for_done(const tn_cfg *cfg, const tn_step *s, bool *done_out, tn_step_status *out) {
    char folder[TN_PATH_BYTES];
    bool skipped = false;
    if (s->stage->progress) {
        TN_TRY(s->stage->progress(cfg, s, &out->progress));
        if (tn_step_done(cfg, s, done_out) != TN_OK) {
            out->condition = TN_IS_FOREIGN;
            snprintf(out->why, sizeof out->why, "%.500s", tn_msg);
            return TN_OK;
        }
        snprintf(out->why, sizeof out->why, "%s", out->progress.why);
    }
    if (!s->stage->folder) return TN_OK;
    TN_TRY(s->stage->folder(cfg, s, folder));
    if (!s->stage->progress) *done_out = tn_done_exists(folder);
    if (*done_out && tn_done_skipped(folder, &skipped) == TN_OK && skipped) out->condition = TN_IS_SKIPPED;
    return TN_OK;
}

/* --- how it ended ------------------------------------------------------------------------------------------------- */

/* The last error line of a log; if there is none, its last line. */
static void read_last_line(const char *log, char *out, size_t room) {
    char line[512], error[512] = "", any[512] = "";
    FILE *f = fopen(log, "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, "tenfold: error: ", 16) == 0) strcpy(error, line + 16);
        if (*line) strcpy(any, line);
    }
    fclose(f);
    snprintf(out, room, "%s", *error ? error : any);
    tn_utf8_mend(out);
}

static void failed(tn_step_status *out, int exit_code, const char *words) {
    char how[64] = "";
    tn_exit_status(exit_code, how, sizeof how);
    out->condition = TN_IS_FAILED;
    snprintf(out->why, sizeof out->why, "%s%s%.400s", how, *words ? ": " : "", words);
}

/* label: of the job and its task. A job that is not in the queue and whose record has no end was ended from outside. */
static void status_of_record(const tn_plan *plan, const char *label, const char *job, tn_step_status *out) {
    tn_job_record r;
    char words[512] = "";
    bool known = tn_job_record_read(plan->start.run_dir, label, &r) && strcmp(r.job, job) == 0;
    read_last_line(out->log, words, sizeof words);
    bool by_slurm = known && strncmp(words, "slurmstepd", 10) == 0;
    if (known && strcmp(r.state, "failed") == 0) {
        failed(out, r.exit_code, words);
        return;
    }
    out->condition = known ? TN_IS_STOPPED : TN_IS_FAILED;
    snprintf(out->why, sizeof out->why, "job %s %s%s%.300s", job,
             known ? "was ended from outside (scancel, time or memory limit, lost node)"
                   : "never began: it was cancelled, or a job that it waits for failed",
             by_slurm ? ": " : "", by_slurm ? words : "");
}

/* --- the verdict -------------------------------------------------------------------------------------------------- */

static void take_queued(const tn_queued *q, tn_step_status *out) {
    out->condition = q->running                                  ? TN_IS_RUNNING
                     : strncmp(q->reason, "Dependency", 10) == 0 ? TN_IS_WAITING
                                                                 : TN_IS_QUEUED;
    if (out->condition == TN_IS_QUEUED) snprintf(out->why, sizeof out->why, "%s: %s", q->id, q->reason);
    if (out->condition == TN_IS_RUNNING) snprintf(out->why, sizeof out->why, "job %s", q->id);
}

void tn_job_label(const tn_step *s, char out[TN_JOB_LABEL_BYTES]) {
    const char *name = strrchr(s->log, '/'), *task = strchr(s->job, '_');
    char end[sizeof s->job + 8];
    snprintf(end, sizeof end, "-%s.log", s->job);
    snprintf(out, TN_JOB_LABEL_BYTES, "%.40s", name ? name + 1 : s->log);
    char *cut = strstr(out, end);
    if (cut) snprintf(cut, TN_JOB_LABEL_BYTES - (size_t)(cut - out), "%s%s", task ? "." : "", task ? task + 1 : "");
}

/* A requeued job may request more memory than it was submitted with. */
static void add_memory(const tn_plan *plan, const char *label, const char *job, tn_step_status *out) {
    tn_job_record r;
    size_t n = strlen(out->why);
    if (!tn_job_record_read(plan->start.run_dir, label, &r) || strcmp(r.job, job) != 0 || r.out_of_memory == 0) return;
    snprintf(out->why + n, sizeof out->why - n, "; ran out of memory %s, asks for %d MiB on each node now",
             r.out_of_memory == 1 ? "once" : "twice", r.memory_mib);
}

static void status_of_job(const tn_plan *plan, const tn_queue *queue, const tn_step *s, tn_step_status *out) {
    char label[64];
    const tn_queued *q = tn_queue_find(queue, s->job);
    tn_job_label(s, label);
    if (!q) {
        status_of_record(plan, label, s->job, out);
        return;
    }
    take_queued(q, out);
    add_memory(plan, label, s->job, out);
}

/* Is "14_3" a task of one of the arrays "14,15"? */
static bool is_task_of(const char *job, const char *arrays) {
    size_t n = strcspn(job, "_");
    for (const char *at = arrays; *at && job[n]; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, job, n) == 0 && (at[n] == ',' || !at[n])) return true;
    return false;
}

/* The status of a step that any task of its arrays may execute. While a task is in the queue, that task's state; otherwise the
 * state of the first task whose record shows a failure. False: the job of the step is not a list of arrays. */
static bool status_of_arrays(const tn_plan *plan, const tn_queue *queue, const tn_step *s, tn_step_status *out) {
    char label[TN_JOB_LABEL_BYTES];
    const tn_queued *best = NULL;
    const tn_step *ended = NULL;
    tn_job_record r;
    int n = 0;
    for (int i = 0; i < plan->n; i++) {
        const tn_step *cell = &plan->step[i];
        if (!is_task_of(cell->job, s->job)) continue;
        const tn_queued *q = tn_queue_find(queue, cell->job);
        n++;
        if (q && (!best || q->running)) best = q;
        tn_job_label(cell, label);
        if (!ended && tn_job_record_read(plan->start.run_dir, label, &r) && strcmp(r.state, "done") != 0) ended = cell;
    }
    if (n == 0) return false;
    if (best) {
        take_queued(best, out);
        return true;
    }
    *label = 0;
    if (ended) tn_job_label(ended, label);
    if (ended) snprintf(out->log, sizeof out->log, "%s", ended->log);
    status_of_record(plan, label, ended ? ended->job : s->job, out);
    return true;
}

static void status_of_manifest(const tn_step *s, tn_step_status *out) {
    static const tn_condition CONDITION[] = {TN_IS_WAITING, TN_IS_RUNNING, TN_IS_WAITING, TN_IS_FAILED, TN_IS_STOPPED};
    out->condition = CONDITION[s->state]; /* plan.json may say done, but without DONE the step is repeated */
    if (out->condition == TN_IS_FAILED || out->condition == TN_IS_STOPPED) {
        failed(out, s->exit_code, s->last_line);
        out->condition = CONDITION[s->state];
    }
}

/* A pilot job writes plan.json while it runs. Once the pilot has ended, no step in it is running any more. */
static void status_of_pilot(const tn_plan *plan, const tn_queue *queue, const tn_step *s, tn_step_status *out) {
    const tn_queued *q = tn_queue_find(queue, plan->pilot);
    tn_job_record r;
    status_of_manifest(s, out);
    if (q && !q->running)
        take_queued(q, out);
    else if (q && out->condition == TN_IS_RUNNING)
        snprintf(out->why, sizeof out->why, "pilot, job %s", q->id);
    if (q || out->condition == TN_IS_FAILED) return;
    bool ended = tn_job_record_read(plan->start.run_dir, "pilot", &r) && strcmp(r.job, plan->pilot) == 0;
    if (!ended && tn_path(out->log, "%.3900s/log/pilot-%s.log", plan->start.run_dir, plan->pilot) != TN_OK) return;
    if (ended && out->condition == TN_IS_RUNNING) out->condition = TN_IS_STOPPED;
    if (!ended || (out->condition == TN_IS_STOPPED && !*out->why)) status_of_record(plan, "pilot", plan->pilot, out);
}

tn_status tn_step_status_of(const tn_cfg *cfg, const tn_plan *plan, const tn_queue *queue, int step,
                            tn_step_status *out) {
    const tn_step *s = &plan->step[step];
    bool done = false;
    *out = (tn_step_status){.progress = {.score = -1, .heartbeat = -1, .trial = -1}, .condition = TN_CONDITIONS};
    TN_TRY(tn_path(out->log, "%s", s->log));
    TN_TRY(look_for_done(cfg, s, &done, out));
    if (out->condition != TN_CONDITIONS) return TN_OK; /* foreign, skipped */
    if (done)
        out->condition = TN_IS_DONE;
    else if (!*s->job && *plan->pilot)
        status_of_pilot(plan, queue, s, out);
    else if (!*s->job)
        status_of_manifest(s, out);
    else if (!status_of_arrays(plan, queue, s, out))
        status_of_job(plan, queue, s, out);
    return TN_OK;
}
