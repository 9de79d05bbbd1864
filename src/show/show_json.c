/* show_json.c - describes DONE, plan.json, filter.json, metrics.json and similar files; journals. */
#include "show/show_priv.h"

#include "base/progress.h"
#include "store/done.h"

#include <stdlib.h>
#include <string.h>

static const char *word(const json_t *j, const char *key) {
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "?";
}

/* --- DONE --------------------------------------------------------------------------------------------------------- */

static tn_status show_done(const char *path, const json_t *j, FILE *out) {
    const char *inputs = word(j, "inputs"), *file;
    json_t *hash;
    if (!tn_done_is_whole(j)) return tn_fail(TN_EFORMAT, "%s: damaged: delete its folder and run again", path);
    tn_print(out, "%s: stage %s is done%s\n", path, word(j, "stage"),
             strcmp(word(j, "digest"), TN_SKIPPED) == 0 ? ": there was nothing to do" : "");
    tn_print(out, "  written by tenfold %s, commit %s, with %s\n  digest %s\n", word(j, "version"), word(j, "commit"),
             word(j, "libraries"), word(j, "digest"));
    for (; *inputs; inputs += strcspn(inputs, "\n"), inputs += *inputs == '\n')
        tn_print(out, "  made from %.*s\n", (int)strcspn(inputs, "\n"), inputs);
    json_object_foreach(json_object_get(j, "files"), file, hash)
        tn_print(out, "  vouches for %s %s\n", file, json_string_value(hash));
    if (!*word(j, "settings")) return TN_OK;
    fputs("  settings\n", out);
    tn_show_settings(word(j, "settings"), out);
    return TN_OK;
}

/* --- plan.json ---------------------------------------------------------------------------------------------------- */

static void put_count(int n, const char *state, const char **sep, FILE *out) {
    if (n == 0) return;
    fprintf(out, "%s%d %s", *sep, n, state);
    *sep = ", ";
}

/* Print the steps that are neither done nor waiting, as many as fit a screen. */
static void put_steps(json_t *steps, FILE *out) {
    enum { MOST = 20 };
    size_t i;
    json_t *step;
    int n = 0;
    json_array_foreach(steps, i, step) {
        const char *state = word(step, "state");
        if (strcmp(state, "done") == 0 || strcmp(state, "waiting") == 0 || n++ >= MOST) continue;
        tn_print(out, "    %-28s %-8s", word(step, "name"), state);
        if (*word(step, "job")) tn_print(out, " job %s", word(step, "job"));
        if (strcmp(state, "running") != 0)
            tn_print(out, " exit code %d  %s", (int)json_integer_value(json_object_get(step, "exit_code")),
                     word(step, "last_line"));
        fputc('\n', out);
    }
    if (n > MOST) fprintf(out, "    ... and %d more\n", n - MOST);
}

static tn_status show_plan(const char *path, const json_t *j, FILE *out) {
    static const char *const STATE[] = {"done", "running", "waiting", "stopped", "failed"};
    json_t *steps = json_object_get(j, "steps"), *step, *set;
    const char *sep = "";
    size_t i;
    if (!json_is_array(steps)) return tn_fail(TN_EFORMAT, "%s: damaged: a plan without steps", path);
    tn_print(out, "%s: the plan of a run, and how its steps went when it was written; `tenfold status` looks now\n",
             path);
    tn_print(out, "  job file %s\n  run folder %s\n", word(j, "job_file"), word(j, "run_dir"));
    json_array_foreach(json_object_get(j, "set"), i, set) tn_print(out, "  --set %s\n", json_string_value(set));
    fprintf(out, "  %zu steps: ", json_array_size(steps));
    for (size_t s = 0; s < sizeof STATE / sizeof *STATE; s++) {
        int n = 0;
        json_array_foreach(steps, i, step) n += strcmp(word(step, "state"), STATE[s]) == 0;
        put_count(n, STATE[s], &sep, out);
    }
    fputc('\n', out);
    put_steps(steps, out);
    return TN_OK;
}

/* --- filter.json -------------------------------------------------------------------------------------------------- */

static long long integer(const json_t *j, const char *key) {
    return (long long)json_integer_value(json_object_get(j, key));
}

static void put_filter_class(const json_t *c, FILE *out) {
    static const char *const KEPT[] = {"noise_limit", "class_floor", "category_floor", "class_not_judged"};
    tn_print(out, "  %-24s %9lld %10lld %8lld", word(c, "class"), integer(c, "judged"), integer(c, "suspicious"),
             integer(c, "taken"));
    if (json_is_number(json_object_get(c, "estimated_wrong")))
        fprintf(out, " %8.1f %%", 100 * json_number_value(json_object_get(c, "estimated_wrong")));
    else
        fprintf(out, " %10s", "unknown");
    for (size_t i = 0; i < sizeof KEPT / sizeof *KEPT; i++) {
        long long n = integer(json_object_get(c, "kept_by"), KEPT[i]);
        if (n > 0) fprintf(out, "  %s keeps %lld", KEPT[i], n);
    }
    fputc('\n', out);
}

