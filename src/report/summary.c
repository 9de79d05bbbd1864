/* summary.c - the conclusion of a run, from metrics.json. */
#include "report/summary.h"

#include "base/progress.h"
#include "report/fields.h"
#include "report/report_classes.h"
#include "store/done.h"

#include <stdlib.h>
#include <string.h>

static tn_status read_metrics(const char *folder, const char *name, const char *verb, json_t **out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_done_file(folder, name, verb, path));
    TN_TRY(tn_file_read(path, &text, &n));
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (json_is_object(*out)) return TN_OK;
    json_decref(*out);
    *out = NULL;
    return tn_fail(TN_EFORMAT, "%s: damaged: delete %s and run `tenfold %s`", path, folder, verb);
}

tn_status tn_summary_read(const tn_cfg *cfg, json_t **out) {
    char reduce[TN_PATH_BYTES], distil[TN_PATH_BYTES];
    json_t *student = NULL;
    TN_TRY(tn_path(reduce, "%s/reduce", cfg->run_dir));
    TN_TRY(tn_path(distil, "%s/distil", cfg->run_dir));
    TN_TRY(read_metrics(reduce, "../metrics.json", "reduce", out));
    if (!cfg->distil.student || !tn_done_exists(distil)) return TN_OK;
    tn_status st = read_metrics(distil, "metrics.json", "distil", &student);
    if (st == TN_OK) json_object_set_new(*out, "student", student);
    if (st != TN_OK) json_decref(*out);
    return st;
}

/* --- the headline ------------------------------------------------------------------------------------------------- */

static json_t *round_of(json_t *metrics, long long number_of_round) {
    size_t i;
    json_t *round, *rounds = json_object_get(metrics, "rounds");
    json_array_foreach(rounds, i, round) if (integer(round, "round") == number_of_round) return round;
    return NULL;
}
static json_t *last_of(json_t *list) {
    size_t n = json_array_size(list);
    return n > 0 ? json_array_get(list, n - 1) : NULL;
}

/* What the last filter found. */
static void put_found(json_t *metrics, const char *label, const char *end, FILE *out) {
    json_t *f = last_of(json_object_get(metrics, "filter")), *t = json_object_get(f, "by_truth");
    if (!f) return;
    fputs(label, out);
    if (json_is_object(t))
        fprintf(out,
                "%lld of %lld wrong labels (%.0f %%) are among the %lld flagged ones; as many drawn at random would "
                "hold %.0f%s",
                integer(t, "found"), integer(t, "wrong"), 100 * number(t, "recall"), integer(t, "flagged"),
                number(t, "found_by_chance"), end);
    else
        fprintf(out, "%lld of %lld labels are flagged as wrong: see ledger.csv%s", integer(f, "flagged"),
                integer(f, "judged"), end);
}

/* What the newest round gained over the first. The interval decides, not the difference; it is of these models, whatever other seeds would
 * give. */
static void put_gained(json_t *metrics, const char *label, const char *end, FILE *out) {
    json_t *compared = json_object_get(json_object_get(metrics, "choice"), "compared"),
           *a = json_array_get(compared, 0), *b = json_array_get(compared, 1);
    json_t *in = json_object_get(json_object_get(b, "minus_first"), "geometric_mean");
    double low = json_number_value(json_array_get(in, 0)), high = json_number_value(json_array_get(in, 1)),
           from = number(a, "geometric_mean"), to = number(b, "geometric_mean");
    if (!in) return;
    json_t *older = json_object_get(round_of(metrics, integer(a, "first")), "out_of_fold_by_truth");
    json_t *newer = json_object_get(round_of(metrics, integer(b, "first")), "out_of_fold_by_truth");
    fprintf(out, "%s%s over %s: ", label, json_string_value(json_object_get(b, "what")),
            json_string_value(json_object_get(a, "what")));
    if (json_is_object(older) && json_is_object(newer) && integer(older, "n") == integer(newer, "n"))
        fprintf(out, "accuracy of the most probable class by the true labels %.3f -> %.3f; by the given ones ",
                number(older, "accuracy"), number(newer, "accuracy"));
    fprintf(out, "geometric mean of F1 %.3f -> %.3f (difference %+.3f, 95 %% interval %+.3f to %+.3f): %s%s", from, to,
            to - from, low, high,
            low > 0    ? "a gain of these models (differences between training seeds are not in the interval)"
            : high < 0 ? "a loss of these models (differences between training seeds are not in the interval)"
                       : "no difference is shown",
            end);
}

