/* cfg.c - reads a job file: compares libconfig's tree with the table of keys. */
#include "cfg/cfg_priv.h"

#include "base/utf8.h"
#include "cfg/nearest.h"

#include <ctype.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void tn_problem(tn_problems *p, int line, const char *fmt, ...) {
    size_t at = strlen(p->text);
    char where[TN_PATH_BYTES];
    va_list args;
    if (line > 0)
        snprintf(where, sizeof where, "%s:%d: ", p->file, line);
    else
        snprintf(where, sizeof where, "%s: ", line < 0 ? "--set" : p->file);
    snprintf(p->text + at, sizeof p->text - at, "%s%s", p->n++ ? "\n" : "", where);
    at = strlen(p->text);
    va_start(args, fmt);
    vsnprintf(p->text + at, sizeof p->text - at, fmt, args);
    va_end(args);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool is_group(const char *group) {
    for (int i = 0; i < tn_n_keys; i++)
        if (strcmp(tn_keys[i].group, group) == 0) return true;
    return false;
}

int tn_key_find(const char *group, const char *name) {
    for (int i = 0; i < tn_n_keys; i++)
        if (strcmp(tn_keys[i].group, group) == 0 && strcmp(tn_keys[i].name, name) == 0) return i;
    return -1;
}

/* A renamed key, written as in a job file: `train: { minutes = ...; };` */
static void renamed_key(const tn_renamed *r, int line, tn_problems *problems) {
    int n = (int)strcspn(r->now, ".");
    tn_problem(problems, line, "%s.%s is %s.%s now: write %.*s: { %s = ...; }; in the group %s", r->group, r->before,
               r->group, r->now, n, r->now, r->now + n + 1, r->group);
}

/* Keys of earlier versions that have no successor with the same meaning. */
static const struct {
    const char *group, *name, *instead;
} GONE[] = {{"train", "checkpoint_images", "checkpoints are made by time now: train.checkpoint_seconds, default 600"}};

static void unknown_key(const char *group, const char *name, int line, tn_problems *problems) {
    for (size_t i = 0; i < sizeof GONE / sizeof *GONE; i++)
        if (strcmp(GONE[i].group, group) == 0 && strcmp(GONE[i].name, name) == 0) {
            tn_problem(problems, line, "unknown key %s.%s: %s", group, name, GONE[i].instead);
            return;
        }
    for (const tn_renamed *r = tn_renamed_keys; r->group; r++)
        if (strcmp(r->group, group) == 0 && strcmp(r->before, name) == 0) {
            renamed_key(r, line, problems);
            return;
        }
    const char *words[TN_MAX_KEYS] = {NULL};
    int n = 0;
    for (int i = 0; i < tn_n_keys; i++)
        if (strcmp(tn_keys[i].group, group) == 0) words[n++] = tn_keys[i].name;
    const char *near = tn_nearest(name, n, words);
    if (near) {
        tn_problem(problems, line, "unknown key %s.%s: did you mean %s.%s?", group, name, group, near);
        return;
    }
    for (int i = 0; i < tn_n_keys; i++)
        if (strcmp(tn_keys[i].name, name) == 0) {
            tn_problem(problems, line, "unknown key %s.%s: did you mean %s.%s?", group, name, tn_keys[i].group, name);
            return;
        }
    tn_problem(problems, line, "unknown key %s.%s: tenfold check --reference lists all", group, name);
}

static void unknown_group(const char *group, int line, tn_problems *problems) {
    const char *words[TN_MAX_KEYS] = {NULL};
    int n = 0;
    for (int i = 0; i < tn_n_keys; i++)
        if (i == 0 || strcmp(tn_keys[i].group, tn_keys[i - 1].group) != 0) words[n++] = tn_keys[i].group;
    const char *near = strcmp(group, "tune") == 0 ? "search" : tn_nearest(group, n, words); /* its earlier name */
    tn_problem(problems, line, "unknown group %s%s%s%s", group, near ? ": did you mean " : "", near ? near : "",
               near ? "?" : ": the groups are data, preprocess, folds, model, train, self, reduce, search, slurm");
}

/* --- sources of values: the file, --set, defaults ----------------------------------------------------------------- */

