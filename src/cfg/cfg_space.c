/* cfg_space.c - search.space: the keys to search, and their values. */
#include "cfg/cfg_priv.h"

#include "cfg/nearest.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const KIND[] = {"choice", "uniform", "log_uniform", "integer", NULL};
enum { N_KINDS = sizeof KIND / sizeof *KIND - 1, MOST_KEYS = TN_MAX_KEYS + TN_MAX_AUGMENT_ADDRESSES };

/* --- values as text ----------------------------------------------------------------------------------------------- */

static void print_value(const config_setting_t *v, FILE *out) {
    int type = config_setting_type(v), n = config_setting_length(v);
    const char *text = config_setting_get_string(v);
    bool group = type == CONFIG_TYPE_GROUP, array = type == CONFIG_TYPE_ARRAY;
    if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64)
        fprintf(out, "%" PRId64, (int64_t)config_setting_get_int64(v));
    else if (type == CONFIG_TYPE_FLOAT)
        tn_print_double(config_setting_get_float(v), out);
    else if (type == CONFIG_TYPE_BOOL)
        fputs(config_setting_get_bool(v) ? "true" : "false", out);
    else if (text)
        tn_print_text(text, out);
    else {
        fputs(group ? "{ " : array ? "[ " : "( ", out);
        for (int i = 0; i < n; i++) {
            const config_setting_t *member = config_setting_get_elem(v, (unsigned)i);
            if (group) fprintf(out, "%s = ", config_setting_name(member));
            print_value(member, out);
            fputs(group ? "; " : i + 1 < n ? ", " : " ", out);
        }
        fputs(group ? "}" : array ? "]" : ")", out);
    }
}

static bool value_text(const config_setting_t *v, char out[TN_VALUE_BYTES]) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return false;
    print_value(v, f);
    bool fits = fclose(f) == 0 && n < TN_VALUE_BYTES;
    if (fits) memcpy(out, text, n + 1);
    free(text);
    return fits;
}

/* --- one member of the list --------------------------------------------------------------------------------------- */

static void set_choice(tn_dimension *d, const config_setting_t *v, int line, tn_problems *problems) {
    int n = config_setting_length(v);
    if ((!config_setting_is_list(v) && !config_setting_is_array(v)) || n < 2 || n > TN_MAX_CHOICES) {
        tn_problem(problems, line, "search.space: choice: give a list ( ..., ... ) of 2 to %d values", TN_MAX_CHOICES);
        return;
    }
    for (; d->n_choices < n; d->n_choices++)
        if (!value_text(config_setting_get_elem(v, (unsigned)d->n_choices), d->choice[d->n_choices])) {
            tn_problem(problems, line, "search.space: choice: value %d is longer than %d bytes", d->n_choices + 1,
                       TN_VALUE_BYTES - 1);
            return;
        }
}

static void set_bounds(tn_dimension *d, const config_setting_t *v, int line, tn_problems *problems) {
    bool pair = (config_setting_is_list(v) || config_setting_is_array(v)) && config_setting_length(v) == 2 &&
                tn_real_value(config_setting_get_elem(v, 0), &d->low) &&
                tn_real_value(config_setting_get_elem(v, 1), &d->high);
    bool whole = d->kind != TN_SPACE_INTEGER || (floor(d->low) == d->low && floor(d->high) == d->high);
    if (!pair || d->low >= d->high || !whole || (d->kind == TN_SPACE_LOG_UNIFORM && d->low <= 0))
        tn_problem(problems, line, "search.space: %s: give two %s ( a, b ) with %sa < b", KIND[d->kind],
                   d->kind == TN_SPACE_INTEGER ? "whole numbers" : "numbers",
                   d->kind == TN_SPACE_LOG_UNIFORM ? "0 < " : "");
}

static int line_at(const config_setting_t *v, int line) {
    return line > 0 ? (int)config_setting_source_line(v) : line;
}

