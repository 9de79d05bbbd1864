/* args.c - one option table for all verbs. */
#include "cli/args.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum { SWITCH, TEXT, PATH, INT, SEED, FOLDS, PART, SET } option_kind;

typedef struct {
    const char *name, *value; /* value NULL: a switch */
    option_kind kind;
    size_t at;       /* offset of the field in tn_args */
    int least, most; /* INT */
    unsigned verbs;  /* a verb accepts the option if it has one of these bits */
    const char *help;
} option;

#define AT(field) offsetof(tn_args, field)
static const option OPTION[] = {
    {"--set", "group.key=value", SET, 0, 0, 0, TN_OPT_SET,
     "override a key of the job file; may be given several times"},
    {"--run", "DIR", PATH, AT(run_dir), 0, 0, TN_OPT_SET, "run folder (default: results/<job file's name>)"},
    {"--data", "DIR", PATH, AT(data), 0, 0, TN_OPT_DATA, "folder of new pictures, in place of the run's own data set"},
    {"--folds", "LIST", FOLDS, 0, 0, 0, TN_OPT_CELLS | TN_OPT_SLOT, "only these folds, e.g. 0,3-5 (default: all)"},
    {"--round", "N", INT, AT(round), 0, 99, TN_OPT_CELLS | TN_OPT_ROUND,
     "round of filtering, 0 = all given labels (default: 0)"},
    {"--rung", "N", INT, AT(rung), 0, TN_MAX_RUNGS, TN_OPT_RUNG,
     "rung of the search, from 0; the number after the last rung means the final comparison"},
    {"--slot", "N", INT, AT(slot), 0, 9999, TN_OPT_SLOT,
     "slot in the rung: in rung 0 the trial's number, later its rank in the rung before"},
    {"--size", "PX", INT, AT(size_px), 8, 4096, TN_OPT_CELLS | TN_OPT_CLASSES,
     "only this image size (default: all of train.sizes_px)"},
    {"--seed", "N", SEED, AT(seed), 0, 0, TN_OPT_CELLS | TN_OPT_DRILL,
     "only this seed (default: all of train.seeds); drill: seed of its random draws"},
    {"--runs", "N", INT, AT(runs), 1, 100000, TN_OPT_DRILL, "disturbed runs (default: 20)"},
    {"--node-command", "PROGRAM", TEXT, AT(node_command), 0, 0, TN_OPT_DRILL,
     "with --slurm: also crash nodes with this program, called with a node's name"},
    {"--part", "I/N", PART, 0, 0, 0, TN_OPT_CELLS | TN_OPT_SLOT,
     "only every N-th of these cells, largest first, beginning with the I-th, counted from 0"},
    {"--ranks", "N", INT, AT(ranks), 1, 4096, TN_OPT_RANKS,
     "MPI ranks per step (default: what the cores and train.lanes allow)"},
    {"--ranks-per-fold", "N", INT, AT(ranks_per_fold), 1, 65536, TN_OPT_GROUPS,
     "split the ranks into groups that train one fold each (default: all ranks one fold)"},
    {"--student", NULL, SWITCH, AT(student), 0, 0, TN_OPT_DATA,
     "with --data: by the student alone, instead of the ensemble"},
    {"--allow-other-bits", NULL, SWITCH, AT(allow_other_bits), 0, 0, TN_OPT_GROUPS | TN_OPT_OTHER_BITS,
     "go on although instruction set or library differs from the first start"},
    {"--profile", NULL, SWITCH, AT(profile), 0, 0, TN_OPT_GROUPS,
     "print where the time of a cell went, operation by operation"},
    {"--dry-run", NULL, SWITCH, AT(dry_run), 0, 0, TN_OPT_DRY,
     "print the commands, as a script that bash could run, and submit nothing"},
    {"--slurm", NULL, SWITCH, AT(slurm), 0, 0, TN_OPT_SLURM,
     "drill: run as Slurm jobs; doctor: check the cluster, too"},
    {"--pilot", "N", INT, AT(pilot), 1, 4096, TN_OPT_PILOT, "one job on N nodes that starts the cells itself"},
    {"--watch", NULL, SWITCH, AT(watch), 0, 0, TN_OPT_WATCH, "repeat until the run ends"},
    {"--every", "SECONDS", INT, AT(every_s), 1, 86400, TN_OPT_WATCH,
     "with --watch: time between two tables (default: 60 under Slurm, 5 here)"},
    {"--allow-missing", NULL, SWITCH, AT(allow_missing), 0, 0, TN_OPT_MISSING,
     "combine the cells that are done, and report how many are missing"},
    {"--classes", "N", INT, AT(classes), 1, 1000000, TN_OPT_CLASSES, "classes of the net to describe (default: 1000)"},
    {"--net", "NAME", TEXT, AT(net), 0, 0, TN_OPT_WEIGHTS,
     "import: the network that the weights belong to (default: the one that fits)"},
    {"--padding", "WORD", TEXT, AT(padding), 0, 0, TN_OPT_WEIGHTS,
     "import: symmetric or same, if the tensor names do not tell (timm)"},
    {"--ema", "yes|no", TEXT, AT(ema), 0, 0, TN_OPT_WEIGHTS,
     "import: read the averaged weights, or not (default: where the file has them)"},
    {"--against", "FILE", TEXT, AT(against), 0, 0, TN_OPT_WEIGHTS, "verify: safetensors with the expected `logits`"},
    {"--posteriors", "FILE", TEXT, AT(posteriors), 0, 0, TN_OPT_FILTER,
     "HDF5 of class probabilities by models trained elsewhere (file-formats.md)"},
    {"--diff", NULL, SWITCH, AT(diff), 0, 0, TN_OPT_FILTER, "compare two ledgers"},
    {"--if-complete", NULL, SWITCH, AT(if_complete), 0, 0, TN_OPT_COMPLETE,
     "do nothing while a cell of the round or rung is missing, or another process does it"},
    {"--reference", NULL, SWITCH, AT(reference), 0, 0, TN_OPT_REFERENCE,
     "print the reference of all keys as markdown and end"},
    {"--json", NULL, SWITCH, AT(json), 0, 0, TN_OPT_JSON,
     "print one JSON object, with the outcome of every start (file-formats.md)"},
    {"--write", NULL, SWITCH, AT(write), 0, 0, TN_OPT_DOCTOR,
     "with --slurm: write the advised lines into the user's site.env, if there is none"},
    {"--probe", NULL, SWITCH, AT(probe), 0, 0, TN_OPT_DOCTOR, "internal: be one of the ranks that doctor starts"},
    {"--time", NULL, SWITCH, AT(time), 0, 0, TN_OPT_TIME,
     "time some optimiser steps here, and forecast the run: seconds, node-hours, finish"},
    {"--nodes", "N", INT, AT(nodes), 1, 1000000, TN_OPT_TIME | TN_OPT_DOCTOR,
     "check --time: forecast for N nodes; doctor --slurm: start ranks on N nodes"},
    {"--help", NULL, SWITCH, AT(help), 0, 0, ~0U, "print this text"},
};
#undef AT
enum { N_OPTIONS = sizeof OPTION / sizeof *OPTION };

