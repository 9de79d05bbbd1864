/* test_step_status.c - what is said of a step, from files and lines of squeue that are written here by hand. */
#include "unit.h"

#include "base/progress.h"
#include "report/status.h"
#include "run/step_status.h"
#include "store/lock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The calls of this program come here instead of to the C library: five seconds of sleep take none. */
static double passed_s;
static int looks_left;
static tn_lock *run_lock; /* dropped after the last look: the run is over */

int clock_gettime(clockid_t clock, struct timespec *out) {
    int failed = (int)syscall(SYS_clock_gettime, clock, out);
    out->tv_sec += (time_t)passed_s;
    return failed;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    if (!looks_left) return (int)syscall(SYS_nanosleep, wanted, left);
    passed_s += (double)wanted->tv_sec;
    if (--looks_left == 0) tn_lock_drop(&run_lock);
    return 0;
}

int isatty(int fd) {
    (void)fd;
    return looks_left > 0;
}

static const char JOB[] = "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\n"
                          "folds: { count = 3; };\n"
                          "self: { max_rounds = 0; };\n"
                          "train: { images = 100; lanes = 2; lane_images = 16; };\n";
enum { PREPROCESS, EXPLORE, F0, F1, F2, P0, P1, P2, REDUCE, REPORT, N_STEPS };

typedef struct {
    tn_cfg *cfg;
    tn_plan *plan;
} run;

static run begin_as(const char *name, const char *job, int n_steps) {
    run r = {.cfg = NULL};
    tn_start start = {.n_set = 0};
    if (tn_cfg_read(unit_write("my.cfg", job), 0, NULL, unit_path(name), &r.cfg) != TN_OK) fail_msg("%s", tn_msg);
    strcpy(start.job_file, unit_path("my.cfg"));
    strcpy(start.run_dir, unit_path(name));
    const char *folder[] = {"slurm",
                            "log",
                            "train/r0-f0-s224-x1",
                            "train/r0-f1-s224-x1",
                            "predict/r0-f1-s224-x1",
                            "folds",
                            "search/t000-i50/train/r0-f0-s224-x1"};
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", start.run_dir, folder[i]);
        assert_int_equal(tn_folder_make(path), TN_OK);
    }
    assert_int_equal(tn_plan_make(r.cfg, &start, &r.plan), TN_OK);
    assert_int_equal(r.plan->n, n_steps);
    return r;
}

static run begin(const char *name) {
    return begin_as(name, JOB, N_STEPS);
}

static void end(run *r) {
    tn_plan_free(&r->plan);
    tn_cfg_free(&r->cfg);
}

static void put(const char *run_name, const char *name, const char *text) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", run_name, name);
    unit_write(path, text);
}

static tn_step_status status_of(const run *r, const char *squeue, int step) {
    tn_queue *q = NULL;
    tn_step_status s;
    assert_int_equal(tn_queue_parse(squeue, tn_run_name(r->plan), &q), TN_OK);
    assert_int_equal(tn_step_status_of(r->cfg, r->plan, q, step, &s), TN_OK);
    tn_queue_free(&q);
    return s;
}

static void submitted(const run *r, int step, const char *job, const char *log) {
    tn_step *s = &r->plan->step[step];
    snprintf(s->job, sizeof s->job, "%s", job);
    snprintf(s->log, sizeof s->log, "%.3900s/log/%s", r->plan->start.run_dir, log);
}

