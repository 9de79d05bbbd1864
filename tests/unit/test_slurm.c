/* test_slurm.c - what is submitted, as lines written down by hand; what squeue says. */
#include "slurm_job.h"

#include "run/job_record.h"
#include "run/queue.h"
#include "slurm/batch.h"

/* A plan, and which of its steps are missing. */
typedef struct {
    tn_plan *plan;
    bool missing[128];
} left;

static left begin(const tn_cfg *cfg, const char *run_dir) {
    left l = {.plan = NULL};
    tn_start start = {.folder = "/data"};
    snprintf(start.run_dir, sizeof start.run_dir, "%s", run_dir);
    assert_int_equal(tn_plan_make(cfg, &start, &l.plan), TN_OK);
    assert_true(l.plan->n <= 128);
    return l;
}

/* bits: of the steps of a stage, the first one is bit 0. */
static void mark(left *l, const char *verb, unsigned bits) {
    for (int i = 0, k = 0; i < l->plan->n; i++)
        if (strcmp(l->plan->step[i].stage->verb, verb) == 0) l->missing[i] = bits >> k++ & 1;
}

/* Two rounds of three cells. */
static left rest(const tn_cfg *cfg, const char *run_dir, unsigned train, unsigned predict, bool preprocess, bool filter,
                 bool finish) {
    left l = begin(cfg, run_dir);
    mark(&l, "preprocess", preprocess);
    mark(&l, "explore", preprocess);
    mark(&l, "train", train);
    mark(&l, "predict", predict);
    mark(&l, "filter", filter);
    mark(&l, "reduce", finish);
    mark(&l, "report", finish);
    return l;
}

static tn_batches *make(const tn_cfg *cfg, left *l) {
    tn_batches *b = NULL;
    assert_int_equal(tn_batches_make(cfg, l->plan, l->missing, &b), TN_OK);
    return b;
}

static void prints(const tn_cfg *cfg, left l, const char *want) {
    char *text = NULL;
    size_t n = 0;
    tn_site site = {.stage = "/opt/stage.sh", .gres = "gpu:a100"};
    tn_memory memory = {.preprocess_mib = 11, .train_mib = 22, .one_mib = 33};
    FILE *f = open_memstream(&text, &n);
    tn_batches *b = make(cfg, &l);
    assert_int_equal(tn_batches_print(&(tn_batch_about){cfg, l.plan, &site, "/opt/tenfold", &memory}, b, f), TN_OK);
    fclose(f);
    assert_string_equal(text, want);
    free(text);
    tn_batches_free(&b);
    tn_plan_free(&l.plan);
}

#define SBATCH "$(sbatch --parsable --requeue --open-mode=append --kill-on-invalid-dep=yes "
#define ONE    "--nodes=1 --cpus-per-task=2 "
#define WIDE   "--nodes=1-2 --cpus-per-task=4 "
#define RUN    "/opt/stage.sh /opt/tenfold '' /data/my "

static void whole_run(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job(
        "nodes = [ 1, 2 ]; ranks_per_node = 2; max_running = 2; train: { minutes = 600; }; predict: { minutes = 30; }; "
        "gpus_per_node = 2; memory_gib = 8;");
    prints(cfg, rest(cfg, "/data/my", 63, 63, true, true, true),
           "preprocess=" SBATCH "--job-name=my.preprocess --chdir=/data --output=/data/my/log/preprocess-%j.log "
           "--signal=B:USR1@120 " WIDE "--mem=8192M " RUN "preprocess f3/3 2 preprocess -explore)\n"
           "train_r0=" SBATCH "--job-name=my.train.r0 --chdir=/data --output=/data/my/log/train.r0-%A_%a.log "
           "--array=0-2%2 --time=630 --signal=B:USR1@300 " WIDE
           "--mem=8192M --gres=gpu:a100:2 --dependency=afterok:$preprocess " RUN
           "train.r0 f3/3 2 'train --round 0 --part @/3' 'predict --round 0 --part @/3' 'filter --round 0 "
           "--if-complete')\n"
           "train_r1=" SBATCH "--job-name=my.train.r1 --chdir=/data --output=/data/my/log/train.r1-%A_%a.log "
           "--array=0-2%2 --time=630 --signal=B:USR1@300 " WIDE
           "--mem=8192M --gres=gpu:a100:2 --dependency=afterok:$preprocess,afterany:$train_r0 " RUN
           "train.r1 f3/3 2 'filter --round 0' 'train --round 1 --part @/3' 'predict --round 1 --part @/3')\n"
           "finish=" SBATCH "--job-name=my.finish --chdir=/data --output=/data/my/log/finish-%j.log "
           "--signal=B:USR1@120 " ONE "--mem=8192M --dependency=afterany:$train_r0,afterany:$train_r1 " RUN
           "finish f3/3 1 reduce report)\n");
    tn_cfg_free(&cfg);
}

