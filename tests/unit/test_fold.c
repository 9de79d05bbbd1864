/* test_fold.c - folds: stratified, never splitting kin, deterministic; checked by brute force over all pairs. */
#include "unit.h"

#include "base/rng.h"
#include "base/stop.h"
#include "data/fold_priv.h"

#include <signal.h>
#include <unistd.h>

enum { N = 600, K = 3 };

static tn_cfg config_of(int F, int bits) {
    tn_cfg cfg = {.data.n_classes = K,
                  .folds = {.count = F, .seed = 3, .duplicate_bits = bits, .validation_share = 0.1}};
    for (int k = 0; k < K; k++) snprintf(cfg.data.classes[k], 8, "c%d", k);
    return cfg;
}

/* Random rows with groups, copies, near copies, test rows and quarantined ones. */
static tn_index *make(void) {
    static char *names[K] = {"c0", "c1", "c2"};
    static char *paths[N];
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(N, 0, &ix), TN_OK);
    ix->n_classes = K;
    tn_rng r = tn_rng_at(1, TN_STREAM_TEST, 0, 0);
    for (int i = 0; i < N; i++) {
        paths[i] = names[0];
        uint32_t u = tn_rng_below(&r, 20);
        ix->label[i] = u < 14 ? 0 : u < 18 ? 1 : 2;
        ix->is_test[i] = tn_rng_below(&r, 8) == 0;
        if (tn_rng_below(&r, 30) == 0) ix->label[i] = -1;
        ix->state[i] = tn_rng_below(&r, 40) == 0;
        ix->group[i] = tn_rng_below(&r, 2) ? (int32_t)tn_rng_below(&r, 200) : -1;
        ix->content_hash[i] = tn_rng_u32(&r);
        ix->perceptual_hash[i] = (uint64_t)tn_rng_u32(&r) << 32 | tn_rng_u32(&r);
        if (i > 0 && tn_rng_below(&r, 10) == 0) ix->content_hash[i] = ix->content_hash[tn_rng_below(&r, (uint32_t)i)];
        if (i > 0 && tn_rng_below(&r, 4) == 0) {
            ix->perceptual_hash[i] = ix->perceptual_hash[tn_rng_below(&r, (uint32_t)i)];
            for (uint32_t n = tn_rng_below(&r, 9); n > 0; n--) ix->perceptual_hash[i] ^= 1ULL << tn_rng_below(&r, 64);
        }
        if (tn_rng_below(&r, 15) == 0) ix->perceptual_hash[i] = 0; /* constant images: no kin */
    }
    ix->class_name = malloc(sizeof names);
    memcpy(ix->class_name, names, sizeof names);
    ix->path = malloc(sizeof paths);
    memcpy(ix->path, paths, sizeof paths);
    return ix;
}

static bool kin(const tn_index *ix, int i, int j, int bits) {
    if (ix->group[i] >= 0 && ix->group[i] == ix->group[j]) return true;
    if (ix->state[i] || ix->state[j]) return false;
    if (ix->content_hash[i] == ix->content_hash[j]) return true;
    uint64_t a = ix->perceptual_hash[i], b = ix->perceptual_hash[j];
    return a && b && __builtin_popcountll(a ^ b) <= bits;
}

