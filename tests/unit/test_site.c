/* test_site.c - what a job file and site.env may ask of sbatch. */
#include "slurm_job.h"

#include "slurm/gpus.h"
#include "slurm/site.h"

/* What would break the suite is refused where it stands; any beginning of such a name is, as getopt takes it, but none
 * of another option that begins alike. */
static void options(void **unused) {
    (void)unused;
    static const struct {
        const char *word, *says;
    } bad[] = {{"--array=0-3", "the tasks of an array are the cells that are missing"},
               {"--dep=afterok:1", "the stages wait for each other"},
               {"--output=x", "read the logs"},
               {"--wrap=x", "every job is stage.sh"},
               {"--no-requeue", "stage.sh decides what is queued again"},
               {"--wait", "`submit` would wait for the end of each job"},
               {"--time=9", "set slurm: { train: { minutes = 600; }; };"},
               {"--mem=9G", "set slurm.memory_gib, or that of a stage"},
               {"--partition=x", "set slurm.partition, or that of a stage"},
               {"-Cepyc", "write the long name"},
               {"epyc", "it is no option: write an option and its value as one word"},
               {"--=x", "it has no name"},
               {"--gres=x:1", "sbatch takes the last --gres"}};
    tn_cfg *cfg = NULL;
    char text[1024];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text,
                 "%sslurm: { gpus_per_node = 1;\ntrain: { options = [ \"--exclusive\",\n\"%s\" ]; }; };\n", JOB,
                 bad[i].word);
        assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
        char where[128];
        snprintf(where, sizeof where,
                 "my.cfg:%d: slurm.train.options: \"%s\": ", i + 1 == sizeof bad / sizeof *bad ? 5 : 6, bad[i].word);
        unit_says(where);
        unit_says(bad[i].says);
    }
    cfg = read_job(
        "options = [ \"--mem-bind=local\", \"--time-min=5\", \"--nodelist=a\", \"--verbose\", \"--gres=x:1\" ]; ");
    assert_int_equal(cfg->slurm.options.n, 5);
    tn_cfg_free(&cfg);
    snprintf(text, sizeof text,
             "%sslurm: {\ntrain_minutes = 5; trian: { minutes = 5; };\npreprocess: { hours = 1; }; };\n", JOB);
    assert_int_equal(tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
    unit_says("my.cfg:5: slurm.train_minutes is slurm.train.minutes now: write train: { minutes = ...; }; in the group "
              "slurm\n");
    unit_says("my.cfg:5: unknown key slurm.trian.minutes: did you mean slurm.train.minutes?\n");
    unit_says("my.cfg:6: unknown key slurm.preprocess.hours");
    /* what is printed reads back, lists and groups in groups too */
    cfg = read_job("partition = \"gpu\"; options = [ \"--constraint=a|b\", \"--exclusive\" ]; "
                   "preprocess: { partition = \"cpu\"; options = [ \"--comment=x y\" ]; }; reduce: { minutes = 9; }; ");
    char *shown[2] = {NULL, NULL};
    for (int k = 0; k < 2; k++) {
        size_t n = 0;
        FILE *f = open_memstream(&shown[k], &n);
        tn_cfg_print(cfg, f);
        fclose(f);
        tn_cfg_free(&cfg);
        if (k == 0 && tn_cfg_read(unit_write("my.cfg", shown[0]), 0, NULL, NULL, &cfg) != TN_OK) fail_msg("%s", tn_msg);
    }
    assert_non_null(strstr(shown[1], "    options = [ \"--comment=x y\" ];"));
    free(shown[0]);
    free(shown[1]);
}

static tn_status read_site(const char *text, const char *job, tn_cfg **cfg_out, tn_site *site) {
    *cfg_out = read_job(job);
    *site = (tn_site){.gres = "gpu"};
    snprintf(site->env, sizeof site->env, "%s", unit_write("site.env", text));
    return tn_site_read(site, *cfg_out);
}

