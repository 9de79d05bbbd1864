/* test_suite.c - what exit codes mean for a run, and text that must fit into JSON. */
#include "unit.h"

#include "base/utf8.h"
#include "suite/launch.h"

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
                {137, TN_EUNFINISHED, "killed by signal 9: out of memory?"},
                {143, TN_EUNFINISHED, "killed by signal 15"},
                {139, TN_EBUG, "crashed with signal 11"},
                {134, TN_EBUG, "crashed with signal 6"}};
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exit_codes), cmocka_unit_test(utf8)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
