/* test_process.c - what the exit code of a launch means, and how many cores control groups allow. */
#include "unit.h"

#include "process/cores.h"
#include "process/launch.h"

static void exit_codes(void **unused) {
    (void)unused;
    char how[64];
    const struct {
        int code;
        tn_status st;
        const char *says;
    } want[] = {{2, TN_EARG, "exit code 2"},
                {5, TN_ENOMEM, "exit code 5"},
                {6, TN_EUNFINISHED, "exit code 6"},
                {7, TN_EBUSY, "exit code 7"},
                {70, TN_EBUG, "exit code 70"},
                {1, TN_EIO, "exit code 1"},
                {127, TN_EIO, "exit code 127"},
                {243, TN_EIO, "exit code 243"}, /* no signal has so high a number */
                {137, TN_EUNFINISHED, "killed by signal 9: out of memory?"},
                {143, TN_EUNFINISHED, "killed by signal 15"},
                {139, TN_EBUG, "crashed with signal 11"},
                {134, TN_EBUG, "crashed with signal 6"},
                {135, TN_EIO, "killed by signal 7: is /dev/shm or the disk full?"},
                {132, TN_EIO, "killed by signal 4: built for another processor?"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(tn_exit_status(want[i].code, how, sizeof how), want[i].st);
        assert_string_equal(how, want[i].says);
    }
}

/* A tree of control groups below the test's folder. */
static void group(const char *path, const char *file, const char *text) {
    char name[256];
    snprintf(name, sizeof name, "%s/%s", path, file);
    assert_int_equal(tn_folder_make(unit_path(path)), TN_OK);
    unit_write(name, text);
}

static int quota(const char *groups, const char *mounted) {
    return tn_cores_quota(unit_write("groups", groups), unit_path(mounted));
}

static void quotas(void **unused) {
    (void)unused;
    /* version 2: the group, one above it, and a path that only the host knows */
    group("two", "cgroup.procs", "");
    assert_int_equal(quota("0::/\n", "two"), 0);
    group("two/a/b", "cpu.max", "max 100000\n");
    assert_int_equal(quota("0::/a/b\n", "two"), 0);
    group("two/a", "cpu.max", "200000 100000\n");
    assert_int_equal(quota("0::/a/b\n", "two"), 2);
    group("two/a/b", "cpu.max", "120000 100000\n");
    assert_int_equal(quota("0::/a/b\n", "two"), 2); /* 1.2 */
    group("two/a/b", "cpu.max", "50000 100000\n");
    assert_int_equal(quota("0::/a/b\n", "two"), 1);
    group("two", "cpu.max", "300000 100000\n");
    assert_int_equal(quota("0::/docker/4f2a\n", "two"), 3);
    assert_int_equal(quota("0::/\n", "two"), 3);
    /* version 1: the line that names cpu; -1: no limit */
    group("one/cpu", "cpu.cfs_quota_us", "-1\n");
    group("one/cpu", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("4:memory:/x\n3:cpu,cpuacct:/x\n", "one"), 0);
    group("one/cpu/x", "cpu.cfs_quota_us", "400000\n");
    group("one/cpu/x", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n", "one"), 4);
    assert_int_equal(quota("4:memory:/x\n3:cpuset:/x\n", "one"), 0);
    assert_int_equal(quota("4:memory:/x\n3:cpuset:/x\nnonsense", "none"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exit_codes), cmocka_unit_test(quotas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
