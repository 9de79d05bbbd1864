/* cfg_augment.c - train.augment: a list of groups, whose parameters can also be set one by one. */
#include "cfg/cfg_priv.h"

#include "cfg/nearest.h"

#include <math.h>
#include <string.h>

const char *const tn_augment_words[] = {"random_resized_crop",
                                        "horizontal_flip",
                                        "cutmix",
                                        "vertical_flip",
                                        "shift_scale_rotate",
                                        "rand_augment",
                                        "random_brightness_contrast",
                                        "hue_saturation_value",
                                        "gaussian_blur",
                                        "gauss_noise",
                                        "coarse_dropout",
                                        "channel_dropout",
                                        "mixup",
                                        NULL};

/* What they do, for docs/job-file.md, in the order in which they are applied. */
static const struct {
    tn_augment_kind kind;
    const char *text;
} HELP[] = {
    {TN_AUG_CROP, "a random part of the image is resized to the input; where it is not drawn, the centre square"},
    {TN_AUG_FLIP, "left becomes right"},
    {TN_AUG_VERTICAL_FLIP, "the image is turned upside down"},
    {TN_AUG_SHIFT_SCALE_ROTATE, "moves, scales and rotates about the centre; the border is mirrored"},
    {TN_AUG_RAND_AUGMENT,
     "applies `num_ops` of twelve operations, each with equal chance: none, rotate (30 degrees at magnitude 10), shift "
     "(0.3), scale (0.5), brightness (0.4), contrast (0.8), hue (30 steps), saturation (120), blur (3 px), noise (30), "
     "a hole (0.5 of the side), a channel dropped"},
    {TN_AUG_BRIGHTNESS_CONTRAST, "v becomes v (1 + c) + 255 b"},
    {TN_AUG_HUE_SATURATION_VALUE, "shifts hue, saturation and value; grey stays grey"},
    {TN_AUG_GAUSSIAN_BLUR, "a Gaussian filter"},
    {TN_AUG_GAUSS_NOISE, "adds a random number to each value"},
    {TN_AUG_COARSE_DROPOUT, "fills rectangles"},
    {TN_AUG_CHANNEL_DROPOUT, "fills one or two of the three channels"},
    {TN_AUG_MIXUP,
     "per lane: images and targets are averaged with those of a partner; the share is Beta(alpha, alpha)"},
    {TN_AUG_CUTMIX, "per lane, if Mixup did not mix it: a box of the partner is pasted; its share is uniform before "
                    "the box is cut at the border"},
};
enum { N_HELP = sizeof HELP / sizeof *HELP };

typedef enum {
    ANY,
    WHOLE,
    STEPS
} number_kind; /* WHOLE: no fraction. STEPS: between 0 and 1 a share was probably meant */

typedef struct {
    const char *name;
    unsigned kinds; /* bit per tn_augment_kind */
    size_t at;
    double preset, least, most;
    number_kind number;
    const char *unit;
} augment_key;

/* A key `x_max` stands next to its `x_min`. */
#define OF(KIND)  (1U << TN_AUG_##KIND)
#define AT(field) offsetof(tn_augment, field)
static const augment_key AUGMENT_KEY[] = {
    {"probability", ~0U, AT(probability), 1, 0, 1, ANY, ""},
    {"area_min", OF(CROP), AT(area_min), 0.08, 1e-4, 1, ANY, "share of the area"},
    {"area_max", OF(CROP), AT(area_max), 1, 1e-4, 1, ANY, "share of the area"},
    {"ratio_min", OF(CROP), AT(ratio_min), 0.75, 0.01, 100, ANY, "width / height"},
    {"ratio_max", OF(CROP), AT(ratio_max), 4.0 / 3.0, 0.01, 100, ANY, "width / height"},
    {"shift_limit", OF(SHIFT_SCALE_ROTATE), AT(shift_limit), 0.0625, 0, 1, ANY, "share of the side"},
    {"scale_limit", OF(SHIFT_SCALE_ROTATE), AT(scale_limit), 0.1, 0, 0.9, ANY, "share: 0.1 is 0.9 to 1.1 times"},
    {"rotate_limit", OF(SHIFT_SCALE_ROTATE), AT(rotate_limit), 45, 0, 180, STEPS, "degrees"},
    {"magnitude", OF(RAND_AUGMENT), AT(magnitude), 9, 0, 10, ANY, "10 is the strongest"},
    {"num_ops", OF(RAND_AUGMENT), AT(num_ops), 2, 1, 10, WHOLE, "per image"},
    {"brightness_limit", OF(BRIGHTNESS_CONTRAST), AT(brightness_limit), 0.2, 0, 1, ANY, "share of 255"},
    {"contrast_limit", OF(BRIGHTNESS_CONTRAST), AT(contrast_limit), 0.2, 0, 1, ANY, "share: 0.2 is 0.8 to 1.2 times"},
    {"hue_shift_limit", OF(HUE_SATURATION_VALUE), AT(hue_shift_limit), 20, 0, 90, STEPS, "8-bit steps of 2 degrees"},
    {"sat_shift_limit", OF(HUE_SATURATION_VALUE), AT(sat_shift_limit), 30, 0, 255, STEPS, "8-bit steps"},
    {"val_shift_limit", OF(HUE_SATURATION_VALUE), AT(val_shift_limit), 20, 0, 255, STEPS, "8-bit steps"},
    {"sigma_min", OF(GAUSSIAN_BLUR), AT(sigma_min), 0.5, 0.1, 10, ANY, "px of the input"},
    {"sigma_max", OF(GAUSSIAN_BLUR), AT(sigma_max), 3, 0.1, 10, ANY, "px of the input"},
    {"std_min", OF(GAUSS_NOISE), AT(std_min), 3, 0, 255, STEPS, "standard deviation in 8-bit steps"},
    {"std_max", OF(GAUSS_NOISE), AT(std_max), 7, 0, 255, STEPS, "standard deviation in 8-bit steps"},
    {"num_holes_min", OF(COARSE_DROPOUT), AT(num_holes_min), 1, 1, 64, WHOLE, "holes"},
    {"num_holes_max", OF(COARSE_DROPOUT), AT(num_holes_max), 2, 1, 64, WHOLE, "holes"},
    {"hole_size_min", OF(COARSE_DROPOUT), AT(hole_size_min), 0.1, 0.01, 1, ANY,
     "share of the side, drawn for each side"},
    {"hole_size_max", OF(COARSE_DROPOUT), AT(hole_size_max), 0.2, 0.01, 1, ANY,
     "share of the side, drawn for each side"},
    {"num_channels_min", OF(CHANNEL_DROPOUT), AT(num_channels_min), 1, 1, 2, WHOLE, "channels"},
    {"num_channels_max", OF(CHANNEL_DROPOUT), AT(num_channels_max), 1, 1, 2, WHOLE, "channels"},
    {"fill", OF(COARSE_DROPOUT) | OF(CHANNEL_DROPOUT), AT(fill), 0, 0, 255, STEPS, "8-bit value"},
    {"alpha", OF(MIXUP), AT(alpha), 0.2, 0.05, 2, ANY, "of the distribution, which is uniform at 1"},
};
enum { N_AUGMENT_KEYS = sizeof AUGMENT_KEY / sizeof *AUGMENT_KEY };

