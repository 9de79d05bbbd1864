/* test_lock.c - looks at a lock that fail: they say nothing about who holds it. */
#include "unit.h"

#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

static const char LIVE[] = "other-kernel host-b 4711 0123 00000000000000000001\n";
static atomic_int cause, n_failed; /* errno of every look at a lock; how many there were */
static atomic_int n_looks, hurry;  /* looks that went well; the time between two of them is cut short */

/* The calls of this program come here instead of to the C library. */
int open(const char *path, int flags, ...) {
    size_t n = strlen(path);
    if (cause && (flags & O_ACCMODE) == O_RDONLY && n > 5 && strcmp(path + n - 5, ".lock") == 0) {
        n_failed++;
        errno = cause;
        return -1;
    }
    if ((flags & O_ACCMODE) == O_RDONLY && n > 5 && strcmp(path + n - 5, ".lock") == 0) n_looks++;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    return (int)syscall(SYS_nanosleep, hurry ? &(struct timespec){.tv_nsec = 1000} : wanted, left);
}

static void sleep_ms(long ms) {
    syscall(SYS_nanosleep, &(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void line_of(const char *path, char out[256]) {
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    if (!fgets(out, 256, f)) *out = 0;
    fclose(f);
}

/* The heartbeat looks before each beat: a look that fails does not stop it. */
static void heartbeat(void **unused) {
    (void)unused;
    char path[256], before[256], after[256];
    tn_lock *lock = NULL;
    snprintf(path, sizeof path, "%s", unit_path("beats.lock"));
    assert_int_equal(tn_lock_take(path, "BEATS", &lock), TN_OK);
    const int causes[] = {ESTALE, EMFILE};
    for (int i = 0; i < 2; i++) {
        n_failed = 0;
        cause = causes[i];
        for (int ms = 0; n_failed == 0 && ms < 20000; ms += 10) sleep_ms(10);
        assert_true(n_failed > 0);
        sleep_ms(100); /* the beat after that look */
        cause = 0;
        line_of(path, before);
        for (int ms = 0; ms < 20000; ms += 10) {
            line_of(path, after);
            if (strcmp(before, after) != 0) break;
            sleep_ms(10);
        }
        assert_string_not_equal(before, after);
        assert_int_equal(tn_lock_check(lock), TN_OK);
    }
    cause = EIO;
    assert_int_equal(tn_lock_check(lock), TN_EIO);
    unit_says("beats.lock: the lock of BEATS cannot be read: Input/output error");
    cause = 0;
    unit_write("beats.lock", LIVE); /* another's line is another's */
    assert_int_equal(tn_lock_check(lock), TN_EBUSY);
    tn_lock_drop(&lock);
    line_of(path, after);
    assert_string_equal(after, LIVE);
}

static void *take(void *arg) {
    tn_lock *lock = NULL;
    if (tn_lock_take(arg, "TAKEN", &lock) != TN_OK) return NULL;
    return lock;
}

/* Whoever cannot read the line has not seen that it is nobody's. */
static void observer(void **unused) {
    (void)unused;
    char path[256], line[256];
    pthread_t thread;
    void *lock = NULL;
    snprintf(path, sizeof path, "%s", unit_write("taken.lock", LIVE));
    cause = ESTALE;
    assert_int_equal(pthread_create(&thread, NULL, take, path), 0);
    sleep_ms(500);
    line_of(path, line);
    assert_string_equal(line, LIVE);
    cause = 0;
    sleep_ms(500); /* seen, and alive for all that is known */
    line_of(path, line);
    assert_string_equal(line, LIVE);
    unit_write("taken.lock", ""); /* given up in good order */
    assert_int_equal(pthread_join(thread, &lock), 0);
    assert_non_null(lock);
    tn_lock *mine = lock;
    tn_lock_drop(&mine);
}

/* Ten looks are a second. Dead is who was seen unchanged for 30 s, and for six of the periods that its line names. */
static void dead(void **unused) {
    (void)unused;
    static const struct {
        const char *line;
        int looks;
    } CASE[] = {{"other-kernel host-b 4711 0123 2 00000000000000000001\n", 300},
                {"other-kernel host-b 4711 0123 1 00000000000000000001\n", 300},
                {"other-kernel host-b 4711 0123 10 00000000000000000001\n", 600},
                {"other-kernel host-b 4711 0123 6 00000000000000000001\n", 360},
                {"other-kernel host-b 4711 0123 00000000000000000001\n", 600}};
    hurry = 1;
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) {
        char path[256], line[256], kernel[64], host[64], token[64];
        long pid, every_s, count;
        tn_lock *lock = NULL;
        snprintf(path, sizeof path, "%s", unit_write("dead.lock", CASE[i].line));
        n_looks = 0;
        setenv("TENFOLD_JOB", "7_1", 1);
        if (i % 2 == 0) unsetenv("TENFOLD_JOB");
        assert_int_equal(tn_lock_take(path, "DEAD", &lock), TN_OK);
        assert_in_range(n_looks, CASE[i].looks, CASE[i].looks + 3);
        line_of(path, line); /* the new holder says how often it beats */
        assert_int_equal(sscanf(line, "%63s %63s %ld %63s %ld %ld", kernel, host, &pid, token, &every_s, &count), 6);
        assert_int_equal(every_s, i % 2 == 0 ? 2 : 10);
        tn_lock_drop(&lock);
    }
    unsetenv("TENFOLD_JOB");
    hurry = 0;
}

static void no_file(void **unused) {
    (void)unused;
    tn_lock *lock = NULL;
    assert_int_equal(tn_lock_take(unit_path("none/a.lock"), "NONE", &lock), TN_EIO);
    unit_says("none/a.lock: the lock of NONE cannot be made: No such file");
    assert_null(lock);
    assert_false(tn_lock_is_held(unit_path("none.lock")));
    cause = EMFILE;
    assert_true(tn_lock_is_held(unit_path("none.lock")));
    cause = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(heartbeat), cmocka_unit_test(observer), cmocka_unit_test(dead),
                                       cmocka_unit_test(no_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
