/* cfg_value.c - one value: its check, its place in tn_cfg, its text. */
#include "cfg/cfg_priv.h"

#include "cfg/nearest.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *type_name(const config_setting_t *v) {
    switch (config_setting_type(v)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a number";
    case CONFIG_TYPE_STRING:
        return "text";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    case CONFIG_TYPE_LIST:
        return "a list";
    default:
        return "a group";
    }
}

static bool is_whole(const config_setting_t *v) {
    return config_setting_type(v) == CONFIG_TYPE_INT || config_setting_type(v) == CONFIG_TYPE_INT64;
}

static void accepted_text(const tn_key *key, char *out, size_t n) {
    FILE *f = fmemopen(out, n, "w");
    if (!f) return;
    tn_key_accepted(key, f);
    fclose(f);
}

/* Add the problem of a wrong value of this key. */
static void refuse(const tn_key *key, const config_setting_t *v, int line, const char *why, tn_problems *problems) {
    char accepted[512] = "";
    accepted_text(key, accepted, sizeof accepted);
    (void)v;
    tn_problem(problems, line, "%s.%s %s: give %s", key->group, key->name, why, accepted);
}

static bool whole_value(const tn_key *key, const config_setting_t *v, int line, int64_t *out, tn_problems *problems) {
    char why[96];
    if (!is_whole(v)) {
        snprintf(why, sizeof why, "is %s", type_name(v));
    } else {
        *out = config_setting_get_int64(v);
        if ((double)*out >= key->least && (double)*out <= key->most) return true;
        snprintf(why, sizeof why, "= %" PRId64 " is out of range", *out);
    }
    refuse(key, v, line, why, problems);
    return false;
}

bool tn_real_value(const config_setting_t *v, double *out) {
    if (is_whole(v))
        *out = (double)config_setting_get_int64(v);
    else if (config_setting_type(v) == CONFIG_TYPE_FLOAT)
        *out = config_setting_get_float(v);
    else
        return false;
    return isfinite(*out);
}

static void set_double(double *at, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    double x;
    char why[96];
    if (!tn_real_value(v, &x)) {
        snprintf(why, sizeof why, "is %s", type_name(v));
    } else if (x < key->least || x > key->most) {
        snprintf(why, sizeof why, "= %g is out of range", x);
    } else {
        *at = x;
        return;
    }
    refuse(key, v, line, why, problems);
}

/* Text without control characters that fits; NULL after a problem. */
static const char *text_value(const tn_key *key, const config_setting_t *v, size_t room, int line,
                              tn_problems *problems) {
    char why[96];
    const char *text = config_setting_get_string(v);
    if (!text) {
        snprintf(why, sizeof why, "is %s", type_name(v));
        refuse(key, v, line, why, problems);
        return NULL;
    }
    bool bad = strlen(text) >= room;
    for (const char *c = text; *c; c++) bad |= (unsigned char)*c < ' ';
    if (!bad) return text;
    snprintf(why, sizeof why, "is too long (at most %zu bytes) or has control characters", room - 1);
    refuse(key, v, line, why, problems);
    return NULL;
}

static void set_bool(bool *at, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    char why[96];
    if (config_setting_type(v) == CONFIG_TYPE_BOOL) {
        *at = config_setting_get_bool(v) != 0;
        return;
    }
    snprintf(why, sizeof why, "is %s", type_name(v));
    refuse(key, v, line, why, problems);
}

static void set_word(int *at, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    const char *text = text_value(key, v, TN_NAME_BYTES, line, problems);
    int n = 0;
    if (!text) return;
    for (; key->words[n]; n++)
        if (strcmp(key->words[n], text) == 0) {
            *at = n;
            return;
        }
    char why[192];
    const char *near = tn_nearest(text, n, key->words);
    snprintf(why, sizeof why, "= \"%s\" is unknown%s%s%s", text, near ? " (did you mean \"" : "", near ? near : "",
             near ? "\"?)" : "");
    refuse(key, v, line, why, problems);
}

