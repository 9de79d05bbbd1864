/* tally.c - see tally.h. */
#include "filter/tally.h"

#include "base/fs.h"
#include "base/progress.h"
#include "cfg/shown.h"
#include "score/metric.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_tally_new(int K, tn_tally *out) {
    *out = (tn_tally){.K = K, .noise = {.K = K}};
    out->reason = calloc((size_t)K, sizeof *out->reason);
    out->not_judged = calloc((size_t)K, sizeof *out->not_judged);
    return out->reason && out->not_judged ? TN_OK : tn_fail_memory((size_t)K * sizeof *out->reason, "the filter");
}

void tn_tally_free(tn_tally *t) {
    tn_noise_matrix_free(&t->noise);
    free(t->reason);
    free(t->not_judged);
    *t = (tn_tally){.K = 0};
}

void tn_tally_add(tn_tally *t, int64_t N, const int32_t *label, const tn_judgement *j, const tn_noise_class *class) {
    for (int64_t i = 0; i < N; i++)
        if (j->reason[i] != TN_REASON_NOT_JUDGED) t->reason[label[i]][j->reason[i]]++;
    for (int k = 0; class && k < t->K; k++) t->not_judged[k] += !class[k].is_judged;
    t->n_overlays++;
}

/* A class in numbers: labels, summed over the overlays. */
typedef struct {
    int64_t judged, suspicious, taken;
} sums;

static sums sums_of(const tn_tally *t, int k) {
    sums s = {.taken = t->reason[k][TN_REASON_SUSPICIOUS]};
    for (int why = 0; why < TN_REASONS; why++) s.judged += t->reason[k][why];
    s.suspicious = s.judged - t->reason[k][TN_REASON_BELIEVED];
    return s;
}

