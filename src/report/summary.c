/* summary.c - the conclusion of a run, from metrics.json. */
#include "report/summary.h"

#include "base/progress.h"
#include "report/report_classes.h"
#include "store/done.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static double number(json_t *j, const char *key) {
    return json_number_value(json_object_get(j, key));
}
static long long integer(json_t *j, const char *key) {
    return (long long)json_integer_value(json_object_get(j, key));
}

tn_status tn_summary_read(const tn_cfg *cfg, json_t **out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/reduce", cfg->run_dir));
    TN_TRY(tn_done_file(path, "../metrics.json", "reduce", path));
    TN_TRY(tn_file_read(path, &text, &n));
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (json_is_object(*out)) return TN_OK;
    json_decref(*out);
    return tn_fail(TN_EFORMAT, "%s: damaged: delete %s/reduce and run `tenfold reduce`", path, cfg->run_dir);
}

/* --- the conclusion ----------------------------------------------------------------------------------------------- */

/* The last comparison of two rounds; NULL: there is none. */
static json_t *last_comparison(json_t *metrics, double interval_out[2]) {
    json_t *list = json_object_get(metrics, "round_comparisons");
    json_t *last = json_array_get(list, json_array_size(list) ? json_array_size(list) - 1 : 0);
    json_t *interval = json_object_get(last, "interval_95");
    if (!interval) return NULL;
    for (size_t i = 0; i < 2; i++) interval_out[i] = json_number_value(json_array_get(interval, i));
    return last;
}

/* "Filtering found wrong labels", where the truth is known: more of them than random selection would have found. */
static const char *filter_clause(json_t *metrics) {
    json_t *list = json_object_get(metrics, "filter"), *f = json_array_get(list, 0);
    if (!f) return NULL;
    return (double)integer(f, "found") > number(f, "found_by_chance")
               ? "Filtering found more wrong labels than random selection would"
               : "Filtering found no more wrong labels than random selection would";
}

static void put_conclusion(json_t *metrics, FILE *out) {
    double in[2];
    json_t *c = last_comparison(metrics, in);
    const char *filter = filter_clause(metrics);
    if (filter) fprintf(out, "%s%s", filter, c ? "; " : ".");
    if (!c && !filter) {
        json_t *round = json_array_get(json_object_get(metrics, "rounds"), (size_t)integer(metrics, "chosen_round"));
        fprintf(out, "Cross-validation gives a geometric mean of F1 of %.3f.",
                number(json_object_get(round, "out_of_fold"), "geometric_mean"));
    }
    if (!c) return;
    fputs(filter ? "retraining without them " : "Retraining without the flagged labels ", out);
    fputs(in[0] > 0   ? "improved the cross-validation score."
          : in[1] < 0 ? "lowered the cross-validation score."
                      : "did not change the cross-validation score significantly.",
          out);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *what, *of, *key;
} SCORE[] = {{"cross-validation, geometric mean of F1", "out_of_fold", "geometric_mean"},
             {"cross-validation, accuracy", "out_of_fold", "accuracy"},
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
    json_t *round, *rounds = json_object_get(metrics, "rounds");
    fputs("| score (95 % interval) |", out);
    json_array_foreach(rounds, i, round)
        fprintf(out, " round %lld%s |", integer(round, "round"),
                integer(round, "round") == integer(metrics, "chosen_round") ? " (submitted)" : "");
    fputs("\n| --- |", out);
    json_array_foreach(rounds, i, round) fputs(" --- |", out);
    fputc('\n', out);
    for (int s = 0; s < N_SCORES; s++) {
        if (!has_score(rounds, s)) continue;
        fprintf(out, "| %s |", SCORE[s].what);
        json_array_foreach(rounds, i, round) put_cell(round, s, out);
        fputc('\n', out);
    }
    fputc('\n', out);
}

/* --- below it ----------------------------------------------------------------------------------------------------- */

static void put_difference(json_t *metrics, FILE *out) {
    double in[2];
    json_t *c = last_comparison(metrics, in);
    if (!c) return;
    fprintf(out,
            "Round %lld scored %.3f %s than round %lld in cross-validation (95 %% interval of the difference: %+.3f to "
            "%+.3f): %s.\n",
            integer(c, "round"), number(c, "difference") < 0 ? -number(c, "difference") : number(c, "difference"),
            number(c, "difference") < 0 ? "lower" : "higher", integer(c, "against"), in[0], in[1],
            in[0] > 0 || in[1] < 0 ? "significant" : "not significant");
}

