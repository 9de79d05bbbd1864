/* report_classes.c - see report_classes.h. */
#include "report/report_classes.h"

#include "cfg/shown.h"

enum { MOST_ZEROS = 5 };

void tn_report_name(FILE *f, const char *name) {
    for (; *name; name++) {
        if (*name == '|' || *name == '\\') fputc('\\', f);
        fputc(*name, f);
    }
}

void tn_report_zeros(FILE *f, const char *begin, json_t *names, const char *end) {
    size_t i, n = json_array_size(names);
    json_t *name;
    if (n <= MOST_ZEROS) {
        json_array_foreach(names, i, name) fprintf(f, "%s class %s has F1 0%s\n", begin, json_string_value(name), end);
        return;
    }
    fprintf(f, "%s %zu classes have F1 0 (", begin, n);
    for (i = 0; i < MOST_ZEROS; i++) fprintf(f, "%s, ", json_string_value(json_array_get(names, i)));
    fprintf(f, "...)%s\n", end);
}

void tn_report_chosen(const tn_cfg *cfg, const char *what, FILE *f) {
    if (cfg->data.n_classes > TN_MOST_SHOWN)
        fprintf(f, "The %d of %d classes with %s:\n\n", TN_MOST_SHOWN, cfg->data.n_classes, what);
}

void tn_report_worst(const tn_cfg *cfg, json_t *metrics, FILE *f) {
    json_t *f1 = json_object_get(json_object_get(json_object_get(metrics, "submitted"), "out_of_fold"), "f1");
    double key[TN_MAX_CLASSES];
    int class[TN_MOST_SHOWN], K = cfg->data.n_classes;
    if (K <= TN_MOST_SHOWN || !f1) return;
    for (int k = 0; k < K; k++) key[k] = -json_number_value(json_object_get(f1, cfg->data.classes[k]));
    int n = tn_shown(K, key, class);
    fputc('\n', f);
    tn_report_chosen(cfg,
                     K <= TN_WHOLE_CLASSES ? "the lowest F1, out-of-fold, of what is submitted (scores.csv has all)"
                                           : "the lowest F1, out-of-fold, of what is submitted (metrics.json has all)",
                     f);
    fputs("| class | F1 |\n| --- | ---: |\n", f);
    for (int j = 0; j < n; j++) {
        fputs("| ", f);
        tn_report_name(f, cfg->data.classes[class[j]]);
        fprintf(f, " | %.3f |\n", -key[class[j]]);
    }
    fputc('\n', f);
}