/* inside: "", or "train." for the group `train` in a group. */
static void take_group(tn_cfg *cfg, const config_setting_t *group, const char *group_name, const char *inside,
                       const char *base_dir, tn_problems *problems) {
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *value = config_setting_get_elem(group, (unsigned)i);
        char name[2 * TN_NAME_BYTES];
        snprintf(name, sizeof name, "%s%s", inside, config_setting_name(value));
        int line = (int)config_setting_source_line(value), k = tn_key_find(group_name, name);
        if (k < 0 && config_setting_is_group(value) && config_setting_length(value) && !*inside) {
            snprintf(name, sizeof name, "%s.", config_setting_name(value));
            take_group(cfg, value, group_name, name, base_dir, problems);
            continue;
        }
        if (k < 0) {
            unknown_key(group_name, name, line, problems);
            continue;
        }
        cfg->line[k] = line;
        tn_key_set(cfg, &tn_keys[k], value, line, base_dir, problems);
    }
}

static void take_file(tn_cfg *cfg, const config_t *tree, const char *base_dir, tn_problems *problems) {
    const config_setting_t *root = config_root_setting(tree);
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *group = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(group);
        int line = (int)config_setting_source_line(group);
        if (!is_group(name))
            unknown_group(name, line, problems);
        else if (!config_setting_is_group(group))
            tn_problem(problems, line, "%s is a group: write %s: { ... };", name, name);
        else
            take_group(cfg, group, name, "", base_dir, problems);
    }
}

/* The length of the comment or string at `at`, in which no number is parsed; for other text 1. */
static size_t opaque_bytes(const char *at) {
    if (*at == '#' || strncmp(at, "//", 2) == 0) return strcspn(at, "\n");
    if (strncmp(at, "/*", 2) == 0) {
        const char *end = strstr(at + 2, "*/");
        return end ? (size_t)(end + 2 - at) : strlen(at);
    }
    size_t n = 1;
    if (*at != '"') return n;
    while (at[n] && at[n] != '"') n += at[n] == '\\' && at[n + 1] ? 2 : 1;
    return at[n] ? n + 1 : n;
}

/* Is this the comma after the last element of an array or list? */
static bool is_last_comma(const char *at, char before) {
    if (*at++ != ',' || strchr("[(,", before)) return false;
    for (size_t n = 1; n > 0; at += n) {
        n = strspn(at, " \t\r\n");
        if (n == 0 && opaque_bytes(at) > 1 && *at != '"') n = opaque_bytes(at); /* a comment */
    }
    return *at == ']' || *at == ')';
}

/* Change the text so that all versions of libconfig read it alike: version 1.5 wraps integers beyond 31 bits unless an L follows, which
 * is added; before 1.7 a comma after the last element is refused, and is removed. The caller frees it; NULL: no memory. */
static char *level_versions(const char *text) {
    char *out = malloc(2 * strlen(text) + 2), *to = out, before = '[';
    for (const char *at = text; out && *at;) {
        bool inside_word = at > text && (isalnum((unsigned char)at[-1]) || strchr("_.", at[-1])),
             exponent = at > text + 1 && strchr("-+", at[-1]) && isalnum((unsigned char)at[-2]);
        bool begins = isdigit((unsigned char)*at) && !inside_word && !exponent;
        bool hex = begins && *at == '0' && (at[1] == 'x' || at[1] == 'X');
        size_t n = !begins ? opaque_bytes(at)
                   : hex   ? 2 + strspn(at + 2, "0123456789abcdefABCDEF")
                           : strspn(at, "0123456789");
        memcpy(to, at, n);
        if (is_last_comma(at, before)) *to = ' ';
        if (!isspace((unsigned char)*at) && *at != '#' && *at != '/') before = *at;
        to += n;
        at += n;
        if (begins && n >= 10 && !(*at && strchr(".eELl", *at))) *to++ = 'L';
    }
    if (out) *to = 0;
    return out;
}

/* The line of an @include; 0: none. It is refused, because a job must be in one file, which is checked by lines and recorded. */
static int include_line(const char *text) {
    int line = 1;
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n', line++)
        if (strncmp(at + strspn(at, " \t"), "@include", 8) == 0) return line;
    return 0;
}

/* Parse a text. Returns 0 if it is not libconfig, or there is no memory. */
static int parse_text(config_t *tree, const char *text) {
    char *level = level_versions(text);
    int ok = level && config_read_string(tree, level);
    free(level);
    return ok;
}

/* Parse a text as the value v of a tree; a bare word is taken as text. */
static bool parse_value(config_t *tree, const char *text) {
    size_t room = 2 * strlen(text) + 16;
    char *source = malloc(room), *at = source;
    if (!source) return false;
    snprintf(source, room, "v = %s;", text);
    bool ok = !include_line(text) && parse_text(tree, source) && config_setting_length(config_root_setting(tree)) == 1;
    if (!ok) {
        at += sprintf(at, "v = \"");
        for (const char *c = text; *c; c++) {
            if (*c == '"' || *c == '\\') *at++ = '\\';
            *at++ = *c;
        }
        strcpy(at, "\";");
        config_destroy(tree);
        config_init(tree);
        ok = parse_text(tree, source);
    }
    free(source);
    return ok;
}