static void site_env(void **unused) {
    (void)unused;
    tn_cfg *cfg = NULL;
    tn_site site;
    assert_int_equal(read_site("# a comment with TENFOLD_QOS=no\n"
                               "module load openmpi/4.1\n"
                               "export PATH=$HOME/bin:$PATH\n"
                               "TENFOLD_LAUNCHER=srun\n"
                               "export TENFOLD_PARTITION='two words'  # of the site\n"
                               "TENFOLD_ACCOUNT=\"a-1\"\n"
                               "TENFOLD_GRES=gpu:a100\n"
                               "TENFOLD_EXEC=\"apptainer exec x.sif\"\n"
                               "TENFOLD_TRAIN_MINUTES=90\n"
                               "TENFOLD_REDUCE_MINUTES=5\n"
                               "TENFOLD_PREPROCESS_PARTITION=cpu\n"
                               "TENFOLD_OPTIONS='--constraint=[a|b]  --exclusive'\n"
                               "TENFOLD_TRAIN_OPTIONS=--gres=disk:10",
                               "train: { minutes = 30; };", &cfg, &site),
                     TN_OK);
    assert_string_equal(cfg->slurm.partition, "two words");
    assert_string_equal(cfg->slurm.account, "a-1");
    assert_string_equal(cfg->slurm.qos, "");
    assert_string_equal(site.gres, "gpu:a100");
    assert_int_equal(cfg->slurm.train.minutes, 30); /* the job file's */
    assert_int_equal(cfg->slurm.reduce.minutes, 5);
    assert_string_equal(cfg->slurm.preprocess.partition, "cpu");
    assert_int_equal(cfg->slurm.options.n, 2);
    assert_string_equal(cfg->slurm.options.at[0], "--constraint=[a|b]");
    assert_string_equal(cfg->slurm.options.at[1], "--exclusive");
    assert_string_equal(cfg->slurm.train.options.at[0], "--gres=disk:10");
    tn_cfg_free(&cfg);
    assert_int_equal(
        read_site("\xEF\xBB\xBFTENFOLD_QOS=night\r\n\r\nTENFOLD_LAUNCHER=srun\r\nTENFOLD_ACCOUNT='a b' # c\r\n", "",
                  &cfg, &site), /* an editor under Windows */
        TN_OK);
    assert_string_equal(cfg->slurm.qos, "night");
    assert_string_equal(cfg->slurm.account, "a b");
    tn_cfg_free(&cfg);
    const struct {
        const char *text, *says;
    } bad[] = {
        {"\nTENFOLD_PARTITION=$(hostname)\n", "site.env:2: `TENFOLD_PARTITION=$(hostname)`"},
        {"TENFOLD_QOS=\"a$b\"\n", "site.env:1: "},
        {"TENFOLD_QOS=a b\n", "site.env:1: "},
        {"TENFOLD_QOS='a\n", "site.env:1: "},
        {"TENFOLD_QOS\n", "site.env:1: "},
        {"TENFOLD_TRAIN_MINUTE=9\n", "site.env:1: unknown key slurm.train_minute: did you mean slurm.train.minutes?"},
        {"TENFOLD_TRAIN_MINUTES=soon\n", "site.env:1: slurm.train.minutes"},
        {"\nTENFOLD_OPTIONS='--exclusive --array=1'\n",
         "site.env:2: slurm.options: \"--array=1\": the tasks of an array are the cells that are missing"},
        {"TENFOLD_BIND=socket\n", "site.env:1: TENFOLD_BIND=socket: give none or core"},
        {"TENFOLD_LAUNCHER=aprun\n", "TENFOLD_LAUNCHER=aprun: give mpirun, mpiexec or srun"},
        {"TENFOLD_LAUNCHER='srunx --mpi=pmi2'\n", "give mpirun, mpiexec or srun"},
        {"TENFOLD_LAUNCHER=/opt/mpirun/aprun\n", "give mpirun, mpiexec or srun"}};
    static const char *const GOOD[] = {"mpirun",
                                       "srun",
                                       "'srun --mpi=pmi2'",
                                       "mpirun.mpich",
                                       "/opt/mpi/bin/mpiexec.hydra",
                                       "\"mpirun --bind-to core\""};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        char text[128];
        snprintf(text, sizeof text, "TENFOLD_LAUNCHER=%s\n", GOOD[i]);
        if (read_site(text, "", &cfg, &site) != TN_OK) fail_msg("%s: %s", GOOD[i], tn_msg);
        tn_cfg_free(&cfg);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_site(bad[i].text, "", &cfg, &site), TN_EARG);
        unit_says(bad[i].says);
        tn_cfg_free(&cfg);
    }
}