static void no_leak(void **unused) {
    (void)unused;
    for (int bits = 0; bits <= 8; bits++) {
        tn_cfg cfg = config_of(5, bits);
        tn_index *ix = make();
        tn_fold_certificate c;
        if (tn_fold_assign(&cfg, ix, &c) != TN_OK) fail_msg("%s", tn_msg);
        int64_t split = 0, pairs = 0, count[5][K] = {{0}}, all[K] = {0}, beside = 0;
        for (int i = 0; i < N; i++) {
            bool trains = ix->label[i] >= 0 && !ix->is_test[i] && !ix->state[i], has_test = false;
            assert_int_equal(ix->fold[i] >= 0, trains);
            assert_int_equal(ix->fold[i] == TN_FOLD_QUARANTINED, ix->state[i]);
            if (trains) {
                count[ix->fold[i]][ix->label[i]]++;
                all[ix->label[i]]++;
            }
            for (int j = 0; j < N; j++) {
                if (i == j || !kin(ix, i, j, bits)) continue;
                pairs++;
                assert_int_equal(ix->component[i], ix->component[j]);
                split += trains && ix->fold[j] >= 0 && ix->fold[i] != ix->fold[j];
                has_test |= ix->is_test[j] != 0;
            }
            beside += trains && has_test;
        }
        assert_int_equal(split, 0);
        assert_true(pairs > 300);
        assert_int_equal(c.groups_across + c.duplicates_across, 0);
        assert_int_equal(c.test_duplicates, beside);
        for (int f = 0; f < 5; f++)
            for (int k = 0; k < K; k++) /* the largest groups have a dozen rows */
                assert_true(labs((long)(count[f][k] - all[k] / 5)) <= 12);
        int torn = 0; /* the certificate can fail: tear one pair apart */
        while (ix->fold[torn] < 0 || ix->group[torn] < 0) torn++;
        for (int j = torn + 1; j < N; j++)
            if (ix->fold[j] >= 0 && ix->group[j] == ix->group[torn]) {
                int32_t was = ix->fold[j];
                ix->fold[j] = (was + 1) % 5;
                assert_int_equal(tn_leakage_count(&cfg, ix, &c), TN_OK);
                assert_true(c.groups_across > 0);
                ix->fold[j] = was;
                torn = N;
                break;
            }
        assert_int_equal(torn, N);
        int32_t *again = malloc(N * sizeof *again);
        memcpy(again, ix->fold, N * sizeof *again);
        assert_int_equal(tn_fold_assign(&cfg, ix, &c), TN_OK);
        assert_memory_equal(again, ix->fold, N * sizeof *again);
        free(again);
        tn_index_free(&ix);
    }
}

/* Looks that differ in 0 to 9 bits, wherever they lie, and one row in another fold: found up to duplicate_bits, however
 * often either look is there. */
static void torn_looks(void **unused) {
    (void)unused;
    enum { ROWS = 6 };
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(ROWS, 0, &ix), TN_OK);
    tn_rng r = tn_rng_at(2, TN_STREAM_TEST, 0, 0);
    for (int bits = 0; bits <= 8; bits++)
        for (int times = 0; times < 200; times++) {
            uint64_t look = (uint64_t)tn_rng_u32(&r) << 32 | tn_rng_u32(&r) | 1, other = look;
            int apart = 1 + times % 9;
            while (__builtin_popcountll(look ^ other) < apart) other ^= 1ULL << tn_rng_below(&r, 64) & ~(look ^ other);
            for (int i = 0; i < ROWS; i++) {
                ix->label[i] = i == 5 ? -1 : 0;
                ix->is_test[i] = i == 5;
                ix->group[i] = -1;
                ix->content_hash[i] = (uint64_t)i;
                ix->perceptual_hash[i] = i % 2 ? other : look; /* the test row has `other` */
                ix->fold[i] = i == 5 ? TN_FOLD_NONE : i % 2;
            }
            tn_cfg cfg = config_of(3, bits);
            tn_fold_certificate c;
            assert_int_equal(tn_leakage_count(&cfg, ix, &c), TN_OK);
            assert_int_equal(c.duplicates_across > 0, apart <= bits);
            assert_int_equal(c.test_duplicates, apart <= bits ? 5 : 2);
            assert_int_equal(tn_components_find(&cfg, ix, TN_SAME_ANY, ix->component), TN_OK);
            for (int i = 0; i < ROWS; i++) assert_int_equal(ix->component[i], apart <= bits ? 0 : i % 2);
        }
    tn_index_free(&ix);
}