static double *augment_at(tn_augment *a, const augment_key *k) {
    return (double *)(void *)((char *)a + k->at);
}

static void set_number(tn_augment *a, const augment_key *k, const config_setting_t *member, int line,
                       tn_problems *problems) {
    const char *op = tn_augment_words[a->kind], *number = k->number == WHOLE ? "whole number" : "number";
    double x;
    bool known = tn_real_value(member, &x) && x >= k->least && x <= k->most;
    if (known && k->number == STEPS && x > 0 && x < 1)
        tn_problem(problems, line,
                   "train.augment: %s of %s: %g is less than one step: its unit is not the share of the range, but %s: "
                   "give 0, or a number from 1 to %g",
                   k->name, op, x, k->unit, k->most);
    else if (!known || (k->number == WHOLE && x != floor(x)))
        tn_problem(problems, line, "train.augment: %s of %s: give a %s from %g to %g%s%s%s", k->name, op, number,
                   k->least, k->most, *k->unit ? " (" : "", k->unit, *k->unit ? ")" : "");
    else
        *augment_at(a, k) = x;
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
        set_number(a, k, member, line, problems);
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
            tn_problem(problems, at, "train.augment: no op \"%s\"%s%s%s: the operations are in docs/job-file.md", op,
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

void tn_augment_check(const tn_cfg *cfg, int line, tn_problems *problems) {
    for (int i = 0; i < cfg->train.n_augment; i++) {
        tn_augment a = cfg->train.augment[i];
        const char *op = tn_augment_words[a.kind];
        for (int k = 0; k + 1 < N_AUGMENT_KEYS; k++) {
            const augment_key *low = &AUGMENT_KEY[k], *high = low + 1;
            size_t n = strlen(low->name);
            if (!(low->kinds >> a.kind & 1) || n < 4 || strcmp(low->name + n - 4, "_min") != 0) continue;
            double least = *augment_at(&a, low), most = *augment_at(&a, high);
            if (least > most)
                tn_problem(problems, line, "train.augment: %s = %g of %s is larger than %s = %g", low->name, least, op,
                           high->name, most);
        }
        for (int j = 0; j < i; j++)
            if (cfg->train.augment[j].kind == a.kind)
                tn_problem(problems, line, "train.augment: %s is named twice", op);
    }
}

void tn_augment_print_reference(FILE *out) {
    fputs("\n`train.augment` is a list of groups, each at most once, applied in the order of this table. Each has a "
          "`probability`\n(default 1), per image or per lane. Names and units are those of albumentations; what is "
          "called a limit is drawn\nevenly from -limit to limit.\n\n"
          "| op | what it does | parameters: default, range, unit |\n| --- | --- | --- |\n",
          out);
    for (int i = 0; i < N_HELP; i++) {
        fprintf(out, "| `%s` | %s | ", tn_augment_words[HELP[i].kind], HELP[i].text);
        int n = 0;
        for (int k = 1; k < N_AUGMENT_KEYS; k++) { /* all but the probability */
            const augment_key *key = &AUGMENT_KEY[k];
            if (key->kinds >> HELP[i].kind & 1)
                fprintf(out, "%s`%s`: %.4g, %g to %g, %s", n++ ? "; " : "", key->name, key->preset, key->least,
                        key->most, key->unit);
        }
        fputs(n ? " |\n" : "none |\n", out);
    }
}