/* Which rounds are submitted and why, if there was a choice. */
static void put_choice(json_t *metrics, const char *label, const char *end, FILE *out) {
    json_t *choice = json_object_get(metrics, "choice");
    if (json_array_size(json_object_get(choice, "compared")) == 0) return;
    fprintf(out, "%s%s, chosen by out-of-fold scores%s", label, json_string_value(json_object_get(choice, "chosen")),
            end);
}

/* What the submission scores on the test split, or else the models in cross-validation. */
static void put_ensemble(json_t *metrics, const char *label, const char *end, FILE *out) {
    json_t *submitted = json_object_get(metrics, "submitted"), *test = json_object_get(submitted, "test");
    json_t *first = json_object_get(round_of(metrics, 0), "test");
    if (json_is_object(test)) {
        fprintf(out, "%saccuracy %.3f, geometric mean of F1 %.3f on the test split", label, number(test, "accuracy"),
                number(test, "geometric_mean"));
        if (json_is_object(first))
            fprintf(out, " (round 0 by the most probable class: %.3f, %.3f)", number(first, "accuracy"),
                    number(first, "geometric_mean"));
        fputs(end, out);
    } else if (submitted) {
        fprintf(out, "%snot scored, as no test row has a label; its models score %.3f in cross-validation%s", label,
                number(json_object_get(submitted, "out_of_fold"), "geometric_mean"), end);
    }
}

/* The student beside the ensemble. */
static void put_student(json_t *metrics, const char *label, const char *end, FILE *out) {
    json_t *student = json_object_get(metrics, "student"), *score = json_object_get(student, "score");
    json_t *test = json_object_get(json_object_get(student, "ensemble"), "test");
    if (!json_is_object(score)) return;
    fprintf(out,
            "%saccuracy %.3f, geometric mean of F1 %.3f on the test split, by one model; the ensemble %.3f, %.3f%s",
            label, number(score, "accuracy"), number(score, "geometric_mean"), number(test, "accuracy"),
            number(test, "geometric_mean"), end);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *what, *of, *key;
} SCORE[] = {{"cross-validation, geometric mean of F1", "out_of_fold", "geometric_mean"},
             {"cross-validation, accuracy", "out_of_fold", "accuracy"},
             {"cross-validation, accuracy by true labels", "out_of_fold_by_truth", "accuracy"},
             {"test split, ensemble, geometric mean of F1", "test", "geometric_mean"},
             {"test split, ensemble, accuracy", "test", "accuracy"}};
enum { N_SCORES = sizeof SCORE / sizeof *SCORE };

static bool has_score(json_t *rounds, int s) {
    size_t i;
    json_t *round;
    json_array_foreach(rounds, i, round) if (json_is_object(json_object_get(round, SCORE[s].of))) return true;
    return false;
}

static void put_cell(json_t *round, int s, FILE *out) {
    json_t *score = json_object_get(round, SCORE[s].of);
    json_t *in = json_object_get(json_object_get(score, "interval_95"), SCORE[s].key);
    if (!json_is_object(score)) {
        fputs(" |", out);
        return;
    }
    fprintf(out, " %.3f", number(score, SCORE[s].key));
    if (in)
        fprintf(out, " (%.3f to %.3f)", json_number_value(json_array_get(in, 0)),
                json_number_value(json_array_get(in, 1)));
    fputs(" |", out);
}

static void put_table(json_t *metrics, FILE *out) {
    size_t i;
    json_t *round, *rounds = json_object_get(metrics, "rounds"), *submitted = json_object_get(metrics, "submitted");
    fputs("| score (95 % interval) |", out);
    json_array_foreach(rounds, i, round) fprintf(out, " round %lld |", integer(round, "round"));
    fputs(" submitted |\n| --- |", out);
    json_array_foreach(rounds, i, round) fputs(" --- |", out);
    fputs(" --- |\n", out);
    for (int s = 0; s < N_SCORES; s++) {
        if (!has_score(rounds, s)) continue;
        fprintf(out, "| %s |", SCORE[s].what);
        json_array_foreach(rounds, i, round) put_cell(round, s, out);
        put_cell(submitted, s, out);
        fputc('\n', out);
    }
    fputc('\n', out);
}

/* --- below it ----------------------------------------------------------------------------------------------------- */