/* The probe trains on what preprocess made, with the resources of a cell; all arrays wait for it. Here preprocess is done. */
static void a_probe_before_the_arrays(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("ranks_per_node = 2; gpus_per_node = 2; memory_gib = 8; train: { minutes = 60; };");
    cfg->self.probe = true;
    cfg->self.max_rounds = 0;
    left l = rest(cfg, "/data/my", 7, 7, false, false, false);
    mark(&l, "probe", 1);
    prints(cfg, l,
           "probe=" SBATCH "--job-name=my.probe --chdir=/data --output=/data/my/log/probe-%j.log "
           "--time=60 --signal=B:USR1@300 --nodes=1 --cpus-per-task=4 --mem=8192M --gres=gpu:a100:2 " RUN
           "probe f3/3 2 probe)\n"
           "train_r0=" SBATCH "--job-name=my.train.r0 --chdir=/data --output=/data/my/log/train.r0-%A_%a.log "
           "--array=0-2 --time=60 --signal=B:USR1@300 --nodes=1 --cpus-per-task=4 "
           "--mem=8192M --gres=gpu:a100:2 --dependency=afterok:$probe " RUN
           "train.r0 f3/3 2 'train --round 0 --part @/3' 'predict --round 0 --part @/3')\n");
    tn_cfg_free(&cfg);
}

/* The student trains with the resources of a cell, after the ensemble, and its job makes the report. Here the arrays are done. */
static void a_student_after_the_ensemble(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("ranks_per_node = 2; gpus_per_node = 2; memory_gib = 8; train: { minutes = 60; };");
    cfg->distil.student = true;
    left l = rest(cfg, "/data/my", 0, 0, false, false, true);
    mark(&l, "distil", 1);
    prints(cfg, l,
           "finish=" SBATCH "--job-name=my.finish --chdir=/data --output=/data/my/log/finish-%j.log "
           "--signal=B:USR1@120 " ONE "--mem=8192M " RUN "finish f3/3 1 reduce)\n"
           "distil=" SBATCH "--job-name=my.distil --chdir=/data --output=/data/my/log/distil-%j.log "
           "--time=60 --signal=B:USR1@300 --nodes=1 --cpus-per-task=4 --mem=8192M --gres=gpu:a100:2 "
           "--dependency=afterok:$finish " RUN "distil f3/3 2 distil report)\n");
    l = rest(cfg, "/data/my", 0, 0, false, false, false);
    mark(&l, "report", 1);
    prints(cfg, l,
           "report=" SBATCH "--job-name=my.report --chdir=/data --output=/data/my/log/report-%j.log "
           "--signal=B:USR1@120 " ONE "--mem=8192M " RUN "report f3/3 1 report)\n");
    tn_cfg_free(&cfg);
}

/* Round 0 is done but for the prediction of cell 1; cells 0 and 2 of round 1 are not trained; words of the job file
 * that a shell would take apart. */
