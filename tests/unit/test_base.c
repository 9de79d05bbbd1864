/* test_base.c - status, files, hash, random numbers, words: against published vectors and hand-made cases. */
#define _GNU_SOURCE /* renameat2, pthread_setattr_default_np */
#include "unit.h"

#include "base/hash.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "cfg/nearest.h"
#include "store/guard.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void messages(void **unused) {
    (void)unused;
    assert_int_equal(tn_fail(TN_EIO, "first"), TN_EIO);
    assert_int_equal(tn_fail(TN_EARG, "outer: %s", tn_msg), TN_EARG); /* an argument may be the old message */
    assert_string_equal(tn_msg, "outer: first");
    assert_int_equal(tn_fail_memory(123, "a thing"), TN_ENOMEM);
    unit_says("123 bytes");
}

static void publishing(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    const char *path = unit_path("a/b/file");
    assert_int_equal(tn_folder_make(unit_path("a/b")), TN_OK);
    assert_int_equal(tn_folder_make(unit_path("a/b")), TN_OK);
    assert_int_equal(tn_file_publish(path, "one\0two", 7), TN_OK);
    assert_int_equal(tn_file_read(path, &text, &n), TN_OK);
    assert_int_equal(n, 7);
    assert_memory_equal(text, "one\0two", 8);
    free(text);
    assert_false(tn_file_exists(unit_path("a/b/file.tmp")));
    assert_int_equal(tn_file_read(unit_path("a/none"), &text, &n), TN_EIO);
    unit_says("a/none: cannot be read: No such file");
    assert_int_equal(tn_file_read(unit_path("a"), &text, &n), TN_EIO);
    assert_int_equal(tn_folder_make(path), TN_EIO); /* a file is in the way */
    assert_int_equal(tn_folder_remove(unit_path("a")), TN_OK);
    assert_false(tn_file_exists(unit_path("a")));
    assert_int_equal(tn_folder_remove(unit_path("a")), TN_OK);
}

/* A link that somebody planted where a file is written first: it is replaced, and what it leads to stays. */
static void planted_links(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    unit_write("theirs", "precious");
    unit_write("source", "new");
    const char *theirs = unit_path("theirs"), *to = unit_path("mine"), *tmp = unit_path("mine.tmp");
    for (int copy = 0; copy < 2; copy++) {
        assert_int_equal(symlink(theirs, tmp), 0);
        assert_int_equal(copy ? tn_file_copy(unit_path("source"), to) : tn_file_publish(to, "new", 3), TN_OK);
        assert_int_equal(tn_file_read(theirs, &text, &n), TN_OK);
        assert_string_equal(text, "precious");
        free(text);
        assert_int_equal(tn_file_read(to, &text, &n), TN_OK);
        assert_string_equal(text, "new");
        free(text);
        assert_int_equal(unlink(to), 0); /* a link itself, had it been published */
    }
    unit_write("mine.tmp", "of a dead writer");
    assert_int_equal(tn_file_publish(to, "new", 3), TN_OK);
    assert_int_equal(symlink(theirs, tmp), 0);
    FILE *f = tn_file_create(tmp);
    assert_non_null(f);
    fputs("x", f);
    fclose(f);
    assert_int_equal(tn_file_read(theirs, &text, &n), TN_OK);
    assert_string_equal(text, "precious");
    free(text);
}

static atomic_bool exchanging;

/* Exchanges the folder "box/inner" and a link, as fast as it goes. */
static void *exchange(void *arg) {
    const char *const *path = arg;
    while (exchanging) renameat2(AT_FDCWD, path[0], AT_FDCWD, path[1], RENAME_EXCHANGE);
    return NULL;
}

