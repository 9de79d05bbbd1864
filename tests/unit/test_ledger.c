/* test_ledger.c - ledgers written, read and compared; posteriors of models trained elsewhere; many slabs as one. */
#include "unit.h"

#include "filter/ledger.h"
#include "filter/posteriors.h"
#include "store/csv.h"
#include "store/h5.h"

#include <math.h>
#include <signal.h>

enum { N = 6, K = 3, F = 3 };

/* Six rows; row 4 is a test row. */
static tn_index *make(void) {
    static const char *const PATH[N] = {"a.jpg", "b,c.jpg", "d.jpg", "e.jpg", "t.jpg", "f.jpg"};
    static const char *const CLASS[K] = {"x", "y", "z"};
    static const int32_t FOLD[N] = {0, 1, 2, 0, -1, 1}, LABEL[N] = {0, 1, 2, 0, 0, 1}, TRUTH[N] = {0, 2, 2, -1, 0, 1};
    tn_index *ix = NULL;
    assert_int_equal(tn_index_new(N, 0, &ix), TN_OK);
    ix->n_classes = K;
    ix->path = malloc(sizeof PATH);
    ix->class_name = malloc(sizeof CLASS);
    memcpy(ix->path, PATH, sizeof PATH);
    memcpy(ix->class_name, CLASS, sizeof CLASS);
    memcpy(ix->fold, FOLD, sizeof FOLD);
    memcpy(ix->label, LABEL, sizeof LABEL);
    memcpy(ix->truth, TRUTH, sizeof TRUTH);
    strcpy(ix->digest, "0123abc");
    return ix;
}

static const uint8_t JUDGED[N] = {1, 1, 1, 1, 0, 1};
/* Thresholds: x (0.5 + 0.25) / 2 = 0.375, y (0.25 + 0.5) / 2 = 0.375, z 1. */
static const float Z[N * K] = {0.5F,  0.25F, 0.25F, 0.25F, 0.25F, 0.5F, 0,    0,    1,
                               0.25F, 0.75F, 0,     0,     0,     0,    0.5F, 0.5F, 0};

static void write_ledger(const tn_index *ix, const char *folder, const uint8_t *verdict) {
    uint8_t reason[N] = {TN_REASON_BELIEVED, TN_REASON_SUSPICIOUS, TN_REASON_BELIEVED, TN_REASON_CLASS_FLOOR, 0, 1};
    float margin[N] = {-0.25F, 0.25F, -1, 0.5F, 0, 0};
    int32_t suggested[N] = {0, 2, 2, 1, 0, 0};
    const uint8_t votes[N * F] = {0, 1, 2, 2, 0, 2, 1, 1, 0, 0, 2, 2, 0, 0, 0, 1, 0, 1};
    uint8_t given[N];
    memcpy(given, verdict, N);
    tn_judgement j = {given, reason, margin, suggested};
    tn_ledger l = {.ix = ix,
                   .round = 2,
                   .n_folds = F,
                   .with_truth = true,
                   .judgement = &j,
                   .z = Z,
                   .judged = JUDGED,
                   .votes = votes};
    assert_int_equal(tn_folder_make(folder), TN_OK);
    if (tn_ledger_write(&l, folder) != TN_OK) fail_msg("%s", tn_msg);
}

static const uint8_t VERDICT[N] = {0, TN_VERDICT_DROP, 0, 0, TN_VERDICT_NOT_JUDGED, 0};

