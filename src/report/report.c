/* report.c - score table, filter, exposure: from metrics.json and the journals. */
#include "report/report.h"

#include "base/progress.h"
#include "cfg/shown.h"
#include "data/class_map.h"
#include "data/meta.h"
#include "filter/ledger.h"
#include "report/fields.h"
#include "report/report_choice.h"
#include "report/report_classes.h"
#include "report/report_filter.h"
#include "report/report_page.h"
#include "report/summary.h"
#include "run/course.h"
#include "search/search.h"
#include "search/search_report.h"
#include "store/csv.h"
#include "store/done.h"
#include "train/journal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const tn_cfg *cfg;
    json_t *metrics;
    FILE *text, *csv;
} report;

/* --- score table -------------------------------------------------------------------------------------------------- */

/* With many classes, report.md has no columns for them. */
static int text_columns(const report *r) {
    return r->cfg->data.n_classes <= TN_MOST_SHOWN ? r->cfg->data.n_classes : 0;
}

/* scores.csv has a column for each class, unless that would be a table of thousands of columns: metrics.json has them. */
static int csv_columns(const report *r) {
    return r->cfg->data.n_classes <= TN_WHOLE_CLASSES ? r->cfg->data.n_classes : 0;
}

static void table_head(report *r) {
    fputs("| what | rows | geometric mean | macro F1 | accuracy |", r->text);
    fputs("what,rows,geometric_mean,macro_f1,accuracy", r->csv);
    for (int k = 0; k < text_columns(r); k++) {
        fputs(" F1 ", r->text);
        tn_report_name(r->text, r->cfg->data.classes[k]);
        fputs(" |", r->text);
    }
    for (int k = 0; k < csv_columns(r); k++) {
        char column[TN_NAME_BYTES + 4];
        snprintf(column, sizeof column, "f1_%s", r->cfg->data.classes[k]);
        tn_csv_put(r->csv, ",", column);
    }
    fputs("\n| --- |", r->text);
    for (int k = 0; k < text_columns(r) + 4; k++) fputs(" ---: |", r->text);
    fputc('\n', r->text);
    fputc('\n', r->csv);
}

static void table_row(report *r, const char *what, json_t *score) {
    if (!json_is_object(score)) return;
    json_t *f1 = json_object_get(score, "f1");
    fprintf(r->text, "| %s | %lld | %.4f | %.4f | %.4f |", what, integer(score, "n"), number(score, "geometric_mean"),
            number(score, "macro_f1"), number(score, "accuracy"));
    tn_csv_put(r->csv, "", what);
    fprintf(r->csv, ",%lld,%.6f,%.6f,%.6f", integer(score, "n"), number(score, "geometric_mean"),
            number(score, "macro_f1"), number(score, "accuracy"));
    for (int k = 0; k < text_columns(r); k++) fprintf(r->text, " %.3f |", number(f1, r->cfg->data.classes[k]));
    for (int k = 0; k < csv_columns(r); k++) fprintf(r->csv, ",%.6f", number(f1, r->cfg->data.classes[k]));
    fputc('\n', r->text);
    fputc('\n', r->csv);
}

/* " (optimistic, not independent)", or nothing. */
static void marks_of(json_t *round, char out[64]) {
    const char *mark;
    json_t *why;
    out[0] = 0;
    json_object_foreach(json_object_get(round, "out_of_fold_caveats"), mark, why) {
        size_t at = strlen(out);
        snprintf(out + at, 64 - at, "%s%s", at ? ", " : " (", mark);
    }
    if (*out) strcat(out, ")");
}

