/* test_crew.c - who gets which nodes of a pilot's job, and the words that start a step there; Slurm is a script here. */
#include "unit.h"

#include "slurm/crew.h"

#include <sys/stat.h>

static const char JOB[] = "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\n"
                          "folds: { count = 3; };\n"
                          "train: { images = 100; lanes = 4; sizes_px = [ 32, 48 ]; };\n"
                          "slurm: { cpus_per_rank = 2; size_nodes = [ 1, 2 ]; };\n";

static tn_crew *open_crew(tn_cfg **cfg_out, const char *launcher, int n_set, char **set) {
    char path[TN_PATH_BYTES];
    tn_crew *crew = NULL;
    snprintf(path, sizeof path, "%s:%s", unit_path("bin"), getenv("PATH"));
    setenv("PATH", path, 1);
    assert_int_equal(tn_folder_make(unit_path("bin")), TN_OK);
    assert_int_equal(chmod(unit_write("bin/scontrol", "#!/bin/sh\nprintf 'n1\\nn2\\n'\n"), 0755), 0);
    setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
    setenv("SLURM_JOB_CPUS_PER_NODE", "4(x2)", 1);
    setenv("TENFOLD_LAUNCHER", launcher, 1);
    if (tn_cfg_read(unit_write("my.cfg", JOB), n_set, set, NULL, cfg_out) != TN_OK) fail_msg("%s", tn_msg);
    if (tn_crew_open(*cfg_out, &crew) != TN_OK) fail_msg("%s", tn_msg);
    return crew;
}

static void assert_words(const tn_crew *crew, const tn_seats *seats, const char *want) {
    tn_argv w = {0};
    char line[512] = "";
    assert_int_equal(tn_crew_argv(crew, seats, &w), TN_OK);
    for (int i = 0; i < w.n; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", i ? " " : "", w.at[i]);
    assert_string_equal(line, want);
    tn_argv_free(&w);
}

/* Two nodes of four cores; a small cell takes two of them. */
static void seats(void **unused) {
    (void)unused;
    static const int NODE[] = {0, 0, 1, 1};
    tn_cfg *cfg = NULL;
    unsetenv("SLURM_MEM_PER_NODE");
    tn_crew *crew = open_crew(&cfg, "mpirun", 0, NULL);
    tn_step small = {.stage = tn_stage_find("train"), .cell = {.size_px = 32}},
            large = {.stage = tn_stage_find("train"), .cell = {.size_px = 48}},
            filter = {.stage = tn_stage_find("filter")};
    tn_seats at[4], more;
    assert_int_equal(tn_crew_nodes(crew), 2);
    for (int i = 0; i < 4; i++) { /* they fill up a node before they begin the next one */
        assert_true(tn_crew_take(crew, tn_crew_want(crew, cfg, &small), &at[i]));
        assert_int_equal(at[i].node[0], NODE[i]);
    }
    assert_false(tn_crew_take(crew, tn_crew_want(crew, cfg, &small), &more));
    tn_crew_give(crew, &at[1]);
    assert_false(
        tn_crew_take(crew, tn_crew_want(crew, cfg, &large), &more)); /* two nodes: there is one; and nothing is lost */
    tn_crew_give(crew, &at[3]);
    assert_true(tn_crew_take(crew, tn_crew_want(crew, cfg, &large), &more));
    assert_words(crew, &more, "mpirun --bind-to none --host n1:1,n2:1 -n 2");
    assert_false(tn_crew_take(crew, tn_crew_want(crew, cfg, &small), &at[1]));
    assert_false(tn_crew_take(crew, tn_crew_want(crew, cfg, &filter), &at[1])); /* a whole node */
    assert_words(crew, &at[0], "mpirun --bind-to none --host n1:1 -n 1");
    tn_crew_close(&crew);
    tn_cfg_free(&cfg);

    setenv("SLURM_MEM_PER_NODE", "100", 1); /* less than a cell is predicted to take: one at a time, not none */
    crew = open_crew(&cfg, "/opt/bin/srun --mpi=pmi2", 0, NULL);
    assert_true(tn_crew_take(crew, tn_crew_want(crew, cfg, &small), &at[0]));
    assert_true(tn_crew_take(crew, tn_crew_want(crew, cfg, &small), &at[1]));
    assert_int_equal(at[1].node[0], 1);
    assert_false(tn_crew_take(crew, tn_crew_want(crew, cfg, &small), &at[2]));
    assert_words(crew, &at[1],
                 "/opt/bin/srun --mpi=pmi2 --exact --kill-on-bad-exit=1 --mem=0 --nodelist n2 --nodes 1 "
                 "--ntasks-per-node=1 --cpus-per-task=2 -n 1");
    tn_crew_close(&crew);
    tn_cfg_free(&cfg);
}

/* Cells do not share the GPUs of a node; steps without a net need none. */
static void gpus(void **unused) {
    (void)unused;
    char *set[] = {(char[]){"slurm.gpus_per_node=2"}};
    tn_cfg *cfg = NULL;
    unsetenv("SLURM_MEM_PER_NODE");
    tn_crew *crew = open_crew(&cfg, "mpirun", 1, set);
    tn_step cell = {.stage = tn_stage_find("train"), .cell = {.size_px = 32}};
    tn_seats at[2], more;
    assert_int_equal(tn_crew_want(crew, cfg, &(tn_step){.stage = tn_stage_find("reduce")}).gpus, 0);
    for (int i = 0; i < 2; i++) {
        assert_true(tn_crew_take(crew, tn_crew_want(crew, cfg, &cell), &at[i]));
        assert_int_equal(at[i].node[0], i);
    }
    assert_false(tn_crew_take(crew, tn_crew_want(crew, cfg, &cell), &more)); /* cores are left */
    tn_crew_give(crew, &at[0]);
    assert_true(tn_crew_take(crew, tn_crew_want(crew, cfg, &cell), &more));
    tn_crew_close(&crew);
    tn_cfg_free(&cfg);
}

static void cores(void **unused) {
    (void)unused;
    int n[3];
    assert_int_equal(tn_crew_cores("4(x2),8", 3, n), TN_OK);
    assert_true(n[0] == 4 && n[1] == 4 && n[2] == 8);
    static const char *const BAD[] = {"4(x2)", "4(x4)", "", "4(x2),", "x", "4(x2,8", "0(x3)"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) assert_int_equal(tn_crew_cores(BAD[i], 3, n), TN_EIO);
    tn_crew *crew = NULL;
    tn_cfg *cfg = NULL;
    unsetenv("SLURM_JOB_NODELIST");
    assert_int_equal(tn_cfg_read(unit_write("my.cfg", JOB), 0, NULL, NULL, &cfg), TN_OK);
    assert_int_equal(tn_crew_open(cfg, &crew), TN_EARG);
    unit_says("not inside a Slurm job");
    tn_cfg_free(&cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(seats), cmocka_unit_test(gpus), cmocka_unit_test(cores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