static void take_text(tn_cfg *cfg, int k, const char *text, int line, tn_problems *problems) {
    config_t tree;
    config_init(&tree);
    if (parse_value(&tree, text))
        tn_key_set(cfg, &tn_keys[k], config_lookup(&tree, "v"), line, "", problems);
    else
        tn_problem(problems, line, "%s.%s: `%s` is not a value", tn_keys[k].group, tn_keys[k].name, text);
    config_destroy(&tree);
}

static void take_parameter(tn_cfg *cfg, const char *address, const char *text, int line, tn_problems *problems) {
    config_t tree;
    config_init(&tree);
    if (parse_value(&tree, text))
        tn_augment_take(cfg, address, config_lookup(&tree, "v"), line, problems);
    else
        tn_problem(problems, line, "train.augment.%s: `%s` is not a value", address, text);
    config_destroy(&tree);
}

void tn_key_take(tn_cfg *cfg, const char *group, const char *name, const char *text, int line, tn_problems *problems) {
    bool parameter = strcmp(group, "train") == 0 && strncmp(name, "augment.", 8) == 0;
    int k = tn_key_find(group, parameter ? "augment" : name);
    if (!is_group(group)) {
        unknown_group(group, line, problems);
    } else if (k < 0) {
        unknown_key(group, name, line, problems);
    } else {
        cfg->line[k] = line;
        if (parameter)
            take_parameter(cfg, name + 8, text, line, problems);
        else
            take_text(cfg, k, text, line, problems);
    }
}

static void take_set(tn_cfg *cfg, const char *set, tn_problems *problems) {
    char group[TN_NAME_BYTES] = "", name[TN_NAME_BYTES] = "";
    const char *equals = strchr(set, '=');
    if (!equals || sscanf(set, "%63[^.=].%63[^=]", group, name) != 2)
        tn_problem(problems, -1, "`%s`: give group.key=value", set);
    else if (!tn_is_utf8(set, strlen(set)))
        tn_problem(problems, -1, "%s.%s: the value is not UTF-8", group, name);
    else
        tn_key_take(cfg, group, name, equals + 1, -1, problems);
}

static void take_defaults(tn_cfg *cfg, tn_problems *problems) {
    for (int k = 0; k < tn_n_keys; k++) {
        if (cfg->line[k] != 0) continue;
        if (tn_keys[k].preset)
            take_text(cfg, k, tn_keys[k].preset, 0, problems);
        else
            tn_problem(problems, 0, "%s.%s is missing: %s", tn_keys[k].group, tn_keys[k].name, tn_keys[k].help);
    }
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static tn_status set_names(tn_cfg *cfg, const char *path, const char *run_dir, char base_dir[TN_PATH_BYTES]) {
    char copy[TN_PATH_BYTES];
    TN_TRY(tn_path(cfg->file, "%s", path));
    TN_TRY(tn_path(copy, "%s", path));
    TN_TRY(tn_path(base_dir, "%s", strchr(path, '/') ? dirname(copy) : ""));
    TN_TRY(tn_path(copy, "%s", path));
    char *name = basename(copy), *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".cfg") == 0) *dot = 0;
    tn_utf8_printable(name, cfg->name, sizeof cfg->name);
    return run_dir ? tn_path(cfg->run_dir, "%s", run_dir) : tn_path(cfg->run_dir, "results/%s", name);
}

static tn_status default_images(tn_cfg *cfg) {
    if (*cfg->data.images) return TN_OK;
    char copy[TN_PATH_BYTES];
    TN_TRY(tn_path(copy, "%s", cfg->data.metadata));
    return tn_path(cfg->data.images, "%s", dirname(copy));
}

/* Remove a byte order mark, and change CR, with which old editors end lines, to LF. */
static void plain_text(char *text) {
    size_t bom = strncmp(text, TN_UTF8_BOM, 3) == 0 ? 3 : 0;
    memmove(text, text + bom, strlen(text + bom) + 1);
    for (char *c = text; *c; c++)
        if (*c == '\r' && c[1] != '\n') *c = '\n';
}

