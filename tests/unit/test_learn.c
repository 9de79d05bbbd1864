/* test_learn.c - the label filter and the ensemble against values worked out by hand. */
#include "unit.h"

#include "golden/confident.h"
#include "model/ckpt.h"
#include "reduce/combine.h"
#include "predict/pred.h"
#include "score/probability.h"
#include "filter/filter.h"
#include "filter/confident.h"
#include "net/sync.h"

#include <math.h>

/* Six rows, three classes; class 0 has rows 0 to 3. */
static const float Z[] = {0.7F, 0.2F, 0.1F, 0.1F, 0.6F, 0.3F, 0.3F, 0.3F, 0.4F,
                          0.2F, 0.5F, 0.3F, 0.1F, 0.1F, 0.8F, 0.2F, 0.5F, 0.3F};
static const int32_t LABEL[] = {0, 0, 0, 0, 2, 2};

typedef struct {
    uint8_t verdict[6], reason[6];
    float margin[6];
    int32_t suggested[6];
} judged;

static judged judge(const float *z, const uint8_t *which, const int32_t *category, tn_judge_rules rules) {
    judged out;
    tn_judge_rows rows = {6, 3, z, LABEL, which, category, 2};
    tn_judgement j = {out.verdict, out.reason, out.margin, out.suggested};
    assert_int_equal(tn_judge(&rows, &rules, &j), TN_OK);
    return out;
}

static const uint8_t BUT_THE_LAST[] = {1, 1, 1, 1, 1, 0};

static void judgement(void **unused) {
    (void)unused;
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0});
    const double margins[] = {-0.5, 0.5, 0.1, 0.3, -0.7, 0};
    const uint8_t verdicts[] = {TN_VERDICT_KEEP, TN_VERDICT_DROP, TN_VERDICT_DROP,
                                TN_VERDICT_DROP, TN_VERDICT_KEEP, TN_VERDICT_NOT_JUDGED};
    const int32_t best[] = {0, 1, 2, 1, 2, 1};
    for (int i = 0; i < 6; i++) {
        assert_true(fabs((double)j.margin[i] - margins[i]) < 1e-6);
        assert_int_equal(j.verdict[i], verdicts[i]);
        assert_int_equal(j.suggested[i], best[i]);
    }
    assert_true(j.reason[0] == TN_REASON_BELIEVED && j.reason[1] == TN_REASON_SUSPICIOUS &&
                j.reason[5] == TN_REASON_NOT_JUDGED);
    /* other posteriors, the same original labels: a dropped row comes back by itself */
    float later[18];
    memcpy(later, Z, sizeof later);
    later[3] = 0.8F;
    j = judge(later, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0});
    assert_int_equal(j.verdict[1], TN_VERDICT_KEEP);
}

static void floors(void **unused) {
    (void)unused;
    /* half of the 4 rows of class 0 must stay: row 2 comes back, its label is believed most (0.3 against 0.1 and
     * 0.2) */
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0.5});
    assert_true(j.verdict[2] == TN_VERDICT_KEEP && j.reason[2] == TN_REASON_CLASS_FLOOR);
    assert_true(j.verdict[1] == TN_VERDICT_DROP && j.verdict[3] == TN_VERDICT_DROP);
    j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.class_floor = 0.7}); /* 2.8: 3 rows */
    assert_true(j.verdict[3] == TN_VERDICT_KEEP && j.verdict[1] == TN_VERDICT_DROP);
    /* category 1 has rows 1 and 3, both suspicious; half of them is one: row 3 (0.2 against 0.1). Category 0 has 0, 2
     * and 4, of which two are kept: enough. */
    const int32_t category[] = {0, 1, 0, 1, 0, 1};
    j = judge(Z, BUT_THE_LAST, category, (tn_judge_rules){.category_floor = 0.5});
    assert_true(j.verdict[3] == TN_VERDICT_KEEP && j.reason[3] == TN_REASON_CATEGORY_FLOOR);
    assert_true(j.verdict[1] == TN_VERDICT_DROP && j.verdict[2] == TN_VERDICT_DROP);
    j = judge(Z, BUT_THE_LAST, category, (tn_judge_rules){.class_floor = 0.7, .category_floor = 0.5});
    assert_int_equal(j.reason[3], TN_REASON_CLASS_FLOOR); /* counted for its category too */
    assert_int_equal(j.verdict[1], TN_VERDICT_DROP);
    /* a row of no category is no category's */
    const int32_t none[] = {0, 1, 0, -1, 0, 1};
    j = judge(Z, BUT_THE_LAST, none, (tn_judge_rules){.category_floor = 0.5});
    assert_true(j.reason[1] == TN_REASON_CATEGORY_FLOOR && j.reason[3] == TN_REASON_SUSPICIOUS);
}