/* Jobs that compute on GPUs must ask for some, by the key or in words of their own. */
static void gpus(void **unused) {
    (void)unused;
    static const struct {
        const char *slurm, *device;
        tn_status status;
        const char *says;
    } job[] = {
        {"", "cpu", TN_OK, ""},
        {"ranks_per_node = 2;", "cuda", TN_EARG, "the jobs ask for no GPU: set slurm.gpus_per_node = 2"},
        {"preprocess: { options = [ \"--gres=gpu:1\" ]; };", "cuda", TN_EARG, "ask for no GPU"},
        {"options = [ \"--gres=disk:1\" ];", "cuda", TN_EARG, "ask for no GPU"},
        {"options = [ \"--gres=gpu:h100:2\" ]; ranks_per_node = 2;", "cuda", TN_OK, ""},
        {"train: { options = [ \"--gpus-per-node=1\" ]; };", "cuda", TN_OK, ""},
        {"options = [ \"--exclusive\" ];", "cuda", TN_OK, ""},
        {"gpus_per_node = 2; ranks_per_node = 2;", "cuda", TN_OK, ""},
        {"gpus_per_node = 4; ranks_per_node = 2;", "cuda", TN_OK, "a rank uses one GPU, the others are idle"},
        {"gpus_per_node = 1; ranks_per_node = 2;", "cuda", TN_OK, "ranks share a GPU"},
        {"gpus_per_node = 1;", "cpu", TN_OK, "nothing will use these GPUs"},
    };
    for (size_t i = 0; i < sizeof job / sizeof *job; i++) {
        tn_cfg *cfg = read_job(job[i].slurm);
        char *said = NULL;
        size_t n = 0;
        cfg->train.device = strcmp(job[i].device, "cuda") == 0 ? TN_DEVICE_CUDA : TN_DEVICE_CPU;
        FILE *errs = stderr;
        stderr = open_memstream(&said, &n);
        tn_status st = tn_gpus_check(cfg);
        fclose(stderr);
        stderr = errs;
        if (st != job[i].status || !strstr(st == TN_OK ? said : tn_msg, job[i].says) || (!*job[i].says && *said))
            fail_msg("%s: %d, %s%s", job[i].slurm, (int)st, said, tn_msg);
        free(said);
        tn_cfg_free(&cfg);
    }
}

/* The site.env that is read is the first that is there. */
static void site_place(void **unused) {
    (void)unused;
    tn_site site;
    unsetenv("TENFOLD_SITE_ENV");
    setenv("HOME", unit_path("home"), 1);
    setenv("XDG_CONFIG_HOME", unit_path("xdg"), 1);
    assert_int_equal(tn_folder_make(unit_path("home/.config/tenfold")), TN_OK);
    assert_int_equal(tn_folder_make(unit_path("xdg/tenfold")), TN_OK);
    const char *in_home = unit_write("home/.config/tenfold/site.env", ""), *given = unit_write("given.env", "");
    assert_int_equal(tn_site_find(&site), TN_OK);
    assert_string_equal(site.env, in_home);
    const char *in_xdg = unit_write("xdg/tenfold/site.env", "");
    assert_int_equal(tn_site_find(&site), TN_OK);
    assert_string_equal(site.env, in_xdg);
    setenv("TENFOLD_SITE_ENV", given, 1);
    assert_int_equal(tn_site_find(&site), TN_OK);
    assert_string_equal(site.env, given);
    setenv("TENFOLD_SITE_ENV", unit_path("none.env"), 1);
    assert_int_equal(tn_site_find(&site), TN_EARG);
    unit_says("none.env: there is no such file");
    unsetenv("TENFOLD_SITE_ENV");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(site_place), cmocka_unit_test(options),
                                       cmocka_unit_test(site_env), cmocka_unit_test(gpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
