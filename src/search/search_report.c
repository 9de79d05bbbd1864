/* search_report.c - writes trials.csv, search.md, best.cfg, best-2.cfg and so on. */
#include "search/search_report.h"

#include "base/progress.h"
#include "search/rung.h"
#include "store/csv.h"
#include "store/done.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const tn_cfg *cfg;
    tn_ranked *ranked[TN_MAX_RUNGS]; /* (slots) best first */
    json_t *judge;
    int slot; /* slot of the last rung whose trial is written as a job file */
} search;

static void close_search(search *s) {
    for (int q = 0; q < s->cfg->search.n_rungs; q++) free(s->ranked[q]);
    json_decref(s->judge);
}

static tn_status open_search(search *s) {
    char folder[TN_PATH_BYTES], path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    for (int q = 0; q < s->cfg->search.n_rungs; q++) {
        s->ranked[q] = calloc((size_t)tn_rung_slots(s->cfg, q), sizeof *s->ranked[q]);
        if (!s->ranked[q]) return tn_fail_memory(sizeof *s->ranked[q], "a ranking");
        TN_TRY(tn_rung_read(s->cfg, q, s->ranked[q]));
    }
    TN_TRY(tn_path(folder, "%s/search/judge", s->cfg->run_dir));
    TN_TRY(tn_done_file(folder, "judge.json", "rank", path));
    TN_TRY(tn_file_read(path, &text, &n));
    s->judge = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    return json_is_object(s->judge) ? TN_OK : tn_fail(TN_EFORMAT, "%s: damaged: delete %s and run again", path, folder);
}

static double number(const json_t *j, const char *key) {
    return json_number_value(json_object_get(j, key));
}

static const tn_ranked *ranked(const search *s, int rung, int slot) {
    TN_ASSERT(s->ranked[rung]);
    return &s->ranked[rung][slot];
}

/* Slot of a trial in a rung, -1: it did not take part. */
static int place_of(const search *s, int rung, int trial) {
    for (int p = 0; p < tn_rung_slots(s->cfg, rung); p++)
        if (ranked(s, rung, p)->trial == trial) return p;
    return -1;
}

/* The value for tables: text without the quotes of a job file. */
static const char *value_in(tn_values *v, int d) {
    if (d >= v->n) return "";
    char *value = strchr(v->text[d], '=') + 1;
    if (*value != '"') return value;
    char *to = ++value;
    for (const char *c = value; *c && *c != '"'; c++) {
        if (*c == '\\' && c[1]) c++;
        *to++ = *c;
    }
    *to = 0;
    return value;
}

/* --- trials.csv --------------------------------------------------------------------------------------------------- */

static tn_status csv_row(const search *s, int trial, FILE *f) {
    tn_values v;
    const char *why = "";
    TN_TRY(tn_search_values(s->cfg, trial, &v));
    fprintf(f, "%d", trial);
    for (int d = 0; d < s->cfg->search.n_space; d++) tn_csv_put(f, ",", value_in(&v, d));
    for (int q = 0; q < s->cfg->search.n_rungs; q++) {
        int p = place_of(s, q, trial);
        const tn_ranked *r = p < 0 ? NULL : ranked(s, q, p);
        if (!r)
            fputs(",,,,", f);
        else if (r->diverged)
            fprintf(f, ",%d,,,", p + 1);
        else
            fprintf(f, ",%d,%.6f,%.6f,%.6f", p + 1, r->gmean, r->macro, r->accuracy);
        if (r && r->diverged) why = r->why;
    }
    tn_csv_put(f, ",", why);
    fputc('\n', f);
    return TN_OK;
}

static tn_status write_csv(const search *s, FILE *f) {
    fputs("trial", f);
    for (int d = 0; d < s->cfg->search.n_space; d++) tn_csv_put(f, ",", s->cfg->search.space[d].key);
    for (int q = 0; q < s->cfg->search.n_rungs; q++) {
        long long i = (long long)tn_rung_images(s->cfg, q);
        fprintf(f, ",rank_%lld,geometric_mean_%lld,macro_f1_%lld,accuracy_%lld", i, i, i, i);
    }
    fputs(",diverged\n", f);
    for (int t = 0; t < s->cfg->search.trials; t++) TN_TRY(csv_row(s, t, f));
    return TN_OK;
}

/* --- search.md ------------------------------------------------------------------------------------------------------ */

static void print_folds(int n, const int *fold, FILE *f) {
    for (int i = 0; i < n; i++) fprintf(f, "%s%d", i ? ", " : "", fold[i]);
}

