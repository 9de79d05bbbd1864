/* test_summary.c - the conclusion of a run, and which rounds and which decision the report says it uses, from a metrics.json that was written down by hand. */
#include "unit.h"

#include "report/report.h"
#include "report/report_choice.h"
#include "report/summary.h"
#include "store/done.h"

#include <jansson.h>

static const char JOB[] = "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 100; };\n";

/* LOW, HIGH: the interval of the difference; BY_TRUTH: what the truth column says of the filter. */
#define METRICS                                                                                                        \
    "{\"choice\": {\"chosen\": \"round 1\", \"because\": \"it is fine\", \"rounds\": [1], \"compared\": ["             \
    "{\"what\": \"round 0\", \"first\": 0, \"geometric_mean\": 0.5}, {\"what\": \"round 1\", \"first\": 1, "           \
    "\"geometric_mean\": 0.53, \"minus_first\": {\"geometric_mean\": [%g, %g]}}]}, "                                   \
    "\"filter\": [{\"round\": 1, \"judged\": 200, \"flagged\": 50, \"by_truth\": %s}], "                               \
    "\"rounds\": [{\"round\": 0, \"members\": 3, \"planned\": 3, \"out_of_fold\": {\"geometric_mean\": 0.5, "          \
    "\"accuracy\": 0.6, "                                                                                              \
    "\"interval_95\": {\"geometric_mean\": [0.45, 0.55]}}, \"test\": {\"geometric_mean\": 0.7, \"accuracy\": "         \
    "0.8}%s}, "                                                                                                        \
    "{\"round\": 1, \"members\": 2, \"planned\": 3, \"out_of_fold\": {\"geometric_mean\": 0, \"accuracy\": 0.65, "     \
    "\"classes_with_f1_zero\": [\"b\"]}%s}], "                                                                         \
    "\"submitted\": {\"out_of_fold\": {\"geometric_mean\": 0.4, \"accuracy\": 0.64}%s}}"

static char *text_of(double low, double high, bool truth, bool test, bool markdown) {
    char json[2048], *text = NULL;
    size_t n = 0;
    tn_cfg *cfg = NULL;
    const char *found = "{\"found\": 40, \"wrong\": 45, \"flagged\": 48, \"found_by_chance\": 30.4, \"recall\": 0.889}";
    snprintf(json, sizeof json, METRICS, low, high, truth ? found : "null",
             truth ? ", \"out_of_fold_by_truth\": {\"accuracy\": 0.7}" : "",
             truth  ? ", \"out_of_fold_by_truth\": {\"accuracy\": 0.75}, \"test\": {\"geometric_mean\": 0.72, "
                      "\"accuracy\": 0.83}"
             : test ? ", \"test\": {\"geometric_mean\": 0.72, \"accuracy\": 0.83}"
                    : "",
             test ? ", \"test\": {\"geometric_mean\": 0.74, \"accuracy\": 0.82}" : "");
    json_t *metrics = json_loads(json, 0, NULL);
    assert_non_null(metrics);
    if (tn_cfg_read(unit_write("my.cfg", JOB), 0, NULL, "/r/my", &cfg) != TN_OK) fail_msg("%s", tn_msg);
    FILE *f = open_memstream(&text, &n);
    if (markdown)
        tn_summary_markdown(cfg, metrics, f);
    else
        tn_summary_text(cfg, metrics, 75.4, f);
    fclose(f);
    json_decref(metrics);
    tn_cfg_free(&cfg);
    return text;
}

static void has(char *text, const char *want) {
    if (!strstr(text, want)) fail_msg("wanted: %s\nin:\n%s", want, text);
    free(text);
}

/* The interval decides whether a round gained, not the difference. */
static void gains(void **unused) {
    (void)unused;
    has(text_of(0.01, 0.05, false, true, true),
        "**Gained:** round 1 over round 0: geometric mean of F1 0.500 -> 0.530 (difference +0.030, "
        "95 % interval +0.010 to +0.050): a gain of these models (differences between training seeds are not in the "
        "interval).\n");
    has(text_of(-0.01, 0.07, false, true, true), "95 % interval -0.010 to +0.070): no difference is shown.\n");
    has(text_of(-0.05, -0.01, false, true, true),
        "95 % interval -0.050 to -0.010): a loss of these models (differences");
}