static void what_happens_to_the_dropped(void **unused) {
    (void)unused;
    judged j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.dropped = TN_DROPPED_UNLABELED});
    assert_true(j.verdict[1] == TN_VERDICT_UNLABELED && j.verdict[0] == TN_VERDICT_KEEP);
    j = judge(Z, BUT_THE_LAST, NULL, (tn_judge_rules){.dropped = TN_DROPPED_RELABEL, .relabel_margin = 0.25});
    const uint8_t verdicts[] = {TN_VERDICT_KEEP,    TN_VERDICT_RELABEL, TN_VERDICT_DROP,
                                TN_VERDICT_RELABEL, TN_VERDICT_KEEP,    TN_VERDICT_NOT_JUDGED};
    const int32_t after[] = {0, 1, TN_LABEL_OUT, 1, 2, 2};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(j.verdict[i], verdicts[i]);
        assert_int_equal(tn_label_after(j.verdict[i], LABEL[i], j.suggested[i]), after[i]);
    }
    assert_int_equal(tn_label_after(TN_VERDICT_UNLABELED, 1, 2), TN_LABEL_NONE);
}

/* Against cleanlab. The ledger's margin and p_label are its two rankings: (1 - margin) / 2 and self-confidence. */
static void confident_learning(void **unused) {
    (void)unused;
    for (size_t g = 0; g < sizeof GOLDEN_CONFIDENT / sizeof *GOLDEN_CONFIDENT; g++) {
        const golden_confident *e = &GOLDEN_CONFIDENT[g];
        enum { MOST = sizeof e->label / sizeof *e->label };
        uint8_t all[MOST], suspicious[MOST], reason[MOST], verdict[MOST];
        double threshold[5];
        int64_t joint[25];
        float margin[MOST];
        int32_t suggested[MOST];
        memset(all, 1, sizeof all);
        tn_confident_joint(e->n, e->K, e->p, e->label, all, threshold, joint);
        for (int k = 0; k < e->K; k++) assert_true(fabs(threshold[k] - e->threshold[k]) < 1e-12);
        for (int k = 0; k < e->K * e->K; k++) assert_int_equal(joint[k], e->joint[k]);
        for (int both = 0; both < 2; both++) {
            tn_prune prune = both ? TN_PRUNE_BOTH : TN_PRUNE_NOISE_RATE;
            assert_int_equal(tn_confident_judge(e->n, e->K, e->p, e->label, all, prune, suspicious), TN_OK);
            for (int i = 0; i < e->n; i++) assert_int_equal(suspicious[i], both ? e->both[i] : e->noise_rate[i]);
        }
        tn_judge_rows rows = {e->n, e->K, e->p, e->label, all, NULL, 0};
        tn_judgement j = {verdict, reason, margin, suggested};
        assert_int_equal(tn_judge(&rows, &(tn_judge_rules){.method = TN_SELF_CONFIDENT}, &j), TN_OK);
        for (int i = 0; i < e->n; i++) {
            assert_int_equal(verdict[i] == TN_VERDICT_DROP, e->noise_rate[i]);
            assert_true(fabs((1 - (double)margin[i]) / 2 - e->normalized_margin[i]) < 1e-6);
            assert_true(fabs((double)e->p[i * e->K + e->label[i]] - e->self_confidence[i]) < 1e-7);
        }
        memset(all, 0, sizeof all); /* nobody is judged: nobody is suspicious */
        assert_int_equal(tn_confident_judge(e->n, e->K, e->p, e->label, all, TN_PRUNE_BOTH, suspicious), TN_OK);
        for (int i = 0; i < e->n; i++) assert_int_equal(suspicious[i], 0);
    }
}