static void put_caveats(json_t *caveats, const char *of_what, FILE *out) {
    const char *mark;
    json_t *why;
    json_object_foreach(caveats, mark, why)
        fprintf(out, "Warning: %s: %s: %s.\n", of_what, mark, json_string_value(why));
}

static void put_warnings(json_t *metrics, FILE *out) {
    size_t i;
    char begin[64];
    json_t *round;
    json_array_foreach(json_object_get(metrics, "rounds"), i, round) {
        long long r = integer(round, "round");
        if (integer(round, "members") < integer(round, "planned"))
            fprintf(out, "Warning: round %lld has %lld of %lld models.\n", r, integer(round, "members"),
                    integer(round, "planned"));
        snprintf(begin, sizeof begin, "the cross-validation scores of round %lld", r);
        put_caveats(json_object_get(round, "out_of_fold_caveats"), begin, out);
        snprintf(begin, sizeof begin, "Warning: in round %lld", r);
        tn_report_zeros(out, begin, json_object_get(json_object_get(round, "out_of_fold"), "classes_with_f1_zero"),
                        ", so the geometric mean is 0.");
    }
    put_caveats(json_object_get(json_object_get(metrics, "choice"), "caveats"), "the choice of rounds", out);
    tn_report_zeros(
        out, "Warning: on the test split",
        json_object_get(json_object_get(json_object_get(metrics, "submitted"), "test"), "classes_with_f1_zero"),
        " (no test row, or none found), so the geometric mean is 0.");
}

void tn_summary_markdown(const tn_cfg *cfg, json_t *metrics, FILE *out) {
    put_found(metrics, "**Found:** ", ".\n\n", out);
    put_gained(metrics, "**Gained:** ", ".\n\n", out);
    put_choice(metrics, "**Submitted:** ", ".\n\n", out);
    put_ensemble(metrics, "**Ensemble:** ", ".\n\n", out);
    put_student(metrics, "**Student:** ", ".\n\n", out);
    put_table(metrics, out);
    put_warnings(metrics, out);
    fprintf(out,
            "\nGeometric mean of F1: that of the F1 values of the %d classes; 0 if one class has F1 0. "
            "Cross-validation: every image is scored by models that did not train on its fold, by the labels as "
            "they were given. The rounds name the most probable class; what is submitted is decided as the report "
            "says. Intervals: bootstrap over groups of images that belong together.\n\n",
            cfg->data.n_classes);
}

/* --- on a terminal ------------------------------------------------------------------------------------------------ */

static void put_number(json_t *of, int s, int width, FILE *out) {
    json_t *score = json_object_get(of, SCORE[s].of);
    char text[16] = "-";
    if (json_is_object(score)) snprintf(text, sizeof text, "%.3f", number(score, SCORE[s].key));
    fprintf(out, "  %-*s", width, text);
}

void tn_summary_text(const tn_cfg *cfg, json_t *metrics, double seconds, FILE *out) {
    static const int SHOWN[] = {0, 2, 3, 4};
    size_t i;
    json_t *round, *rounds = json_object_get(metrics, "rounds");
    fprintf(out, "Finished in %.0f s\n", seconds);
    put_found(metrics, "Found:     ", "\n", out);
    put_gained(metrics, "Gained:    ", "\n", out);
    put_choice(metrics, "Submitted: ", "\n", out);
    put_ensemble(metrics, "Ensemble:  ", "\n", out);
    put_student(metrics, "Student:   ", "\n", out);
    fprintf(out, "%-44s", "");
    json_array_foreach(rounds, i, round) fprintf(out, "  round %lld", integer(round, "round"));
    fputs("  submitted\n", out);
    for (size_t s = 0; s < sizeof SHOWN / sizeof *SHOWN; s++) {
        if (!has_score(rounds, SHOWN[s])) continue;
        fprintf(out, "  %-42s", SCORE[SHOWN[s]].what);
        json_array_foreach(rounds, i, round) put_number(round, SHOWN[s], 7, out);
        put_number(json_object_get(metrics, "submitted"), SHOWN[s], 0, out);
        fputc('\n', out);
    }
    put_warnings(metrics, out);
    tn_print(out,
             "Report:        %s/report/report.html\nLabel review:  %s/ledger.csv\nPredictions:   %s/submission.csv\n",
             cfg->run_dir, cfg->run_dir, cfg->run_dir);
}
