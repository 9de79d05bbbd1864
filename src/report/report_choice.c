/* report_choice.c - see report_choice.h. */
#include "report/report_choice.h"

#include "report/fields.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Members of a round in the list of metrics.json, and their share of the weight. */
static int members_of(json_t *members, long long round, double *weight_out) {
    size_t i;
    json_t *m;
    int n = 0;
    *weight_out = 0;
    json_array_foreach(members, i, m) {
        if (integer(m, "round") != round) continue;
        *weight_out += number(m, "weight");
        n++;
    }
    return n;
}

/* Greedy selection takes members of all rounds. */
static void used(json_t *metrics, FILE *out) {
    size_t i;
    json_t *round, *tuned = json_object_get(metrics, "tuned"), *choice = json_object_get(metrics, "choice");
    json_t *members = json_is_true(json_object_get(tuned, "used")) ? json_object_get(tuned, "members") : NULL;
    const char *sep = " ";
    double weight = 0;
    if (!members || strcmp(word(metrics, "method"), "greedy") != 0) {
        fprintf(out, "The submission uses %s: %s.\n\n", word(choice, "chosen"), word(choice, "because"));
        return;
    }
    fputs("The submission uses members of", out);
    json_array_foreach(json_object_get(metrics, "rounds"), i, round) {
        int n = members_of(members, integer(round, "round"), &weight);
        if (n == 0) continue;
        fprintf(out, "%sround %lld (%d of %zu, with %.1f %% of the weight)", sep, integer(round, "round"), n,
                json_array_size(members), 100 * weight);
        sep = ", ";
    }
    fprintf(out,
            ": greedy selection chose them among all rounds; a member is the models of all folds with one image size "
            "and seed. Without selection it would use %s: %s.\n\n",
            word(choice, "chosen"), word(choice, "because"));
}

static void put_pair(FILE *out, const char *what, json_t *pair) {
    fprintf(out, "%s %+.4f to %+.4f", what, json_number_value(json_array_get(pair, 0)),
            json_number_value(json_array_get(pair, 1)));
}

/* Which rounds were compared, and what came of it. */
void tn_report_choice(json_t *metrics, FILE *out) {
    size_t i;
    const char *mark;
    json_t *why, *c, *line, *choice = json_object_get(metrics, "choice"),
                            *compared = json_object_get(choice, "compared");
    json_array_foreach(compared, i, c) {
        json_t *d = json_object_get(c, "minus_first");
        fprintf(out,
                "%s%s, with a decision tuned on other folds: smoothed score %.4f, macro F1 %.4f, accuracy %.4f, "
                "geometric mean %.4f",
                i == 0 ? "\nCompared out-of-fold: " : "", word(c, "what"), number(c, "smoothed"), number(c, "macro_f1"),
                number(c, "accuracy"), number(c, "geometric_mean"));
        if (d) {
            put_pair(out, "; 95 % interval of the difference to the first: macro F1", json_object_get(d, "macro_f1"));
            put_pair(out, ", accuracy", json_object_get(d, "accuracy"));
        }
        fputs(".\n", out);
    }
    if (json_array_size(compared) > 0)
        fputs("The smoothed score is the mean of log((2 TP + 1) / (2 TP + FP + FN + 2)) over classes. The newest round "
              "is used "
              "alone if its smoothed score is the highest and neither macro F1 nor accuracy is shown to be worse than "
              "the "
              "first's; else both pooled, if their smoothed score is above the first's; else the first.\n",
              out);
    json_array_foreach(json_object_get(choice, "left_out"), i, line)
        fprintf(out, "Not compared: %s.\n", json_string_value(line));
    json_object_foreach(json_object_get(choice, "caveats"), mark, why)
        fprintf(out, "The choice of rounds: %s: %s.\n", mark, json_string_value(why));
    json_t *skipped = json_object_get(metrics, "rounds_skipped");
    if (json_is_object(skipped))
        fprintf(out, "Rounds from %lld on were skipped: %s.\n", integer(skipped, "first"), word(skipped, "because"));
    used(metrics, out);
}

/* What the decision gains is counted for the chosen rounds; tuned weights have one of their own. */
static void decision_gain(json_t *metrics, FILE *out) {
    json_t *d = json_object_get(metrics, "decision"), *gain = json_object_get(d, "gain"),
           *gmean = json_object_get(gain, "geometric_mean");
    bool tuned = json_is_true(json_object_get(json_object_get(metrics, "tuned"), "used"));
    const char *chosen = word(json_object_get(metrics, "choice"), "chosen");
    if (!json_is_true(json_object_get(d, "used"))) {
        if (tuned)
            fprintf(
                out,
                "A tuned decision of the plain mean of %s was given up: it scores less than the most probable class.\n",
                chosen);
        return;
    }
    if (tuned)
        fprintf(out, "The plain mean of %s, with a decision of its own, gains by it over the most probable class",
                chosen);
    else
        fputs("Over the most probable class it gains", out);
    fprintf(out, ", each fold by the others, %+.4f of the smoothed score", number(gain, "smoothed"));
    if (gmean) {
        put_pair(out, "; 95 % intervals of the differences: geometric mean", gmean);
        put_pair(out, ", macro F1", json_object_get(gain, "macro_f1"));
        put_pair(out, ", accuracy", json_object_get(gain, "accuracy"));
    }
    fputs(".\n", out);
}

