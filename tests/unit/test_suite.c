/* test_suite.c - what exit codes mean for a run, text that must fit into JSON or onto a terminal. */
#include "unit.h"

#include "base/progress.h"
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exit_codes), cmocka_unit_test(utf8),
                                       cmocka_unit_test(printable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