static tn_status show_filter(const char *path, const json_t *j, FILE *out) {
    json_t *classes = json_object_get(j, "classes"), *noise = json_object_get(j, "noise"), *e;
    char vouched[64];
    size_t i;
    if (!json_is_array(classes) || !json_is_array(noise))
        return tn_fail(TN_EFORMAT, "%s: damaged: a filter without classes or noise matrix", path);
    TN_TRY(tn_show_vouched(path, vouched));
    tn_print(out, "%s: what the filter before round %lld did to each class, summed over %lld overlays%s\n", path,
             integer(j, "round"), integer(j, "overlays"), vouched);
    fprintf(out, "  %-24s %9s %10s %8s %10s\n", "class", "judged", "suspicious", "taken", "wrong, est");
    json_array_foreach(classes, i, e) put_filter_class(e, out);
    fputs("  labels of a class that are estimated to be truly another\n", out);
    json_array_foreach(noise, i, e) if (strcmp(word(e, "given"), word(e, "true")) != 0)
        tn_print(out, "    %s, truly %s: %.1f %% (%lld labels tried)\n", word(e, "given"), word(e, "true"),
                 100 * json_number_value(json_object_get(e, "share")), integer(e, "rows"));
    return TN_OK;
}

/* --- everything else that names its format ------------------------------------------------------------------------ */

static void put_member(const char *key, const json_t *value, FILE *out) {
    enum { MOST_BYTES = 100 };
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    if (json_is_string(value) && strchr(json_string_value(value), '\n')) {
        tn_print(out, "  %s\n", key);
        tn_show_settings(json_string_value(value), out);
    } else if (text && (strlen(text) <= MOST_BYTES || json_is_string(value))) {
        tn_print(out, "  %s %s\n", key, text);
    } else {
        size_t n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
        tn_print(out, "  %s: %zu entries\n", key, n);
    }
    free(text);
}

static tn_status show_any(const char *path, const json_t *j, FILE *out) {
    const char *key;
    char vouched[64];
    json_t *value;
    TN_TRY(tn_show_vouched(path, vouched));
    tn_print(out, "%s: %s%s\n", path, word(j, "format"), vouched);
    json_object_foreach((json_t *)(uintptr_t)j, key, value) {
        if (strcmp(key, "format") != 0) put_member(key, value, out);
    }
    return TN_OK;
}

static bool is_ours(const json_t *j) {
    return strncmp(word(j, "format"), "tenfold ", 8) == 0;
}

tn_status tn_show_json(const char *path, const char *text, size_t n_bytes, FILE *out) {
    json_error_t error;
    json_t *j = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &error);
    tn_status st;
    if (!j)
        st = tn_fail(TN_EFORMAT, "%s:%d: not JSON to its end, so damaged: %s", path, error.line, error.text);
    else if (!is_ours(j))
        st = tn_fail(TN_EFORMAT, "%s: JSON of another program: it has no `format` of tenfold", path);
    else if (strcmp(word(j, "format"), "tenfold DONE 1") == 0)
        st = show_done(path, j, out);
    else if (strcmp(word(j, "format"), "tenfold plan 1") == 0)
        st = show_plan(path, j, out);
    else if (strcmp(word(j, "format"), "tenfold filter 1") == 0)
        st = show_filter(path, j, out);
    else
        st = show_any(path, j, out);
    json_decref(j);
    return st;
}

/* --- journals ----------------------------------------------------------------------------------------------------- */

static double number(const json_t *j, const char *key) {
    return json_number_value(json_object_get(j, key));
}

static void put_point(const json_t *p, FILE *out) {
    const json_t *v = json_object_get(p, "validation");
    fprintf(out, "%6d %10lld %9.2e %8.4f %10.4f %9.4f %9.4f %9.0f %s\n", (int)number(p, "evaluation"),
            (long long)number(p, "images"), number(p, "learning_rate"), number(p, "loss"), number(v, "geometric_mean"),
            number(v, "macro_f1"), number(v, "accuracy"), number(p, "training_seconds"),
            json_is_true(json_object_get(p, "best")) ? "kept" : "");
}

/* Parse the evaluations of a journal. An incomplete last line is left out, because it may still be written. Errors TN_EFORMAT names the
 * line. */
static tn_status parse(const char *path, char *text, json_t *evaluations) {
    bool ended = *text && text[strlen(text) - 1] == '\n';
    char *rest = text;
    int n = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        n++;
        if (!*line || (!rest && !ended)) continue;
        json_t *p = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        bool whole = json_is_object(p) && json_is_object(json_object_get(p, "validation"));
        if (whole)
            json_array_append_new(evaluations, p);
        else
            json_decref(p);
        if (!whole) return tn_fail(TN_EFORMAT, "%s:%d: not an evaluation of a journal: damaged?", path, n);
    }
    return TN_OK;
}

tn_status tn_show_journal(const char *path, char *text, FILE *out) {
    enum { MOST = 30 };
    json_t *evaluations = json_array(), *p;
    tn_status st = evaluations ? parse(path, text, evaluations) : tn_fail_memory(64, path);
    size_t n = json_array_size(evaluations), i;
    if (st == TN_OK) {
        tn_print(out, "%s: the journal of a cell, %zu evaluations; the last one kept counts\n", path, n);
        fputs(" evaluation     images      rate     loss  geo. mean  macro F1  accuracy   seconds\n", out);
        if (n > MOST) fprintf(out, "   ... %zu before\n", n - MOST);
    }
    json_array_foreach(evaluations, i, p) {
        if (st == TN_OK && i + MOST >= n) put_point(p, out);
    }
    json_decref(evaluations);
    return st;
}