/* Whoever exchanges a folder for a link while it is removed loses nothing outside. */
static void remove_while_exchanged(void **unused) {
    (void)unused;
    const char *theirs = unit_path("outside"), *file = unit_path("outside/precious");
    char box[256], inner[256], link[256];
    snprintf(box, sizeof box, "%s", unit_path("box"));
    snprintf(inner, sizeof inner, "%s", unit_path("box/inner"));
    snprintf(link, sizeof link, "%s", unit_path("link"));
    assert_int_equal(tn_folder_make(theirs), TN_OK);
    unit_write("outside/precious", "");
    const char *path[] = {inner, link};
    pthread_t thread;
    exchanging = true;
    assert_int_equal(pthread_create(&thread, NULL, exchange, path), 0);
    for (int i = 0; i < 1000 && access(file, F_OK) == 0; i++) {
        tn_folder_make(box);
        mkdir(inner, 0777);
        if (symlink(theirs, link) != 0) { /* it was left over */
        }
        tn_folder_remove(box); /* may fail: the other one puts things back */
        tn_folder_remove(link);
    }
    exchanging = false;
    pthread_join(thread, NULL);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(tn_folder_remove(box), TN_OK);
    assert_int_equal(tn_folder_make(inner), TN_OK);
    tn_folder_remove(link); /* the exchange may have left a folder there */
    assert_int_equal(symlink(theirs, unit_path("box/inner/link")), 0);
    assert_int_equal(symlink(theirs, link), 0);
    assert_int_equal(tn_folder_remove(box), TN_OK);
    assert_int_equal(tn_folder_remove(link), TN_OK); /* the link itself */
    assert_int_equal(access(link, F_OK), -1);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(tn_folder_remove(file), TN_EIO); /* is no folder */
    unit_says("precious: cannot be removed: Not a directory");
}

static void *look_at_stack(void *left) {
    *(size_t *)left = tn_stack_left();
    return NULL;
}

/* Own threads have room however small `ulimit -s` is; another thread's is seen to be small. */
static void stacks(void **unused) {
    (void)unused;
#ifdef __SANITIZE_THREAD__
    skip(); /* its threads need more than the small one has */
#endif
    size_t own = 0, others = 0;
    pthread_t thread;
    pthread_attr_t attr, before;
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    assert_int_equal(tn_thread_start(look_at_stack, &own, &thread), TN_OK);
    pthread_join(thread, NULL);
    assert_int_equal(pthread_create(&thread, NULL, look_at_stack, &others), 0);
    pthread_join(thread, NULL);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    pthread_attr_destroy(&before);
    pthread_attr_destroy(&attr);
    assert_in_range(own, TN_STACK_BYTES * 3 / 4, TN_STACK_BYTES);
    assert_in_range(others, 64 << 10, 128 << 10);
}

/* A disk that takes no more: the old file stays, no .tmp is left. */
static void full_disk(void **unused) {
    (void)unused;
    static char big[100000];
    char *text = NULL;
    size_t n = 0;
    const char *path = unit_path("full");
    assert_int_equal(tn_file_publish(path, "old", 3), TN_OK);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 5000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    tn_status st = tn_file_publish(path, big, sizeof big);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(st, TN_EIO);
    unit_says("cannot be written: File too large");
    assert_int_equal(tn_file_read(path, &text, &n), TN_OK);
    assert_string_equal(text, "old");
    free(text);
    assert_false(tn_file_exists(unit_path("full.tmp")));
}

/* A loop of links stands for a file system that cannot tell: whether the file is there is not known. */
static void unknown_files(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    const char *loop = unit_path("loop");
    assert_int_equal(symlink(loop, loop), 0);
    assert_true(tn_file_exists(loop));
    assert_true(tn_file_exists(unit_path("loop/inside")));
    assert_int_equal(tn_file_read(loop, &text, &n), TN_EIO);
    assert_false(tn_file_exists(unit_path("none")));
    unit_write("file", "x");
    assert_false(tn_file_exists(unit_path("file/inside")));
}

