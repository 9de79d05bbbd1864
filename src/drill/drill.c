/* drill.c - the drill on this machine, as described in drill.h. */
#include "drill/drill_priv.h"

#include "base/progress.h"
#include "base/rng.h"
#include "base/stop.h"
#include "process/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RANKS = 4, MOST_STARTS = 8, MOST_DRAWS = 6, STORM_SIGNALS = 30 };
static const double LONGEST_S = 300; /* limit of one start: after this it counts as a hang */

typedef enum { KILL_RANK, KILL_NODE, KILL_LAUNCHER, STOP_ALL, STOP_ONE, STOP_STORM, TWIN, N_KINDS } kind;
static const char *const KIND[] = {"kill-rank", "kill-node",  "kill-launcher", "stop-all",
                                   "stop-one",  "stop-storm", "twin"};

typedef struct {
    tn_drill_stage stage;
    char kinds[96], points[64], ranks[64], codes[64]; /* in order of starts */
    int n_hits, n_starts, n_resumed; /* resumed: starts that continued from a checkpoint or from finished shards */
    double seconds;
    bool ended, equal;
} outcome;

typedef struct {
    const tn_cfg *cfg;
    const tn_drill_how *how;
    char job[TN_PATH_BYTES], base[TN_PATH_BYTES];
    double stage_s[TN_DRILL_STAGES]; /* seconds undisturbed, on two ranks */
    char digest[TN_DRILL_STAGES][TN_HEX_BYTES];
    outcome *run; /* (n_runs) */
    int n_done;
} drill;

/* --- one start ---------------------------------------------------------------------------------------------------- */

typedef struct {
    bool wanted, done;
    kind kind;
    double point_s;
    uint32_t which; /* selects a rank */
    char *const *argv;
    int n_ranks, log;
    pid_t twin;
    double begin_s;
    bool hung;
    int twin_code; /* exit code of the second process; -1: there was none */
} disturbance;

/* The pids of the launcher's children, ascending. */
static int ranks_of(pid_t launcher, pid_t out[MOST_RANKS]) {
    DIR *d = opendir("/proc");
    int n = 0;
    for (struct dirent *e; d && n < MOST_RANKS && (e = readdir(d));) {
        char path[300];
        long parent = 0;
        if (strspn(e->d_name, "0123456789") != strlen(e->d_name)) continue;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = fopen(path, "re");
        if (!f) continue;
        if (fscanf(f, "%*d (%*[^)]) %*c %ld", &parent) == 1 && parent == launcher) out[n++] = (pid_t)atol(e->d_name);
        fclose(f);
    }
    if (d) closedir(d);
    return n;
}

static void storm(pid_t rank) {
    for (int i = 0; i < STORM_SIGNALS && kill(rank, SIGTERM) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
}

static void strike(disturbance *x, pid_t launcher) {
    pid_t rank[MOST_RANKS];
    int n = ranks_of(launcher, rank);
    if (x->kind == KILL_LAUNCHER || x->kind == KILL_NODE) kill(launcher, SIGKILL);
    if (x->kind == STOP_ALL) kill(launcher, SIGUSR1);
    if (x->kind == KILL_NODE)
        for (int i = 0; i < n; i++) kill(rank[i], SIGKILL);
    if (x->kind == KILL_RANK && n > 0) kill(rank[x->which % (uint32_t)n], SIGKILL);
    if (x->kind == STOP_ONE && n > 0) kill(rank[x->which % (uint32_t)n], SIGTERM);
    if (x->kind == STOP_STORM && n > 0) storm(rank[x->which % (uint32_t)n]);
    if (x->kind == TWIN) x->twin = tn_launch_start(x->argv, x->n_ranks, x->log);
    bool needs_ranks = x->kind == KILL_RANK || x->kind == STOP_ONE || x->kind == STOP_STORM;
    x->done = !needs_ranks || n > 0; /* without ranks the launcher is still starting: try again */
}

static void tick(void *context, pid_t launcher) {
    disturbance *x = context;
    double now = tn_now_s() - x->begin_s;
    if (x->wanted && !x->done && now >= x->point_s) strike(x, launcher);
    if (now < LONGEST_S || x->hung) return;
    x->hung = true;
    kill(-launcher, SIGKILL);
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t n_bytes, const char *fmt, ...) {
    size_t n = strlen(text);
    snprintf(text + n, n_bytes - n, "%s", n ? " + " : "");
    n = strlen(text);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + n, n_bytes - n, fmt, args);
    va_end(args);
}