static double percent(int64_t part, int64_t all) {
    return all > 0 ? 100 * (double)part / (double)all : 0;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

enum { MOST_LINES = 5 }; /* of one kind: there may be thousands of classes */

static void say_more(int round, int n, const char *what) {
    if (n > MOST_LINES) tn_say("filter r%d: and %d more classes %s", round, n - MOST_LINES, what);
}

/* What makes the judges of a round better. */
static const char *remedy(int round) {
    return round > 0 ? "train longer before filtering" : "give pretrained weights of more similar pictures";
}

static void say_not_judged(const tn_tally *t, const tn_cfg *cfg, int round, const tn_noise_class *class) {
    int n = 0;
    for (int k = 0; k < t->K; k++) {
        const tn_noise_class *c = &class[k];
        if (t->not_judged[k] == 0 || n++ >= MOST_LINES) continue;
        if (c->rival < 0)
            tn_say("filter r%d: class %s is not judged in %d of %d overlays, and keeps all its labels there: the model "
                   "was "
                   "trained on all of its rows, and cannot be tried: raise folds.validation_share",
                   round, cfg->data.classes[k], t->not_judged[k], t->n_overlays);
        else
            tn_say("filter r%d: class %s is not judged in %d of %d overlays, and keeps all its labels there: models do "
                   "not "
                   "know it: of %" PRId64 " rows that they were not trained on they see it in %" PRId64
                   ", and %s in %" PRId64 " (all models together): %s",
                   round, cfg->data.classes[k], t->not_judged[k], t->n_overlays, c->rows, c->right,
                   cfg->data.classes[c->rival], c->rival_rows, remedy(round));
    }
    say_more(round, n, "are not judged");
}

static void say_limited(const tn_tally *t, const tn_cfg *cfg, int round, const tn_noise_class *class) {
    int n = 0;
    for (int k = 0; k < t->K; k++) {
        sums s = sums_of(t, k);
        if (t->reason[k][TN_REASON_NOISE_LIMIT] == 0 || n++ >= MOST_LINES) continue;
        tn_say(
            "filter r%d: class %s: %.1f %% of its labels were found suspicious; the least suspicious of them are kept, "
            "because no model may take more than the share of labels that it estimates to be wrong (together %.1f %%): "
            "%.1f %% are taken",
            round, cfg->data.classes[k], percent(s.suspicious, s.judged),
            percent(class[k].rows - class[k].right, class[k].rows), percent(s.taken, s.judged));
    }
    say_more(round, n, "are limited by the estimated share of wrong labels");
}

static void warn_of_floors(const tn_tally *t, const tn_cfg *cfg, int round) {
    int n = 0;
    for (int k = 0; k < t->K; k++) {
        sums s = sums_of(t, k);
        if (t->reason[k][TN_REASON_CLASS_FLOOR] == 0 || n++ >= MOST_LINES) continue;
        tn_warn(
            "filter r%d: class %s: %.1f %% of its labels were found suspicious, but self.class_floor = %g keeps "
            "%.1f %%. Look at them in ledger.csv (reason class_floor): if they are right, raise self.verdict_ratio or "
            "%s; if they are wrong, lower self.class_floor",
            round, cfg->data.classes[k], percent(s.suspicious, s.judged), cfg->self.class_floor,
            percent(s.judged - s.taken, s.judged), remedy(round));
    }
    say_more(round, n, "are kept by self.class_floor");
}

void tn_tally_say(const tn_tally *t, const tn_cfg *cfg, int round) {
    tn_noise_class class[TN_MAX_CLASSES];
    int64_t rows = 0, right = 0;
    tn_noise_classes(&t->noise, class);
    for (int k = 0; k < t->K; k++) {
        rows += class[k].rows;
        right += class[k].right;
    }
    tn_say("filter r%d: %.1f %% of the labels are estimated to be wrong, from %" PRId64
           " predictions of rows that the model was not trained on",
           round, percent(rows - right, rows), rows);
    say_not_judged(t, cfg, round, class);
    say_limited(t, cfg, round, class);
    warn_of_floors(t, cfg, round);
}

/* --- filter.json -------------------------------------------------------------------------------------------------- */

static json_t *class_json(const tn_tally *t, const char *name, int k, const tn_noise_class *c) {
    sums s = sums_of(t, k);
    const int64_t *why = t->reason[k];
    json_t *kept_by =
        json_pack("{s:I,s:I,s:I,s:I}", "noise_limit", (json_int_t)why[TN_REASON_NOISE_LIMIT], "class_floor",
                  (json_int_t)why[TN_REASON_CLASS_FLOOR], "category_floor", (json_int_t)why[TN_REASON_CATEGORY_FLOOR],
                  "class_not_judged", (json_int_t)why[TN_REASON_CLASS_NOT_JUDGED]);
    return json_pack("{s:s,s:I,s:I,s:I,s:o,s:i,s:I,s:o}", "class", name, "judged", (json_int_t)s.judged, "suspicious",
                     (json_int_t)s.suspicious, "taken", (json_int_t)s.taken, "kept_by", kept_by, "not_judged_in",
                     t->not_judged[k], "estimated_from", (json_int_t)c->rows, "estimated_wrong",
                     c->rows > 0 ? json_real(percent(c->rows - c->right, c->rows) / 100) : json_null());
}

static json_t *classes_json(const tn_tally *t, const tn_cfg *cfg, const tn_noise_class *class) {
    double key[TN_MAX_CLASSES];
    int shown[TN_MOST_SHOWN];
    json_t *list = json_array();
    for (int k = 0; k < t->K; k++) key[k] = (double)sums_of(t, k).suspicious;
    for (int i = 0, n = tn_shown(t->K, key, shown); i < n; i++)
        json_array_append_new(list, class_json(t, cfg->data.classes[shown[i]], shown[i], &class[shown[i]]));
    return list;
}

static int most_rows_first(const void *a, const void *b) {
    const tn_joint_entry *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    if (x->given != y->given) return x->given < y->given ? -1 : 1;
    return (x->truth > y->truth) - (x->truth < y->truth);
}

/* The elements to show, in their order. out has room for all. Returns how many. */
static int64_t shown_entries(const tn_noise_matrix *m, tn_joint_entry *out) {
    int64_t n = 0;
    bool all = m->K <= TN_MOST_SHOWN;
    for (int64_t i = 0; i < m->n; i++)
        if (all || m->entry[i].given != m->entry[i].truth) out[n++] = m->entry[i];
    if (all) return n;
    if (n > 0) qsort(out, (size_t)n, sizeof *out, most_rows_first);
    return n < TN_MOST_SHOWN ? n : TN_MOST_SHOWN;
}

/* NULL: memory. */
static json_t *noise_json(const tn_noise_matrix *m, const tn_cfg *cfg, const tn_noise_class *class) {
    tn_joint_entry *e = malloc((size_t)m->n * sizeof *e + 1);
    json_t *list = e ? json_array() : NULL;
    for (int64_t i = 0, n = e ? shown_entries(m, e) : 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:f}", "given", cfg->data.classes[e[i].given], "true",
                                              cfg->data.classes[e[i].truth], "rows", (json_int_t)e[i].count, "share",
                                              (double)e[i].count / (double)class[e[i].given].rows));
    free(e);
    return list;
}

tn_status tn_tally_write(const tn_tally *t, const tn_cfg *cfg, int round, const char *folder) {
    tn_noise_class class[TN_MAX_CLASSES];
    char path[TN_PATH_BYTES];
    tn_noise_classes(&t->noise, class);
    json_t *all =
        json_pack("{s:s,s:i,s:i,s:o,s:o}", "format", "tenfold filter 1", "round", round, "overlays", t->n_overlays,
                  "classes", classes_json(t, cfg, class), "noise", noise_json(&t->noise, cfg, class));
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(TN_SCORE_DIGITS)) : NULL;
    json_decref(all);
    tn_status st = text ? tn_path(path, "%s/filter.json", folder) : tn_fail_memory(4096, "filter.json");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}