/* Options that were renamed. */
static const char *const GONE[][2] = {
    {"--place", "--slot"}, {"--table", "--set data.metadata=FILE"}, {"--images", "--set data.images=DIR"}};

static tn_status number(const char *option_name, const char *text, long long least, long long most, long long *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most)
        return tn_fail(TN_EARG, "%s %s: give a whole number from %lld to %lld", option_name, text, least, most);
    *out = value;
    return TN_OK;
}

/* "0,3-5" */
static tn_status folds(const char *text, tn_args *out) {
    const char *at = text;
    while (*at) {
        char *end;
        long first = strtol(at, &end, 10), last = first;
        bool ok = end != at && first >= 0;
        if (ok && *end == '-') {
            at = end + 1;
            last = strtol(at, &end, 10);
            ok = end != at && last >= first;
        }
        if (!ok || last >= TN_MAX_FOLDS || (*end && (*end != ',' || !end[1])))
            return tn_fail(TN_EARG, "--folds %s: give a list such as 0,3-5, numbers from 0 to %d", text,
                           TN_MAX_FOLDS - 1);
        for (long f = first; f <= last; f++) {
            for (int i = 0; i < out->n_folds; i++)
                if (out->fold[i] == f) return tn_fail(TN_EARG, "--folds %s: fold %ld is named twice", text, f);
            out->fold[out->n_folds++] = (int)f;
        }
        at = *end ? end + 1 : end;
    }
    return out->n_folds ? TN_OK : tn_fail(TN_EARG, "--folds: the list is empty");
}

/* "3/10" */
static tn_status part(const char *text, tn_args *out) {
    char rest;
    if (sscanf(text, "%d/%d%c", &out->part, &out->n_parts, &rest) == 2 && out->part >= 0 && out->part < out->n_parts)
        return TN_OK;
    return tn_fail(TN_EARG, "--part %s: give I/N with I from 0 to N-1, e.g. 3/10", text);
}

