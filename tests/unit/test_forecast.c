/* test_forecast.c - what follows from measured paces, by numbers worked out by hand; one real measurement. */
#include "unit.h"

#include "report/forecast.h"

static const char JOB[] = "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\n"
                          "preprocess: { size_px = 32; };\n"
                          "folds: { count = 3; };\n"
                          "model: { net = \"efficientnet-b0\"; width = 0.1; depth = 0.1; };\n"
                          "train: { images = 320; lanes = 4; lane_images = 8; evaluations = 2; sizes_px = [ 32 ];\n"
                          "  augment = ( { op = \"random_resized_crop\"; } ); };\n"
                          "slurm: { nodes = [ 2, 2 ]; ranks_per_node = 1; cpus_per_rank = 1; max_running = 2; };\n";

static tn_cfg *read_job(const char *more) {
    char text[2048];
    tn_cfg *cfg = NULL;
    snprintf(text, sizeof text, "%s%s", JOB, more);
    if (tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg) != TN_OK) fail_msg("%s", tn_msg);
    return cfg;
}

static double span(int n, const double *seconds, int n_workers) {
    double out = -1;
    assert_int_equal(tn_makespan(n, seconds, n_workers, &out), TN_OK);
    return out;
}

static void makespan(void **unused) {
    (void)unused;
    const double largest_last[] = {1, 1, 1, 3}, largest_first[] = {3, 1, 1, 1}, ten[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_float_equal(span(4, largest_last, 1), 6, 1e-12);
    assert_float_equal(span(4, largest_last, 2), 4, 1e-12);
    assert_float_equal(span(4, largest_first, 2), 3, 1e-12);
    assert_float_equal(span(10, ten, 4), 3, 1e-12);
    assert_float_equal(span(10, ten, 100), 1, 1e-12);
    assert_float_equal(span(0, ten, 2), 0, 1e-12);
}

static const tn_pace PACE = {.lane_s = 0.1,
                             .rest_s = 0.02,
                             .eval_s = 0.04,
                             .load_s = 0.001,
                             .eval_load_s = 0.0005,
                             .predict_s = 0.04,
                             .predict_load_s = 0.0005};

/* Two ranks have two lanes each: 0.22 s of computing; 32 images are 0.032 s of loading. */
static void cores_are_shared(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("");
    assert_float_equal(tn_pace_step_s(cfg, &PACE, 2, 2), (2 * 0.22 + 0.032) / 2, 1e-9);
    assert_float_equal(tn_pace_step_s(cfg, &PACE, 2, 4), 0.22, 1e-9);   /* loaders have cores of their own */
    assert_float_equal(tn_pace_step_s(cfg, &PACE, 3, 100), 0.22, 1e-9); /* three ranks: one has two lanes */
    assert_float_equal(tn_pace_step_s(cfg, &PACE, 4, 100), 0.12, 1e-9);
    assert_float_equal(tn_pace_eval_s(cfg, &PACE, 2, 2), (2 * 0.0025 + 0.0005) / 2, 1e-9);
    assert_float_equal(tn_pace_eval_s(cfg, &PACE, 1, 8), 0.005, 1e-9);
    tn_pace larger = PACE; /* predicts larger images than it evaluates */
    larger.predict_s = 0.08, larger.predict_load_s = 0.002;
    assert_float_equal(tn_pace_predict_s(cfg, &larger, 2, 2), (2 * 0.005 + 0.002) / 2, 1e-9);
    assert_float_equal(tn_pace_eval_s(cfg, &larger, 1, 8), 0.005, 1e-9);
    tn_cfg_free(&cfg);
}

static void says(const tn_cfg *cfg, const tn_forecast *f, int n_nodes, const char *want) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(tn_forecast_print(cfg, f, n_nodes, out), TN_OK);
    fclose(out);
    if (!strstr(text, want)) fail_msg("wanted: %s\nforecast:%s", want, text);
    free(text);
}

/* Here, two cores. The only round is the last: a point looks at (80 - 80 / 3) x 0.1 = 5.333 rows. A cell is 0.8 + 10 x 0.236 + 2 x
 * 5.333 x 0.00275 = 3.1893 s, times 3 is 9.568; predictions are (80 / 3 + 20) x 0.00275 = 0.1283 s, times 3, and 0.8: 1.185 s;
 * preprocess 0.8 + 100 x 0.01 / 2 = 1.3 s; reduce and report 2 x 0.8 s: 13.65 s in all.
 * Nodes of one core: a step 0.22 + 0.032 / 2 and an image 0.0025 + 0.0005 / 2: the same; a task is 3.1893 + 0.1283 + 0.8 = 4.1177. */
