/* test_h5.c - HDF5 files: what is written is read, equal content gives equal bytes, damage is found. */
#include "unit.h"

#include "store/done.h"
#include "store/h5.h"

#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void write_sample(const char *path) {
    tn_h5 *f = NULL;
    const char *strings[] = {"a", "", "\xED\x95\x9C\xEA\xB5\xAD"};
    assert_int_equal(tn_h5_create(path, &f), TN_OK);
    assert_int_equal(tn_h5_stamp(f, "sample", 3), TN_OK);
    assert_int_equal(tn_h5_write(f, "x", TN_H5_F32, 2, (int64_t[]){2, 3}, (float[]){1, 2, 3, 4, 5, 6}), TN_OK);
    assert_int_equal(tn_h5_write(f, "empty", TN_H5_U8, 1, (int64_t[]){0}, NULL), TN_OK);
    assert_int_equal(tn_h5_write_strings(f, "s", 3, strings), TN_OK);
    assert_int_equal(tn_h5_reserve(f, "rows", TN_H5_I64, 1, (int64_t[]){4}), TN_OK);
    assert_int_equal(tn_h5_write_rows(f, "rows", TN_H5_I64, 2, 2, (int64_t[]){30, 40}), TN_OK);
    assert_int_equal(tn_h5_write_rows(f, "rows", TN_H5_I64, 0, 2, (int64_t[]){10, 20}), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    assert_null(f);
}

static void round_trip(void **unused) {
    (void)unused;
    tn_h5 *f = NULL;
    write_sample(unit_path("a.h5"));
    assert_int_equal(tn_h5_open(unit_path("a.h5"), &f), TN_OK);
    assert_int_equal(tn_h5_check_stamp(f, "a.h5", "sample", 3), TN_OK);
    assert_int_equal(tn_h5_check_stamp(f, "a.h5", "other", 3), TN_EFORMAT);
    unit_says("a.h5: is not a file of kind `other`");
    assert_int_equal(tn_h5_check_stamp(f, "a.h5", "sample", 4), TN_EFORMAT);
    unit_says("format version 3, this program reads 4");
    double x[3];
    assert_int_equal(tn_h5_read_rows(f, "x", TN_H5_F64, 1, 1, x), TN_OK); /* converts */
    assert_true(x[0] == 4 && x[1] == 5 && x[2] == 6);
    assert_int_equal(tn_h5_read_rows(f, "x", TN_H5_F64, 1, 2, x), TN_EFORMAT);
    assert_int_equal(tn_h5_read_rows(f, "none", TN_H5_F64, 0, 1, x), TN_EFORMAT);
    unit_says("has no dataset `none`");
    int64_t n = 0, shape[2], *rows = NULL;
    assert_int_equal(tn_h5_shape(f, "x", 2, shape), TN_OK);
    assert_true(shape[0] == 2 && shape[1] == 3);
    assert_int_equal(tn_h5_shape(f, "x", 1, shape), TN_EFORMAT);
    assert_int_equal(tn_h5_read_new(f, "rows", TN_H5_I64, &n, &rows), TN_OK);
    assert_int_equal(n, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(rows[i], 10 * (i + 1));
    free(rows);
    char **s = NULL;
    assert_int_equal(tn_h5_read_strings(f, "s", &n, &s), TN_OK);
    assert_int_equal(n, 3);
    assert_string_equal(s[1], "");
    assert_string_equal(s[2], "\xED\x95\x9C\xEA\xB5\xAD");
    free(s);
    int64_t at = 0;
    float first = 0;
    assert_int_equal(tn_h5_offset(f, "x", &at), TN_OK);
    FILE *raw = fopen(unit_path("a.h5"), "rb");
    fseek(raw, (long)at, SEEK_SET);
    assert_int_equal(fread(&first, sizeof first, 1, raw), 1);
    fclose(raw);
    assert_true(first == 1); /* contiguous, unfiltered, little-endian: loader threads rely on it */
    tn_h5_close(&f);
}

/* Another program has it open, or was killed with it open. */
static void open_elsewhere(void **unused) {
    (void)unused;
    tn_h5 *f = NULL;
    int how = 0;
    const char *path = unit_path("held.h5");
    write_sample(path);
    assert_int_equal(tn_h5_check_closed(path, "do this"), TN_OK);
    pid_t pid = fork();
    if (pid == 0) _exit(H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT) < 0);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
    assert_int_equal(tn_h5_open(path, &f), TN_EIO);
    unit_says("held.h5: another program has it open for writing");
    unit_says("a program was killed with it open: `h5clear --status`");
    assert_int_equal(tn_h5_check_closed(path, "do this"), TN_EIO);
    unit_says("killed with it open: do this");
    assert_int_equal(tn_h5_open(unit_write("text.h5", "not one of those"), &f), TN_EFORMAT);
    unit_says("text.h5: not an HDF5 file, or damaged");
    assert_int_equal(tn_h5_check_closed(unit_path("text.h5"), "do this"), TN_OK);
    assert_int_equal(tn_h5_check_closed(unit_path("not-there.h5"), "do this"), TN_OK);
}

static void equal_bytes(void **unused) {
    (void)unused;
    char *a = NULL, *b = NULL;
    size_t n_a = 0, n_b = 0;
    write_sample(unit_path("one.h5"));
    sleep(1); /* a clock inside would show */
    write_sample(unit_path("two.h5"));
    assert_int_equal(tn_file_read(unit_path("one.h5"), &a, &n_a), TN_OK);
    assert_int_equal(tn_file_read(unit_path("two.h5"), &b, &n_b), TN_OK);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    free(a);
    free(b);
}

