/* drill.c - tenfold drill: disturbs a small run at random points and checks that its results stay bitwise the same. */
#include "cli/args.h"

#include "base/progress.h"
#include "drill/drill.h"
#include "store/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The drill has a folder beside the run's own one, which it never touches. */
static tn_status set_run_dir(const tn_args *args, tn_cfg *cfg) {
    char whole[TN_PATH_BYTES];
    if (!args->run_dir) TN_TRY(tn_path(cfg->run_dir, "%s-drill", cfg->run_dir));
    TN_TRY(tn_folder_make(cfg->run_dir));
    if (!realpath(cfg->run_dir, whole)) return tn_fail(TN_EIO, "%s: %s", cfg->run_dir, strerror(errno));
    return tn_path(cfg->run_dir, "%s", whole);
}

/* The drill holds the lock of its folder, because it removes the files in it. */
static tn_status drill_locked(const tn_args *args, tn_cfg *cfg, const tn_drill_how *how) {
    char path[TN_PATH_BYTES];
    tn_lock *lock = NULL;
    TN_TRY(tn_path(path, "%s/.run.lock", cfg->run_dir));
    TN_TRY(tn_lock_take(path, cfg->run_dir, &lock));
    tn_status st = args->slurm ? tn_drill_slurm(cfg, how) : tn_drill(cfg, how);
    tn_lock_drop(&lock);
    return st;
}

static tn_status print_table(const tn_cfg *cfg) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/drill.md", cfg->run_dir));
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_file_read(path, &text, &n));
    tn_print(stdout, "%s", text);
    free(text);
    return TN_OK;
}

static tn_status verb_drill(const tn_args *args) {
    tn_cfg *cfg = NULL;
    tn_drill_how how = {.n_runs = args->runs ? args->runs : 20,
                        .seed = args->seed < 0 ? 1 : (uint64_t)args->seed,
                        .node_command = args->node_command};
    if (args->node_command && !args->slurm)
        return tn_fail(TN_EARG, "--node-command %s: give --slurm, too: only Slurm has nodes to crash",
                       args->node_command);
    TN_TRY(tn_cfg_read(args->word[0], args->n_set, (char **)args->set, args->run_dir, &cfg));
    tn_status st = set_run_dir(args, cfg);
    if (st == TN_OK) st = tn_drill_shrink(cfg);
    if (st == TN_OK) st = drill_locked(args, cfg, &how);
    if (st == TN_OK) st = print_table(cfg);
    tn_cfg_free(&cfg);
    return st;
}

const tn_verb tn_verb_drill = {
    .name = "drill",
    .words = "JOB.cfg",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_DRILL | TN_OPT_SLURM,
    .summary = "rehearsal: kill a small run at random points, check its results",
    .help =
        "Shrinks the job to a few hundred rows and a tiny network and runs it once undisturbed. Then runs it --runs\n"
        "times more, disturbs each run at a random point (SIGKILL of a rank, of the launcher, of all; stop\n"
        "signals; a second process on the same run) and continues it on another number of ranks. Exit code 0 if\n"
        "all runs ended with the same bits.\n"
        "--slurm: submits small runs, disturbs one running task of each (requeue, time limit signal, end, cancel;\n"
        "crash of its node by --node-command), and submits the missing steps again.\n"
        "writes  RUN/drill.md, RUN/drill.csv (default RUN: results/<job file's name>-drill)\n\n"
        "example: tenfold drill jobs/baseline.cfg --runs 100 --seed 7",
    .run = verb_drill,
};