static void rest_of_a_run(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("partition = \"a b\"; account = \"x'$(rm -rf .)\"; allow_missing = true;");
    prints(cfg, rest(cfg, "/data/50% of it", 8 | 32, 2 | 8 | 32, false, false, true),
           "train_r0=" SBATCH "'--job-name=50% of it.train.r0' --chdir=/data "
           "'--output=/data/50%% of it/log/train.r0-%A_%a.log' --array=1 --signal=B:USR1@120 " ONE
           "--mem=22M '--partition=a b' '--account=x'\\''$(rm -rf .)' /opt/stage.sh /opt/tenfold '' '/data/50% of it' "
           "train.r0 f3/3 1 'train --round 0 --part @/3' 'predict --round 0 --part @/3')\n"
           "train_r1=" SBATCH "'--job-name=50% of it.train.r1' --chdir=/data "
           "'--output=/data/50%% of it/log/train.r1-%A_%a.log' --array=0,2 --signal=B:USR1@120 " ONE
           "--mem=22M '--partition=a b' '--account=x'\\''$(rm -rf .)' /opt/stage.sh /opt/tenfold '' '/data/50% of it' "
           "train.r1 f3/3 1 'train --round 1 --part @/3' 'predict --round 1 --part @/3')\n"
           "finish=" SBATCH "'--job-name=50% of it.finish' --chdir=/data '--output=/data/50%% of it/log/finish-%j.log' "
           "--signal=B:USR1@120 " ONE "--mem=33M '--partition=a b' '--account=x'\\''$(rm -rf .)' "
           "--dependency=afterany:$train_r0,afterany:$train_r1 /opt/stage.sh /opt/tenfold '' "
           "'/data/50% of it' finish f3/3 1 'reduce --allow-missing' report)\n");
    prints(cfg, rest(cfg, "/data/my", 0, 0, false, false, false), "");
    tn_cfg_free(&cfg);
}

/* Each stage asks for its own; predictions in the last job ask for those of predict. Options stand last, and what ends
 * them stands behind them. */
static void stages(void **unused) {
    (void)unused;
#define MANY                                                                                                           \
    "partition = \"gpu\"; memory_gib = 9; gpus_per_node = 1; options = [ \"--constraint=a|b\", \"--exclusive\" ]; "    \
    "preprocess: { partition = \"cpu\"; minutes = 30; memory_gib = 2; options = [ \"--comment=x y\" ]; }; "            \
    "train: { partition = \"fast\"; }; predict: { minutes = 60; }; "                                                   \
    "reduce: { partition = \"cpu\"; minutes = 9; options = [ \"--qos=short\" ]; }; "
#define BOTH "'--constraint=a|b' --exclusive "
    tn_cfg *cfg = read_job(MANY);
    prints(cfg, rest(cfg, "/data/my", 9, 9, true, true, true),
           "preprocess=" SBATCH "--job-name=my.preprocess --chdir=/data --output=/data/my/log/preprocess-%j.log "
           "--time=30 --signal=B:USR1@300 " ONE "--mem=2048M --partition=cpu " BOTH "'--comment=x y' -- " RUN
           "preprocess f3/3 1 preprocess -explore)\n"
           "train_r0=" SBATCH "--job-name=my.train.r0 --chdir=/data --output=/data/my/log/train.r0-%A_%a.log --array=0 "
           "--signal=B:USR1@120 " ONE
           "--mem=9216M --gres=gpu:a100:1 --partition=fast --dependency=afterok:$preprocess " BOTH "-- " RUN
           "train.r0 f3/3 1 'train --round 0 --part @/3' 'predict --round 0 --part @/3' 'filter --round 0 "
           "--if-complete')\n"
           "train_r1=" SBATCH "--job-name=my.train.r1 --chdir=/data --output=/data/my/log/train.r1-%A_%a.log --array=0 "
           "--signal=B:USR1@120 " ONE
           "--mem=9216M --gres=gpu:a100:1 --partition=fast --dependency=afterok:$preprocess,afterany:$train_r0 " BOTH
           "-- " RUN "train.r1 f3/3 1 'filter --round 0' 'train --round 1 --part @/3' 'predict --round 1 --part @/3')\n"
           "finish=" SBATCH "--job-name=my.finish --chdir=/data --output=/data/my/log/finish-%j.log --time=9 "
           "--signal=B:USR1@270 " ONE
           "--mem=9216M --partition=cpu --dependency=afterany:$train_r0,afterany:$train_r1 " BOTH "--qos=short -- " RUN
           "finish f3/3 1 reduce report)\n");
    tn_cfg_free(&cfg);
}

/* Four trials on two folds, two of them in rung 1, then the judgement on fold 2. */
#define SEARCH                                                                                                         \
    "}; search: { trials = 4; folds = [ 0, 1 ]; rungs = [ 20, 50 ]; keep = 0.5; space = ( { key = "                    \
    "\"train.learning_rate\"; log_uniform = [ 0.001, 0.1 ]; } ); "