static tn_status take(const option *o, char *value, tn_args *out) {
    char *field = (char *)out + o->at;
    long long n = 0;
    TN_ASSERT(value || o->kind == SWITCH);
    switch (o->kind) {
    case SWITCH:
        *(bool *)field = true;
        return TN_OK;
    case PATH:
        if (!*value) return tn_fail(TN_EARG, "%s: the folder has no name", o->name); /* e.g. an unset shell variable */
        *(const char **)field = value;
        return TN_OK;
    case TEXT:
        *(const char **)field = value;
        return TN_OK;
    case INT:
        TN_TRY(number(o->name, value, o->least, o->most, &n));
        *(int *)field = (int)n;
        return TN_OK;
    case SEED:
        TN_TRY(number(o->name, value, 0, LLONG_MAX, &n));
        *(int64_t *)field = n;
        return TN_OK;
    case FOLDS:
        return folds(value, out);
    case PART:
        return part(value, out);
    case SET:
        if (out->n_set == TN_MAX_SET)
            return tn_fail(TN_EARG, "more than %d options --set: put the values into the job file", TN_MAX_SET);
        out->set[out->n_set++] = value;
        return TN_OK;
    }
    return TN_OK;
}

static tn_status unknown(const tn_verb *verb, const char *word, size_t n) {
    for (size_t i = 0; i < sizeof GONE / sizeof *GONE; i++)
        if (strlen(GONE[i][0]) == n && strncmp(GONE[i][0], word, n) == 0)
            return tn_fail(TN_EARG, "%s is called %s now", GONE[i][0], GONE[i][1]);
    return tn_fail(TN_EARG, "unknown option %s; tenfold %s --help lists them", word, verb->name);
}

static const option *find(const char *word, size_t n) {
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTION[i].name) == n && strncmp(OPTION[i].name, word, n) == 0) return &OPTION[i];
    return NULL;
}

static bool takes(const tn_verb *verb, const option *o) {
    return (o->verbs & verb->options) || o->verbs == ~0U;
}

static tn_status parse_word(const tn_verb *verb, int argc, char **argv, int *at, tn_args *out) {
    char *word = argv[*at];
    if (strcmp(word, "-h") == 0) {
        out->help = true;
        return TN_OK;
    }
    if (word[0] != '-') {
        if (out->n_words >= verb->most_words)
            return tn_fail(TN_EARG, "one word too many: %s; usage: tenfold %s %s [options]", word, verb->name,
                           verb->words);
        out->word[out->n_words++] = word;
        return TN_OK;
    }
    char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    const option *o = find(word, n);
    if (!o) return unknown(verb, word, n);
    if (!takes(verb, o))
        return tn_fail(TN_EARG, "tenfold %s does not take %s; tenfold %s --help lists its options", verb->name, o->name,
                       verb->name);
    char *value = equals ? equals + 1 : NULL;
    if (!o->value && value) return tn_fail(TN_EARG, "%s takes no value", o->name);
    if (o->value && !value) {
        if (*at + 1 >= argc) return tn_fail(TN_EARG, "%s needs a value: %s %s", o->name, o->name, o->value);
        value = argv[++*at];
    }
    return take(o, value, out);
}

/* The path is made absolute because verbs on a run folder change the working folder (tn_plan_read). */
static tn_status make_absolute(const char **path) {
    static char whole[TN_PATH_BYTES];
    char here[TN_PATH_BYTES];
    if (!*path || **path == '/') return TN_OK;
    if (!getcwd(here, sizeof here)) return tn_fail(TN_EIO, "the working folder: %s", strerror(errno));
    TN_TRY(tn_path(whole, "%s/%s", here, *path));
    *path = whole;
    return TN_OK;
}

tn_status tn_args_parse(const tn_verb *verb, int argc, char **argv, tn_args *out) {
    *out = (tn_args){.round = -1, .seed = -1, .rung = -1, .slot = -1};
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) out->help = true;
    if (out->help) return TN_OK;
    for (int i = 0; i < argc; i++) TN_TRY(parse_word(verb, argc, argv, &i, out));
    if (out->n_words < verb->least_words)
        return tn_fail(TN_EARG, "usage: tenfold %s %s [options]; tenfold %s --help explains it", verb->name,
                       verb->words, verb->name);
    return make_absolute(&out->data);
}

bool tn_verb_option_at(const tn_verb *verb, int i, tn_verb_option *out) {
    for (const option *o = OPTION; o < OPTION + N_OPTIONS; o++) {
        if (!takes(verb, o) || i-- > 0) continue;
        bool file = o->value && strcmp(o->value, "FILE") == 0;
        *out = (tn_verb_option){.name = o->name,
                                .value = o->value,
                                .takes = o->kind == PATH ? TN_TAKES_FOLDER
                                         : file          ? TN_TAKES_FILE
                                                         : TN_TAKES_WORD,
                                .help = o->help};
        return true;
    }
    return false;
}

void tn_verb_print_help(const tn_verb *verb, FILE *out) {
    fprintf(out, "usage: tenfold %s %s [options]\n\n%s\n\noptions:\n", verb->name, verb->words, verb->help);
    tn_verb_option o;
    for (int i = 0; tn_verb_option_at(verb, i, &o); i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o.name, o.value ? " " : "", o.value ? o.value : "");
        fprintf(out, "  %-24s %s\n", left, o.help);
    }
}
