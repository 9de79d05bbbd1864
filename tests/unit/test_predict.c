/* test_predict.c - the rows that a rank holds in prediction, worked out by hand; where two lists of classes differ. */
#include "unit.h"

#include "predict/pred.h"
#include "train/cost.h"

static tn_cfg *read_cfg(void) {
    tn_cfg *cfg = NULL;
    unit_write("job.cfg", "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\", \"c\" ]; };\n"
                          "preprocess: { size_px = 32; };\n"
                          "model: { net = \"efficientnet-b0\"; width = 0.25; depth = 0.35; };\n"
                          "train: { images = 1600; sizes_px = [ 32 ]; lane_images = 16; };\n");
    if (tn_cfg_read(unit_path("job.cfg"), 0, NULL, unit_path("run"), &cfg) != TN_OK) fail_msg("%s", tn_msg);
    return cfg;
}

static void look(tn_cfg *cfg, int n_views) {
    cfg->predict.n_views = n_views;
    strcpy(cfg->predict.views[0], "identity");
    strcpy(cfg->predict.views[1], "horizontal_flip");
}

static void waves(void **unused) {
    (void)unused;
    static const struct {
        int K, n_views, n_ranks, row_bytes, lanes;
    } CASES[] = {
        {3, 1, 192, 12, 64},        {1000, 1, 4, 4000, 64}, /* 64 lanes of 4 ranks take 16 MB */
        {1000, 1, 192, 4000, 10},   /* a lane of each rank takes 12,288,000 of 134,217,728 bytes */
        {1000, 2, 192, 12000, 3},   /* 36,864,000 bytes */
        {21000, 1, 192, 136, 64},   /* 417,792 bytes */
        {21000, 2, 192, 252000, 1}, /* 774,144,000 bytes: one lane of each rank */
    };
    tn_cfg *cfg = read_cfg();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cfg->data.n_classes = CASES[i].K;
        look(cfg, CASES[i].n_views);
        assert_int_equal(tn_predict_row_bytes(cfg), CASES[i].row_bytes);
        assert_int_equal(tn_predict_wave_lanes(cfg, CASES[i].n_ranks), CASES[i].lanes);
    }
    cfg->data.n_classes = 3;
    tn_cfg_free(&cfg);
}

/* The bytes that a rank of a job of n_nodes nodes with 48 ranks each needs. */
static size_t cost_of(tn_cfg *cfg, int n_views, int n_nodes) {
    tn_train_cost cost;
    look(cfg, n_views);
    cfg->slurm.nodes[1] = n_nodes;
    cfg->slurm.ranks_per_node = 48;
    assert_int_equal(tn_predict_cost_of(cfg, 32, 0, &cost), TN_OK);
    return cost.host_bytes;
}

static void cost(void **unused) {
    (void)unused;
    tn_cfg *cfg = read_cfg();
    cfg->data.n_classes = 21000;
    /* two views: a lane of 16 rows for each of 144 more ranks, and 8 bytes for the number of each row */
    assert_int_equal(cost_of(cfg, 2, 4) - cost_of(cfg, 2, 1), 144 * 16 * (252000 + 8));
    /* one view: 64 lanes instead of one, but 136 bytes instead of 252,000 for a row */
    assert_int_equal(cost_of(cfg, 2, 4) - cost_of(cfg, 1, 4), 192 * 16 * (252008 - 64 * 144));
    cfg->data.n_classes = 3;
    tn_cfg_free(&cfg);
}

static void difference(void **unused) {
    (void)unused;
    char a[TN_CLASS_TEXT_BYTES], b[TN_CLASS_TEXT_BYTES], name[400], *list = NULL;
    tn_pred_difference("cat\ndog\nowl", "cat\ndo\nowl", a, b);
    assert_string_equal(a, "class 2 of 3 is `dog`");
    assert_string_equal(b, "class 2 of 3 is `do`");
    tn_pred_difference("cat\ndog", "cat\ndog\nowl", a, b);
    assert_string_equal(a, "class 3 is missing, there are 2");
    assert_string_equal(b, "class 3 of 3 is `owl`");
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    assert_int_equal(tn_pred_classes(2, (char *[]){"cat", name}, &list), TN_OK);
    tn_pred_difference(list, "dog", a, b);
    assert_string_equal(a, "class 1 of 2 is `cat`");
    tn_pred_difference("cat\nowl", list, a, b); /* long names are cut */
    assert_string_equal(a, "class 2 of 2 is `owl`");
    assert_int_equal(strlen(b), strlen("class 2 of 2 is ``") + 100);
    free(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(waves), cmocka_unit_test(cost), cmocka_unit_test(difference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
