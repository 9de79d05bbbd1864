/*
 * progress.h - messages, and progress of long work: a bar on a terminal, a few lines in a log, a heartbeat. All functions are local.
 *
 *   tn_progress p;
 *   tn_progress_begin(&p, "fold 3 round 0", n_images, "images");   // rank 0 only
 *   tn_progress_at(&p, seen, "loss 0.71");                         // cheap: redraws at most 5 times a second,
 *   tn_progress_end(&p, "best score 0.81");                        // writes a log line at most every 20 s
 *
 * To stderr. On a terminal: one line redrawn: label, bar, done/total, rate, ETA, note. Else: the same as lines.
 */
#ifndef TN_BASE_PROGRESS_H
#define TN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    char label[96], unit[16];
    int64_t total, first; /* first: where this process began (after resuming), to compute the rate */
    double begin_s, drawn_s;
    bool terminal, begun;
    bool quiet; /* set it after begin for heartbeats alone, without output on stderr */
} tn_progress;

void tn_progress_begin(tn_progress *p, const char *label, int64_t total, const char *unit);
void tn_progress_at(tn_progress *p, int64_t done, const char *note);
void tn_progress_end(tn_progress *p, const char *note);

double tn_now_s(void); /* monotonic clock */

/* Did slurm/stage.sh start this process? Then heartbeats are written less often, because many jobs share the file system. */
bool tn_is_job(void);

/* Write heartbeats for observers on other hosts: from now on every tn_progress_at, at most every EVERY_S seconds (2; in a job 30), writes
 * `COUNT EVERY_S DONE TOTAL PER_S LABEL` over the first line of path. path NULL ends this. COUNT rises by one each time. There is no
 * time of day: an observer measures on its own clock how long COUNT stays the same. Nothing is synced or renamed, because a lost or
 * half-written heartbeat is soon replaced. If path cannot be written, there is no heartbeat, and no error. */
void tn_progress_heartbeat(const char *path);

typedef struct {
    int64_t count, done, total;
    double every_s, per_s;
    char label[96];
} tn_heartbeat;
bool tn_heartbeat_read(const char *path, tn_heartbeat *out); /* false: there is none */

/* One line "tenfold: ..." to stderr. */
void tn_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tn_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What came out of a step, in a few words: "tenfold: result: ..."; `tenfold run` shows it in the line of the step. */
void tn_result(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* fprintf for text with names from files: control characters become \xNN, so that they cannot command a terminal. Prints nothing if there
 * is no memory. */
void tn_print(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