/* b counts as often as `times` says. */
static void combine(tn_reduce_kind kind, int times, const float *a, const float *b, float p[4]) {
    double sum[4] = {0};
    tn_combine_add(kind, 1, 4, a, sum);
    tn_combine_add(kind, times, 4, b, sum);
    tn_combine_end(kind, 1 + times, 2, 2, sum, p);
}

static void combining(void **unused) {
    (void)unused;
    const float a[] = {0.5F, 0.5F, 0.9F, 0.1F}, b[] = {0.1F, 0.9F, 0.0F, 1.0F};
    float p[4];
    combine(TN_REDUCE_MEAN, 3, a, b, p);
    const double thrice[] = {0.2, 0.8, 0.225, 0.775};
    for (int i = 0; i < 4; i++) assert_true(fabs((double)p[i] - thrice[i]) < 1e-6);
    combine(TN_REDUCE_MEAN, 1, a, b, p);
    const double mean[] = {0.3, 0.7, 0.45, 0.55};
    for (int i = 0; i < 4; i++) assert_true(fabs((double)p[i] - mean[i]) < 1e-6);
    combine(TN_REDUCE_GMEAN, 1, a, b, p);
    /* sqrt(.05), sqrt(.45) normalised: 0.25, 0.75; a zero counts as 1e-7: sqrt(9e-8) / (sqrt(9e-8) + sqrt(.1)) */
    const double gmean[] = {0.25, 0.75, 0.000947785, 0.999052215};
    for (int i = 0; i < 4; i++) assert_true(fabs((double)p[i] - gmean[i]) < 1e-6);
}

/* Rows of three classes and whether they are probabilities, by hand. */
static void probabilities(void **unused) {
    (void)unused;
    const float third = 1.0F / 3;
    const struct {
        float p[3];
        bool sound;
    } row[] = {{{0, 0, 1}, true},
               {{third, third, third}, true},
               {{0.25F, -0.0F, 0.75F}, true},
               {{0, 0, 1.0000001F}, true}, /* a mean of ones, rounded */
               {{0.3333F, 0.3333F, 0.3333F}, true},
               {{0.333F, 0.333F, 0.332F}, false},
               {{0.5F, 0.25F, 0.252F}, false},
               {{0, 0, 0}, false},
               {{1e-3F, -1e-7F, 0.999F}, false},
               {{0, 0, 1.0001F}, false},
               {{2, -1, 0}, false},
               {{NAN, 0.5F, 0.5F}, false},
               {{0, INFINITY, 0}, false},
               {{INFINITY, -INFINITY, 1}, false}};
    enum { N = sizeof row / sizeof *row };
    float all[N][3];
    int64_t n_sound = 0;
    for (int i = 0; i < N; i++) {
        memcpy(all[i], row[i].p, sizeof all[i]);
        assert_int_equal(tn_probability_bad(1, 3, row[i].p), row[i].sound ? -1 : 0);
        n_sound += row[i].sound && n_sound == i;
    }
    assert_int_equal(tn_probability_bad(N, 3, all[0]), n_sound);
    assert_int_equal(tn_probability_bad(n_sound, 3, all[0]), -1);
    assert_int_equal(tn_probability_bad(0, 3, all[0]), -1);
    char *name[] = {"x", "y", "z"};
    assert_int_equal(tn_probability_fail("f.h5", 7, "a.jpg", 3, name, row[10].p, "go"), TN_EFORMAT);
    unit_says("f.h5: row 7 (a.jpg): the probability of x is 2, not a number from 0 to 1: go");
    tn_probability_fail("f.h5", 7, NULL, 3, NULL, row[7].p, "go");
    unit_says("f.h5: row 7: the probabilities sum to 0, not to 1: go");
}

