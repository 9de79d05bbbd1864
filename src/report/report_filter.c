/* report_filter.c - see report_filter.h. */
#include "report/report_filter.h"

#include "cfg/shown.h"
#include "data/class_map.h"
#include "filter/ledger.h"
#include "report/fields.h"
#include "report/report_classes.h"
#include "store/csv.h"

#include <string.h>

/* Verdicts by class, from a ledger. */
static tn_status ledger_table(const tn_cfg *cfg, int round, FILE *f) {
    char path[TN_PATH_BYTES];
    tn_csv *t = NULL;
    tn_class_map classes;
    int64_t judged[TN_MAX_CLASSES] = {0}, dropped[TN_MAX_CLASSES] = {0};
    TN_TRY(tn_ledger_file(cfg, round, "ledger.csv", path));
    if (!*path) return TN_OK;
    TN_TRY(tn_class_map_new(cfg, &classes));
    tn_status st = tn_csv_read(path, &t);
    if (st != TN_OK) tn_class_map_free(&classes);
    TN_TRY(st);
    int label = tn_csv_column(t, "label"), verdict = tn_csv_column(t, "verdict");
    for (int64_t i = 0; label >= 0 && verdict >= 0 && i < tn_csv_rows(t); i++) {
        int k = tn_class_map_find(&classes, tn_csv_at(t, i, label));
        const char *v = tn_csv_at(t, i, verdict);
        if (k < 0 || strcmp(v, "not_judged") == 0) continue;
        judged[k]++;
        dropped[k] += strcmp(v, "keep") != 0;
    }
    tn_csv_free(&t);
    tn_class_map_free(&classes);
    double key[TN_MAX_CLASSES];
    int class[TN_MOST_SHOWN];
    for (int k = 0; k < cfg->data.n_classes; k++) key[k] = (double)dropped[k];
    tn_report_chosen(cfg, "the most suspicious labels", f);
    fputs("| class | judged | flagged | share |\n| --- | ---: | ---: | ---: |\n", f);
    for (int i = 0, n = tn_shown(cfg->data.n_classes, key, class); i < n; i++) {
        int k = class[i];
        fputs("| ", f);
        tn_report_name(f, cfg->data.classes[k]);
        fprintf(f, " | %lld | %lld | %.1f %% |\n", (long long)judged[k], (long long)dropped[k],
                judged[k] ? 100.0 * (double)dropped[k] / (double)judged[k] : 0.0);
    }
    fputc('\n', f);
    return TN_OK;
}

/* --- the noise matrix --------------------------------------------------------------------------------------------- */

/* The share of labels `given` that are estimated to be `truth`; 0: not listed. */
static double share_of(json_t *noise, const char *given, const char *truth) {
    size_t i;
    json_t *e;
    json_array_foreach(noise, i, e) if (strcmp(word(e, "given"), given) == 0 &&
                                        strcmp(word(e, "true"), truth) == 0) return number(e, "share");
    return 0;
}

/* A row for each given label, a column for each true class. report_page.c shades it by its first heading. */
static void whole_matrix(const tn_cfg *cfg, json_t *noise, FILE *f) {
    fputs("| given label |", f);
    for (int k = 0; k < cfg->data.n_classes; k++) {
        fputs(" truly ", f);
        tn_report_name(f, cfg->data.classes[k]);
        fputs(" |", f);
    }
    fputs("\n| --- |", f);
    for (int k = 0; k < cfg->data.n_classes; k++) fputs(" ---: |", f);
    for (int i = 0; i < cfg->data.n_classes; i++) {
        fputs("\n| ", f);
        tn_report_name(f, cfg->data.classes[i]);
        for (int j = 0; j < cfg->data.n_classes; j++) {
            double percent = 100 * share_of(noise, cfg->data.classes[i], cfg->data.classes[j]);
            fprintf(f, i == j ? " | **%.0f %%**" : " | %.0f %%", percent);
        }
        fputs(" |", f);
    }
    fputs("\n\n", f);
}

static void largest_elements(json_t *noise, FILE *f) {
    size_t i;
    json_t *e;
    fputs("| given label | truly | labels tried | share |\n| --- | --- | ---: | ---: |\n", f);
    json_array_foreach(noise, i, e) {
        fputs("| ", f);
        tn_report_name(f, word(e, "given"));
        fputs(" | ", f);
        tn_report_name(f, word(e, "true"));
        fprintf(f, " | %lld | %.0f %% |\n", integer(e, "rows"), 100 * number(e, "share"));
    }
    fputc('\n', f);
}

static void noise_matrix(const tn_cfg *cfg, json_t *filter, FILE *f) {
    json_t *noise = json_object_get(filter, "noise");
    if (json_array_size(noise) == 0) return;
    fputs("How often a label of one class is estimated to be truly another, from what models say of images that they "
          "were not "
          "trained on (confident learning). A model that is unsure makes the estimate too high.\n\n",
          f);
    if (cfg->data.n_classes <= TN_MOST_SHOWN)
        whole_matrix(cfg, noise, f);
    else
        largest_elements(noise, f);
}

/* A line for each class that the filter spared. */
static void spared_classes(json_t *filter, FILE *f) {
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(filter, "classes"), i, c) {
        json_t *kept = json_object_get(c, "kept_by");
        long long floor = integer(kept, "class_floor"), overlays = integer(filter, "overlays");
        double judged = (double)integer(c, "judged");
        if (integer(c, "not_judged_in") == overlays)
            fprintf(f, "Class %s was not judged, and keeps all its labels: the models do not know it well enough.\n\n",
                    word(c, "class"));
        else if (integer(c, "not_judged_in") > 0)
            fprintf(f, "Class %s was not judged by %lld of %lld models, which do not know it well enough.\n\n",
                    word(c, "class"), integer(c, "not_judged_in"), overlays);
        if (floor > 0)
            fprintf(
                f,
                "**Warning:** class %s: %.1f %% of its labels were found suspicious, and self.class_floor kept %.1f "
                "%%: are they wrong, or is the class hard to learn?\n\n",
                word(c, "class"), 100 * (double)integer(c, "suspicious") / judged,
                100 * (judged - (double)integer(c, "taken")) / judged);
    }
}

/* --- the section -------------------------------------------------------------------------------------------------- */

static void by_truth(json_t *filter, FILE *f) {
    json_t *t = json_object_get(filter, "by_truth");
    double found = (double)integer(t, "found"), chance = number(t, "found_by_chance");
    if (!json_is_object(t)) return;
    fprintf(f,
            "By the truth column: %lld of the %lld labels flagged before round %lld are wrong (precision "
            "%.3f), of "
            "%lld wrong labels in all (recall %.3f). As many drawn by chance would have found %.0f: the filter is "
            "%s.\n\n",
            integer(t, "found"), integer(t, "flagged"), integer(filter, "round"), number(t, "precision"),
            integer(t, "wrong"), number(t, "recall"), chance, found > chance ? "better" : "not better");
}

tn_status tn_report_filters(const tn_cfg *cfg, json_t *metrics, FILE *f) {
    size_t i;
    json_t *filter;
    if (json_array_size(json_object_get(metrics, "filter")) == 0) return TN_OK;
    fputs("## Flagged labels\n\n", f);
    json_array_foreach(json_object_get(metrics, "filter"), i, filter) {
        fprintf(f, "Before round %lld:\n\n", integer(filter, "round"));
        TN_TRY(ledger_table(cfg, (int)integer(filter, "round"), f));
        spared_classes(filter, f);
        noise_matrix(cfg, filter, f);
        by_truth(filter, f);
    }
    return TN_OK;
}
