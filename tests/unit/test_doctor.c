/* test_doctor.c - verdicts on what ranks found, which is written down by hand here. */
#include "unit.h"

#include "doctor/doctor.h"

static const char RANKS[] =
    "{\"host\": \"node1\", \"cores\": 4, \"isa\": \"avx512\", \"locked\": 1, \"shm_mib\": 900.0},"
    "{\"host\": \"node1\", \"cores\": 4, \"isa\": \"avx512\", \"locked\": %d, \"shm_mib\": 900.0},"
    "{\"host\": \"node2\", \"cores\": %d, \"isa\": \"%s\", \"locked\": 1, \"shm_mib\": %s}";

static tn_findings find(const char *built, double fsync_ms, const char *h5, const char *seen, int locked, int cores,
                        const char *isa, const char *shm, double start_s) {
    char ranks[1024], text[2048], folder[256];
    snprintf(ranks, sizeof ranks, RANKS, locked, cores, isa, shm);
    snprintf(text, sizeof text,
             "{\"library\": \"Open MPI v4.1.4\", \"built\": \"%s\", \"hdf5\": \"1.10.8\", \"hdf5_error\": \"%s\", "
             "\"seen\": %s, "
             "\"fsync_ms\": %g, \"fsync_most_ms\": %g, \"ranks\": [%s]}",
             built, h5, seen, fsync_ms, 2 * fsync_ms, ranks);
    snprintf(folder, sizeof folder, "%s", unit_write("probe.json", text));
    *strrchr(folder, '/') = 0;
    tn_findings f = {.n = 0};
    if (tn_doctor_read_probe(folder, "mpirun", start_s, &f) != TN_OK) fail_msg("%s", tn_msg);
    return f;
}

static void is(const tn_findings *f, const char *name, tn_health health, const char *what) {
    for (int i = 0; i < f->n; i++) {
        if (strcmp(f->at[i].name, name) != 0) continue;
        if (f->at[i].health != health || !strstr(f->at[i].what, what))
            fail_msg("%s: health %d, %s", name, (int)f->at[i].health, f->at[i].what);
        assert_true((health == TN_GOOD) == (*f->at[i].remedy == 0)); /* what is not good has a remedy */
        return;
    }
    fail_msg("nothing about %s", name);
}

static void healthy(void **unused) {
    (void)unused;
    tn_findings f = find("Open MPI v4.1.4", 2, "", "true", 1, 4, "avx512", "900.0", 1);
    is(&f, "MPI by mpirun", TN_GOOD, "Open MPI v4.1.4, 3 ranks in 1.0 s");
    is(&f, "ranks on nodes", TN_GOOD, "ranks: 2 on node1, 1 on node2");
    is(&f, "binding", TN_GOOD, "4 cores");
    is(&f, "locks", TN_GOOD, "for every rank");
    assert_int_equal(tn_findings_bad(&f), 0);
    for (int i = 0; i < f.n; i++) assert_int_equal(f.at[i].health, TN_GOOD);
}

static void doubtful(void **unused) {
    (void)unused;
    tn_findings f = find("Open MPI v5.0.7", 250, "", "true", 0, 1, "avx2", "900.0", 40);
    is(&f, "MPI by mpirun", TN_DOUBTFUL, "in 40.0 s");
    is(&f, "MPI version", TN_DOUBTFUL, "built with Open MPI v5.0.7, runs with Open MPI v4.1.4");
    is(&f, "binding", TN_DOUBTFUL, "may use 1 cores");
    is(&f, "instruction set", TN_DOUBTFUL, "avx512 and others");
    is(&f, "locks", TN_DOUBTFUL, "another rank does not see a flock");
    is(&f, "fsync", TN_DOUBTFUL, "250.0 ms, at most 500.0");
    assert_int_equal(tn_findings_bad(&f), 0);
    f = find("", 2, "", "true", -1, 4, "avx512", "900.0", 1);
    is(&f, "locks", TN_DOUBTFUL, "does not work");
}

static void bad(void **unused) {
    (void)unused;
    tn_findings f = find("Open MPI v4.1.4", -1, "no space", "false", 1, 4, "avx512", "3.5", 1);
    is(&f, "shared memory", TN_BAD, "4 MiB free");
    is(&f, "one folder for all", TN_BAD, "does not see");
    is(&f, "fsync", TN_BAD, "cannot be written");
    is(&f, "HDF5", TN_BAD, "no space");
    assert_int_equal(tn_findings_bad(&f), 4);
    unit_write("probe.json", "{}");
    assert_int_equal(tn_doctor_read_probe(unit_folder, "mpirun", 1, &f), TN_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(healthy), cmocka_unit_test(doubtful), cmocka_unit_test(bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