static void round_rows(report *r, json_t *round) {
    size_t i;
    json_t *fold, *folds = json_object_get(round, "folds");
    long long n = integer(round, "round"), members = integer(round, "members"), planned = integer(round, "planned");
    char what[256], of[48] = "", marks[72];
    marks_of(round, marks);
    json_array_foreach(folds, i, fold) {
        snprintf(what, sizeof what, "round %lld, fold %lld, out-of-fold%s", n, integer(fold, "fold"), marks);
        table_row(r, what, json_object_get(fold, "out_of_fold"));
    }
    if (members < planned) snprintf(of, sizeof of, " (%lld of %lld models)", members, planned);
    snprintf(what, sizeof what, "**round %lld, all folds, out-of-fold**%s%s", n, marks, of);
    table_row(r, what, json_object_get(round, "out_of_fold"));
    snprintf(what, sizeof what, "round %lld, all folds, out-of-fold, by the true labels%s", n, marks);
    table_row(r, what, json_object_get(round, "out_of_fold_by_truth"));
    json_array_foreach(folds, i, fold) {
        snprintf(what, sizeof what, "round %lld, model of fold %lld, test split", n, integer(fold, "fold"));
        table_row(r, what, json_object_get(fold, "test"));
    }
    snprintf(what, sizeof what, "**round %lld, ensemble, test split**%s", n, of);
    table_row(r, what, json_object_get(round, "test"));
}

/* Rows of the table from several keys of one object. */
static void rows_of(report *r, json_t *from, int n, const char *const row[][2]) {
    for (int i = 0; i < n; i++) table_row(r, row[i][1], json_object_get(from, row[i][0]));
}

static void decided_rows(report *r) {
    static const char *const DECISION[][2] = {
        {"argmax", "chosen rounds, the most probable class, out-of-fold"},
        {"honest", "chosen rounds, tuned decision, each fold by the others, out-of-fold"}};
    static const char *const TUNED[][2] = {{"untuned", "untuned: mean of the chosen rounds, out-of-fold"},
                                           {"honest", "**tuned, each fold by the others, out-of-fold**"},
                                           {"in_sample", "tuned on the same rows (optimistic), out-of-fold"},
                                           {"test", "**tuned, ensemble, test split**"}};
    static const char *const SUBMITTED[][2] = {{"out_of_fold", "**submitted, out-of-fold**"},
                                               {"out_of_fold_by_truth", "submitted, out-of-fold, by the true labels"},
                                               {"test", "**submitted, test split**"}};
    static const char *const BESIDE[][2] = {{"test", "submitted, test rows that resemble training rows"},
                                            {"test_without", "submitted, the other test rows"}};
    rows_of(r, json_object_get(r->metrics, "decision"), 2, DECISION);
    rows_of(r, json_object_get(r->metrics, "tuned"), 4, TUNED);
    rows_of(r, json_object_get(r->metrics, "submitted"), 3, SUBMITTED);
    rows_of(r, json_object_get(json_object_get(r->metrics, "submitted"), "beside_training"), 2, BESIDE);
    table_row(r, "**student, test split**", json_object_get(json_object_get(r->metrics, "student"), "score"));
}

/* "95 % interval of the geometric mean: 0.801 to 0.822" where there is one. */
static void interval(report *r, const char *what, json_t *score) {
    json_t *i = json_object_get(json_object_get(score, "interval_95"), "geometric_mean");
    if (i)
        fprintf(r->text, "95 %% interval of the geometric mean, %s: %.4f to %.4f (resampled by group).\n", what,
                json_number_value(json_array_get(i, 0)), json_number_value(json_array_get(i, 1)));
}

/* Test rows that resemble training rows may be known to the models. */
static void beside(report *r, json_t *submitted) {
    json_t *b = json_object_get(submitted, "beside_training"), *test = json_object_get(b, "test");
    if (!json_is_object(test)) return;
    fprintf(r->text,
            "%lld test rows share content, look or group with %lld training rows: the score of the other test rows is "
            "what to expect of images that are new.\n",
            integer(test, "n"), integer(b, "training_rows"));
}

/* Classes that make a geometric mean 0, by name. */
static void name_zeros(report *r, json_t *round, const char *key, const char *what) {
    char begin[96];
    snprintf(begin, sizeof begin, "Round %lld, %s:", integer(round, "round"), what);
    tn_report_zeros(r->text, begin, json_object_get(json_object_get(round, key), "classes_with_f1_zero"),
                    ", hence the geometric mean is 0.");
}