static void search(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("train: { minutes = 600; }; reduce: { minutes = 9; }; nodes = [ 2, 2 ]; " SEARCH);
    left l = begin(cfg, "/data/my");
    for (int i = 0; i < l.plan->n; i++) l.missing[i] = true;
    mark(&l, "trial", ~(1u << 12)); /* all but slot 0 of the judgement */
#define TWO "--nodes=2 --cpus-per-task=2 "
    prints(cfg, l,
           "preprocess=" SBATCH "--job-name=my.preprocess --chdir=/data --output=/data/my/log/preprocess-%j.log "
           "--signal=B:USR1@120 " TWO "--mem=33M " RUN "preprocess f3/3 1 preprocess -explore)\n"
           "trial_q0=" SBATCH "--job-name=my.trial.q0 --chdir=/data --output=/data/my/log/trial.q0-%A_%a.log "
           "--array=0-7 --time=600 --signal=B:USR1@300 " TWO "--mem=22M --dependency=afterok:$preprocess " RUN
           "trial.q0 p4/8 1 'trial --rung 0 --part @/8' 'rank --rung 0 --if-complete')\n"
           "trial_q1=" SBATCH "--job-name=my.trial.q1 --chdir=/data --output=/data/my/log/trial.q1-%A_%a.log "
           "--array=0-3 --time=600 --signal=B:USR1@300 " TWO
           "--mem=33M --dependency=afterok:$preprocess,afterany:$trial_q0 " RUN
           "trial.q1 p2/4 1 'rank --rung 0' 'trial --rung 1 --part @/4' 'rank --rung 1 --if-complete')\n"
           "trial_judge=" SBATCH "--job-name=my.trial.judge --chdir=/data --output=/data/my/log/trial.judge-%A_%a.log "
           "--array=1 --time=600 --signal=B:USR1@300 " TWO
           "--mem=33M --dependency=afterok:$preprocess,afterany:$trial_q1 " RUN
           "trial.judge p2/2 1 'rank --rung 1' 'trial --rung 2 --part @/2' 'rank --rung 2 --if-complete')\n"
           "finish=" SBATCH "--job-name=my.finish --chdir=/data --output=/data/my/log/finish-%j.log "
           "--time=9 --signal=B:USR1@270 " ONE
           "--mem=33M --dependency=afterany:$trial_q0,afterany:$trial_q1,afterany:$trial_judge " RUN
           "finish f3/3 1 'rank --rung 2' report)\n");
    tn_cfg_free(&cfg);

    cfg = read_job("max_jobs = 9; " SEARCH); /* 16 as it is, 9 with two cells per task */
    l = begin(cfg, "/data/my");
    for (int i = 0; i < l.plan->n; i++) l.missing[i] = true;
    tn_batches *b = make(cfg, &l);
    assert_int_equal(b->n_jobs, 9);
    assert_string_equal(b->at[1].command[0], "trial --rung 0 --part @/4");
    assert_string_equal(b->at[3].command[1], "trial --rung 2 --part @/1");
    tn_batches_free(&b);
    /* rung 0 is ranked; of rung 1 a cell is missing, the third of four */
    mark(&l, "preprocess", 0);
    mark(&l, "explore", 0);
    mark(&l, "trial", 1u << 10 | 3u << 12);
    mark(&l, "rank", 6);
    b = make(cfg, &l);
    assert_int_equal(b->n, 3);
    assert_int_equal(b->n_jobs, 4);
    assert_string_equal(b->at[0].command[0], "trial --rung 1 --part @/4");
    assert_true(b->at[0].n_wanted == 1 && b->at[0].wanted[0] == 2 && b->at[0].n_after == 0);
    tn_batches_free(&b);
    tn_plan_free(&l.plan);
    tn_cfg_free(&cfg);

    /* nothing waits for a job that only explores */
    cfg = read_job("nodes = [ 1, 2 ];");
    l = rest(cfg, "/data/my", 63, 63, false, true, true);
    mark(&l, "explore", 1);
    b = make(cfg, &l);
    assert_string_equal(b->at[0].command[0], "-explore");
    assert_true(b->n > 2 && b->at[1].n_after == 0);
    tn_batches_free(&b);
    tn_plan_free(&l.plan);
    tn_cfg_free(&cfg);
}