static void the_top(void **unused) {
    (void)unused;
    has(text_of(0.01, 0.05, true, true, true),
        "**Found:** 40 of 45 wrong labels (89 %) are among the 48 flagged ones; as many drawn at random would hold "
        "30.\n\n"
        "**Gained:** round 1 over round 0: accuracy of the most probable class by the true labels 0.700 -> 0.750; by "
        "the given ones geometric "
        "mean of F1 0.500 -> "
        "0.530 "
        "(difference +0.030, 95 % interval +0.010 to +0.050): a gain of these models (differences between training "
        "seeds are not in the interval).\n\n"
        "**Submitted:** round 1, chosen by out-of-fold scores.\n\n"
        "**Ensemble:** accuracy 0.820, geometric mean of F1 0.740 on the test split (round 0 by the most probable "
        "class: 0.800, 0.700).\n\n"
        "| score (95 % interval) | round 0 | round 1 | submitted |\n| --- | --- | --- | --- |\n"
        "| cross-validation, geometric mean of F1 | 0.500 (0.450 to 0.550) | 0.000 | 0.400 |\n"
        "| cross-validation, accuracy | 0.600 | 0.650 | 0.640 |\n"
        "| cross-validation, accuracy by true labels | 0.700 | 0.750 | |\n"
        "| test split, ensemble, geometric mean of F1 | 0.700 | 0.720 | 0.740 |\n"
        "| test split, ensemble, accuracy | 0.800 | 0.830 | 0.820 |\n\n"
        "Warning: round 1 has 2 of 3 models.\n"
        "Warning: in round 1 class b has F1 0, so the geometric mean is 0.\n");
}

static void on_a_terminal(void **unused) {
    (void)unused;
    has(text_of(0.01, 0.05, false, false, false),
        "Finished in 75 s\n"
        "Found:     50 of 200 labels are flagged as wrong: see ledger.csv\n"
        "Gained:    round 1 over round 0: geometric mean of F1 0.500 -> 0.530 (difference +0.030, 95 % interval +0.010 "
        "to +0.050): a gain "
        "of these models (differences between training seeds are not in the interval)\n"
        "Submitted: round 1, chosen by out-of-fold scores\n"
        "Ensemble:  not scored, as no test row has a label; its models score 0.400 in cross-validation\n"
        "                                              round 0  round 1  submitted\n"
        "  cross-validation, geometric mean of F1      0.500    0.000    0.400\n"
        "  test split, ensemble, geometric mean of F1  0.700    -        -\n");
    has(text_of(0.01, 0.05, false, true, false),
        "Report:        /r/my/report/report.html\n"
        "Label review:  /r/my/ledger.csv\nPredictions:   /r/my/submission.csv\n");
}

static void assert_used(const tn_cfg *cfg, const char *used, const char *members, const char *says) {
    char path[TN_PATH_BYTES], metrics[1024], *text = NULL;
    size_t n = 0;
    snprintf(metrics, sizeof metrics,
             "{\"method\": \"greedy\", \"choice\": {\"chosen\": \"round 1\", \"because\": \"it is fine\"}, \"rounds\": "
             "[{\"round\": 0}, {\"round\": 1}], "
             "\"tuned\": {\"used\": %s, \"members\": [%s]}}",
             used, members);
    assert_int_equal(tn_path(path, "%s/metrics.json", cfg->run_dir), TN_OK);
    assert_int_equal(tn_file_publish(path, metrics, strlen(metrics)), TN_OK);
    const tn_done done = {.stage = "reduce", .settings = "", .inputs = ""};
    assert_int_equal(tn_path(path, "%s/reduce", cfg->run_dir), TN_OK);
    assert_int_equal(tn_done_publish(path, &done, "0", (const char *[]){"../metrics.json", NULL}), TN_OK);
    assert_int_equal(tn_report(cfg, stdout), TN_OK);
    assert_int_equal(tn_path(path, "%s/report/report.html", cfg->run_dir), TN_OK);
    assert_int_equal(tn_file_read(path, &text, &n), TN_OK);
    if (!strstr(text, says)) fail_msg("wanted: %s\nreport: %s", says, text);
    free(text);
}

/* Calibration is a table and a picture: a bin of 3 of 4 rows, p 0.8 and accuracy 2/3, after p 0.7. */
static void reliability(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t n = 0;
    json_t *m =
        json_loads("{\"submitted\": {\"temperature\": 1.5, \"out_of_fold_calibration\": {\"n\": 4, \"before\": "
                   "{\"expected_calibration_error\": 0.1, \"negative_log_likelihood\": 0.5, \"bins\": [[3, 0.8, "
                   "0.667], [0, null, null]]}, \"after\": {\"expected_calibration_error\": 0.025, "
                   "\"negative_log_likelihood\": 0.4, \"bins\": [[3, 0.7, 0.667]]}}, \"test_calibration\": null}}",
                   0, NULL);
    assert_non_null(m);
    FILE *f = open_memstream(&text, &n);
    tn_report_calibration(m, f);
    fclose(f);
    has(text, "T = 1.500: ");
    f = open_memstream(&text, &n);
    tn_report_calibration(m, f);
    fclose(f);
    has(text, "| out-of-fold | 4 | 0.1000 | 0.0250 | 0.5000 | 0.4000 |\n\nOut-of-fold, after:");
    f = open_memstream(&text, &n);
    tn_report_reliability(m, f);
    fclose(f);
    has(text, "<title>before: 3 rows, p 0.800, accuracy 0.667</title></circle>\n<circle");
    json_decref(m);
}