static void stages_add_up(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("self: { max_rounds = 0; };\n");
    tn_forecast f = {
        .n_cores = 2, .n_ranks = 2, .rows = 100, .judged = 80, .others = 20, .n_images = 1, .store_s = 0.01};
    f.pace[0] = PACE;
    says(cfg, &f, 0, "here, by tenfold run: 14 s = 14 s: preprocess 1 s, train 10 s, predict 1 s, others 2 s\n");
    /* 3 x 4.1177 x 2 nodes + 1.8 + 1.6 = 28.1 s = 0.0078 h */
    says(cfg, &f, 0, ": 0.01 node-hours: ");
    /* 1.8 + 2 x 4.1177 + 1.6: three cells by two workers, which is what max_running and six nodes leave */
    says(cfg, &f, 6, "with 4 nodes at a time the run ends after 12 s (2 cells at a time)");
    says(cfg, &f, 1, "with 2 nodes at a time the run ends after 16 s (1 cells at a time)");
    tn_cfg_free(&cfg);
    /* larger images in prediction: 46.667 x (2 x 0.05 + 0.002) / 2 = 2.38 s, times 3, and 0.8: 7.94 s, 6.755 s more */
    cfg = read_job("self: { max_rounds = 0; };\npredict: { size_factor = 2; };\n");
    f.pace[0].predict_s = 0.8, f.pace[0].predict_load_s = 0.002;
    says(cfg, &f, 0, "here, by tenfold run: 20 s = 20 s: preprocess 1 s, train 10 s, predict 8 s, others 2 s\n");
    says(cfg, &f, 0, "its models predict at 64 px: a lane in 800.0 ms, here 20 images/s\n");
    f.pace[0] = PACE;
    tn_cfg_free(&cfg);
    cfg = read_job("self: { max_rounds = 0; };\n");
    /* a probe: 0.8 + 80 x (2 x 0.05 + 0.002) / 2 + 3 = 7.88 s more */
    f.probe_px = 64, f.classify_s = 3, f.probe = PACE;
    f.probe.predict_s = 0.8, f.probe.predict_load_s = 0.002;
    says(cfg, &f, 0,
         "here, by tenfold run: 22 s = 22 s: preprocess 1 s, probe 8 s, train 10 s, predict 1 s, others 2 s\n");
    says(cfg, &f, 6, "with 4 nodes at a time the run ends after 20 s (2 cells at a time)");
    says(cfg, &f, 0, "the probe computes features at 64 px: a lane in 800.0 ms, here 20 images/s\n");
    tn_cfg_free(&cfg);
    f.probe_px = 0;
    cfg = read_job("self: { max_rounds = 1; };\n");
    /* round 0 looks at all 80: 0.8 + 2.36 + 0.44 = 3.6, a task 4.5283: 1.8 + 2 x 4.5283 + 0.8 + 2 x 4.1177 + 1.6 = 21.49 */
    says(cfg, &f, 4, "with 4 nodes at a time the run ends after 21 s");
    tn_cfg_free(&cfg);
}

static void a_real_one(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_job("predict: { size_factor = 3; };\n");
    tn_pace p;
    assert_int_equal(tn_pace_measure(cfg, 32, 2, 0, NULL, &p), TN_OK);
    assert_true(p.lane_s > 0 && p.rest_s > 0 && p.eval_s > 0 && p.load_s > 0 && p.eval_load_s > 0);
    assert_true(p.predict_s > 2 * p.eval_s && p.predict_load_s > 0); /* nine times the pixels */
    assert_true(p.lane_s > p.eval_s);                                /* forward and backward against forward */
    assert_true(p.lane_s < 10 && p.load_s < 1);
    assert_int_equal(tn_pace_measure(cfg, 4, 2, 0, NULL, &p), TN_EARG); /* below the net's least size */
    tn_cfg_free(&cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(makespan), cmocka_unit_test(cores_are_shared),
                                       cmocka_unit_test(stages_add_up), cmocka_unit_test(a_real_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