static void written(void **unused) {
    (void)unused;
    tn_index *ix = make();
    char path[300], *text = NULL;
    size_t n = 0;
    write_ledger(ix, unit_path("l"), VERDICT);
    snprintf(path, sizeof path, "%s/ledger.csv", unit_path("l"));
    assert_int_equal(tn_file_read(path, &text, &n), TN_OK);
    static const char WANTED[] =
        "path,label,suggested,margin,verdict,votes_drop,votes_keep,votes,reason,p_label,log_odds,id,round,truth\n"
        "a.jpg,x,x,-0.250000,keep,1,1,-kd,believed,0.500000,-0.693147,0,2,x\n"
        "\"b,c.jpg\",y,z,0.250000,drop,2,0,d-d,suspicious,0.250000,0.000000,1,2,z\n"
        "d.jpg,z,z,-1.000000,keep,0,2,kk-,believed,1.000000,-69.077553,2,2,z\n"
        "e.jpg,x,y,0.500000,keep,2,0,-dd,class_floor,0.250000,1.098612,3,2,\n"
        "f.jpg,y,x,0.000000,keep,0,2,k-k,believed,0.500000,0.000000,5,2,y\n";
    if (n != strlen(WANTED) || memcmp(text, WANTED, n) != 0) fail_msg("%.*s", (int)n, text);
    free(text);
    /* the same in HDF5 */
    tn_h5 *f = NULL;
    int64_t id[5], round = 0, n_paths = 0;
    int32_t suggested[5], truth[5];
    float margin[5], odds[5];
    uint8_t votes[5 * F];
    char **paths = NULL;
    snprintf(path, sizeof path, "%s/ledger.h5", unit_path("l"));
    assert_int_equal(tn_h5_open(path, &f), TN_OK);
    assert_int_equal(tn_h5_check_stamp(f, path, "ledger", 1), TN_OK);
    assert_int_equal(tn_h5_get_int(f, "round", &round), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "id", TN_H5_I64, 0, 5, id), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "suggested", TN_H5_I32, 0, 5, suggested), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "truth", TN_H5_I32, 0, 5, truth), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "margin", TN_H5_F32, 0, 5, margin), TN_OK);
    assert_int_equal(tn_h5_read_rows(f, "log_odds", TN_H5_F32, 0, 5, odds), TN_OK);
    assert_true(fabs((double)odds[3] - 1.098612) < 1e-6); /* log 3 */
    assert_int_equal(tn_h5_read_rows(f, "votes", TN_H5_U8, 0, 5, votes), TN_OK);
    assert_int_equal(tn_h5_read_strings(f, "path", &n_paths, &paths), TN_OK);
    assert_true(round == 2 && n_paths == 5 && id[3] == 3 && id[4] == 5 && truth[3] == -1);
    assert_true(suggested[1] == 2 && suggested[4] == 0 && margin[3] == 0.5F && votes[4 * F] == 1 &&
                votes[4 * F + 1] == 0);
    assert_string_equal(paths[1], "b,c.jpg");
    free(paths);
    tn_h5_close(&f);
    tn_index_free(&ix);
}

static tn_status diff(const char *a, const char *b, char **counts, char **rows) {
    size_t n = 0, m = 0;
    FILE *c = open_memstream(counts, &n), *r = open_memstream(rows, &m);
    tn_status st = tn_ledger_diff(a, b, c, r);
    fclose(c);
    fclose(r);
    return st;
}