static void in_the_queue(void **unused) {
    (void)unused;
    run r = begin("q");
    const char *squeue =
        "2|0|RUNNING|q.train.r0.f0|None\n2|1|PENDING|q.train.r0|Resources\n2|2|PENDING|q.train.r0|Dependency\n"
        "3|0|PENDING|q.train.r1|Dependency\n";
    put("q", "train/r0-f0-s224-x1/journal.jsonl",
        "{\"images\": 32, \"best\": true, \"validation\": {\"geometric_mean\": 0.5}, \"training_seconds\": 4}\n");
    put("q", "train/r0-f0-s224-x1/heartbeat", "7 2 64 128 16 r0-f0-s224-x1\n");
    put("q", "folds/DONE", "");
    submitted(&r, F0, "2_0", "train.r0-2_0.log");
    submitted(&r, F1, "2_1", "train.r0-2_1.log");
    submitted(&r, F2, "2_2", "train.r0-2_2.log");
    submitted(&r, P0, "2_0", "train.r0-2_0.log");
    submitted(&r, P2, "2_2", "train.r0-2_2.log");
    assert_int_equal(status_of(&r, squeue, PREPROCESS).condition, TN_IS_DONE);
    tn_step_status s =
        status_of(&r, squeue, F0); /* 128: the budget in whole steps of 32 images; the sign is newer than the journal */
    assert_int_equal(s.condition, TN_IS_RUNNING);
    assert_int_equal(s.progress.done, 64);
    assert_int_equal(s.progress.total, 128);
    assert_true(s.progress.per_s == 16 && s.progress.score == 0.5 && s.progress.heartbeat == 7 &&
                s.progress.heartbeat_every_s == 2);
    put("q", "train/r0-f0-s224-x1/heartbeat",
        "8 30 5 9 2 evaluation\n"); /* evaluating: the images seen are the journal's */
    s = status_of(&r, squeue, F0);
    assert_int_equal(s.progress.done, 32);
    assert_true(s.progress.per_s == 8 && s.progress.heartbeat == 8);
    assert_string_equal(s.progress.doing, "evaluation");
    s = status_of(&r, squeue, F1);
    assert_int_equal(s.condition, TN_IS_QUEUED);
    assert_string_equal(s.why, "2_1: Resources");
    put("q", "slurm/train.r0.1",
        "job 2_1\nstate requeued\nexit_code 5\nfailures 0\nrestarts 0\nmemory_mib 450\nout_of_memory 1\n");
    s = status_of(&r, squeue, F1);
    assert_string_equal(s.why, "2_1: Resources; ran out of memory once, asks for 450 MiB on each node now");
    assert_int_equal(status_of(&r, squeue, F2).condition, TN_IS_WAITING);
    assert_int_equal(status_of(&r, squeue, P0).condition, TN_IS_RUNNING); /* the task that trains it */
    assert_int_equal(status_of(&r, squeue, P2).condition, TN_IS_WAITING);
    end(&r);
}

static void after_it(void **unused) {
    (void)unused;
    run r = begin("e");
    put("e", "slurm/train.r0.0", "job 2_0\nstate failed\nexit_code 2\nfailures 0\nrestarts 0\n");
    put("e", "log/train.r0-2_0.log", "tenfold: begins\ntenfold: error: m.csv is bad\nmpirun: noise\n");
    put("e", "slurm/train.r0.1", "job 2_1\nstate ended\nexit_code 6\nfailures 0\nrestarts 0\n");
    put("e", "slurm/train.r0.2",
        "job 1_2\nstate failed\nexit_code 2\nfailures 0\nrestarts 0\n"); /* of an earlier job */
    put("e", "predict/r0-f1-s224-x1/DONE", "");
    put("e", "slurm/finish", "job 5\nstate running\nexit_code 0\nfailures 0\nrestarts 0\n");
    submitted(&r, F0, "2_0", "train.r0-2_0.log");
    submitted(&r, F1, "2_1", "train.r0-2_1.log");
    submitted(&r, F2, "2_2", "train.r0-2_2.log");
    submitted(&r, P0, "2_0", "train.r0-2_0.log");
    submitted(&r, P1, "2_1", "train.r0-2_1.log");
    submitted(&r, REDUCE, "5", "finish-5.log");
    tn_step_status s = status_of(&r, "", F0);
    assert_int_equal(s.condition, TN_IS_FAILED);
    assert_string_equal(s.why, "exit code 2: m.csv is bad");
    assert_non_null(strstr(s.log, "/e/log/train.r0-2_0.log"));
    s = status_of(&r, "", F1);
    assert_int_equal(s.condition, TN_IS_STOPPED);
    assert_string_equal(s.why, "job 2_1 was ended from outside (scancel, time or memory limit, lost node)");
    put("e", "log/train.r0-2_1.log", "slurmstepd-n1: error: Exceeded job memory limit\n");
    s = status_of(&r, "", F1);
    assert_string_equal(s.why, "job 2_1 was ended from outside (scancel, time or memory limit, lost node): "
                               "slurmstepd-n1: error: Exceeded job memory limit");
    s = status_of(&r, "", F2);
    assert_int_equal(s.condition, TN_IS_FAILED);
    assert_string_equal(s.why, "job 2_2 never began: it was cancelled, or a job that it waits for failed");
    s = status_of(&r, "", P0);
    assert_int_equal(s.condition, TN_IS_FAILED);
    assert_string_equal(s.why, "exit code 2: m.csv is bad");
    assert_int_equal(status_of(&r, "", P1).condition, TN_IS_DONE);
    s = status_of(&r, "", REDUCE); /* its node died: nobody wrote an end */
    assert_int_equal(s.condition, TN_IS_STOPPED);
    end(&r);
}