/* TUNED: are tuned weights submitted? KEPT: was the decision of the chosen rounds? OFFSETS: of the submission. */
static void assert_decision(const char *tuned, const char *kept, const char *offsets, const char *says) {
    char *text = NULL;
    size_t n = 0;
    json_t *m = json_pack("{s:{s:s}, s:{s:s, s:f, s:{s:f}}, s:{s:f}, s:{}}", "choice", "chosen", "round 1", "decision",
                          "by", "prior", "tau", 0.25, "gain", "smoothed", 0.0125, "submitted", "tau", 0.5, "tuned");
    assert_non_null(m);
    json_object_set_new(json_object_get(m, "tuned"), "used", json_loads(tuned, JSON_DECODE_ANY, NULL));
    json_object_set_new(json_object_get(m, "decision"), "used", json_loads(kept, JSON_DECODE_ANY, NULL));
    json_object_set_new(json_object_get(m, "submitted"), "offsets", json_loads(offsets, 0, NULL));
    FILE *f = open_memstream(&text, &n);
    tn_report_decision(m, f);
    fclose(f);
    json_decref(m);
    assert_string_equal(text, says);
    free(text);
}

/* The decision is that of the submission, its gain that of the chosen rounds. */
static void decision(void **unused) {
    (void)unused;
    const char *offsets = "{\"a\": 0.1, \"b\": 0.4}";
    assert_decision("false", "true", offsets,
                    "Decision: the class with the largest log p - 0.5 log(its share of the training labels). Over the "
                    "most probable class it gains, each fold by the others, +0.0125 of the smoothed score.\n");
    assert_decision("true", "true", offsets,
                    "Decision: the class with the largest log p - 0.5 log(its share of the training labels). The plain "
                    "mean of round 1, with a decision of its own, gains by it over the most probable class, each fold "
                    "by the others, +0.0125 of the smoothed score.\n");
    assert_decision(
        "true", "false", offsets,
        "Decision: the class with the largest log p - 0.5 log(its share of the training labels). A tuned "
        "decision of the plain mean of round 1 was given up: it scores less than the most probable class.\n");
    assert_decision("false", "false", "{}",
                    "The tuned decision scores less than the most probable class where it was not chosen: the most "
                    "probable class is named.\n");
}

static void members_of_rounds(void **unused) {
    (void)unused;
    tn_cfg *cfg = NULL;
    char folder[TN_PATH_BYTES];
    const char *job = unit_write(
        "my.cfg", "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 100; };\n");
    const char *both =
        "{\"round\": 0, \"weight\": 0.25}, {\"round\": 1, \"weight\": 0.5}, {\"round\": 1, \"weight\": 0.25}";
    assert_int_equal(tn_cfg_read(job, 0, NULL, unit_path("run"), &cfg), TN_OK);
    assert_int_equal(tn_path(folder, "%s/reduce", cfg->run_dir), TN_OK);
    assert_int_equal(tn_folder_make(folder), TN_OK);
    assert_used(cfg, "true", both,
                "<p>The submission uses members of round 0 (1 of 3, with 25.0 % of the weight), round 1 (2 of 3, with "
                "75.0 % of the weight): ");
    assert_used(cfg, "true", both, " Without selection it would use round 1: it is fine.</p>");
    assert_used(cfg, "true", "{\"round\": 0, \"weight\": 1}",
                "<p>The submission uses members of round 0 (1 of 1, with 100.0 % of the weight): ");
    assert_used(cfg, "true", "{\"round\": 1, \"weight\": 1}",
                "<p>The submission uses members of round 1 (1 of 1, with 100.0 % ");
    assert_used(cfg, "false", both, "<p>The submission uses round 1: it is fine.</p>");
    tn_cfg_free(&cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gains),         cmocka_unit_test(the_top),
                                       cmocka_unit_test(on_a_terminal), cmocka_unit_test(members_of_rounds),
                                       cmocka_unit_test(reliability),   cmocka_unit_test(decision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