static void student(report *r) {
    json_t *s = json_object_get(r->metrics, "student");
    if (!s) return;
    interval(r, "student, test split", json_object_get(s, "score"));
    fprintf(r->text,
            "The student is one model, trained on what the ensemble (%s) predicts out-of-fold. Its classes are decided "
            "by the ensemble's "
            "decision and temperature, which were not tuned for it: it has no out-of-fold rows.\n",
            json_string_value(json_object_get(json_object_get(s, "ensemble"), "what")));
}

static void scores(report *r) {
    size_t i;
    const char *mark;
    json_t *round, *why, *rounds = json_object_get(r->metrics, "rounds");
    fputs("## Scores\n\n", r->text);
    table_head(r);
    json_array_foreach(rounds, i, round) round_rows(r, round);
    decided_rows(r);
    tn_report_worst(r->cfg, r->metrics, r->text);
    fputs("\nOut-of-fold: rows of a fold, by models that never saw it; scored by the given labels.\n", r->text);
    json_array_foreach(rounds, i, round) {
        json_object_foreach(json_object_get(round, "out_of_fold_caveats"), mark, why)
            fprintf(r->text, "Out-of-fold scores of round %lld are %s: %s.\n", integer(round, "round"), mark,
                    json_string_value(why));
        char what[48];
        snprintf(what, sizeof what, "round %lld, out-of-fold", integer(round, "round"));
        interval(r, what, json_object_get(round, "out_of_fold"));
        name_zeros(r, round, "out_of_fold", "out-of-fold");
        name_zeros(r, round, "out_of_fold_by_truth", "out-of-fold by the true labels");
        name_zeros(r, round, "test", "ensemble on the test split");
    }
    json_t *submitted = json_object_get(r->metrics, "submitted");
    interval(r, "submitted, out-of-fold", json_object_get(submitted, "out_of_fold"));
    interval(r, "submitted, test split", json_object_get(submitted, "test"));
    beside(r, submitted);
    json_object_foreach(json_object_get(submitted, "out_of_fold_caveats"), mark, why)
        fprintf(r->text, "Out-of-fold scores of what is submitted: %s: %s.\n", mark, json_string_value(why));
    student(r);
    fputs("Intervals are of these models: differences between training seeds are not in them.\n", r->text);
    if (json_is_false(json_object_get(json_object_get(r->metrics, "tuned"), "used")))
        fputs("The tuned weights score less than the plain mean where they were not chosen: the submission is the "
              "mean.\n",
              r->text);
    tn_report_decision(r->metrics, r->text);
    tn_report_choice(r->metrics, r->text);
}

/* --- exposure ----------------------------------------------------------------------------------------------------- */

/* The last evaluation of the first cell's journal: images seen by class, and how often each row of it. */
static tn_status exposure(report *r) {
    tn_cell cell = {.size_px = r->cfg->train.sizes_px[0], .seed = r->cfg->train.seeds[0]};
    tn_journal journal;
    TN_TRY(tn_journal_read(r->cfg, &cell, &journal));
    if (journal.n == 0) {
        tn_journal_free(&journal);
        return TN_OK;
    }
    const tn_journal_entry *last = &journal.at[journal.n - 1];
    fprintf(r->text, "## Images seen\n\nEach model saw %lld images; the first of round 0, by class:\n\n",
            (long long)last->images);
    double key[TN_MAX_CLASSES];
    int class[TN_MOST_SHOWN];
    for (int k = 0; k < r->cfg->data.n_classes; k++) key[k] = -(double)journal.rows_of[k];
    tn_report_chosen(r->cfg, "the fewest training rows", r->text);
    fputs("| class | training rows | images seen | times each |\n| --- | ---: | ---: | ---: |\n", r->text);
    for (int i = 0, n = tn_shown(r->cfg->data.n_classes, key, class); i < n; i++) {
        int k = class[i];
        long long seen = journal.images_of[k], rows = journal.rows_of[k];
        fputs("| ", r->text);
        tn_report_name(r->text, r->cfg->data.classes[k]);
        fprintf(r->text, " | %lld | %lld | %.1f |\n", rows, seen, rows ? (double)seen / (double)rows : 0.0);
    }
    fputc('\n', r->text);
    tn_journal_free(&journal);
    return TN_OK;
}