static void a_search(void **unused) {
    (void)unused;
    enum { SHARDS, TABLES, T0, T1, RANK, START, BEST, JUDGE, TABLE, N };
    char job[1024];
    snprintf(job, sizeof job,
             "%ssearch: { trials = 2; folds = [ 0 ]; judge_folds = [ 1 ]; rungs = [ 50 ]; space = ( { key = "
             "\"train.learning_rate\"; uniform = [ 0.1, 0.2 ]; } ); };\n",
             JOB);
    run r = begin_as("s", job, N);
    put("s", "search/t000-i50/train/r0-f0-s224-x1/journal.jsonl",
        "{\"images\": 32, \"best\": true, \"validation\": {\"geometric_mean\": 0.5}, \"training_seconds\": 4}\n");
    put("s", "slurm/trial.q0.1", "job 2_1\nstate failed\nexit_code 5\nfailures 0\nrestarts 0\n");
    put("s", "slurm/finish", "job 5\nstate ended\nexit_code 6\nfailures 0\nrestarts 0\n");
    submitted(&r, T0, "2_0", "trial.q0-2_0.log");
    submitted(&r, T1, "2_1", "trial.q0-2_1.log");
    submitted(&r, RANK, "2", "trial.q0-2_*.log");
    submitted(&r, START, "4_0", "trial.judge-4_0.log");
    submitted(&r, BEST, "4_1", "trial.judge-4_1.log");
    submitted(&r, JUDGE, "5", "finish-5.log");
    submitted(&r, TABLE, "5", "finish-5.log");
    tn_step_status s = status_of(&r, "2|0|RUNNING|s.trial.q0.p0|None\n", T0);
    assert_int_equal(s.condition, TN_IS_RUNNING);
    assert_int_equal(s.progress.trial, 0);
    assert_int_equal(s.progress.done, 32);
    assert_int_equal(s.progress.total, 64); /* 50 in whole steps */
    assert_true(s.progress.score == 0.5 && s.progress.per_s == 8);
    s = status_of(&r, "", T1);
    assert_int_equal(s.condition, TN_IS_FAILED);
    assert_int_equal(s.progress.trial, 1);
    assert_string_equal(s.why, "exit code 5");
    s = status_of(&r, "", RANK); /* any task of the array may do it: the first one that did not end well says why */
    assert_int_equal(s.condition, TN_IS_FAILED);
    assert_string_equal(s.why, "exit code 5");
    assert_non_null(strstr(s.log, "/s/log/trial.q0-2_1.log"));
    assert_int_equal(status_of(&r, "2|1|PENDING|s.trial.q0|Resources\n", RANK).condition, TN_IS_QUEUED);
    s = status_of(&r, "4|0|PENDING|s.trial.judge|Dependency\n", START);
    assert_int_equal(s.condition, TN_IS_WAITING);
    assert_int_equal(s.progress.trial, 0);
    s = status_of(&r, "", BEST);
    assert_int_equal(s.condition, TN_IS_FAILED); /* never began */
    assert_int_equal(s.progress.trial, -1);      /* nobody is ranked */
    assert_int_equal(status_of(&r, "", JUDGE).condition, TN_IS_STOPPED);
    assert_int_equal(status_of(&r, "", TABLE).condition, TN_IS_STOPPED);
    put("s", "search/DONE", "");
    assert_int_equal(status_of(&r, "", TABLE).condition, TN_IS_DONE);
    end(&r);
}

static void on_this_machine(void **unused) {
    (void)unused;
    run r = begin("m");
    r.plan->step[F0].state = TN_STEP_RUNNING;
    r.plan->step[F1].state = TN_STEP_FAILED;
    r.plan->step[F1].exit_code = 5;
    strcpy(r.plan->step[F1].last_line, "no memory");
    r.plan->step[F2].state = TN_STEP_DONE; /* but its folder was deleted */
    r.plan->step[P1].state = TN_STEP_STOPPED;
    r.plan->step[P1].exit_code = 6;
    assert_int_equal(status_of(&r, "", F0).condition, TN_IS_RUNNING);
    tn_step_status s = status_of(&r, "", F1);
    assert_int_equal(s.condition, TN_IS_FAILED);
    assert_string_equal(s.why, "exit code 5: no memory");
    assert_int_equal(status_of(&r, "", F2).condition, TN_IS_WAITING);
    assert_int_equal(status_of(&r, "", P1).condition, TN_IS_STOPPED);
    end(&r);
}

