/* test_done.c - what says that a folder is whole, and its removal, broken off anywhere. */
#include "unit.h"

#include "store/done.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The calls of this program come here instead of to the C library: what is done in which order, and how often it goes
 * well before it fails. */
static char story[4096];
static int n_good = -1; /* -1: always */

static void tell(const char *what, const char *name) {
    size_t at = strlen(story);
    snprintf(story + at, sizeof story - at, "%s%s ", what, name);
}

int unlinkat(int folder, const char *name, int flags) {
    if (n_good == 0) {
        errno = EIO;
        return -1;
    }
    int failed = (int)syscall(SYS_unlinkat, folder, name, flags);
    if (failed == 0) {
        tell("-", name);
        n_good -= n_good > 0;
    }
    return failed;
}

int fsync(int fd) {
    tell("sync", "");
    return (int)syscall(SYS_fsync, fd);
}

static const tn_done OLD = {.stage = "preprocess", .settings = "a = 1\n", .inputs = "metadata 1\n"};
static const tn_done NEW = {.stage = "preprocess", .settings = "a = 1\n", .inputs = "metadata 2\n"};

static void make_folder(const char *folder) {
    char name[32];
    tn_folder_make(unit_path("stale"));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "stale/shard-%02d.h5", i);
        unit_write(name, "bytes");
    }
    assert_int_equal(tn_done_publish(folder, &OLD, "digest", NULL), TN_OK);
}

/* A removal that dies anywhere leaves a folder that is whole and done, or one that is not done; never half a folder that
 * is done by its old inputs. */
static void stale_folders(void **unused) {
    (void)unused;
    char folder[256];
    bool valid = true;
    snprintf(folder, sizeof folder, "%s", unit_path("stale"));
    for (int broken_off = 0; broken_off < 20; broken_off += 3) {
        tn_done_state state;
        make_folder(folder);
        n_good = broken_off;
        assert_int_equal(tn_done_begin(folder, "stale", &NEW, &valid), TN_EIO);
        n_good = -1;
        assert_int_equal(tn_done_find(folder, &OLD, &state), TN_OK);
        assert_int_equal(state, broken_off == 0 ? TN_DONE_VALID : TN_DONE_ABSENT);
        tn_done_leave();
    }
    make_folder(folder);
    *story = 0;
    assert_int_equal(tn_done_begin(folder, "stale", &NEW, &valid), TN_OK);
    const char *removed = strchr(story, '-');
    assert_non_null(removed); /* before it: the line of the lock is written */
    assert_int_equal(strncmp(removed, "-DONE sync -shard-", 18), 0);
    assert_false(valid);
    tn_done_leave();
}

/* Folders in a folder that is removed, too: the rest of a run folder must not look like a run. */
static void nested_folders(void **unused) {
    (void)unused;
    tn_folder_make(unit_path("run/folds"));
    unit_write("run/folds/a", "");
    unit_write("run/folds/DONE", "");
    unit_write("run/folds/z", "");
    tn_folder_make(unit_path("copy/DONE")); /* a folder of that name is nothing special */
    unit_write("copy/a", "");
    unit_write("copy/COPIED", "");
    *story = 0;
    assert_int_equal(tn_folder_remove(unit_path("run")), TN_OK);
    assert_int_equal(strncmp(story, "-DONE sync -", 12), 0);
    *story = 0;
    assert_int_equal(tn_folder_remove(unit_path("copy")), TN_OK);
    assert_int_equal(strncmp(story, "-COPIED sync -", 14), 0);
    assert_false(tn_file_exists(unit_path("copy")));
}

/* Removed behind DONE, and by a start that finds the folder done; never by a look. */
static void scratch(void **unused) {
    (void)unused;
    char folder[256];
    bool valid = false;
    tn_done_state state;
    tn_done done = OLD;
    done.scratch = "half";
    snprintf(folder, sizeof folder, "%s", unit_path("finished"));
    assert_int_equal(tn_done_begin(folder, "finished", &done, &valid), TN_OK);
    assert_false(valid);
    unit_write("finished/half", "");
    unit_write("finished/whole", "");
    assert_int_equal(tn_done_publish(folder, &done, "digest", NULL), TN_OK);
    assert_false(tn_file_exists(unit_path("finished/half")));
    unit_write("finished/half", ""); /* of a process that died before it was removed */
    assert_int_equal(tn_done_find(folder, &done, &state), TN_OK);
    assert_int_equal(state, TN_DONE_VALID);
    assert_true(tn_file_exists(unit_path("finished/half")));
    assert_int_equal(tn_done_begin(folder, "finished", &done, &valid), TN_OK);
    assert_true(valid);
    assert_false(tn_file_exists(unit_path("finished/half")));
    tn_folder_make(unit_path("finished/half")); /* what cannot be removed harms nothing */
    assert_int_equal(tn_done_begin(folder, "finished", &done, &valid), TN_OK);
    assert_true(valid);
    assert_true(tn_file_exists(unit_path("finished/whole")));
    tn_done_leave();
}