/* Set one member of a dimension. True: it is the one that gives the values. */
static bool set_member(tn_dimension *d, const config_setting_t *v, int line, tn_problems *problems) {
    const char *name = config_setting_name(v), *words[N_KINDS + 1] = {"key"};
    if (strcmp(name, "key") == 0) return false;
    for (int k = 0; k < N_KINDS; k++) {
        words[k + 1] = KIND[k];
        if (strcmp(KIND[k], name) != 0) continue;
        d->kind = (tn_space_kind)k;
        if (d->kind == TN_SPACE_CHOICE)
            set_choice(d, v, line, problems);
        else
            set_bounds(d, v, line, problems);
        return true;
    }
    const char *near = tn_nearest(name, N_KINDS + 1, words);
    tn_problem(problems, line,
               "search.space: unknown `%s`%s%s%s: a member has key and one of choice, uniform, log_uniform, integer",
               name, near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    return false;
}

static void set_dimension(tn_dimension *d, const config_setting_t *group, int line, tn_problems *problems) {
    const char *key = NULL;
    int n = 0, before = problems->n;
    d->line = line;
    if (!config_setting_is_group(group) || !config_setting_lookup_string(group, "key", &key) ||
        strlen(key) >= sizeof d->key) {
        tn_problem(problems, line,
                   "search.space: every member is a group { key = \"group.key\"; choice = ( ..., ... ); }");
        return;
    }
    snprintf(d->key, sizeof d->key, "%s", key);
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
        n += set_member(d, member, line_at(member, line), problems);
    }
    if (n != 1 && problems->n == before)
        tn_problem(problems, line, "search.space: %s: give one of choice, uniform, log_uniform, integer", key);
}

void tn_space_set(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    int n = 0;
    if (!tn_list_length(key, v, line, &n, problems)) return;
    for (int i = 0; i < n; i++) {
        const config_setting_t *group = config_setting_get_elem(v, (unsigned)i);
        cfg->search.space[i] = (tn_dimension){.n_choices = 0};
        set_dimension(&cfg->search.space[i], group, line_at(group, line), problems);
    }
    cfg->search.n_space = n;
}

void tn_space_print(const tn_cfg *cfg, FILE *out) {
    fputs("( ", out);
    for (int i = 0; i < cfg->search.n_space; i++) {
        const tn_dimension *d = &cfg->search.space[i];
        fprintf(out, "%s{ key = \"%s\"; %s = ( ", i ? ", " : "", d->key, KIND[d->kind]);
        for (int k = 0; k < d->n_choices; k++) fprintf(out, "%s%s", k ? ", " : "", d->choice[k]);
        if (d->kind != TN_SPACE_CHOICE) {
            tn_print_double(d->low, out);
            fputs(", ", out);
            tn_print_double(d->high, out);
        }
        fputs(" ); }", out);
    }
    fputs(" )", out);
}

/* --- what it says about other keys -------------------------------------------------------------------------------- */

/* A key can be searched if training depends on it, except: the number of images, which the rungs set; how work is distributed, which
 * determines the ranks of a step; and paths, which would not be relative to the job file. */
static bool searchable(const tn_key *k) {
    static const size_t NOT[] = {offsetof(tn_cfg, train.images), offsetof(tn_cfg, train.device),
                                 offsetof(tn_cfg, train.isa), offsetof(tn_cfg, train.lanes),
                                 offsetof(tn_cfg, train.lane_threads)};
    bool group = strcmp(k->group, "model") == 0 || strcmp(k->group, "train") == 0 || strcmp(k->group, "self") == 0;
    for (size_t i = 0; i < sizeof NOT / sizeof *NOT; i++)
        if (k->at == NOT[i]) return false;
    return group && k->type != KEY_PATH && (strcmp(k->name, "sizes_px") == 0 || (k->stages & TN_KEYS_TRAIN));
}