static void put_labels(json_t *metrics, const tn_summary_labels *labels, FILE *out) {
    size_t i;
    json_t *f, *list = json_object_get(metrics, "filter");
    for (int round = 1; round < TN_SUMMARY_ROUNDS; round++)
        if (labels->judged[round])
            fprintf(out, "Before round %d: %lld of %lld labels flagged.\n", round, (long long)labels->flagged[round],
                    (long long)labels->judged[round]);
    json_array_foreach(list, i, f) fprintf(
        out,
        "Of those flagged before round %lld, %lld are wrong by the truth column (precision %.0f %%, recall %.0f "
        "%%). Random selection would find %.0f.\n",
        integer(f, "round"), integer(f, "found"), 100 * number(f, "precision"), 100 * number(f, "recall"),
        number(f, "found_by_chance"));
}

static void put_warnings(json_t *metrics, FILE *out) {
    size_t i;
    const char *mark;
    char begin[64];
    json_t *round, *why;
    json_array_foreach(json_object_get(metrics, "rounds"), i, round) {
        long long r = integer(round, "round");
        if (integer(round, "members") < integer(round, "planned"))
            fprintf(out, "Warning: round %lld has %lld of %lld models.\n", r, integer(round, "members"),
                    integer(round, "planned"));
        json_object_foreach(json_object_get(round, "out_of_fold_caveats"), mark, why) fprintf(
            out, "Warning: the cross-validation scores of round %lld are %s: %s.\n", r, mark, json_string_value(why));
        snprintf(begin, sizeof begin, "Warning: in round %lld", r);
        tn_report_zeros(out, begin, json_object_get(json_object_get(round, "out_of_fold"), "classes_with_f1_zero"),
                        ", so the geometric mean is 0.");
    }
}

void tn_summary_markdown(const tn_cfg *cfg, json_t *metrics, const tn_summary_labels *labels, FILE *out) {
    fputs("**", out);
    put_conclusion(metrics, out);
    fputs("**\n\n", out);
    put_table(metrics, out);
    put_difference(metrics, out);
    put_labels(metrics, labels, out);
    put_warnings(metrics, out);
    fprintf(out,
            "\nGeometric mean of F1: that of the F1 values of the %d classes; 0 if one class has F1 0. "
            "Cross-validation: every image is scored by models that did not train on its fold, by the labels as "
            "they were given. Intervals: bootstrap over groups of images that belong together.\n\n",
            cfg->data.n_classes);
}

/* --- on a terminal ------------------------------------------------------------------------------------------------ */

void tn_summary_text(const tn_cfg *cfg, json_t *metrics, double seconds, FILE *out) {
    static const int SHOWN[] = {0, 2, 3};
    size_t i;
    json_t *round, *rounds = json_object_get(metrics, "rounds");
    char head[48];
    snprintf(head, sizeof head, "Finished in %.0f s", seconds);
    fprintf(out, "%-44s", head);
    json_array_foreach(rounds, i, round) {
        bool submitted = integer(round, "round") == integer(metrics, "chosen_round");
        fprintf(out, "  round %lld%s", integer(round, "round"), submitted ? " (submitted)" : "");
    }
    fputc('\n', out);
    for (size_t s = 0; s < sizeof SHOWN / sizeof *SHOWN; s++) {
        if (!has_score(rounds, SHOWN[s])) continue;
        fprintf(out, "  %-42s", SCORE[SHOWN[s]].what);
        json_array_foreach(rounds, i, round) {
            json_t *score = json_object_get(round, SCORE[SHOWN[s]].of);
            bool last = i + 1 == json_array_size(rounds);
            int width = last ? 0 : integer(round, "round") == integer(metrics, "chosen_round") ? 19 : 7;
            char text[16] = "-";
            if (json_is_object(score)) snprintf(text, sizeof text, "%.3f", number(score, SCORE[SHOWN[s]].key));
            fprintf(out, "  %-*s", width, text);
        }
        fputc('\n', out);
    }
    put_conclusion(metrics, out);
    fprintf(out, "\n");
    put_warnings(metrics, out);
    tn_print(out,
             "Report:        %s/report/report.html\nLabel review:  %s/ledger.csv\nPredictions:   %s/submission.csv\n",
             cfg->run_dir, cfg->run_dir, cfg->run_dir);
}