static void long_paths(void **unused) {
    (void)unused;
    static char name[5000];
    char out[TN_PATH_BYTES];
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(tn_path(out, "%s/%s", "a", name), TN_EARG);
    assert_int_equal(tn_path(out, "%s", "a"), TN_OK);
    assert_int_equal(tn_path(out, "%s/b", out), TN_OK); /* out may be an argument */
    assert_string_equal(out, "a/b");
}

/* XXH3 of the empty input and of "a..z" repeated, from `xxhsum -H2` and `xxhsum -H3` of xxHash 0.8.1. */
static void hashes(void **unused) {
    (void)unused;
    char hex[TN_HEX_BYTES], streamed[TN_HEX_BYTES];
    tn_hash_once("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_int_equal(tn_hash64("", 0), 0x2d06800538d394c2ULL);
    tn_hash *h = tn_hash_new();
    tn_hash_add(h, "hello ", 6);
    tn_hash_add(h, "world", 5);
    tn_hash_hex(h, streamed);
    tn_hash_free(&h);
    tn_hash_once("hello world", 11, hex);
    assert_string_equal(hex, streamed);
    assert_int_equal(tn_hash_file(unit_write("hello", "hello world"), streamed), TN_OK);
    assert_string_equal(hex, streamed);
    tn_hash *a = tn_hash_new(), *b = tn_hash_new();
    tn_hash_text(a, "a");
    tn_hash_text(a, "bc");
    tn_hash_text(b, "ab");
    tn_hash_text(b, "c");
    tn_hash_hex(a, hex);
    tn_hash_hex(b, streamed);
    assert_string_not_equal(hex, streamed);
    tn_hash_free(&a);
    tn_hash_free(&b);
    assert_int_equal(tn_hash_file(unit_path("none"), hex), TN_EIO);
}

/* Known answers of philox4x32-10 (of the tests of Random123): the key and counter are laid out so that they can be
 * met. */
static void philox(void **unused) {
    (void)unused;
    tn_rng r = {.key = {0, 0}, .counter = {0, 0, 0, 0}};
    const uint32_t zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++) assert_int_equal(tn_rng_u32(&r), zeros[i]);
    r = (tn_rng){.key = {0xffffffff, 0xffffffff}, .counter = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}};
    const uint32_t ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    for (int i = 0; i < 4; i++) assert_int_equal(tn_rng_u32(&r), ones[i]);
    r = (tn_rng){.key = {0xa4093822, 0x299f31d0}, .counter = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    const uint32_t pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    for (int i = 0; i < 4; i++) assert_int_equal(tn_rng_u32(&r), pi[i]);
}

static void draws(void **unused) {
    (void)unused;
    tn_rng r = tn_rng_at(5, TN_STREAM_TEST, 1ULL << 40, 7), again = tn_rng_at(5, TN_STREAM_TEST, 1ULL << 40, 7);
    tn_rng other = tn_rng_at(5, TN_STREAM_TEST, (1ULL << 40) + 1, 7);
    double sum = 0, squares = 0, normal = 0, normal_squares = 0;
    int below[7] = {0}, differs = 0;
    enum { N = 70000 };
    for (int i = 0; i < N; i++) {
        double u = tn_rng_uniform(&r);
        assert_true(u >= 0 && u < 1);
        assert_true(u == tn_rng_uniform(&again));
        differs += u != tn_rng_uniform(&other);
        sum += u;
        squares += u * u;
        double x = tn_rng_normal(&r);
        tn_rng_normal(&again);
        normal += x;
        normal_squares += x * x;
        below[tn_rng_below(&r, 7)]++;
        tn_rng_below(&again, 7);
    }
    assert_true(differs > N - 3);
    assert_true(fabs(sum / N - 0.5) < 0.005 && fabs(squares / N - 1.0 / 3) < 0.005);
    assert_true(fabs(normal / N) < 0.015 && fabs(normal_squares / N - 1) < 0.03);
    for (int k = 0; k < 7; k++) assert_true(abs(below[k] - N / 7) < 500);
}