static void compared(void **unused) {
    (void)unused;
    tn_index *ix = make();
    const uint8_t later[N] = {0, 0, 0, TN_VERDICT_RELABEL, TN_VERDICT_NOT_JUDGED, 0};
    char a[300], b[300], *counts = NULL, *rows = NULL;
    write_ledger(ix, unit_path("a"), VERDICT);
    write_ledger(ix, unit_path("b"), later);
    snprintf(a, sizeof a, "%s/ledger.csv", unit_path("a"));
    snprintf(b, sizeof b, "%s/ledger.csv", unit_path("b"));
    assert_int_equal(diff(a, b, &counts, &rows), TN_OK);
    assert_string_equal(rows, "path,label,verdict_a,verdict_b,suggested_a,suggested_b,margin_a,margin_b\n"
                              "\"b,c.jpg\",y,drop,keep,z,z,0.250000,0.250000\n"
                              "e.jpg,x,keep,relabel,y,y,0.500000,0.500000\n");
    assert_string_equal(counts, "| class | verdict before | verdict after | rows |\n| --- | --- | --- | ---: |\n"
                                "| x | keep | keep | 1 |\n| x | keep | relabel | 1 |\n| y | drop | keep | 1 |\n"
                                "| y | keep | keep | 1 |\n| z | keep | keep | 1 |\n\n2 of 5 verdicts changed\n");
    free(counts);
    free(rows);
    const char *bad[][2] = {
        {"path,label,suggested,margin,verdict\na.jpg,x,x,0,keep\nother.jpg,y,y,0,keep\n", "different data sets"},
        {"path,label,suggested,margin,verdict\na.jpg,x,x,0,keep\n", "5 rows, "},
        {"path,label,suggested,margin,verdict\na.jpg,z,x,0,keep\n", "a.jpg is given as z, but as x in"},
        {"path,label\na.jpg,x\n", "has no column suggested: it is not a ledger.csv"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(diff(a, unit_write("bad.csv", bad[i][0]), &counts, &rows), TN_EARG);
        unit_says(bad[i][1]);
        assert_true(!*counts && !*rows);
        free(counts);
        free(rows);
    }
    tn_index_free(&ix);
}

/* --- models trained elsewhere ------------------------------------------------------------------------------------- */

typedef struct {
    const char *digest, *classes[K + 1];
    int64_t n, row[N];
    float p[N * K];
} foreign;

static const foreign GOOD = {"0123abc",
                             {"x", "y", "z"},
                             5,
                             {5, 0, 1, 2, 3},
                             {0, 0.25F, 0.75F, 1, 0, 0, 0.5F, 0.5F, 0, 0, 0, 1, 0.25F, 0.25F, 0.5F}};

static tn_status read_foreign(const foreign *x, float *out) {
    const char *path = unit_path("p.h5");
    tn_index *ix = make();
    tn_h5 *f = NULL;
    assert_int_equal(tn_h5_create(path, &f), TN_OK);
    if (x->digest) assert_int_equal(tn_h5_set_text(f, "index_digest", x->digest), TN_OK);
    for (int k = 0; k <= K && x->classes[k]; k++) {
        char name[16];
        snprintf(name, sizeof name, "classes%d", k);
        assert_int_equal(tn_h5_set_text(f, name, x->classes[k]), TN_OK);
    }
    assert_int_equal(tn_h5_write(f, "row", TN_H5_I64, 1, &x->n, x->row), TN_OK);
    assert_int_equal(tn_h5_write(f, "p", TN_H5_F32, 2, (int64_t[]){x->n, K}, x->p), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    tn_status st = tn_posteriors_foreign(path, ix, out);
    tn_index_free(&ix);
    return st;
}

static void refused(foreign x, const char *text) {
    float out[N * K];
    assert_int_equal(read_foreign(&x, out), TN_EFORMAT);
    unit_says(text);
}

static void from_elsewhere(void **unused) {
    (void)unused;
    float out[N * K];
    if (read_foreign(&GOOD, out) != TN_OK) fail_msg("%s", tn_msg);
    assert_true(out[5 * K + 2] == 0.75F && out[0] == 1 && out[3 * K + 2] == 0.5F && out[4 * K] == 0);
    foreign x = GOOD;
    x.p[4] = (float)strtod("nan", NULL);
    refused(x, "row 0 (a.jpg): the probability of y is");
    x = GOOD;
    x.p[0] = 0.5F;
    refused(x, "row 5 (f.jpg): the probabilities sum to 1.5, not to 1");
    x = GOOD;
    x.n = 4;
    refused(x, "1 rows with a fold are missing, the first is row 3 (e.jpg)");
    x = GOOD;
    x.row[1] = 5;
    refused(x, "has row 5 (f.jpg) twice");
    x = GOOD;
    x.row[1] = 6;
    refused(x, "has row 6, but the table has rows 0 to 5");
    x = GOOD;
    x.digest = "4567def";
    refused(x, "is of another data set or fold map: its index_digest is 4567def, this run's is 0123abc");
    x.digest = NULL;
    refused(x, "has no text attribute `index_digest`: it must be 0123abc");
    x = GOOD;
    x.classes[0] = "y", x.classes[1] = "x";
    refused(x, "column 0 of p is y, in data.classes it is x");
    x = GOOD;
    x.classes[2] = NULL;
    refused(x, "attribute `classes` names 2 classes, data.classes has 3");
}

/* A file of h5py; and the same with single bytes set to 255, for which libhdf5 1.10.8 crashes: that is a message. */
static void damaged(void **unused) {
    (void)unused;
    static const int WHERE[] = {901, 903, 990, 1006, 1022};
    float out[N * K];
    char *bytes = NULL;
    size_t n = 0;
    tn_index *ix = make();
    if (tn_posteriors_foreign(TN_SOURCE_DIR "/tests/golden/foreign.h5", ix, out) != TN_OK) fail_msg("%s", tn_msg);
    assert_true(out[5 * K + 2] == 0.75F && out[0] == 1 && out[3 * K + 2] == 0.5F && out[4 * K] == 0);
    assert_int_equal(tn_file_read(TN_SOURCE_DIR "/tests/golden/foreign.h5", &bytes, &n), TN_OK);
    signal(SIGSEGV, SIG_DFL); /* cmocka catches them, also in the process that reads */
    signal(SIGBUS, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    for (size_t i = 0; i < sizeof WHERE / sizeof *WHERE; i++) {
        char was = bytes[WHERE[i]];
        bytes[WHERE[i]] = (char)0xFF;
        assert_int_equal(tn_file_publish(unit_path("damaged.h5"), bytes, n), TN_OK);
        assert_int_equal(tn_posteriors_foreign(unit_path("damaged.h5"), ix, out), TN_EFORMAT);
        unit_says("damaged.h5: ");
        bytes[WHERE[i]] = was;
    }
    free(bytes);
    tn_index_free(&ix);
}

/* --- many files as one -------------------------------------------------------------------------------------------- */

static void joined(void **unused) {
    (void)unused;
    const int64_t dim[2] = {2, 3};
    tn_h5 *f = NULL;
    char path[300];
    assert_int_equal(tn_folder_make(unit_path("slabs")), TN_OK);
    for (int i = 0; i < 2; i++) {
        float part[6];
        for (int j = 0; j < 6; j++) part[j] = (float)(10 * i + j);
        snprintf(path, sizeof path, "%s/%d.h5", unit_path("slabs"), i);
        assert_int_equal(tn_h5_create(path, &f), TN_OK);
        assert_int_equal(tn_h5_write(f, "z", TN_H5_F32, 2, dim, part), TN_OK);
        assert_int_equal(tn_h5_close(&f), TN_OK);
    }
    const char *files[] = {"../slabs/0.h5", "../slabs/1.h5"};
    assert_int_equal(tn_folder_make(unit_path("whole")), TN_OK);
    snprintf(path, sizeof path, "%s/z.h5", unit_path("whole"));
    assert_int_equal(tn_h5_create(path, &f), TN_OK);
    assert_int_equal(tn_h5_write_virtual(f, "z", TN_H5_F32, 2, files, 2, dim), TN_OK);
    assert_int_equal(tn_h5_close(&f), TN_OK);
    int64_t shape[3];
    float z[12];
    assert_int_equal(tn_h5_open(path, &f), TN_OK);
    assert_int_equal(tn_h5_shape(f, "z", 3, shape), TN_OK);
    assert_true(shape[0] == 2 && shape[1] == 2 && shape[2] == 3);
    assert_int_equal(tn_h5_read_rows(f, "z", TN_H5_F32, 0, 2, z), TN_OK);
    for (int i = 0; i < 12; i++) assert_true(z[i] == (float)(i / 6 * 10 + i % 6));
    tn_h5_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(written), cmocka_unit_test(compared),
                                       cmocka_unit_test(from_elsewhere), cmocka_unit_test(damaged),
                                       cmocka_unit_test(joined)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