/* How the class is decided in what is submitted, and what that is worth. Without offsets the most probable class is named. */
void tn_report_decision(json_t *metrics, FILE *out) {
    json_t *submitted = json_object_get(metrics, "submitted");
    const char *by = word(json_object_get(metrics, "decision"), "by");
    if (!*by || strcmp(by, "argmax") == 0) return;
    if (json_object_size(json_object_get(submitted, "offsets")) == 0) {
        fprintf(out, "The tuned decision %s: the most probable class is named.\n",
                json_is_false(json_object_get(json_object_get(metrics, "decision"), "tested"))
                    ? "cannot be tested, as only one fold has predictions"
                    : "scores less than the most probable class where it was not chosen");
        return;
    }
    if (strcmp(by, "prior") == 0)
        fprintf(out, "Decision: the class with the largest log p - %g log(its share of the training labels). ",
                number(submitted, "tau"));
    else
        fputs("Decision: the class with the largest log p + an offset of its own. ", out);
    decision_gain(metrics, out);
}

static void calibration_row(FILE *out, const char *what, json_t *c) {
    json_t *before = json_object_get(c, "before"), *after = json_object_get(c, "after");
    if (!json_is_object(c)) return;
    fprintf(out, "| %s | %lld | %.4f | %.4f | %.4f | %.4f |\n", what, integer(c, "n"),
            number(before, "expected_calibration_error"), number(after, "expected_calibration_error"),
            number(before, "negative_log_likelihood"), number(after, "negative_log_likelihood"));
}

/* A bar of confidence against accuracy for each bin that has rows. */
static void reliability(FILE *out, json_t *c) {
    size_t i;
    json_t *bin;
    json_array_foreach(json_object_get(json_object_get(c, "after"), "bins"), i, bin) {
        if (json_integer_value(json_array_get(bin, 0)) == 0) continue;
        fprintf(out, "| %.2f to %.2f | %lld | %.3f | %.3f |\n", (double)i / 15, (double)(i + 1) / 15,
                (long long)json_integer_value(json_array_get(bin, 0)), json_number_value(json_array_get(bin, 1)),
                json_number_value(json_array_get(bin, 2)));
    }
}

void tn_report_calibration(json_t *metrics, FILE *out) {
    json_t *s = json_object_get(metrics, "submitted"), *own = json_object_get(s, "out_of_fold_calibration");
    if (!json_is_object(own)) return;
    fprintf(
        out,
        "## Calibration\n\nProbabilities are raised to the power 1 / T, T = %.3f: the temperature with which %s the "
        "labels of out-of-fold rows best. Decisions are made before. "
        "Out-of-fold, each fold has the temperature of the others. What is counted here are the given labels: where "
        "many of them are wrong, probabilities that suit the true classes look too sure.\n\n| rows | n | calibration "
        "error, before | after | log loss, before | after |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n",
        number(s, "temperature"),
        strcmp(word(s, "temperature_explains"), "labels") == 0 ? "they explain"
                                                               : "true classes and a noise matrix explain");
    calibration_row(out, "out-of-fold", own);
    calibration_row(out, "test split", json_object_get(s, "test_calibration"));
    fputs("\nOut-of-fold, after:\n\n| largest probability | rows | mean of it | accuracy |\n| --- | ---: | ---: | ---: "
          "|\n",
          out);
    reliability(out, own);
    fputc('\n', out);
}

/* --- the picture -------------------------------------------------------------------------------------------------- */

enum { SIDE = 260, GAP = 110, TOP = 30, LEFT = 50 };

/* One line of accuracies; a circle's area grows with the bin's share of the rows. */
static void put_bins(json_t *calibration, const char *when, const char *colour, int left, FILE *out) {
    size_t i;
    json_t *bin, *bins = json_object_get(json_object_get(calibration, when), "bins");
    double n = number(calibration, "n");
    json_array_foreach(bins, i, bin) {
        double rows = json_number_value(json_array_get(bin, 0)), p = json_number_value(json_array_get(bin, 1)),
               right = json_number_value(json_array_get(bin, 2));
        if (rows > 0)
            fprintf(
                out,
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"0.6\"><title>%s: %.0f rows, p "
                "%.3f, accuracy %.3f</title></circle>\n",
                left + SIDE * p, TOP + SIDE * (1 - right), 3 + 14 * sqrt(rows / n), colour, when, rows, p, right);
    }
}

static void put_diagram(json_t *calibration, const char *what, int left, FILE *out) {
    if (!json_is_object(calibration)) return;
    fprintf(
        out,
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#ddd\"/><path d=\"M%d %dL%d %d\" "
        "stroke=\"#999\"/><text x=\"%d\" y=\"%d\">%s: accuracy over the largest probability</text>\n",
        left, TOP, SIDE, SIDE, left, TOP + SIDE, left + SIDE, TOP, left, TOP - 8, what);
    for (int i = 0; i <= 5; i++)
        fprintf(out,
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%.1f</text><text x=\"%d\" y=\"%d\" "
                "text-anchor=\"end\">%.1f</text>\n",
                left + SIDE * i / 5, TOP + SIDE + 16, i / 5.0, left - 6, TOP + SIDE - SIDE * i / 5 + 4, i / 5.0);
    put_bins(calibration, "before", "#999999", left, out);
    put_bins(calibration, "after", "#1f77b4", left, out);
}

void tn_report_reliability(json_t *metrics, FILE *out) {
    json_t *s = json_object_get(metrics, "submitted"), *own = json_object_get(s, "out_of_fold_calibration");
    if (!json_is_object(own)) return;
    fprintf(
        out,
        "<h2>Reliability</h2>\n<p>Grey before, blue after the temperature; a circle is a bin, its area grows with the "
        "rows. On the line, probabilities are as often right as they say.</p>\n<svg viewBox=\"0 0 760 %d\" "
        "font-size=\"11\">\n",
        TOP + SIDE + 30);
    put_diagram(own, "out-of-fold", LEFT, out);
    put_diagram(json_object_get(s, "test_calibration"), "test split", LEFT + SIDE + GAP, out);
    fputs("</svg>\n", out);
}