/* Words of files with control characters: a terminal shall show them, not obey them. */
static void the_table(void **unused) {
    (void)unused;
    run r = begin("t");
    char *text = NULL;
    size_t n = 0;
    put("t", "train/r0-f0-s224-x1/journal.jsonl",
        "{\"images\": 32, \"best\": true, \"validation\": {\"geometric_mean\": 0.5}, \"training_seconds\": 4}\n");
    put("t", "train/r0-f0-s224-x1/heartbeat", "8 2 5 9 2 images\x1B[2J of\x07\n");
    r.plan->step[F0].state = TN_STEP_RUNNING;
    r.plan->step[F1].state = TN_STEP_FAILED;
    r.plan->step[F1].exit_code = 4;
    strcpy(r.plan->step[F1].last_line, "x\x1B[2J.png is damaged");
    FILE *f = open_memstream(&text, &n);
    assert_int_equal(tn_status_print(r.cfg, r.plan, f), TN_OK);
    fclose(f);
    assert_non_null(strstr(text, ", now images\\x1b[2J of\\x07"));
    assert_non_null(strstr(text, "\n    exit code 4: x\\x1b[2J.png is damaged\n    log: "));
    assert_null(strpbrk(text, "\x1B\x07"));
    free(text);
    end(&r);
}

/* What `status --watch` shows on a terminal after so many looks, one every five seconds, at a run whose sign stays the same. */
static char *watched(run *r, int looks) {
    char *text = NULL, path[300];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/.run.lock", r->plan->start.run_dir);
    assert_int_equal(tn_lock_take(path, "the run", &run_lock), TN_OK);
    r->plan->step[F0].state = TN_STEP_RUNNING;
    assert_int_equal(tn_plan_publish(r->plan), TN_OK);
    looks_left = looks;
    FILE *f = open_memstream(&text, &n);
    assert_int_equal(tn_status_watch(r->cfg, r->plan, 0, f), TN_EUNFINISHED);
    fclose(f);
    assert_null(run_lock);
    return text;
}

/* A cell that writes a sign every two seconds is silent after a minute; one that writes every thirty, after four of them. */
static void silent(void **unused) {
    (void)unused;
    static const struct {
        const char *sign;
        int looks;
        const char *says;
    } CASE[] = {{"8 2 64 128 16 r0-f0-s224-x1\n", 11, NULL},
                {"8 2 64 128 16 r0-f0-s224-x1\n", 14, ", no heartbeat for 70 s"},
                {"8 30 64 128 16 r0-f0-s224-x1\n", 23, NULL},
                {"8 30 64 128 16 r0-f0-s224-x1\n", 26, ", no heartbeat for 130 s"}};
    run r = begin("w");
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) {
        put("w", "train/r0-f0-s224-x1/heartbeat", CASE[i].sign);
        char *text = watched(&r, CASE[i].looks), *at = strstr(text, ", no heartbeat");
        assert_non_null(strstr(text, "running"));
        assert_int_equal(at != NULL, CASE[i].says != NULL);
        if (CASE[i].says) assert_non_null(strstr(text, CASE[i].says));
        free(text);
    }
    end(&r);
}

/* The count rises only where there is news, and the file goes with the cell. */
static void signs(void **unused) {
    (void)unused;
    const char *path = unit_path("heartbeat");
    tn_progress p;
    tn_heartbeat s;
    tn_progress_heartbeat(path);
    assert_false(tn_heartbeat_read(path, &s));
    tn_progress_begin(&p, "r0-f0 of it", 100, "images");
    tn_progress_at(&p, 40, NULL);
    assert_true(tn_heartbeat_read(path, &s));
    assert_int_equal(s.count, 1);
    assert_int_equal(s.done, 40);
    assert_int_equal(s.total, 100);
    assert_string_equal(s.label, "r0-f0 of it");
    tn_progress_at(&p, 41, NULL); /* at once: too early for another */
    assert_true(tn_heartbeat_read(path, &s));
    assert_int_equal(s.count, 1);
    assert_true(s.every_s == 2);
    setenv("TENFOLD_JOB", "7_1", 1); /* many of them share the file system */
    passed_s += 29;
    tn_progress_at(&p, 42, NULL);
    assert_true(tn_heartbeat_read(path, &s));
    assert_int_equal(s.count, 1);
    passed_s += 2;
    tn_progress_at(&p, 43, NULL);
    assert_true(tn_heartbeat_read(path, &s));
    assert_int_equal(s.count, 2);
    assert_true(s.every_s == 30 && s.done == 43);
    unsetenv("TENFOLD_JOB");
    passed_s += 3;
    snprintf(p.label, sizeof p.label, "short"); /* over a longer line */
    tn_progress_at(&p, 44, NULL);
    assert_true(tn_heartbeat_read(path, &s));
    assert_int_equal(s.count, 3);
    assert_string_equal(s.label, "short");
    unit_write("half", "3 4");
    assert_false(tn_heartbeat_read(unit_path("half"), &s));
    tn_progress_heartbeat(NULL);
    assert_false(tn_file_exists(path));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_queue), cmocka_unit_test(after_it),  cmocka_unit_test(on_this_machine),
        cmocka_unit_test(a_search),     cmocka_unit_test(the_table), cmocka_unit_test(silent),
        cmocka_unit_test(signs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