/* One block after the other, as `predict` does. */
static tn_status write_predictions(const char *path, const tn_pred_info *info, const int64_t *row, const float *p,
                                   char digest[TN_HEX_BYTES]) {
    tn_pred_writer *w = NULL;
    tn_status st = tn_pred_create(path, info, &w);
    for (int64_t i = 0; st == TN_OK && i < info->n; i++) st = tn_pred_append(w, 1, row + i, p + i * info->K);
    if (st == TN_OK) return tn_pred_finish(&w, digest);
    tn_pred_drop(&w);
    return st;
}

static void predictions(void **unused) {
    (void)unused;
    char digest[2][TN_HEX_BYTES];
    tn_pred_info info = {.cell = {1, 2, 64, 77}, .index_digest = "abc", .model_digest = "def", .n = 3, .K = 2};
    const int64_t rows[] = {1, 5, 9};
    const float p[] = {0.1F, 0.9F, 0.2F, 0.8F, 0.3F, 0.7F};
    float back[4];
    int64_t rows_back[2];
    tn_pred *pr = NULL;
    assert_int_equal(write_predictions(unit_path("p.h5"), &info, rows, p, digest[0]), TN_OK);
    assert_int_equal(tn_pred_open(unit_path("p.h5"), &pr), TN_OK);
    const tn_pred_info *got = tn_pred_info_of(pr);
    assert_true(got->cell.round == 1 && got->cell.fold == 2 && got->cell.size_px == 64 && got->cell.seed == 77 &&
                got->n == 3 && got->K == 2);
    assert_string_equal(got->index_digest, "abc");
    assert_int_equal(tn_pred_read(pr, 1, 2, rows_back, back), TN_OK);
    assert_memory_equal(rows_back, rows + 1, sizeof rows_back);
    assert_memory_equal(back, p + 2, sizeof back);
    assert_int_equal(tn_pred_read(pr, 2, 2, rows_back, back), TN_EFORMAT);
    tn_pred_close(&pr);
    const int64_t wrong[] = {5, 1, 9};
    assert_int_equal(write_predictions(unit_path("q.h5"), &info, wrong, p, digest[1]), TN_OK);
    assert_string_not_equal(digest[0], digest[1]);
    assert_int_equal(tn_pred_open(unit_path("q.h5"), &pr), TN_OK);
    assert_int_equal(tn_pred_read(pr, 0, 2, rows_back, back), TN_EFORMAT);
    tn_pred_close(&pr);
    /* what is no probability is not published */
    const float bad[] = {0.1F, 0.9F, NAN, 0.8F, 0.3F, 0.7F}, large[] = {0.1F, 0.9F, 1.01F, 0, 0.3F, 0.7F};
    const float off[] = {0.1F, 0.9F, 0.2F, 0.8F, 0.3F, 0.5F};
    assert_int_equal(write_predictions(unit_path("n.h5"), &info, rows, bad, digest[1]), TN_EFORMAT);
    assert_non_null(strstr(tn_msg, "n.h5: row 5: the probability of class 0 is nan, not a number from 0 to 1"));
    assert_int_equal(write_predictions(unit_path("n.h5"), &info, rows, large, digest[1]), TN_EFORMAT);
    assert_int_equal(write_predictions(unit_path("n.h5"), &info, rows, off, digest[1]), TN_EFORMAT);
    assert_non_null(strstr(tn_msg, "n.h5: row 9: the probabilities sum to 0.8, not to 1: the model is damaged"));
    assert_false(tn_file_exists(unit_path("n.h5")) || tn_file_exists(unit_path("n.h5.tmp")));
}