static void table_head(const search *s, FILE *f) {
    fputs("| trial |", f);
    for (int d = 0; d < s->cfg->search.n_space; d++) fprintf(f, " %s |", s->cfg->search.space[d].key);
    for (int q = 0; q < s->cfg->search.n_rungs; q++) fprintf(f, " %lld images |", (long long)tn_rung_images(s->cfg, q));
    fputs("\n| ---: |", f);
    for (int d = 0; d < s->cfg->search.n_space + s->cfg->search.n_rungs; d++) fputs(" ---: |", f);
    fputc('\n', f);
}

static tn_status table_row(const search *s, int trial, FILE *f) {
    tn_values v;
    TN_TRY(tn_search_values(s->cfg, trial, &v));
    fprintf(f, "| %d |", trial);
    for (int d = 0; d < s->cfg->search.n_space; d++) fprintf(f, " %s |", trial ? value_in(&v, d) : "as given");
    for (int q = 0; q < s->cfg->search.n_rungs; q++) {
        int p = place_of(s, q, trial);
        if (p < 0)
            fputs(" |", f);
        else if (ranked(s, q, p)->diverged)
            fputs(" diverged |", f);
        else
            fprintf(f, " %.4f |", ranked(s, q, p)->gmean);
    }
    fputc('\n', f);
    return TN_OK;
}

/* Best first: the trials of the last rung in their order, then those of the rung before that did not continue, and so on. */
static tn_status print_table(const search *s, FILE *f) {
    table_head(s, f);
    for (int q = s->cfg->search.n_rungs - 1; q >= 0; q--)
        for (int p = 0; p < tn_rung_slots(s->cfg, q); p++) {
            int trial = ranked(s, q, p)->trial;
            bool went_on = q + 1 < s->cfg->search.n_rungs && place_of(s, q + 1, trial) >= 0;
            if (!went_on) TN_TRY(table_row(s, trial, f));
        }
    return TN_OK;
}

static void print_reasons(const search *s, FILE *f) {
    for (int q = 0; q < s->cfg->search.n_rungs; q++)
        for (int p = 0; p < tn_rung_slots(s->cfg, q); p++)
            if (ranked(s, q, p)->diverged)
                fprintf(f, "\nTrial %d diverged: %s\n", ranked(s, q, p)->trial, ranked(s, q, p)->why);
}

static void judged_row(const char *name, const json_t *j, FILE *f) {
    if (json_is_true(json_object_get(j, "diverged")))
        fprintf(f, "| %s | diverged | | |\n", name);
    else
        fprintf(f, "| %s | %.4f | %.4f | %.4f |\n", name, number(j, "geometric_mean"), number(j, "macro_f1"),
                number(j, "accuracy"));
}

/* Avoids "-0.0000": what is printed as 0 has no sign. */
static double tidy(double x) {
    return x > -5e-5 && x < 5e-5 ? 0 : x;
}

static void print_judge(const search *s, FILE *f) {
    int fold[TN_MAX_FOLDS], n = tn_rung_folds(s->cfg, s->cfg->search.n_rungs, fold);
    int best = ranked(s, s->cfg->search.n_rungs - 1, 0)->trial;
    char name[32];
    fprintf(f, "\n## What it gained\n\nOut-of-fold rows of fold%s ", n > 1 ? "s" : "");
    print_folds(n, fold, f);
    fprintf(f,
            ", without those that were in the validation slice of a model that ranked trials; %.0f images "
            "each.\n\n",
            number(s->judge, "images"));
    fputs("| | geometric mean F1 | macro F1 | accuracy |\n| --- | ---: | ---: | ---: |\n", f);
    judged_row("the job file as it stands", json_object_get(s->judge, "start"), f);
    snprintf(name, sizeof name, "trial %d", best);
    judged_row(name, json_object_get(s->judge, "best"), f);
    if (best == 0) {
        fputs("\nNo trial ranked above the job file as it stands: the search found nothing better.\n", f);
        return;
    }
    double low = tidy(number(s->judge, "low")), high = tidy(number(s->judge, "high"));
    fprintf(f, "\n%s: %+.4f, 95 %% interval %+.4f to %+.4f (paired bootstrap of groups, %.0f rows)%s.\n",
            json_string_value(json_object_get(s->judge, "metric")), tidy(number(s->judge, "difference")), low, high,
            number(s->judge, "rows"),
            low > 0    ? ": a gain of these models; differences between training seeds are not in the interval"
            : high < 0 ? ": a loss: keep the job file as it stands"
                       : ": not significant, the interval contains 0");
}