static void one_file(void **unused) {
    (void)unused;
    unit_write("file", "");
    *story = 0;
    assert_int_equal(tn_file_remove(unit_path("file")), TN_OK);
    assert_string_equal(story, "sync ");
    assert_false(tn_file_exists(unit_path("file")));
    assert_int_equal(tn_file_remove(unit_path("file")), TN_OK);
    tn_folder_make(unit_path("folder"));
    assert_int_equal(tn_file_remove(unit_path("folder")), TN_EIO);
    unit_says("folder: cannot be removed");
}

static void same_text(const char *name, const char *want) {
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(tn_file_read(unit_path(name), &text, &n), TN_OK);
    assert_string_equal(text, want);
    free(text);
}

/* Another host took the folder over: what lies there now is its, half a file that it writes as well as its results. */
static void taken_over(void **unused) {
    (void)unused;
    char folder[256], file[256], tmp[TN_PATH_BYTES];
    bool valid = true;
    snprintf(folder, sizeof folder, "%s", unit_path("shared"));
    snprintf(file, sizeof file, "%s", unit_path("shared/file"));
    assert_int_equal(tn_done_begin(folder, "shared", &NEW, &valid), TN_OK);
    assert_int_equal(tn_publish_name(file, tmp), TN_OK);
    unit_write("shared/file.tmp", "mine");
    assert_int_equal(tn_publish_end(file), TN_OK);
    same_text("shared/file", "mine");
    unit_write(".shared.lock", "other-kernel host-b 4711 0123 00000000000000000001\n");
    unit_write("shared/file", "theirs");
    unit_write("shared/file.tmp", "half of theirs");
    unit_write("source", "mine");
    tn_fail(TN_EIO, "why it failed");
    tn_publish_drop(file);
    tn_done_undo(folder);
    unit_says("why it failed");
    assert_true(tn_file_exists(file));
    assert_int_equal(tn_done_begin(unit_path("own"), "own", &NEW, &valid), TN_OK);
    tn_done_undo(unit_path("own"));
    assert_false(tn_file_exists(unit_path("own")));

    unit_write(".shared.lock", "");
    assert_int_equal(tn_done_begin(folder, "shared", &NEW, &valid), TN_OK); /* which removes the .tmp of the dead */
    unit_write("shared/file.tmp", "half of theirs");
    unit_write(".shared.lock", "other-kernel host-b 4711 0123 00000000000000000001\n");
    assert_int_equal(tn_publish_end(file), TN_EBUSY);
    unit_says("shared: this process did not run for so long that another tenfold took it over: other-kernel host-b");
    assert_int_equal(tn_publish_name(file, tmp), TN_EBUSY);
    assert_int_equal(tn_file_publish(file, "mine", 4), TN_EBUSY);
    assert_int_equal(tn_file_copy(unit_path("source"), file), TN_EBUSY);
    tn_publish_drop(file);
    assert_int_equal(tn_done_publish(folder, &NEW, "digest", NULL), TN_EBUSY);
    tn_done_undo(folder);
    same_text("shared/file", "theirs");
    same_text("shared/file.tmp", "half of theirs");
}

/* DONE vouches for results beside its folder. Where one is gone or edited the folder is made again, under its lock. */
static void beside(void **unused) {
    (void)unused;
    char folder[256], path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    const char *const files[] = {"../result.csv", "inside", NULL};
    snprintf(folder, sizeof folder, "%s", unit_path("beside"));
    const char *changed[] = {"", "result.csv", "result.csv", "beside/inside"};
    for (int i = 0; i < 4; i++) {
        bool valid = true;
        assert_int_equal(tn_done_begin(folder, "beside", &NEW, &valid), TN_OK);
        assert_int_equal(valid, false);
        assert_int_equal(tn_file_read(unit_path(".beside.lock"), &text, &n), TN_OK);
        assert_true(n > 0); /* held */
        free(text);
        assert_false(tn_file_exists(unit_path("beside/DONE")));
        unit_write("result.csv", "result");
        unit_write("beside/inside", "inside");
        assert_int_equal(tn_done_publish(folder, &NEW, "digest", files), TN_OK);
        assert_int_equal(tn_done_begin(folder, "beside", &NEW, &valid), TN_OK);
        assert_int_equal(valid, true);
        assert_int_equal(tn_done_file(folder, "../result.csv", "verb", path), TN_OK);
        assert_string_equal(path, unit_path("result.csv"));
        if (i == 0) unlink(unit_path("result.csv"));
        if (i > 0) unit_write(changed[i], "edited");
        if (i > 2) break;
        assert_int_equal(tn_done_file(folder, "../result.csv", "verb", path), TN_EFORMAT);
        unit_says(i == 0 ? "/result.csv: missing: delete the folder"
                         : "/result.csv: damaged: its bytes are not those that were published: delete the folder");
    }
    bool valid = true;
    assert_int_equal(tn_done_begin(folder, "beside", &NEW, &valid), TN_OK);
    assert_int_equal(valid, false);
    tn_done_leave();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(stale_folders), cmocka_unit_test(nested_folders),
                                       cmocka_unit_test(scratch),       cmocka_unit_test(one_file),
                                       cmocka_unit_test(taken_over),    cmocka_unit_test(beside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