/* GPUs, and CPUs for the threads that feed them, are for the jobs that compute nets, and for no others. */
static void asks_for_gpus(const tn_cfg *cfg, int pilot_nodes, const char *const *label) {
    left l = begin(cfg, "/data/my");
    tn_site site = {.stage = "stage.sh", .gres = "gpu"};
    tn_memory memory = {.train_mib = 1};
    tn_batches *b = NULL;
    for (int i = 0; i < l.plan->n; i++) l.missing[i] = true;
    tn_status st = pilot_nodes ? tn_batches_pilot(l.plan, l.missing, pilot_nodes, &b)
                               : tn_batches_make(cfg, l.plan, l.missing, &b);
    assert_int_equal(st, TN_OK);
    for (int i = 0; i < b->n; i++) {
        tn_argv w = {0};
        bool gpus = false, cpus = false;
        assert_non_null(label[i]);
        assert_string_equal(b->at[i].label, label[i] + (*label[i] == '*'));
        assert_int_equal(tn_batch_argv(&(tn_batch_about){cfg, l.plan, &site, "tenfold", &memory}, b, i, &w), TN_OK);
        for (int k = 0; k < w.n; k++) {
            gpus = gpus || strcmp(w.at[k], "--gres=gpu:2") == 0;
            cpus = cpus || strcmp(w.at[k], "--cpus-per-task=14") == 0;
        }
        assert_int_equal(gpus, *label[i] == '*');
        assert_true(cpus || *label[i] != '*' || pilot_nodes);
        tn_argv_free(&w);
    }
    assert_null(label[b->n]);
    tn_batches_free(&b);
    tn_plan_free(&l.plan);
}

static void gpus(void **unused) {
    (void)unused;
    tn_cfg *cfg = NULL;
    char text[1024];
    char *set[] = {(char[]){"train.device=cuda"}, (char[]){"train.loader_threads=6"}, (char[]){"train.lane_threads=3"},
                   (char[]){"slurm.gpus_per_node=2"}, (char[]){"slurm.ranks_per_node=2"}};
    for (int k = 0; k < 2; k++) {
        snprintf(text, sizeof text, "%sslurm: { %s };\n", JOB, k ? SEARCH : "");
        assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 5, set, NULL, &cfg), TN_OK);
        asks_for_gpus(cfg, 0,
                      k ? (const char *[]){"preprocess", "*trial.q0", "*trial.q1", "*trial.judge", "finish", NULL}
                        : (const char *[]){"preprocess", "*train.r0", "*train.r1", "finish", NULL});
        asks_for_gpus(cfg, 3, (const char *[]){"*pilot", NULL});
        tn_cfg_free(&cfg);
    }
}