/* The block number has 24 bits beside the stream; 2^24 blocks later the words must not begin again. */
static void long_draws(void **unused) {
    (void)unused;
    tn_rng r = tn_rng_at(5, TN_STREAM_TEST, 9, 7), first = r;
    r.counter[0] |= 0xffffff00U; /* the last block before it wraps */
    for (int i = 0; i < 4; i++) tn_rng_u32(&r);
    assert_int_equal(r.counter[0], TN_STREAM_TEST);
    int equal = 0;
    for (int i = 0; i < 4; i++) equal += tn_rng_u32(&r) == tn_rng_u32(&first);
    assert_int_equal(equal, 0);
}

static void shuffle(void **unused) {
    (void)unused;
    int64_t a[5];
    int first[5] = {0};
    for (int trial = 0; trial < 5000; trial++) {
        for (int i = 0; i < 5; i++) a[i] = i;
        tn_rng r = tn_rng_at(1, TN_STREAM_TEST, (uint64_t)trial, 0);
        tn_rng_shuffle(&r, 5, a);
        int seen = 0;
        for (int i = 0; i < 5; i++) seen |= 1 << a[i];
        assert_int_equal(seen, 31);
        first[a[0]]++;
    }
    for (int i = 0; i < 5; i++) assert_true(abs(first[i] - 1000) < 150);
}

static void nearest(void **unused) {
    (void)unused;
    const char *words[] = {"learning_rate", "lanes", "lane_images"};
    assert_string_equal(tn_nearest("learning_rte", 3, words), "learning_rate");
    assert_string_equal(tn_nearest("lnaes", 3, words), "lanes");
    assert_string_equal(tn_nearest("LANES", 3, words), "lanes");
    assert_null(tn_nearest("quux", 3, words));
    assert_null(tn_nearest("x", 0, words));
}

static tn_status guarded(void *arg) {
    volatile unsigned long spins = 0;
    switch (*(const char *)arg) {
    case 'f':
        return tn_fail(TN_EARG, "the message of the child");
    case 'c':
        signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
        raise(SIGSEGV);
        break;
    case 'e':
        _exit(7);
    case 'h':
        for (;;) spins++;
    default:
        unit_write("guarded", "done");
    }
    return TN_OK;
}

/* Work in a process of its own: its status and message, a crash, an end without a word, no end. */
static void guard(void **unused) {
    (void)unused;
    unit_path("");
    assert_int_equal(tn_guard(guarded, "good", 60, "FILE"), TN_OK);
    assert_true(tn_file_exists(unit_path("guarded")));
    assert_int_equal(tn_guard(guarded, "fails", 60, "FILE"), TN_EARG);
    assert_string_equal(tn_msg, "the message of the child");
    assert_int_equal(tn_guard(guarded, "crashes", 60, "FILE"), TN_EFORMAT);
    unit_says("FILE: damaged: reading it crashed");
    assert_int_equal(tn_guard(guarded, "exits", 60, "FILE"), TN_EFORMAT);
    unit_says("FILE: damaged: reading it crashed");
    assert_int_equal(tn_guard(guarded, "hangs", 1, "FILE"), TN_EFORMAT);
    unit_says("FILE: damaged: reading it did not end");
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
int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages),
                                       cmocka_unit_test(publishing),
                                       cmocka_unit_test(full_disk),
                                       cmocka_unit_test(planted_links),
                                       cmocka_unit_test(remove_while_exchanged),
                                       cmocka_unit_test(long_paths),
                                       cmocka_unit_test(hashes),
                                       cmocka_unit_test(philox),
                                       cmocka_unit_test(draws),
                                       cmocka_unit_test(long_draws),
                                       cmocka_unit_test(shuffle),
                                       cmocka_unit_test(nearest),
                                       cmocka_unit_test(guard),
                                       cmocka_unit_test(stacks),
                                       cmocka_unit_test(unknown_files),
                                       cmocka_unit_test(utf8),
                                       cmocka_unit_test(printable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