static int searchable_names(const char *out[MOST_KEYS]) {
    static char text[TN_MAX_KEYS][2 * TN_NAME_BYTES];
    int n = tn_augment_addresses(out);
    for (int k = 0; k < tn_n_keys; k++) {
        if (!searchable(&tn_keys[k])) continue;
        snprintf(text[k], sizeof text[k], "%s.%s", tn_keys[k].group, tn_keys[k].name);
        out[n++] = text[k];
    }
    return n;
}

/* The key of a dimension in the table; NULL after a problem. For an address in a list it is the key of the list. */
static const tn_key *key_of(const tn_dimension *d, const char *group, const char *name, tn_problems *problems) {
    const char *words[MOST_KEYS];
    int n = searchable_names(words), k = tn_key_find(group, name);
    bool parameter = strncmp(d->key, "train.augment.", 14) == 0, known = false;
    for (int i = 0; i < n; i++) known |= strcmp(words[i], d->key) == 0;
    if (known) return &tn_keys[parameter ? tn_key_find("train", "augment") : k];
    const char *near = tn_nearest(d->key, n, words);
    if (k >= 0)
        tn_problem(
            problems, d->line,
            "search.space: %s cannot be searched: docs/job-file.md says which keys can; budgets are search.rungs",
            d->key);
    else
        tn_problem(problems, d->line, "search.space: unknown key %s: %s%s%s", d->key,
                   near ? "did you mean " : "give a key of model, train or self", near ? near : "", near ? "?" : "");
    return NULL;
}

/* Can the key have values of this kind? */
static bool kind_fits(const tn_dimension *d, const tn_key *k) {
    bool parameter = strncmp(d->key, "train.augment.", 14) == 0;
    if (d->kind == TN_SPACE_CHOICE) return true;
    if (d->kind == TN_SPACE_INTEGER) return k->type == KEY_INT || k->type == KEY_I64;
    return k->type == KEY_DOUBLE || parameter;
}

/* Check each value by setting it in a copy of the settings, as if it were in the job file. */
static void check_values(const tn_dimension *d, const char *group, const char *name, tn_cfg *copy,
                         tn_problems *problems) {
    char text[64];
    for (int i = 0; i < d->n_choices; i++) tn_key_take(copy, group, name, d->choice[i], d->line, problems);
    for (int i = 0; i < 2 && d->kind != TN_SPACE_CHOICE; i++) {
        snprintf(text, sizeof text, d->kind == TN_SPACE_INTEGER ? "%.0f" : "%.17g", i ? d->high : d->low);
        tn_key_take(copy, group, name, text, d->line, problems);
    }
}

static void check_dimension(const tn_cfg *cfg, const tn_dimension *d, tn_cfg *copy, tn_problems *problems) {
    char group[TN_NAME_BYTES] = "", name[TN_NAME_BYTES] = "";
    if (sscanf(d->key, "%63[^.].%63s", group, name) != 2) {
        tn_problem(problems, d->line, "search.space: key = \"%s\": give group.key", d->key);
        return;
    }
    const tn_key *k = key_of(d, group, name, problems);
    if (!k) return;
    for (const tn_dimension *other = cfg->search.space; other < d; other++)
        if (strcmp(other->key, d->key) == 0) tn_problem(problems, d->line, "search.space: %s is named twice", d->key);
    if (kind_fits(d, k))
        check_values(d, group, name, copy, problems);
    else
        tn_problem(problems, d->line, "search.space: %s cannot be drawn by %s: use %s", d->key, KIND[d->kind],
                   k->type == KEY_DOUBLE                      ? "uniform, log_uniform or choice"
                   : k->type == KEY_INT || k->type == KEY_I64 ? "integer or choice"
                                                              : "choice");
}

void tn_space_check(const tn_cfg *cfg, tn_problems *problems) {
    tn_cfg *copy = malloc(sizeof *copy);
    if (!copy) {
        tn_problem(problems, 0, "no memory for a copy of the settings");
        return;
    }
    for (int i = 0; i < cfg->search.n_space; i++) {
        *copy = *cfg;
        check_dimension(cfg, &cfg->search.space[i], copy, problems);
    }
    free(copy);
}