static void damaged(void **unused) {
    (void)unused;
    tn_h5 *f = NULL;
    assert_int_equal(tn_h5_open(unit_path("none.h5"), &f), TN_EIO);
    assert_int_equal(tn_h5_open(unit_write("text.h5", "this is text"), &f), TN_EFORMAT);
    write_sample(unit_path("cut.h5"));
    assert_int_equal(truncate(unit_path("cut.h5"), 700), 0);
    assert_int_equal(tn_h5_open(unit_path("cut.h5"), &f), TN_EFORMAT);
    unit_says("cut.h5: not an HDF5 file, or damaged");
    assert_int_equal(tn_h5_create(unit_path("no/folder.h5"), &f), TN_EIO);
}

/* A link that somebody planted where the file is written: it is replaced, and what it leads to stays. */
static void planted_link(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    const char *theirs = unit_write("theirs", "precious");
    assert_int_equal(symlink(theirs, unit_path("x.h5.tmp")), 0);
    write_sample(unit_path("x.h5.tmp"));
    write_sample(unit_path("x.h5.tmp")); /* of a dead writer */
    assert_int_equal(tn_file_read(theirs, &text, &n), TN_OK);
    assert_string_equal(text, "precious");
    free(text);
}

static void full_disk(void **unused) {
    (void)unused;
    tn_h5 *f = NULL;
    int64_t n = 1 << 20;
    char *data = calloc((size_t)n, 1);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    tn_status st = tn_h5_create(unit_path("full.h5"), &f);
    if (st == TN_OK) st = tn_h5_write(f, "x", TN_H5_U8, 1, &n, data);
    tn_status closed = tn_h5_close(&f);
    setrlimit(RLIMIT_FSIZE, &old);
    free(data);
    assert_true(st == TN_EIO || closed == TN_EIO);
    unit_says("full.h5");
}

/* No flipped bit of DONE or of a file that it vouches for passes. */
static void flipped(const char *dir, const tn_done *d) {
    char *text = NULL, path[TN_PATH_BYTES];
    size_t n = 0;
    tn_done_state state;
    assert_int_equal(tn_file_read(unit_path("cell/DONE"), &text, &n), TN_OK);
    for (size_t i = 0; i < n; i++) {
        text[i] ^= 1;
        assert_int_equal(tn_file_publish(unit_path("cell/DONE"), text, n), TN_OK);
        assert_int_equal(tn_done_find(dir, d, &state), TN_EFORMAT);
        text[i] ^= 1;
    }
    assert_int_equal(tn_file_publish(unit_path("cell/DONE"), text, n), TN_OK);
    assert_int_equal(tn_done_find(dir, d, &state), TN_OK);
    free(text);
    assert_int_equal(tn_done_file(dir, "vouched", "train", path), TN_OK);
    assert_string_equal(path, unit_path("cell/vouched"));
    unit_write("cell/vouched", "someThing");
    assert_int_equal(tn_done_file(dir, "vouched", "train", path), TN_EFORMAT);
    unit_says("cell/vouched: damaged");
    unit_says("run `tenfold train` again");
    remove(unit_path("cell/vouched"));
    assert_int_equal(tn_done_file(dir, "vouched", "train", path), TN_EFORMAT);
    unit_says("cell/vouched: missing");
}

static void done(void **unused) {
    (void)unused;
    char hex[TN_HEX_BYTES];
    tn_done_state state;
    tn_done d = {.stage = "train", .settings = "a.x = 1\na.y = 2\n", .inputs = "shards 1234\n"};
    char dir[TN_PATH_BYTES];
    assert_int_equal(tn_path(dir, "%s", unit_path("cell")), TN_OK);
    assert_int_equal(tn_folder_make(dir), TN_OK);
    assert_int_equal(tn_done_find(dir, &d, &state), TN_OK);
    assert_int_equal(state, TN_DONE_ABSENT);
    assert_int_equal(tn_done_digest(dir, "train", hex), TN_EARG);
    unit_says("run `tenfold train` first");
    unit_write("cell/vouched", "something");
    assert_int_equal(tn_done_publish(dir, &d, "feed", (const char *[]){"vouched", NULL}), TN_OK);
    assert_int_equal(tn_done_find(dir, &d, &state), TN_OK);
    assert_int_equal(state, TN_DONE_VALID);
    assert_int_equal(tn_done_digest(dir, "train", hex), TN_OK);
    assert_string_equal(hex, "feed");
    flipped(dir, &d);
    tn_done other = d;
    other.inputs = "shards 5678\n";
    assert_int_equal(tn_done_find(dir, &other, &state), TN_OK);
    assert_int_equal(state, TN_DONE_STALE);
    other.settings = "a.x = 7\na.z = 3\n";
    assert_int_equal(tn_done_find(dir, &other, &state), TN_EARG);
    unit_says("a.x = 1 (now: 7)");
    unit_says("a.y = 2 (now without it)");
    unit_says("--run DIR");
    unit_write("cell/DONE", "{\"half");
    assert_int_equal(tn_done_find(dir, &d, &state), TN_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip),   cmocka_unit_test(open_elsewhere),
                                       cmocka_unit_test(equal_bytes),  cmocka_unit_test(damaged),
                                       cmocka_unit_test(planted_link), cmocka_unit_test(full_disk),
                                       cmocka_unit_test(done)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