/* --- batch size ----------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over all cells of the noise scale at their last evaluation; 0: nowhere told. */
static tn_status median_noise(const tn_cfg *cfg, double *out) {
    int n_cells = tn_cell_count(cfg), n = 0, n_rounds = cfg->self.max_rounds + 1;
    tn_cell *cell = calloc((size_t)n_cells, sizeof *cell);
    double *noise = calloc((size_t)n_cells * (size_t)n_rounds, sizeof *noise);
    tn_status st = cell && noise ? TN_OK : tn_fail_memory((size_t)n_cells * sizeof *cell, "the report");
    *out = 0;
    for (int i = 0; st == TN_OK && i < n_cells * n_rounds; i++) {
        tn_journal journal = {.n = 0};
        if (i % n_cells == 0) tn_cell_list(cfg, i / n_cells, cell);
        st = tn_journal_read(cfg, &cell[i % n_cells], &journal);
        double told = st == TN_OK && journal.n ? journal.at[journal.n - 1].noise_images : -1;
        if (told >= 0) noise[n++] = told;
        tn_journal_free(&journal);
    }
    if (n > 0) {
        qsort(noise, (size_t)n, sizeof *noise, ascending);
        *out = noise[n / 2];
    }
    free(cell);
    free(noise);
    return st;
}

/* What the noise of gradients says of train.lanes x train.lane_images. */
static tn_status batch_size(report *r) {
    double noise = 0, step = (double)r->cfg->train.lanes * r->cfg->train.lane_images;
    TN_TRY(median_noise(r->cfg, &noise));
    if (noise <= 0 || r->cfg->train.lanes == 1) return TN_OK; /* lanes are what is compared */
    if (isinf(noise)) {
        fprintf(r->text,
                "## Batch size\n\nThe gradient noise of most models was too large to be measured with steps of %.0f "
                "images: "
                "larger ones (train.lanes x train.lane_images) pay.\n\n",
                step);
        return TN_OK;
    }
    fprintf(r->text,
            "## Batch size\n\nGradient noise scale at the end of training (median of all models): about %.3g images; a "
            "step has %.0f. train.lanes x train.lane_images up to about that pays: ",
            noise, step);
    fputs(step * 2 <= noise ? "steps could be larger, with more ranks for a fold, at nearly the same images in all.\n\n"
          : step <= 2 * noise
              ? "it is about right.\n\n"
              : "steps are larger than pays; smaller ones would learn about as much from each step, and "
                "more from as many images.\n\n",
          r->text);
    return TN_OK;
}

/* --- how it went -------------------------------------------------------------------------------------------------- */

static tn_status course(report *r) {
    tn_start start = {.n_set = 0};
    tn_plan *plan = NULL;
    tn_course *c = NULL;
    TN_TRY(tn_path(start.run_dir, "%s", r->cfg->run_dir));
    TN_TRY(tn_plan_make(r->cfg, &start, &plan));
    if (tn_plan_recall(plan) != TN_OK) tn_warn("%s", tn_msg); /* the scores do not need it */
    tn_status st = tn_course_of(r->cfg, plan, &c);
    if (st == TN_OK) tn_course_print(plan, c, r->text);
    tn_course_free(&c);
    tn_plan_free(&plan);
    return st;
}