/* preprocess + 3 + 3 + finish = 8 as it is; with tasks of two cells 6; of three 4; 3 cannot be. */
static void packing(void **unused) {
    (void)unused;
    const struct { int most, n_jobs, n_tasks; } want[] = {{0, 8, 3}, {8, 8, 3}, {7, 6, 2}, {5, 4, 1}, {4, 4, 1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char text[32];
        snprintf(text, sizeof text, "max_jobs = %d;", want[i].most);
        tn_cfg *cfg = read_job(text);
        left l = rest(cfg, "/data/my", 63, 63, true, true, true);
        tn_batches *b = make(cfg, &l);
        assert_int_equal(b->n_jobs, want[i].n_jobs);
        assert_int_equal(b->at[1].n_tasks, want[i].n_tasks);
        assert_int_equal(b->at[1].n_wanted, want[i].n_tasks);
        tn_batches_free(&b);
        tn_plan_free(&l.plan);
        tn_cfg_free(&cfg);
    }
    tn_cfg *cfg = read_job("max_jobs = 3;");
    tn_batches *b = NULL;
    left l = rest(cfg, "/data/my", 63, 63, true, true, true);
    assert_int_equal(tn_batches_make(cfg, l.plan, l.missing, &b), TN_EARG);
    unit_says("slurm.max_jobs = 3: however tightly packed, what is missing takes 4 jobs");
    tn_plan_free(&l.plan);
    tn_cfg_free(&cfg);
}

/* Each size has an array of its own, the largest first, with its own nodes; six cells: folds 0 to 2 at 48 px, then at 24 px.
 * The filter waits for both, the last job for all. */
static void sizes(void **unused) {
    (void)unused;
    const unsigned cells = 1u << 1 | 1u << 4 | 63u << 6;
    char text[512];
    tn_cfg *cfg = NULL;
    tn_batches *b = NULL;
    snprintf(text, sizeof text, "%sslurm: { nodes = [ 2, 2 ]; size_nodes = [ 1, 4 ]; };\n", JOB);
    static char set_sizes[] = "train.sizes_px=[ 24, 48 ]";
    char *set[] = {set_sizes};
    if (tn_cfg_read(unit_write("my.cfg", text), 1, set, NULL, &cfg) != TN_OK) fail_msg("%s", tn_msg);
    left l = rest(cfg, "/data/my", cells, cells, false, true, true);
    b = make(cfg, &l);
    static const char *const LABEL[] = {"train.r0.s48", "train.r0.s24", "train.r1.s48", "train.r1.s24", "finish"};
    static const int N_AFTER[] = {0, 0, 2, 2, 4}, N_WANTED[] = {1, 1, 3, 3, 0}, FIRST[] = {0, 3, 0, 3, 0};
    static const char *const NODES[] = {"--nodes=2-4", "--nodes=1", "--nodes=2-4", "--nodes=1", "--nodes=1"};
    assert_int_equal(b->n, 5);
    for (int i = 0; i < 5; i++) {
        tn_argv w = {0};
        bool found = false;
        assert_string_equal(b->at[i].label, LABEL[i]);
        assert_int_equal(b->at[i].n_after, N_AFTER[i]);
        assert_int_equal(b->at[i].n_wanted, N_WANTED[i]);
        assert_int_equal(b->at[i].first_cell, FIRST[i]);
        tn_site site = {.stage = "stage.sh"};
        tn_memory memory = {.train_mib = 1};
        assert_int_equal(tn_batch_argv(&(tn_batch_about){cfg, l.plan, &site, "tenfold", &memory}, b, i, &w), TN_OK);
        for (int k = 0; k < w.n; k++) found = found || strcmp(w.at[k], NODES[i]) == 0;
        assert_true(found);
        tn_argv_free(&w);
    }
    assert_int_equal(b->at[0].wanted[0], 1);
    assert_int_equal(b->at[1].wanted[0], 1);
    assert_string_equal(b->at[3].command[1], "train --round 1 --size 24 --part @/3");
    assert_string_equal(b->at[1].command[2], "filter --round 0 --if-complete");
    tn_batches_free(&b);
    tn_plan_free(&l.plan);
    tn_cfg_free(&cfg);

    snprintf(text, sizeof text, "%sslurm: { size_nodes = [ 1, 4 ]; };\n", JOB);
    assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
    unit_says("my.cfg:4: slurm.size_nodes has 2 numbers: give one for each of the 1 train.sizes_px");
    snprintf(text, sizeof text, "%sslurm: { size_nodes = [ 5 ]; };\n", JOB);
    assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
    unit_says("my.cfg:4: slurm.size_nodes: 5 x slurm.ranks_per_node = 5 ranks: train.lanes = 4");
}

/* Largest first; dealt out like cards: of three cells two tasks have 0 and 2, and 1. */
static void tasks(void **unused) {
    (void)unused;
    static const char *const NAME[] = {"train r1-f0-s48-x1", "train r1-f0-s48-x2", "train r1-f1-s48-x1",
                                       "train r1-f1-s48-x2", "train r1-f2-s48-x1", "train r1-f2-s48-x2",
                                       "train r1-f0-s24-x1", "train r1-f0-s24-x2"};
    const int of_two[] = {0, 1, 0};
    for (int i = 0; i < 3; i++) assert_int_equal(tn_task_of(i, 2), of_two[i]);
    static char sizes[] = "train.sizes_px=[ 48, 24 ]", seeds[] = "train.seeds=[ 2, 1 ]";
    char *set[] = {sizes, seeds};
    tn_cfg *cfg = NULL;
    tn_plan *plan = NULL;
    tn_start start = {.run_dir = "/r"};
    if (tn_cfg_read(unit_write("my.cfg", JOB), 2, set, NULL, &cfg) != TN_OK) fail_msg("%s", tn_msg);
    assert_int_equal(tn_plan_make(cfg, &start, &plan), TN_OK);
    for (int i = 0; i < 8; i++)
        assert_string_equal(plan->step[15 + i].name, NAME[i]); /* preprocess, explore, round 0, filter */
    tn_plan_free(&plan);

    /* with max_jobs the missing cells 0 and 2 of round 0 may be one task's */
    tn_cfg_free(&cfg);
    cfg = read_job("max_jobs = 2;");
    left l = rest(cfg, "/data/my", 5, 5, false, false, true);
    tn_batches *b = make(cfg, &l);
    assert_string_equal(b->at[0].command[0], "train --round 0 --part @/2");
    assert_true(b->at[0].n_wanted == 1 && b->at[0].wanted[0] == 0);
    tn_batches_free(&b);
    tn_plan_free(&l.plan);
    tn_cfg_free(&cfg);
}

static void queue(void **unused) {
    (void)unused;
    tn_queue *q = NULL;
    assert_int_equal(tn_queue_parse("12|0|RUNNING|my.train.r0.f0|None\n"
                                    "12|10|PENDING|my.train.r0|JobArrayTaskLimit\n"
                                    "13|N/A|PENDING|my.filter.r1|job requeued in held state\n"
                                    "14|N/A|RUNNING|mine.filter.r1|None\n" /* another run's */
                                    "15|1|COMPLETING|my.a|b.r0|None\n"
                                    "17|N/A|REQUEUED|my.x|None\n"
                                    "half a line\n",
                                    "my", &q),
                     TN_OK);
    assert_int_equal(q->n, 5);
    assert_true(tn_queue_find(q, "12_0")->running);
    assert_null(tn_queue_find(q, "12_1"));
    assert_string_equal(tn_queue_find(q, "12_10")->reason, "JobArrayTaskLimit");
    assert_false(tn_queue_find(q, "13")->running);
    assert_string_equal(tn_queue_find(q, "13")->reason, "job requeued in held state");
    assert_null(tn_queue_find(q, "1"));
    assert_null(tn_queue_find(q, ""));
    assert_null(tn_queue_find(q, "14"));
    assert_string_equal(tn_queue_find(q, "15")->state, "COMPLETING");
    assert_false(tn_queue_find(q, "17")->running);
    tn_queue_free(&q);
}

static void commands(void **unused) {
    (void)unused;
    tn_argv w = {0};
    tn_output output;
    assert_int_equal(tn_argv_add(&w, "sh"), TN_OK);
    assert_int_equal(tn_argv_add(&w, "-c"), TN_OK);
    assert_int_equal(tn_argv_add(&w, "echo \"$1\"; echo no >&2; exit 3"), TN_OK);
    assert_int_equal(tn_argv_add(&w, "sh"), TN_OK);
    assert_int_equal(tn_argv_add(&w, "a'b $(c)"), TN_OK);
    assert_int_equal(tn_command(&w, &output), TN_OK);
    assert_int_equal(output.exit_code, 3);
    assert_string_equal(output.text, "a'b $(c)\n");
    assert_string_equal(output.errs, "no\n");
    tn_output_free(&output);
    tn_argv_free(&w);
    assert_int_equal(tn_argv_add(&w, "no-such-program-here"), TN_OK);
    assert_int_equal(tn_command(&w, &output), TN_EIO);
    unit_says("no-such-program-here: there is no such program here");
    tn_argv_free(&w);
}

static void job_file(void **unused) {
    (void)unused;
    tn_cfg *cfg = NULL;
    char text[512];
    snprintf(text, sizeof text, "%sslurm: { nodes = [ 2, 1 ]; };\n", JOB);
    assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
    unit_says("my.cfg:4: slurm.nodes = [ 2, 1 ]: give the fewest first");
    snprintf(text, sizeof text, "%sslurm: { nodes = [ 1, 3 ]; ranks_per_node = 2; };\n", JOB);
    assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
    unit_says("my.cfg:4: slurm.nodes x slurm.ranks_per_node = 6 ranks: train.lanes = 4");
    cfg = read_job("train: { minutes = 5; };");
    char *identity = tn_cfg_canonical(cfg, TN_KEYS_TRAIN);
    assert_null(strstr(identity, "slurm")); /* recorded, never part of an identity */
    free(identity);
    tn_cfg_free(&cfg);
    /* a copy is read as the job file that it was */
    assert_int_equal(tn_cfg_read_copy("/else/where/mine.cfg", unit_write("job.cfg", JOB), 0, NULL, NULL, &cfg), TN_OK);
    assert_string_equal(cfg->data.metadata, "/else/where/m.csv");
    assert_string_equal(cfg->data.metadata_given, "m.csv");
    assert_string_equal(cfg->name, "mine");
    tn_cfg_free(&cfg);
}

/* What a run of before ran out of, or what was enough in the end, counts where it is more than what is set or predicted. */
static void memory(void **unused) {
    (void)unused;
    static const char *const RECORD[] = {
        "job 1_0\nstate done\nexit_code 0\nfailures 0\nrestarts 1\nmemory_mib 450\nout_of_memory 1\n",
        "job 1_1\nstate failed\nexit_code 5\nfailures 0\nrestarts 2\nmemory_mib 1001\nout_of_memory 3\n",
        "job 1_2\nstate failed\nexit_code 2\nfailures 0\nrestarts 0\nmemory_mib 9000\nout_of_memory 0\n",
        "job 1_3\nstate running\nexit_code 0\nfailures 0\nrestarts 0\n"};
    char run_dir[TN_PATH_BYTES], name[64];
    snprintf(run_dir, sizeof run_dir, "%s", unit_path("learned"));
    assert_int_equal(tn_folder_make(unit_path("learned/slurm")), TN_OK);
    assert_int_equal(tn_job_record_memory(run_dir, "train.r0", 4), 0);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "learned/slurm/train.r0.%d", i);
        unit_write(name, RECORD[i]);
    }
    unit_write("learned/slurm/finish", RECORD[0]);
    assert_int_equal(tn_job_record_memory(run_dir, "train.r0", 1), 450);
    assert_int_equal(tn_job_record_memory(run_dir, "train.r0", 4), 1501);
    assert_int_equal(tn_job_record_memory(run_dir, "finish", 0), 450);
    assert_int_equal(tn_job_record_memory(run_dir, "train.r1", 4), 0);
    static const int SET_GIB[] = {0, 1, 2, -1};
    static const char *const ASKED[] = {"--mem=1501M", "--mem=1501M", "--mem=2048M", NULL};
    for (int i = 0; i < 4; i++) {
        char set[64];
        tn_argv w = {0};
        snprintf(set, sizeof set, "memory_gib = %d;", SET_GIB[i]);
        tn_cfg *cfg = read_job(set);
        snprintf(cfg->run_dir, sizeof cfg->run_dir, "%s", run_dir);
        left l = rest(cfg, run_dir, 7, 0, false, false, false);
        tn_batches *b = make(cfg, &l);
        tn_site site = {.stage = "stage.sh"};
        tn_memory m = {.train_mib = 777};
        assert_int_equal(tn_batch_argv(&(tn_batch_about){cfg, l.plan, &site, "tenfold", &m}, b, 0, &w), TN_OK);
        const char *found = NULL;
        for (int k = 0; k < w.n; k++)
            if (strncmp(w.at[k], "--mem", 5) == 0) found = w.at[k];
        if (ASKED[i])
            assert_string_equal(found, ASKED[i]);
        else
            assert_null(found);
        tn_argv_free(&w);
        tn_batches_free(&b);
        tn_plan_free(&l.plan);
        tn_cfg_free(&cfg);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_run),
                                       cmocka_unit_test(a_probe_before_the_arrays),
                                       cmocka_unit_test(a_student_after_the_ensemble),
                                       cmocka_unit_test(rest_of_a_run),
                                       cmocka_unit_test(stages),
                                       cmocka_unit_test(search),
                                       cmocka_unit_test(gpus),
                                       cmocka_unit_test(packing),
                                       cmocka_unit_test(tasks),
                                       cmocka_unit_test(sizes),
                                       cmocka_unit_test(queue),
                                       cmocka_unit_test(commands),
                                       cmocka_unit_test(job_file),
                                       cmocka_unit_test(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