static void set_path(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, const char *base_dir,
                     tn_problems *problems) {
    const char *text = text_value(key, v, TN_PATH_BYTES, line, problems);
    char *at = (char *)cfg + key->at;
    if (!text) return;
    bool plain = !*text || text[0] == '/' || !*base_dir;
    if (tn_path((char *)cfg + key->second, "%s", text) != TN_OK ||
        (plain ? tn_path(at, "%s", text) : tn_path(at, "%s/%s", base_dir, text)) != TN_OK)
        tn_problem(problems, line, "%s.%s: %s", key->group, key->name, tn_msg);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

bool tn_list_length(const tn_key *key, const config_setting_t *v, int line, int *n_out, tn_problems *problems) {
    char why[96];
    if (!config_setting_is_array(v) && !config_setting_is_list(v)) {
        snprintf(why, sizeof why, "is %s", type_name(v));
    } else {
        *n_out = config_setting_length(v);
        bool fixed = key->second == 0; /* background: the length is fixed */
        if (fixed ? *n_out == key->most_members : *n_out <= key->most_members) return true;
        snprintf(why, sizeof why, "has %d members", *n_out);
    }
    refuse(key, v, line, why, problems);
    return false;
}

static void set_numbers(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    int n = 0;
    if (!tn_list_length(key, v, line, &n, problems)) return;
    for (int i = 0; i < n; i++) {
        int64_t x = 0;
        if (!whole_value(key, config_setting_get_elem(v, (unsigned)i), line, &x, problems)) return;
        if (key->type == KEY_INTS)
            ((int *)(void *)((char *)cfg + key->at))[i] = (int)x;
        else
            ((int64_t *)(void *)((char *)cfg + key->at))[i] = x;
    }
    if (key->second) *(int *)(void *)((char *)cfg + key->second) = n;
}

static void set_texts(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    int n = 0;
    if (!tn_list_length(key, v, line, &n, problems)) return;
    char(*at)[TN_NAME_BYTES] = (char(*)[TN_NAME_BYTES])((char *)cfg + key->at);
    for (int i = 0; i < n; i++) {
        const char *text = text_value(key, config_setting_get_elem(v, (unsigned)i), TN_NAME_BYTES, line, problems);
        if (!text) return;
        snprintf(at[i], TN_NAME_BYTES, "%s", text);
    }
    *(int *)(void *)((char *)cfg + key->second) = n;
}

void tn_key_set(tn_cfg *cfg, const tn_key *key, const config_setting_t *value, int line, const char *base_dir,
                tn_problems *problems) {
    void *at = (char *)cfg + key->at;
    int64_t whole = 0;
    const char *text;
    switch (key->type) {
    case KEY_INT:
        if (whole_value(key, value, line, &whole, problems)) *(int *)at = (int)whole;
        break;
    case KEY_I64:
        if (whole_value(key, value, line, &whole, problems)) *(int64_t *)at = whole;
        break;
    case KEY_DOUBLE:
        set_double(at, key, value, line, problems);
        break;
    case KEY_BOOL:
        set_bool(at, key, value, line, problems);
        break;
    case KEY_WORD:
        set_word(at, key, value, line, problems);
        break;
    case KEY_TEXT:
        if ((text = text_value(key, value, TN_NAME_BYTES, line, problems))) snprintf(at, TN_NAME_BYTES, "%s", text);
        break;
    case KEY_PATH:
        set_path(cfg, key, value, line, base_dir, problems);
        break;
    case KEY_INTS:
    case KEY_I64S:
        set_numbers(cfg, key, value, line, problems);
        break;
    case KEY_TEXTS:
        set_texts(cfg, key, value, line, problems);
        break;
    case KEY_AUGMENT:
        tn_augment_set(cfg, key, value, line, problems);
        break;
    case KEY_SPACE:
        tn_space_set(cfg, key, value, line, problems);
        break;
    case KEY_OPTIONS:
        tn_sbatch_options_set(at, key, value, line, problems);
        break;
    }
}

/* --- text --------------------------------------------------------------------------------------------------------- */

void tn_key_accepted(const tn_key *key, FILE *out) {
    switch (key->type) {
    case KEY_INT:
    case KEY_I64:
        fprintf(out, "a whole number from %.0f to %.0f", key->least, key->most);
        break;
    case KEY_DOUBLE:
        fprintf(out, "a number from %g to %g", key->least, key->most);
        break;
    case KEY_TEXT:
        fprintf(out, "text of at most %d bytes in quotes", TN_NAME_BYTES - 1);
        break;
    case KEY_PATH:
        fprintf(out, "a path in quotes");
        break;
    case KEY_BOOL:
        fprintf(out, "true or false");
        break;
    case KEY_WORD:
        fputs("one of:", out);
        for (int i = 0; key->words[i]; i++) fprintf(out, "%s \"%s\"", i ? "," : "", key->words[i]);
        break;
    case KEY_INTS:
    case KEY_I64S:
        fprintf(out, "an array [ ... ] of %s%d whole numbers from %.0f to %.0f", key->second ? "at most " : "",
                key->most_members, key->least, key->most);
        break;
    case KEY_TEXTS:
        fprintf(out, "an array [ \"...\", ... ] of at most %d names", key->most_members);
        break;
    case KEY_AUGMENT:
        fprintf(out, "a list ( { op = \"...\"; probability = ...; }, ... )");
        break;
    case KEY_SPACE:
        fprintf(out, "a list ( { key = \"...\"; choice, uniform, log_uniform or integer = [ ... ]; }, ... )");
        break;
    case KEY_OPTIONS:
        fprintf(out, "an array [ \"--name=value\", ... ] of at most %d options", TN_MAX_OPTIONS);
        break;
    }
}

void tn_print_double(double x, FILE *out) {
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        double back;
        if (sscanf(text, "%lf", &back) == 1 && back == x) break;
    }
    fputs(text, out);
}

