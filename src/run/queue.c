/* queue.c - calls squeue and parses its lines. */
#include "run/queue.h"

#include "process/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *tn_run_name(const tn_plan *plan) {
    const char *slash = strrchr(plan->start.run_dir, '/');
    return slash && slash[1] ? slash + 1 : plan->start.run_dir;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

/* "12|3|RUNNING|my.train.r0|None". The name may contain '|': it is everything between the state and the last field. */
static bool parse_line(char *line, const char *name, tn_queued *out) {
    char *job = strsep(&line, "|"), *task = strsep(&line, "|"), *state = strsep(&line, "|");
    char *reason = line ? strrchr(line, '|') : NULL;
    size_t n = strlen(name);
    if (!reason) return false;
    *reason++ = 0;
    if (strncmp(line, name, n) != 0 || line[n] != '.') return false;
    bool array = strcmp(task, "N/A") != 0;
    snprintf(out->id, sizeof out->id, "%.15s%s%.15s", job, array ? "_" : "", array ? task : "");
    snprintf(out->state, sizeof out->state, "%.23s", state);
    snprintf(out->reason, sizeof out->reason, "%.63s", reason);
    out->running = strcmp(state, "PENDING") != 0 && strncmp(state, "REQUEUE", 7) != 0;
    return true;
}

tn_status tn_queue_parse(const char *text, const char *name, tn_queue **out) {
    size_t most = 1;
    for (const char *c = text; *c; c++) most += *c == '\n';
    tn_queue *q = calloc(1, sizeof *q);
    char *copy = strdup(text), *rest = copy;
    if (!q || !copy || !(q->at = calloc(most, sizeof *q->at))) {
        free(copy);
        tn_queue_free(&q);
        return tn_fail_memory(most * sizeof *q->at, "the queue");
    }
    while (rest) {
        char *line = strsep(&rest, "\n");
        q->n += parse_line(line, name, &q->at[q->n]);
    }
    free(copy);
    *out = q;
    return TN_OK;
}

void tn_queue_free(tn_queue **q) {
    if (*q) free((*q)->at);
    free(*q);
    *q = NULL;
}

const tn_queued *tn_queue_find(const tn_queue *q, const char *id) {
    size_t n = strlen(id);
    for (int i = 0; *id && i < q->n; i++)
        if (strncmp(q->at[i].id, id, n) == 0 && (!q->at[i].id[n] || q->at[i].id[n] == '_')) return &q->at[i];
    return NULL;
}

/* --- squeue ------------------------------------------------------------------------------------------------------- */

/* "12,12,14": every job id in the plan; repeated ones do no harm. NULL: no memory; "": none. */
static char *job_list(const tn_plan *plan) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    for (int i = 0; f && i < plan->n; i++) {
        const char *job = plan->step[i].job;
        if (*job) fprintf(f, "%s%.*s", ftell(f) ? "," : "", (int)strcspn(job, "_"), job);
    }
    if (f && *plan->pilot) fprintf(f, "%s%s", ftell(f) ? "," : "", plan->pilot);
    return tn_text_end(f, TN_OK, "the list of jobs") == TN_OK ? text : NULL;
}

/* The user who owns the jobs. With --user, slurmctld sends the jobs of one user instead of the whole cluster's. Somebody else
 * than the owner may ask for the status of a run, so it is the owner of the run folder and not of this process. */
static uid_t owner_of(const tn_plan *plan) {
    char path[TN_PATH_BYTES];
    struct stat s;
    return tn_path(path, "%s/plan.json", plan->start.run_dir) == TN_OK && stat(path, &s) == 0 ? s.st_uid : geteuid();
}

static tn_status ask(const tn_plan *plan, const char *jobs, tn_queue **out) {
    tn_argv w = {0};
    tn_output output;
    const char *word[] = {"squeue", "--noheader", "--array", "--format=%F|%K|%T|%j|%r"};
    tn_status st = TN_OK;
    for (size_t i = 0; st == TN_OK && i < sizeof word / sizeof *word; i++) st = tn_argv_add(&w, "%s", word[i]);
    if (st == TN_OK) st = tn_argv_add(&w, "--user=%lu", (unsigned long)owner_of(plan));
    if (st == TN_OK) st = tn_argv_add(&w, "--jobs=%s", jobs);
    if (st == TN_OK) st = tn_command(&w, &output);
    tn_argv_free(&w);
    if (st != TN_OK) return st;
    bool forgotten = strstr(output.errs, "Invalid job id") != NULL; /* Slurm has forgotten all of these jobs */
    if (output.exit_code != 0 && !forgotten)
        st = tn_fail(TN_EIO, "squeue failed (exit code %d): %.*s", output.exit_code, (int)strcspn(output.errs, "\n"),
                     output.errs);
    else
        st = tn_queue_parse(output.text, tn_run_name(plan), out);
    tn_output_free(&output);
    return st;
}

tn_status tn_queue_read(const tn_plan *plan, tn_queue **out) {
    char *jobs = job_list(plan);
    if (!jobs) return tn_fail_memory(4096, "the queue");
    tn_status st = *jobs ? ask(plan, jobs, out) : tn_queue_parse("", "", out);
    free(jobs);
    return st;
}

tn_status tn_queue_check_empty(const tn_plan *plan) {
    tn_queue *q = NULL;
    char list[256] = "";
    TN_TRY(tn_queue_read(plan, &q));
    for (int i = 0; i < q->n; i++) {
        size_t at = strlen(list);
        if (at < 200) snprintf(list + at, sizeof list - at, " %s", q->at[i].id);
    }
    tn_status st =
        q->n == 0 ? TN_OK
                  : tn_fail(TN_EARG,
                            "%s: %d jobs of this run still wait or run:%s%s\nwait for them (tenfold status %s "
                            "--watch), or cancel them with scancel",
                            plan->start.run_dir, q->n, list, strlen(list) >= 200 ? " ..." : "", plan->start.run_dir);
    tn_queue_free(&q);
    return st;
}