/* Rows 0 and 1 have one group, 1 and 2 the same bytes, 2 and 3 the same look: each relation alone joins its two, all join four. */
static void relations(void **unused) {
    (void)unused;
    static const struct {
        unsigned same;
        int32_t want[4];
    } CASE[] = {{TN_SAME_GROUP, {0, 0, 2, 3}},
                {TN_SAME_CONTENT, {0, 1, 1, 3}},
                {TN_SAME_LOOK, {0, 1, 2, 2}},
                {TN_SAME_CONTENT | TN_SAME_LOOK, {0, 1, 1, 1}},
                {TN_SAME_ANY, {0, 0, 0, 0}}};
    tn_index *ix = NULL;
    tn_cfg cfg = config_of(3, 0);
    assert_int_equal(tn_index_new(4, 0, &ix), TN_OK);
    for (int i = 0; i < 4; i++) {
        ix->group[i] = i < 2 ? 5 : -1;
        ix->content_hash[i] = i == 2 ? 1 : (uint64_t)i;
        ix->perceptual_hash[i] = i == 3 ? 12 : (uint64_t)i + 10;
    }
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) {
        int32_t component[4];
        assert_int_equal(tn_components_find(&cfg, ix, CASE[i].same, component), TN_OK);
        assert_memory_equal(component, CASE[i].want, sizeof component);
    }
    tn_index_free(&ix);
}

/* A process that was asked to stop leaves the search for looks. The last test: the request stays. */
static void stopped(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(5, 8);
    tn_index *ix = make();
    tn_fold_certificate c;
    assert_int_equal(tn_stop_begin(), TN_OK);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    while (!tn_stop_wanted()) usleep(1000);
    assert_int_equal(tn_fold_assign(&cfg, ix, &c), TN_EUNFINISHED);
    tn_index_free(&ix);
}

static void validation(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(5, 0);
    tn_index *ix = make();
    tn_fold_certificate c;
    uint8_t a[N], b[N];
    assert_int_equal(tn_fold_assign(&cfg, ix, &c), TN_OK);
    for (int f = 0; f < 5; f++) {
        int64_t n = 0, of = 0, by_class[K] = {0};
        assert_int_equal(tn_validation_draw(&cfg, ix, f, a), TN_OK);
        assert_int_equal(tn_validation_draw(&cfg, ix, f, b), TN_OK);
        assert_memory_equal(a, b, N);
        for (int i = 0; i < N; i++) {
            bool candidate = ix->fold[i] >= 0 && ix->fold[i] != f;
            of += candidate;
            n += a[i];
            if (a[i]) {
                assert_true(candidate);
                by_class[ix->label[i]]++;
            }
            for (int j = 0; j < N; j++) /* kin are on one side */
                if (candidate && ix->fold[j] >= 0 && ix->fold[j] != f && ix->component[i] == ix->component[j])
                    assert_int_equal(a[i], a[j]);
        }
        assert_true(n > of / 20 && n < of / 6);
        for (int k = 0; k < K; k++) assert_true(by_class[k] >= 1);
    }
    cfg.folds.validation = TN_VALIDATION_HELD_OUT;
    assert_int_equal(tn_validation_draw(&cfg, ix, 2, a), TN_OK);
    for (int i = 0; i < N; i++) assert_int_equal(a[i], ix->fold[i] == 2);
    tn_index_free(&ix);
}

/* 60 single rows and a group of 50 of one class: the slice takes whole kin, but never five times what is wanted; and at
 * least one row of a class whose share rounds to none. */
static void slices_of_large_kin(void **unused) {
    (void)unused;
    enum { ROWS = 110 + 6 };
    static char *names[2] = {"c0", "c1"}, *paths[ROWS];
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(ROWS, 0, &ix), TN_OK);
    ix->n_classes = 2;
    for (int i = 0; i < ROWS; i++) {
        paths[i] = names[0];
        ix->label[i] = i >= 110;
        ix->group[i] = i < 50 ? 7 : -1;
        ix->content_hash[i] = (uint64_t)i + 1;
    }
    ix->class_name = memcpy(malloc(sizeof names), names, sizeof names);
    ix->path = memcpy(malloc(sizeof paths), paths, sizeof paths);
    for (int seed = 1; seed < 40; seed++) {
        tn_cfg cfg = config_of(3, 0);
        tn_fold_certificate c;
        uint8_t slice[ROWS];
        cfg.folds.seed = seed;
        assert_int_equal(tn_fold_assign(&cfg, ix, &c), TN_OK);
        for (int f = 0; f < 3; f++) {
            int64_t n[2] = {0}, of[2] = {0};
            assert_int_equal(tn_validation_draw(&cfg, ix, f, slice), TN_OK);
            for (int i = 0; i < ROWS; i++) {
                of[ix->label[i]] += ix->fold[i] != f;
                n[ix->label[i]] += slice[i];
            }
            assert_int_equal(of[1], 4);
            assert_int_equal(n[1], 1); /* a tenth of 4 */
            assert_int_equal(n[0], (of[0] + 5) / 10);
        }
    }
    tn_index_free(&ix);
}