void tn_print_text(const char *text, FILE *out) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_list(const tn_cfg *cfg, const tn_key *key, FILE *out) {
    const char *at = (const char *)cfg + key->at;
    int n = key->second ? *(const int *)(const void *)((const char *)cfg + key->second) : key->most_members;
    fputs("[ ", out);
    for (int i = 0; i < n; i++) {
        if (i) fputs(", ", out);
        if (key->type == KEY_INTS) fprintf(out, "%d", ((const int *)(const void *)at)[i]);
        if (key->type == KEY_I64S) fprintf(out, "%" PRId64, ((const int64_t *)(const void *)at)[i]);
        if (key->type == KEY_TEXTS) tn_print_text(at + (size_t)i * TN_NAME_BYTES, out);
    }
    fputs(" ]", out);
}

void tn_key_print(const tn_cfg *cfg, const tn_key *key, bool paths_as_given, FILE *out) {
    const void *at = (const char *)cfg + key->at;
    switch (key->type) {
    case KEY_INT:
        fprintf(out, "%d", *(const int *)at);
        break;
    case KEY_I64:
        fprintf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case KEY_DOUBLE:
        tn_print_double(*(const double *)at, out);
        break;
    case KEY_BOOL:
        fputs(*(const bool *)at ? "true" : "false", out);
        break;
    case KEY_WORD:
        fprintf(out, "\"%s\"", key->words[*(const int *)at]);
        break;
    case KEY_TEXT:
        tn_print_text(at, out);
        break;
    case KEY_PATH:
        tn_print_text(paths_as_given ? (const char *)cfg + key->second : at, out);
        break;
    case KEY_INTS:
    case KEY_I64S:
    case KEY_TEXTS:
        print_list(cfg, key, out);
        break;
    case KEY_AUGMENT:
        tn_augment_print(cfg, out);
        break;
    case KEY_SPACE:
        tn_space_print(cfg, out);
        break;
    case KEY_OPTIONS:
        tn_sbatch_options_print(at, out);
        break;
    }
}