static int wait_for_twin(pid_t twin) {
    int status = 0;
    for (double begin = tn_now_s(); twin > 0 && waitpid(twin, &status, WNOHANG) == 0;) {
        if (tn_now_s() - begin > LONGEST_S) kill(-twin, SIGKILL);
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Run a verb on the run folder, with or without a disturbance. Returns its exit code; -1: it hung. */
static tn_status start(const drill *d, tn_drill_stage s, const char *folder, int n_ranks, disturbance *x,
                       int *code_out) {
    static char run[] = "--run", folds[] = "--folds", zero[] = "0";
    char *argv[] = {(char *)tn_drill_stage_name(s), (char *)d->job, run, (char *)folder, NULL, NULL, NULL};
    if (s != TN_DRILL_PREPROCESS) {
        argv[4] = folds;
        argv[5] = zero;
    }
    char log[TN_PATH_BYTES];
    TN_TRY(tn_path(log, "%s/log.txt", folder));
    x->argv = argv;
    x->n_ranks = n_ranks;
    x->log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    x->begin_s = tn_now_s();
    tn_launch_how how = {.n_ranks = n_ranks, .log_path = log, .quiet = true, .tick = tick, .context = x};
    tn_launch_end end = {.exit_code = -1};
    tn_status st = tn_launch(argv, &how, &end);
    *code_out = end.exit_code;
    x->twin_code = st == TN_OK && x->twin > 0 ? wait_for_twin(x->twin) : -1;
    if (x->log >= 0) close(x->log);
    if (x->hung) *code_out = -1;
    return st;
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

/* Make a run folder with links to the earlier stages of the undisturbed run. */
static tn_status prepare(const drill *d, tn_drill_stage s, const char *folder) {
    static const char *const EARLIER[] = {"shards", "folds", "train"};
    const int n_earlier[] = {[TN_DRILL_PREPROCESS] = 0, [TN_DRILL_TRAIN] = 2, [TN_DRILL_PREDICT] = 3};
    TN_TRY(tn_folder_remove(folder));
    TN_TRY(tn_folder_make(folder));
    for (int i = 0; i < n_earlier[s]; i++) {
        char from[TN_PATH_BYTES], to[TN_PATH_BYTES];
        TN_TRY(tn_path(from, "%s/%s", d->base, EARLIER[i]));
        TN_TRY(tn_path(to, "%s/%s", folder, EARLIER[i]));
        if (symlink(from, to) != 0) return tn_fail(TN_EIO, "%s: %s", to, strerror(errno));
    }
    return TN_OK;
}

/* Count in the log how many starts continued from published results of an earlier start. */
static tn_status count_resumed(const char *folder, int *out) {
    static const char *const SAYS[] = {"goes on after ", "shards were there already"};
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/log.txt", folder));
    TN_TRY(tn_file_read(path, &text, &n));
    *out = 0;
    for (size_t i = 0; i < sizeof SAYS / sizeof *SAYS; i++)
        for (const char *at = text; (at = strstr(at, SAYS[i])); at++) {
            const char *number = at + strlen(SAYS[i]);
            *out += i > 0 || (*number >= '0' && *number <= '9'); /* not "goes on after a process that ..." */
        }
    free(text);
    return TN_OK;
}

static disturbance draw(const drill *d, tn_drill_stage s, tn_rng *rng, double latest) {
    disturbance x = {.wanted = true, .kind = (kind)tn_rng_below(rng, N_KINDS)};
    x.point_s = tn_rng_uniform(rng) * latest * d->stage_s[s];
    x.which = tn_rng_u32(rng);
    return x;
}

/* Start the verb until it ends with exit code 0. The first start is disturbed, and of the later ones every fourth on average. */
static tn_status run_once(const drill *d, const char *folder, tn_rng *rng, double latest, outcome *o) {
    TN_TRY(prepare(d, o->stage, folder));
    double begin = tn_now_s();
    while (!o->ended && o->n_starts < MOST_STARTS && !tn_stop_wanted()) {
        int n_ranks = 1 << tn_rng_below(rng, 3), code = 0;
        disturbance x = draw(d, o->stage, rng, latest);
        x.wanted = o->n_starts == 0 || (o->n_hits < 2 && x.which % 4 == 0);
        if (o->n_starts == 0 && n_ranks == 1 && x.kind == KILL_NODE) n_ranks = 2;
        TN_TRY(start(d, o->stage, folder, n_ranks, &x, &code));
        o->n_starts++;
        append(o->ranks, sizeof o->ranks, "%d", n_ranks);
        append(o->codes, sizeof o->codes, "%s%d", code < 0 ? "hang " : "", code);
        if (x.twin_code >= 0) append(o->codes, sizeof o->codes, "twin %d", x.twin_code);
        if (x.done) {
            o->n_hits++;
            append(o->kinds, sizeof o->kinds, "%s", KIND[x.kind]);
            append(o->points, sizeof o->points, "%.2f", x.point_s);
        }
        o->ended = code == 0;
        if (x.hung) break;
        if (x.twin_code > 0 && x.twin_code != TN_EBUSY) { /* allowed: it gives up, or finds everything done */
            o->ended = false;
            break;
        }
    }
    o->seconds = tn_now_s() - begin;
    return count_resumed(folder, &o->n_resumed);
}

/* Do one run. If the drawn point was after its end, nothing was disturbed: draw again, earlier. */
static tn_status run_and_compare(drill *d, int number, outcome *o) {
    char folder[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    double latest = 1;
    TN_TRY(tn_path(folder, "%s/%d", d->cfg->run_dir, number));
    for (uint64_t i = 0; i < MOST_DRAWS && !tn_stop_wanted(); i++, latest *= 0.6) {
        tn_rng rng = tn_rng_at(d->how->seed, TN_STREAM_DRILL, (uint64_t)number, i);
        uint32_t dice = tn_rng_below(&rng, 5);
        *o = (outcome){.stage = dice == 0 ? TN_DRILL_PREPROCESS : dice == 1 ? TN_DRILL_PREDICT : TN_DRILL_TRAIN};
        TN_TRY(run_once(d, folder, &rng, latest, o));
        if (o->n_hits > 0 || !o->ended) break;
    }
    if (tn_stop_wanted()) return TN_OK;
    tn_status st = o->ended ? tn_drill_digest(d->cfg, o->stage, 0, folder, hex) : TN_OK;
    o->equal = o->ended && st == TN_OK && strcmp(hex, d->digest[o->stage]) == 0;
    if (st != TN_OK) tn_warn("drill: run %d: %s", number, tn_msg);
    return o->equal ? tn_folder_remove(folder) : TN_OK;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static int count_equal(const drill *d) {
    int n = 0;
    for (int i = 0; i < d->n_done; i++) n += d->run[i].equal;
    return n;
}

static int count_all_resumed(const drill *d) {
    int n = 0;
    for (int i = 0; i < d->n_done; i++) n += d->run[i].n_resumed > 0;
    return n;
}

static void print_counts(const drill *d, FILE *f) {
    fputs("| first disturbance | preprocess | train | predict |\n| --- | --- | --- | --- |\n", f);
    for (int k = 0; k < N_KINDS; k++) {
        int n[TN_DRILL_STAGES] = {0};
        for (int i = 0; i < d->n_done; i++) {
            size_t length = strlen(KIND[k]);
            const char *at = d->run[i].kinds;
            if (strncmp(at, KIND[k], length) == 0 && (!at[length] || at[length] == ' ')) n[d->run[i].stage]++;
        }
        fprintf(f, "| %s | %d | %d | %d |\n", KIND[k], n[TN_DRILL_PREPROCESS], n[TN_DRILL_TRAIN], n[TN_DRILL_PREDICT]);
    }
}

static void print_markdown(const void *context, FILE *f) {
    const drill *d = context;
    fprintf(
        f,
        "# Drill\n\n%d of %d disturbed runs ended in the bits of the undisturbed one. Seed %llu.\n\n%d of them "
        "continued "
        "from a checkpoint or from finished shards; the others were disturbed before there was one.\nUndisturbed, on "
        "two ranks: preprocess %.1f s, train (one fold) %.1f s, predict %.1f s.\n\n",
        count_equal(d), d->n_done, (unsigned long long)d->how->seed, count_all_resumed(d),
        d->stage_s[TN_DRILL_PREPROCESS], d->stage_s[TN_DRILL_TRAIN], d->stage_s[TN_DRILL_PREDICT]);
    print_counts(d, f);
    fputs(
        "\nRanks and exit codes are those of the starts, in order, a twin's behind its start's (7: it left; 0: all was "
        "done);\npoints are seconds after a start.\n\n"
        "| run | stage | disturbed by | at | ranks | exit codes | restarts | went on | seconds | same bits |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        f);
    for (int i = 0; i < d->n_done; i++) {
        const outcome *o = &d->run[i];
        fprintf(f, "| %d | %s | %s | %s | %s | %s | %d | %d | %.1f | %s |\n", i + 1, tn_drill_stage_name(o->stage),
                o->kinds, o->points, o->ranks, o->codes, o->n_starts - 1, o->n_resumed, o->seconds,
                tn_drill_says(o->ended, o->equal));
    }
}

static void print_csv(const void *context, FILE *f) {
    const drill *d = context;
    fputs("run,seed,stage,kinds,points_s,ranks,exit_codes,restarts,went_on,seconds,same_bits\n", f);
    for (int i = 0; i < d->n_done; i++) {
        const outcome *o = &d->run[i];
        fprintf(f, "%d,%llu,%s,%s,%s,%s,%s,%d,%d,%.2f,%s\n", i + 1, (unsigned long long)d->how->seed,
                tn_drill_stage_name(o->stage), o->kinds, o->points, o->ranks, o->codes, o->n_starts - 1, o->n_resumed,
                o->seconds, tn_drill_says(o->ended, o->equal));
    }
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static tn_status run_undisturbed(drill *d) {
    TN_TRY(tn_folder_remove(d->base));
    TN_TRY(tn_folder_make(d->base));
    for (tn_drill_stage s = 0; s < TN_DRILL_STAGES; s++) {
        disturbance none = {.wanted = false};
        int code = 0;
        double begin = tn_now_s();
        TN_TRY(start(d, s, d->base, 2, &none, &code));
        d->stage_s[s] = tn_now_s() - begin;
        if (tn_stop_wanted()) return TN_OK;
        char how[64];
        tn_status st = code < 0 ? TN_EBUG : code > 0 ? tn_exit_status(code, how, sizeof how) : TN_OK;
        if (st != TN_OK)
            return tn_fail(st, "drill: %s fails without being disturbed (%s); its output is in %s/log.txt",
                           tn_drill_stage_name(s), code < 0 ? "it hangs" : how, d->base);
        TN_TRY(tn_drill_digest(d->cfg, s, 0, d->base, d->digest[s]));
        tn_say("drill: %s undisturbed: %.1f s", tn_drill_stage_name(s), d->stage_s[s]);
    }
    return TN_OK;
}

static tn_status run_all(drill *d) {
    TN_TRY(run_undisturbed(d));
    while (d->n_done < d->how->n_runs && !tn_stop_wanted()) {
        outcome *o = &d->run[d->n_done];
        TN_TRY(run_and_compare(d, d->n_done + 1, o));
        if (tn_stop_wanted()) break;
        d->n_done++;
        tn_say("drill: run %d of %d: %s, %s at %s s, ranks %s, exit codes %s: same bits: %s", d->n_done, d->how->n_runs,
               tn_drill_stage_name(o->stage), *o->kinds ? o->kinds : "not disturbed", o->points, o->ranks, o->codes,
               tn_drill_says(o->ended, o->equal));
        TN_TRY(tn_drill_publish(d->cfg, "drill.csv", print_csv, d));
        TN_TRY(tn_drill_publish(d->cfg, "drill.md", print_markdown, d));
    }
    if (tn_stop_wanted())
        return tn_fail(TN_EUNFINISHED, "drill: stopped on request after %d of %d runs", d->n_done, d->how->n_runs);
    return tn_drill_verdict(d->cfg, count_equal(d), d->n_done);
}

tn_status tn_drill(const tn_cfg *cfg, const tn_drill_how *how) {
    drill d = {.cfg = cfg, .how = how, .run = calloc((size_t)how->n_runs, sizeof *d.run)};
    tn_status st = d.run ? tn_path(d.job, "%s/drill.cfg", cfg->run_dir)
                         : tn_fail_memory((size_t)how->n_runs * sizeof *d.run, "the drill");
    if (st == TN_OK) st = tn_path(d.base, "%s/undisturbed", cfg->run_dir);
    if (st == TN_OK) st = tn_launch_begin();
    if (st == TN_OK) st = run_all(&d);
    free(d.run);
    return st;
}
