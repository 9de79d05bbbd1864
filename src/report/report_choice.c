/* report_choice.c - see report_choice.h. */
#include "report/report_choice.h"

#include <jansson.h>
#include <string.h>

static double number(json_t *j, const char *key) {
    return json_number_value(json_object_get(j, key));
}
static long long integer(json_t *j, const char *key) {
    return (long long)json_integer_value(json_object_get(j, key));
}
static const char *word(json_t *j, const char *key) {
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

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

/* How the class is decided, and what that is worth. */
void tn_report_decision(json_t *metrics, FILE *out) {
    json_t *d = json_object_get(metrics, "decision"), *gain = json_object_get(d, "gain"),
           *gmean = json_object_get(gain, "geometric_mean"), *by = json_object_get(d, "by");
    if (!by || strcmp(json_string_value(by), "argmax") == 0) return;
    if (!json_is_true(json_object_get(d, "used")))
        fputs("The tuned decision scores less than the most probable class where it was not chosen: the most probable "
              "class "
              "is named.\n",
              out);
    else if (strcmp(json_string_value(by), "prior") == 0)
        fprintf(out, "Decision: the class with the largest log p - %g log(its share of the training labels). ",
                number(d, "tau"));
    else
        fputs("Decision: the class with the largest log p + an offset of its own. ", out);
    if (json_is_true(json_object_get(d, "used"))) {
        fprintf(out, "Over the most probable class it gains, each fold by the others, %+.4f of the smoothed score",
                number(gain, "smoothed"));
        if (gmean) {
            put_pair(out, "; 95 % intervals of the differences: geometric mean", gmean);
            put_pair(out, ", macro F1", json_object_get(gain, "macro_f1"));
            put_pair(out, ", accuracy", json_object_get(gain, "accuracy"));
        }
        fputs(".\n", out);
    }
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
    fprintf(out,
            "## Calibration\n\nProbabilities are raised to the power 1 / T, T = %.3f: the temperature with the least "
            "negative "
            "log likelihood of out-of-fold rows. Decisions are made before. Out-of-fold, each fold has the temperature "
            "of the "
            "others.\n\n| rows | n | calibration error, before | after | log loss, before | after |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: |\n",
            number(s, "temperature"));
    calibration_row(out, "out-of-fold", own);
    calibration_row(out, "test split", json_object_get(s, "test_calibration"));
    fputs("\nOut-of-fold, after:\n\n| largest probability | rows | mean of it | accuracy |\n| --- | ---: | ---: | ---: "
          "|\n",
          out);
    reliability(out, own);
    fputc('\n', out);
}