/* --- checkpoint container ----------------------------------------------------------------------------------------- */

static void write_sample(const char *path, bool swapped) {
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {7};
    tn_ckpt_entry e[2] = {{"model.b", 1, {1}, b}, {"model.a", 2, {2, 3}, a}};
    if (swapped) {
        tn_ckpt_entry first = e[0];
        e[0] = e[1];
        e[1] = first;
    }
    json_t *meta = json_object();
    json_object_set_new(meta, "note", json_string(swapped ? "other words" : "words"));
    assert_int_equal(tn_ckpt_write(path, 2, e, meta), TN_OK);
    json_decref(meta);
}

static void checkpoints(void **unused) {
    (void)unused;
    tn_ckpt *ck = NULL, *other = NULL;
    char one[TN_HEX_BYTES], two[TN_HEX_BYTES];
    float back[6];
    write_sample(unit_path("a.safetensors"), false);
    write_sample(unit_path("b.safetensors"), true);
    assert_int_equal(tn_ckpt_read(unit_path("a.safetensors"), &ck), TN_OK);
    assert_int_equal(tn_ckpt_read(unit_path("b.safetensors"), &other), TN_OK);
    assert_string_equal(tn_ckpt_word(ck, "note"), "words");
    assert_int_equal(tn_ckpt_count(ck), 2);
    assert_string_equal(tn_ckpt_at(ck, 0)->name, "model.a");
    assert_int_equal(tn_ckpt_copy(ck, "model.a", 2, (int64_t[]){2, 3}, back), TN_OK);
    assert_true(back[0] == 1 && back[5] == 6);
    assert_int_equal(tn_ckpt_copy(ck, "model.a", 2, (int64_t[]){3, 2}, back), TN_EFORMAT);
    unit_says("model.a has shape (2,3), wanted (3,2)");
    assert_int_equal(tn_ckpt_copy(ck, "model.c", 1, (int64_t[]){1}, back), TN_EFORMAT);
    tn_ckpt_digest(ck, "", one);
    tn_ckpt_digest(other, "", two);
    assert_string_equal(one, two); /* neither order nor words matter */
    tn_ckpt_digest(other, "model.a", two);
    assert_string_not_equal(one, two);
    tn_ckpt_free(&ck);
    tn_ckpt_free(&other);
}