/* All but the top, which counts what these have seen. */
static tn_status write_sections(report *r) {
    scores(r);
    tn_report_calibration(r->metrics, r->text);
    TN_TRY(tn_report_filters(r->cfg, r->metrics, r->text));
    TN_TRY(exposure(r));
    TN_TRY(batch_size(r));
    TN_TRY(course(r));
    fprintf(r->text, "Results: %s/submission.csv, metrics.json, ledger.csv, ensemble.h5, report/\n", r->cfg->run_dir);
    return TN_OK;
}

static tn_status publish_report(const tn_cfg *cfg, const char *name, const char *text, size_t n) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/report/%s", cfg->run_dir, name));
    return tn_file_publish(path, text, n);
}

static tn_status publish_page(const tn_cfg *cfg, json_t *metrics, const char *text) {
    char *page = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&page, &n);
    tn_status st = tn_text_end(f, f ? tn_report_page(cfg, metrics, text, f) : TN_OK, "the report");
    if (st == TN_OK) st = publish_report(cfg, "report.html", page, n);
    free(page);
    return st;
}

/* Caller frees *out. */
static tn_status put_together(const report *r, const char *sections, char **out, size_t *n_out) {
    FILE *f = open_memstream(out, n_out);
    if (!f) return tn_text_end(f, TN_OK, "the report");
    fprintf(f, "# %s\n\n", r->cfg->name);
    tn_summary_markdown(r->cfg, r->metrics, f);
    fputs(sections, f);
    return tn_text_end(f, TN_OK, "the report");
}

static tn_status publish_all(const tn_cfg *cfg, json_t *metrics, const char *text, const char *csv, size_t n_csv,
                             const char *reduce_digest) {
    char digest[TN_HEX_BYTES], folder[TN_PATH_BYTES], inputs[64];
    TN_TRY(tn_path(folder, "%s/report", cfg->run_dir));
    TN_TRY(tn_folder_make(folder));
    TN_TRY(publish_report(cfg, "report.md", text, strlen(text)));
    TN_TRY(publish_report(cfg, "scores.csv", csv, n_csv));
    TN_TRY(publish_page(cfg, metrics, text));
    tn_hash_once(text, strlen(text), digest);
    snprintf(inputs, sizeof inputs, "reduce %s\n", reduce_digest);
    tn_done done = {.stage = "report", .settings = "", .inputs = inputs};
    return tn_done_publish(folder, &done, digest, (const char *[]){"report.md", "scores.csv", "report.html", NULL});
}

static tn_status write_report(const tn_cfg *cfg, json_t *metrics, const char *reduce_digest, FILE *copy) {
    char *sections = NULL, *text = NULL, *csv = NULL;
    size_t n_sections = 0, n_text = 0, n_csv = 0;
    report r = {.cfg = cfg,
                .metrics = metrics,
                .text = open_memstream(&sections, &n_sections),
                .csv = open_memstream(&csv, &n_csv)};
    tn_status st = r.text && r.csv ? write_sections(&r) : TN_OK;
    st = tn_text_end(r.text, st, "the report");
    st = tn_text_end(r.csv, st, "the report");
    if (st == TN_OK) st = put_together(&r, sections, &text, &n_text);
    if (st == TN_OK) st = publish_all(cfg, metrics, text, csv, n_csv, reduce_digest);
    if (st == TN_OK && copy) tn_print(copy, "%s", text);
    free(sections);
    free(text);
    free(csv);
    return st;
}

static tn_status report_pipeline(const tn_cfg *cfg, FILE *copy) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    json_t *metrics = NULL;
    TN_TRY(tn_path(path, "%s/reduce", cfg->run_dir));
    TN_TRY(tn_done_digest(path, "reduce", digest));
    TN_TRY(tn_summary_read(cfg, &metrics));
    tn_status st = write_report(cfg, metrics, digest, copy);
    json_decref(metrics);
    return st;
}

tn_status tn_report(const tn_cfg *cfg, FILE *copy) {
    return tn_is_search(cfg) ? tn_search_report(cfg, copy) : report_pipeline(cfg, copy);
}