static void too_few(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(5, 0);
    tn_index *ix = make();
    tn_fold_certificate c;
    int seen = 0;
    for (int i = 0; i < N; i++)
        if (ix->label[i] == 2) {
            ix->is_test[i] = ix->state[i] = 0;
            ix->group[i] = -1;
            ix->content_hash[i] = (uint64_t)i << 40;
            ix->perceptual_hash[i] = 0;
            if (seen++ >= 4) ix->label[i] = 0;
        }
    assert_int_equal(tn_fold_assign(&cfg, ix, &c), TN_EARG);
    unit_says("class c2 has 4 labelled rows in 4 groups, fewer than folds.count = 5");
    tn_index_free(&ix);
}

static tn_status foresee(const tn_cfg *from, const char *table) {
    tn_cfg cfg = *from;
    tn_meta *m = NULL;
    snprintf(cfg.data.metadata, sizeof cfg.data.metadata, "%s", unit_write("m.csv", table));
    if (tn_meta_read(&cfg, &m) != TN_OK) fail_msg("%s", tn_msg);
    tn_status st = tn_fold_foresee(&cfg, m);
    tn_meta_free(&m);
    assert_int_equal(tn_table_check(&cfg), st);
    return st;
}

/* The table alone gives that verdict: F folds need each class in F groups; rows without one are groups of their own. */
static void foreseen(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(3, 0);
#define ENOUGH "path,label,group,split\na,c0,,\nb,c0,,\nc,c0,g,\nd,c1,g,\ne,c1,h,\nf,c1,i,\ng,c1,i,train\n"
    assert_int_equal(foresee(&cfg, ENOUGH "h,c2,g,\ni,c2,x,\nj,c2,,\n"), TN_OK);
    assert_int_equal(foresee(&cfg, ENOUGH), TN_EARG);
    unit_says("m.csv: class c2 has no row to train on: give rows of it, or take it out of data.classes");
    assert_int_equal(foresee(&cfg, ENOUGH "h,c2,g,test\ni,c2,h,test\nj,c2,,test\n"), TN_EARG);
    unit_says("class c2 has no row to train on");
    assert_int_equal(foresee(&cfg, ENOUGH "h,c2,g,\ni,c2,h,\nj,c2,,test\nk,c2,g,\nl,c2,h,\n"), TN_EARG);
    unit_says("m.csv: class c2 has 4 labelled rows in 2 groups, fewer than folds.count = 3");
    assert_int_equal(foresee(&cfg, "path,label\na,c0\nb,c0\nc,c0\nd,c1\ne,c1\nf,c1\ng,c2\nh,c2\n"), TN_EARG);
    unit_says("class c2 has 2 labelled rows in 2 groups");
    assert_int_equal(foresee(&cfg, "path,label,split\na,,\nb,c0,test\n"), TN_EARG);
    unit_says("m.csv: no row can be trained on: each has an empty label or the split `test`");
    assert_int_equal(foresee(&cfg, "path,labels\na,c0\nb,c1\n"), TN_EARG);
    unit_says("no row can be trained on: the header names no column `label`");
    tn_cfg most = config_of(TN_MAX_FOLDS, 0); /* a group for each fold, and one more */
    char table[8192] = "path,label,group\n";
    for (int i = 0; i < K * (TN_MAX_FOLDS + 1); i++) {
        char row[32];
        snprintf(row, sizeof row, "p%d,c%d,g%d\n", i, i % K, i / K);
        strcat(table, row);
    }
    assert_int_equal(foresee(&most, table), TN_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_leak),
                                       cmocka_unit_test(torn_looks),
                                       cmocka_unit_test(relations),
                                       cmocka_unit_test(validation),
                                       cmocka_unit_test(slices_of_large_kin),
                                       cmocka_unit_test(too_few),
                                       cmocka_unit_test(stopped),
                                       cmocka_unit_test(foreseen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
