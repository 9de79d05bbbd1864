/* cfg_augment.c - train.augment: a list of groups, whose parameters can also be set one by one. */
#include "cfg/cfg_priv.h"

#include "cfg/nearest.h"

#include <string.h>

typedef struct {
    const char *name;
    unsigned kinds; /* bit per tn_augment_kind */
    size_t at;
    double preset, least, most;
} augment_key;

static const augment_key AUGMENT_KEY[] = {
    {"probability", 7, offsetof(tn_augment, probability), 1, 0, 1},
    {"area_min", 1, offsetof(tn_augment, area_min), 0.08, 1e-4, 1},
    {"area_max", 1, offsetof(tn_augment, area_max), 1, 1e-4, 1},
    {"ratio_min", 1, offsetof(tn_augment, ratio_min), 0.75, 0.01, 100},
    {"ratio_max", 1, offsetof(tn_augment, ratio_max), 4.0 / 3.0, 0.01, 100},
};
enum { N_AUGMENT_KEYS = sizeof AUGMENT_KEY / sizeof *AUGMENT_KEY };

static double *augment_at(tn_augment *a, const augment_key *k) {
    return (double *)(void *)((char *)a + k->at);
}

static void set_member(tn_augment *a, const char *name, const config_setting_t *member, int line,
                       tn_problems *problems) {
    const char *words[N_AUGMENT_KEYS];
    int n = 0;
    for (int i = 0; i < N_AUGMENT_KEYS; i++) {
        const augment_key *k = &AUGMENT_KEY[i];
        if (!(k->kinds >> a->kind & 1)) continue;
        words[n++] = k->name;
        if (strcmp(k->name, name) != 0) continue;
        double x;
        if (tn_real_value(member, &x) && x >= k->least && x <= k->most)
            *augment_at(a, k) = x;
        else
            tn_problem(problems, line, "train.augment: %s of %s: give a number from %g to %g", name,
                       tn_augment_words[a->kind], k->least, k->most);
        return;
    }
    const char *near = tn_nearest(name, n, words);
    tn_problem(problems, line, "train.augment: %s has no `%s`%s%s%s", tn_augment_words[a->kind], name,
               near ? ": did you mean `" : "", near ? near : "", near ? "`?" : "");
}

void tn_augment_set(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems) {
    int n = 0;
    if (!tn_list_length(key, v, line, &n, problems)) return;
    cfg->train.n_augment = 0;
    for (int i = 0; i < n; i++) {
        const config_setting_t *group = config_setting_get_elem(v, (unsigned)i);
        const char *op = NULL;
        int at = line > 0 ? (int)config_setting_source_line(group) : line, kind = 0;
        if (!config_setting_is_group(group) || !config_setting_lookup_string(group, "op", &op)) {
            tn_problem(problems, at, "train.augment: every member is a group { op = \"...\"; ... }");
            return;
        }
        while (tn_augment_words[kind] && strcmp(tn_augment_words[kind], op) != 0) kind++;
        if (!tn_augment_words[kind]) {
            const char *near = tn_nearest(op, kind, tn_augment_words);
            tn_problem(problems, at,
                       "train.augment: no op \"%s\"%s%s%s: give random_resized_crop, horizontal_flip or cutmix", op,
                       near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
            continue;
        }
        tn_augment *a = &cfg->train.augment[cfg->train.n_augment++];
        *a = (tn_augment){.kind = (tn_augment_kind)kind};
        for (int k = 0; k < N_AUGMENT_KEYS; k++)
            if (AUGMENT_KEY[k].kinds >> kind & 1) *augment_at(a, &AUGMENT_KEY[k]) = AUGMENT_KEY[k].preset;
        for (int k = 0; k < config_setting_length(group); k++) {
            const config_setting_t *member = config_setting_get_elem(group, (unsigned)k);
            const char *name = config_setting_name(member);
            if (strcmp(name, "op") != 0)
                set_member(a, name, member, line > 0 ? (int)config_setting_source_line(member) : line, problems);
        }
    }
}

/* The member of the list that `address` = "op.parameter" refers to; NULL after a problem. */
static tn_augment *addressed(tn_cfg *cfg, const char *address, int line, tn_problems *problems) {
    size_t n = strcspn(address, ".");
    int kind = 0;
    for (int i = 0; i < cfg->train.n_augment; i++) {
        const char *op = tn_augment_words[cfg->train.augment[i].kind];
        if (strlen(op) == n && strncmp(op, address, n) == 0) return &cfg->train.augment[i];
    }
    while (tn_augment_words[kind]) kind++;
    char op[TN_NAME_BYTES];
    snprintf(op, sizeof op, "%.*s", (int)n, address);
    const char *near = tn_nearest(op, kind, tn_augment_words);
    if (near && strcmp(near, op) == 0)
        tn_problem(problems, line, "train.augment.%s: the list train.augment has no %s: add { op = \"%s\"; } to it",
                   address, op, op);
    else
        tn_problem(problems, line, "train.augment.%s: no op \"%s\"%s%s%s", address, op, near ? ": did you mean " : "",
                   near ? near : "", near ? "?" : "");
    return NULL;
}

void tn_augment_take(tn_cfg *cfg, const char *address, const config_setting_t *value, int line, tn_problems *problems) {
    tn_augment *a = addressed(cfg, address, line, problems);
    const char *dot = strchr(address, '.');
    if (!a) return;
    if (dot)
        set_member(a, dot + 1, value, line, problems);
    else
        tn_problem(problems, line, "train.augment.%s: give train.augment.%s.probability or another parameter", address,
                   address);
}

int tn_augment_addresses(const char *out[TN_MAX_AUGMENT_ADDRESSES]) {
    static char text[TN_MAX_AUGMENT_ADDRESSES][TN_NAME_BYTES];
    int n = 0;
    for (int kind = 0; tn_augment_words[kind]; kind++)
        for (int k = 0; k < N_AUGMENT_KEYS; k++) {
            if (!(AUGMENT_KEY[k].kinds >> kind & 1)) continue;
            snprintf(text[n], sizeof text[n], "train.augment.%s.%s", tn_augment_words[kind], AUGMENT_KEY[k].name);
            out[n] = text[n];
            n++;
        }
    return n;
}

void tn_augment_print(const tn_cfg *cfg, FILE *out) {
    fputs("( ", out);
    for (int i = 0; i < cfg->train.n_augment; i++) {
        tn_augment a = cfg->train.augment[i];
        fprintf(out, "%s{ op = \"%s\"; ", i ? ", " : "", tn_augment_words[a.kind]);
        for (int k = 0; k < N_AUGMENT_KEYS; k++) {
            if (!(AUGMENT_KEY[k].kinds >> a.kind & 1)) continue;
            fprintf(out, "%s = ", AUGMENT_KEY[k].name);
            tn_print_double(*augment_at(&a, &AUGMENT_KEY[k]), out);
            fputs("; ", out);
        }
        fputc('}', out);
    }
    fputs(" )", out);
}