static tn_status read_tree(const char *path, config_t *tree) {
    char *text = NULL;
    size_t n = 0;
    tn_status st = tn_file_read(path, &text, &n);
    if (st != TN_OK) return tn_fail(tn_file_exists(path) ? st : TN_EARG, "job file %s", tn_msg);
    bool whole = strlen(text) == n, utf16 = tn_is_utf16(text, n);
    plain_text(text);
    if (utf16)
        st = tn_fail(TN_EARG, "%s: is UTF-16: save it as UTF-8, or convert it with iconv -f UTF-16", path);
    else if (!whole)
        st = tn_fail(TN_EARG, "%s: holds a 0 byte: not a job file", path);
    else if (!tn_is_utf8(text, strlen(text)))
        st = tn_fail(TN_EARG, "%s: is not UTF-8: convert it, e.g. with iconv", path);
    else if (include_line(text))
        st = tn_fail(TN_EARG, "%s:%d: @include is not taken: write the settings into the job file itself", path,
                     include_line(text));
    else if (!parse_text(tree, text))
        st = tn_cfg_refuse(path, text, tree);
    free(text);
    return st;
}

static tn_status read_into(tn_cfg *cfg, const char *path, const char *copy, int n_set, char **set, const char *run_dir,
                           config_t *tree) {
    char base_dir[TN_PATH_BYTES];
    TN_TRY(set_names(cfg, path, run_dir, base_dir));
    TN_TRY(read_tree(copy, tree));
    tn_problems *problems = calloc(1, sizeof *problems);
    if (!problems) return tn_fail_memory(sizeof *problems, "the job file");
    problems->file = copy;
    take_file(cfg, tree, base_dir, problems);
    for (int i = 0; i < n_set; i++) take_set(cfg, set[i], problems);
    take_defaults(cfg, problems);
    if (problems->n == 0) tn_classes_read(cfg, problems);
    if (problems->n == 0) tn_cfg_check(cfg, problems); /* these rules need valid values of all keys */
    tn_status st = problems->n ? tn_fail(TN_EARG, "%s", problems->text) : default_images(cfg);
    free(problems);
    return st;
}

tn_status tn_cfg_read(const char *path, int n_set, char **set, const char *run_dir, tn_cfg **out) {
    return tn_cfg_read_copy(path, path, n_set, set, run_dir, out);
}

tn_status tn_cfg_read_copy(const char *path, const char *copy, int n_set, char **set, const char *run_dir,
                           tn_cfg **out) {
    tn_cfg *cfg = calloc(1, sizeof *cfg);
    if (!cfg) return tn_fail_memory(sizeof *cfg, "the job file");
    config_t tree;
    config_init(&tree);
    tn_status st = read_into(cfg, path, copy, n_set, set, run_dir, &tree);
    config_destroy(&tree);
    if (st == TN_OK)
        *out = cfg;
    else
        tn_cfg_free(&cfg);
    return st;
}

tn_status tn_cfg_derive(const tn_cfg *from, int n_set, char **set, tn_cfg **out) {
    tn_cfg *cfg = malloc(sizeof *cfg);
    tn_problems *problems = calloc(1, sizeof *problems);
    tn_status st = cfg && problems ? TN_OK : tn_fail_memory(sizeof *cfg, "the settings");
    if (st == TN_OK) {
        *cfg = *from;
        problems->file = from->file;
        for (int i = 0; i < n_set; i++) take_set(cfg, set[i], problems);
        if (problems->n == 0) tn_cfg_check(cfg, problems);
        if (problems->n) st = tn_fail(TN_EARG, "%s", problems->text);
    }
    free(problems);
    if (st == TN_OK)
        *out = cfg;
    else
        free(cfg);
    return st;
}

/* Find a key by its name with underscores for dots, as in shell variables. */
static int find_plain(const char *group, const char *name) {
    for (int k = 0; k < tn_n_keys; k++) {
        char plain[TN_NAME_BYTES];
        snprintf(plain, sizeof plain, "%s", tn_keys[k].name);
        for (char *c = plain; *c; c++)
            if (*c == '.') *c = '_';
        if (strcmp(tn_keys[k].group, group) == 0 && strcmp(plain, name) == 0) return k;
    }
    return -1;
}

tn_status tn_cfg_default(tn_cfg *cfg, const char *group, const char *name, const char *value, const char *where,
                         int line) {
    tn_problems problems = {.file = where};
    int k = find_plain(group, name);
    if (k < 0)
        unknown_key(group, name, line, &problems);
    else if (cfg->line[k] == 0)
        take_text(cfg, k, value, line, &problems);
    if (problems.n == 0) tn_cfg_check(cfg, &problems);
    return problems.n ? tn_fail(TN_EARG, "%s", problems.text) : TN_OK;
}

void tn_cfg_free(tn_cfg **cfg) {
    free(*cfg);
    *cfg = NULL;
}