static tn_status write_md(const search *s, FILE *f) {
    const tn_cfg *cfg = s->cfg;
    fprintf(f, "# Search of %s\n\n%d trials (%s, seed %lld) on fold%s ", cfg->name, cfg->search.trials,
            cfg->search.sampling == TN_SAMPLING_SOBOL ? "sobol" : "random", (long long)cfg->search.seed,
            cfg->search.n_folds > 1 ? "s" : "");
    print_folds(cfg->search.n_folds, cfg->search.folds, f);
    fprintf(
        f,
        "; about %.3g of each rung continue. Scores are geometric means of F1 on the validation slices.\nTrials were "
        "selected by them, so the best scores are too high. Trial 0 is the job file as it stands.\n\n",
        cfg->search.keep);
    TN_TRY(print_table(s, f));
    print_reasons(s, f);
    print_judge(s, f);
    return TN_OK;
}

/* --- best.cfg ----------------------------------------------------------------------------------------------------- */

/* Make a path absolute, because best.cfg is in another folder than the job file. Not with realpath: data.stage_folder need not
 * exist here, and may be a link to another disk on each node. */
static tn_status make_absolute(char path[TN_PATH_BYTES]) {
    char given[TN_PATH_BYTES], here[TN_PATH_BYTES];
    if (!*path || *path == '/') return TN_OK;
    if (!getcwd(here, sizeof here)) return tn_fail(TN_EIO, "the working folder: %s", strerror(errno));
    strcpy(given, path);
    return tn_path(path, "%s/%s", here, given);
}

static tn_status write_best(const search *s, FILE *f) {
    int trial = ranked(s, s->cfg->search.n_rungs - 1, s->slot)->trial;
    tn_cfg *t = NULL;
    TN_TRY(tn_search_cfg(s->cfg, trial, s->cfg->train.images, &t));
    char *path[] = {t->data.metadata, t->data.images, t->data.stage_folder, t->model.pretrained};
    tn_status st = TN_OK;
    for (size_t i = 0; st == TN_OK && i < sizeof path / sizeof *path; i++) st = make_absolute(path[i]);
    t->search.n_space = 0; /* the result is a plain job file, not a search */
    fprintf(f, "# trial %d of the search of %s\n", trial, s->cfg->name);
    tn_cfg_print(t, f);
    tn_cfg_free(&t);
    return st;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static tn_status publish_search(const search *s, const char *name, tn_status (*write)(const search *, FILE *),
                                FILE *copy) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    tn_status st = tn_text_end(f, f ? write(s, f) : TN_OK, name);
    if (st == TN_OK) st = tn_path(path, "%s/search/%s", s->cfg->run_dir, name);
    if (st == TN_OK) st = tn_file_publish(path, text, n);
    if (st == TN_OK && copy) tn_print(copy, "%s", text);
    free(text);
    return st;
}

/* Write the trials of the last rung as job files, best first; diverged ones are left out. */
static tn_status publish_best(search *s) {
    int last = s->cfg->search.n_rungs - 1;
    TN_TRY(publish_search(s, "best.cfg", write_best, NULL));
    for (s->slot = 1; s->slot < tn_rung_slots(s->cfg, last); s->slot++) {
        char name[32];
        snprintf(name, sizeof name, "best-%d.cfg", s->slot + 1);
        if (!ranked(s, last, s->slot)->diverged) TN_TRY(publish_search(s, name, write_best, NULL));
    }
    return TN_OK;
}

static tn_status publish_done(const tn_cfg *cfg) {
    char folder[TN_PATH_BYTES], judge[TN_PATH_BYTES], digest[TN_HEX_BYTES], inputs[TN_HEX_BYTES + 8];
    TN_TRY(tn_path(folder, "%s/search", cfg->run_dir));
    TN_TRY(tn_path(judge, "%s/judge", folder));
    TN_TRY(tn_done_digest(judge, "rank", digest));
    snprintf(inputs, sizeof inputs, "judge %s\n", digest);
    char *settings = tn_cfg_canonical(cfg, TN_KEYS_SEARCH);
    if (!settings) return tn_fail_memory(4096, "the identity of a search");
    tn_done done = {.stage = "report", .settings = settings, .inputs = inputs};
    tn_status st =
        tn_done_publish(folder, &done, digest, (const char *[]){"trials.csv", "best.cfg", "search.md", NULL});
    free(settings);
    return st;
}

tn_status tn_search_report(const tn_cfg *cfg, FILE *copy) {
    search s = {.cfg = cfg};
    tn_status st = open_search(&s);
    if (st == TN_OK) st = publish_search(&s, "trials.csv", write_csv, NULL);
    if (st == TN_OK) st = publish_best(&s);
    if (st == TN_OK) st = publish_search(&s, "search.md", write_md, copy);
    if (st == TN_OK) st = publish_done(cfg);
    close_search(&s);
    return st;
}
