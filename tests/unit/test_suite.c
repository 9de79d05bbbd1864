/* test_suite.c - what exit codes mean for a run, text that must fit into JSON or onto a terminal, the report's words. */
#include "unit.h"

#include "store/done.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "process/cores.h"
#include "process/launch.h"
#include "report/report.h"

#include <string.h>

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

static void utf8(void **unused) {
    (void)unused;
    char cut[] = "\xED\x95\x9C\xEA\xB8", latin[] = "M\xFCller", whole[] = "a\xC3\xA9\xED\x95\x9C\xF0\x9F\x98\x80";
    assert_true(tn_is_utf8(whole, strlen(whole)));
    assert_false(tn_is_utf8(cut, strlen(cut)));
    assert_false(tn_is_utf8("\xC0\x80", 2));     /* overlong */
    assert_false(tn_is_utf8("\xED\xA0\x80", 3)); /* surrogate */
    tn_utf8_mend(cut);
    assert_string_equal(cut, "\xED\x95\x9C??");
    tn_utf8_mend(latin);
    assert_string_equal(latin, "M?ller");
    tn_utf8_mend(whole);
    assert_string_equal(whole, "a\xC3\xA9\xED\x95\x9C\xF0\x9F\x98\x80");
}

static void printable(void **unused) {
    (void)unused;
    char out[64], *text = NULL;
    size_t n = 0;
    tn_utf8_printable("a\tb\n\x1B[2J\x7F\r \xC3\xA9 \xC2\x9B\xC2\xA0 \xFC\xE9", out, sizeof out);
    assert_string_equal(out, "a\tb\n\\x1b[2J\\x7f\\x0d \xC3\xA9 \\xc2\\x9b\xC2\xA0 \\xfc\\xe9");
    memset(out, 'x', sizeof out);
    tn_utf8_printable("12\x07", out, 7);
    assert_string_equal(out, "12\\x07");
    tn_utf8_printable("12\x07", out, 6); /* never half of one */
    assert_string_equal(out, "12");
    tn_utf8_printable("12\xC3\xA9", out, 4);
    assert_string_equal(out, "12");
    tn_fail(TN_EIO, "%s: is damaged", "x\x1B[2J.png");
    assert_string_equal(tn_msg, "x\\x1b[2J.png: is damaged");
    tn_fail(TN_EIO, "row 3: %s", tn_msg); /* once is enough */
    assert_string_equal(tn_msg, "row 3: x\\x1b[2J.png: is damaged");
    FILE *f = open_memstream(&text, &n);
    tn_print(f, "%5d | %s |\n", 7, "\x07label");
    fclose(f);
    assert_string_equal(text, "    7 | \\x07label |\n");
    free(text);
}

/* What the report says that the submission is made of, for these members that were chosen. */
static void assert_used(const tn_cfg *cfg, const char *used, const char *members, const char *says) {
    char path[TN_PATH_BYTES], metrics[1024], *text = NULL;
    size_t n = 0;
    snprintf(metrics, sizeof metrics,
             "{\"chosen_round\": 1, \"chosen_because\": \"it is fine\", \"rounds\": [{\"round\": 0}, {\"round\": 1}], "
             "\"tuned\": {\"used\": %s, \"members\": [%s]}}",
             used, members);
    assert_int_equal(tn_path(path, "%s/metrics.json", cfg->run_dir), TN_OK);
    assert_int_equal(tn_file_publish(path, metrics, strlen(metrics)), TN_OK);
    const tn_done done = {.stage = "reduce", .settings = "", .inputs = ""};
    assert_int_equal(tn_path(path, "%s/reduce", cfg->run_dir), TN_OK);
    assert_int_equal(tn_done_publish(path, &done, "0", (const char *[]){"../metrics.json", NULL}), TN_OK);
    assert_int_equal(tn_report(cfg, stdout), TN_OK);
    assert_int_equal(tn_path(path, "%s/report/report.html", cfg->run_dir), TN_OK);
    assert_int_equal(tn_file_read(path, &text, &n), TN_OK);
    if (!strstr(text, says)) fail_msg("wanted: %s\nreport: %s", says, text);
    free(text);
}

static void members_of_rounds(void **unused) {
    (void)unused;
    tn_cfg *cfg = NULL;
    char folder[TN_PATH_BYTES];
    const char *job = unit_write(
        "my.cfg", "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 100; };\n");
    const char *both =
        "{\"round\": 0, \"weight\": 0.25}, {\"round\": 1, \"weight\": 0.5}, {\"round\": 1, \"weight\": 0.25}";
    assert_int_equal(tn_cfg_read(job, 0, NULL, unit_path("run"), &cfg), TN_OK);
    assert_int_equal(tn_path(folder, "%s/reduce", cfg->run_dir), TN_OK);
    assert_int_equal(tn_folder_make(folder), TN_OK);
    assert_used(cfg, "true", both,
                "<p>The submission uses members of round 0 (1 of 3, with 25.0 % of the weight), round 1 (2 of 3, with "
                "75.0 % of the weight): ");
    assert_used(cfg, "true", both, " Without selection it would use round 1: it is fine.</p>");
    assert_used(cfg, "true", "{\"round\": 0, \"weight\": 1}",
                "<p>The submission uses members of round 0 (1 of 1, with 100.0 % of the weight): ");
    assert_used(cfg, "true", "{\"round\": 1, \"weight\": 1}", "<p>The submission uses round 1: it is fine.</p>");
    assert_used(cfg, "false", both, "<p>The submission uses round 1: it is fine.</p>");
    tn_cfg_free(&cfg);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(exit_codes), cmocka_unit_test(utf8),
                                       cmocka_unit_test(printable), cmocka_unit_test(members_of_rounds),
                                       cmocka_unit_test(quotas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