/* Every cut and every flipped byte is found; never a crash (run under ASan too). */
static void damaged_checkpoints(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    tn_ckpt *ck = NULL;
    write_sample(unit_path("whole"), false);
    assert_int_equal(tn_file_read(unit_path("whole"), &text, &n), TN_OK);
    for (size_t cut = 0; cut < n; cut++) {
        FILE *f = fopen(unit_path("cut"), "wb");
        fwrite(text, 1, cut, f);
        fclose(f);
        assert_int_equal(tn_ckpt_read(unit_path("cut"), &ck), TN_EFORMAT);
        assert_null(ck);
    }
    for (size_t at = 0; at < n; at++) {
        FILE *f = fopen(unit_path("bit"), "wb");
        text[at] ^= 0x15;
        fwrite(text, 1, n, f);
        text[at] ^= 0x15;
        fclose(f);
        assert_int_equal(tn_ckpt_read(unit_path("bit"), &ck), TN_EFORMAT);
    }
    free(text);
    const char *bad[] = {"{\"x\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,8],\"data_offsets\":[0,4]}}",
                         "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                         "{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
                         "{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                         "{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
                         "[1]",
                         "{\"x\":3}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t length = strlen(bad[i]);
        FILE *f = fopen(unit_path("bad"), "wb");
        fwrite(&length, 8, 1, f);
        fwrite(bad[i], 1, length, f);
        fwrite("\0\0\0\0", 1, 4, f);
        fclose(f);
        assert_int_equal(tn_ckpt_read(unit_path("bad"), &ck), TN_EFORMAT);
    }
}

static void net_in_checkpoint(void **unused) {
    (void)unused;
    tn_net_spec spec = {.name = "efficientnet-b0",
                        .width = 0.25,
                        .depth = 0.4,
                        .stem_stride = 1,
                        .n_classes = 3,
                        .extra_units = 4,
                        .head_units = 8,
                        .dropout = 0.25,
                        .drop_connect = 0.1};
    tn_net *net = NULL, *again = NULL;
    assert_int_equal(tn_net_new(&spec, &net), TN_OK);
    size_t n = (size_t)tn_net_params(net), n_state = (size_t)tn_net_state(net);
    float *w = malloc(n * sizeof *w), *s = malloc(n_state * sizeof *s), *w2 = calloc(n, sizeof *w),
          *s2 = calloc(n_state, sizeof *s);
    tn_net_init(net, 5, w, s);
    tn_ckpt_entry *e = calloc((size_t)tn_net_tensors(net), sizeof *e);
    tn_ckpt_net_entries(net, "model.", w, s, e);
    json_t *meta = json_object();
    tn_ckpt_model model = {.net = *tn_net_spec_of(net), .size_px = 48, .norm = {{0.1F, 0.2F, 0.3F}, {1, 2, 3}}}, read;
    tn_ckpt_set_model(meta, &model);
    assert_int_equal(tn_ckpt_write(unit_path("net"), tn_net_tensors(net), e, meta), TN_OK);
    tn_ckpt *ck = NULL;
    assert_int_equal(tn_ckpt_read(unit_path("net"), &ck), TN_OK);
    assert_int_equal(tn_ckpt_model_of(ck, &read), TN_OK);
    assert_string_equal(read.net.name, model.net.name);
    assert_true(read.net.width == model.net.width && read.net.depth == model.net.depth && read.net.stem_stride == 1);
    assert_true(read.net.n_classes == 3 && read.net.extra_units == 4 && read.net.head_units == 8 && !read.net.pad_same);
    assert_true(read.net.dropout == 0.25 && read.net.drop_connect == 0.1 && read.net.bn_eps == model.net.bn_eps &&
                read.net.bn_momentum == model.net.bn_momentum);
    assert_true(read.size_px == 48 && read.norm.mean[1] == 0.2F && read.norm.std[2] == 3);
    assert_int_equal(tn_net_new(&read.net, &again), TN_OK);
    assert_int_equal(tn_ckpt_net_load(ck, again, "model.", w2, s2), TN_OK);
    assert_memory_equal(w, w2, n * sizeof *w);
    assert_memory_equal(s, s2, n_state * sizeof *s);
    assert_int_equal(tn_ckpt_net_load(ck, again, "ema.", w2, s2), TN_EFORMAT);
    unit_says("tensors do not match, the first of them");
    json_decref(meta);
    free(w), free(s), free(w2), free(s2), free(e);
    tn_ckpt_free(&ck);
    tn_net_free(&net);
    tn_net_free(&again);
}

static void lanes(void **unused) {
    (void)unused;
    for (int L = 1; L <= 32; L *= 2)
        for (int R = 1; R <= L; R++) {
            int next = 0;
            for (int r = 0; r < R; r++) {
                tn_lanes mine = tn_lanes_of(L, R, r);
                assert_int_equal(mine.first, next);
                assert_true(mine.n >= L / R);
                next += mine.n;
            }
            assert_int_equal(next, L);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(judgement),
                                       cmocka_unit_test(floors),
                                       cmocka_unit_test(what_happens_to_the_dropped),
                                       cmocka_unit_test(confident_learning),
                                       cmocka_unit_test(combining),
                                       cmocka_unit_test(probabilities),
                                       cmocka_unit_test(predictions),
                                       cmocka_unit_test(checkpoints),
                                       cmocka_unit_test(damaged_checkpoints),
                                       cmocka_unit_test(net_in_checkpoint),
                                       cmocka_unit_test(lanes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
