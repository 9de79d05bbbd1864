/* args.c - one option table for all verbs. */
#include "cli/args.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name, *value; /* value NULL: a switch */
    unsigned verbs;           /* taken where the verb has one of these bits */
    const char *help;
} option;

static const option OPTION[] = {
    {"--set", "group.key=value", TN_OPT_SET, "override a key of the job file; may be given several times"},
    {"--run", "DIR", TN_OPT_SET, "run folder (default: results/<job file's name>)"},
    {"--data", "DIR", TN_OPT_DATA, "folder of new pictures, in place of the run's own data set"},
    {"--table", "FILE", TN_OPT_TABLE, "with --data: the table of the new pictures, as data.metadata"},
    {"--images", "DIR", TN_OPT_TABLE, "with --data: folder that the table's paths start from (default: the table's)"},
    {"--folds", "LIST", TN_OPT_CELLS | TN_OPT_PLACE, "only these folds, e.g. 0,3-5 (default: all)"},
    {"--round", "N", TN_OPT_CELLS | TN_OPT_ROUND, "round of filtering, 0 = all given labels (default: 0)"},
    {"--rung", "N", TN_OPT_RUNG, "rung of the search, from 0; the number of tune.rungs means the judgement"},
    {"--place", "N", TN_OPT_PLACE, "place in the rung: the trial in rung 0, then the rank in the rung before"},
    {"--size", "PX", TN_OPT_CELLS | TN_OPT_CLASSES, "only this image size (default: all of train.sizes_px)"},
    {"--seed", "N", TN_OPT_CELLS | TN_OPT_DRILL, "only this seed (default: all of train.seeds); of a drill's draws"},
    {"--runs", "N", TN_OPT_DRILL, "disturbed runs (default: 20)"},
    {"--node-command", "PROGRAM", TN_OPT_DRILL,
     "with --slurm: also crash nodes by this program, which is given a node's name"},
    {"--part", "I/N", TN_OPT_CELLS | TN_OPT_PLACE,
     "of these cells, largest first, only the I-th, the (I+N)-th, ..., counted from 0"},
    {"--ranks", "N", TN_OPT_RANKS, "MPI ranks per step (default: what the cores and train.lanes allow)"},
    {"--ranks-per-fold", "N", TN_OPT_GROUPS,
     "split the ranks into groups that train one fold each (default: all ranks one fold)"},
    {"--allow-other-bits", NULL, TN_OPT_GROUPS,
     "go on although instruction set or library differ from the first start"},
    {"--profile", NULL, TN_OPT_GROUPS, "print where the time of a cell went, operation by operation"},
    {"--dry-run", NULL, TN_OPT_DRY, "print the commands, as a script that bash could run, and submit nothing"},
    {"--slurm", NULL, TN_OPT_SLURM, "through Slurm instead of here"},
    {"--pilot", "N", TN_OPT_PILOT, "through Slurm as one job on N nodes that starts the cells itself"},
    {"--watch", NULL, TN_OPT_WATCH, "look again and again until the run ends"},
    {"--every", "SECONDS", TN_OPT_WATCH, "with --watch: between two looks (default: 60 under Slurm, 5 here)"},
    {"--allow-missing", NULL, TN_OPT_MISSING, "combine what is there, and say how many of how many"},
    {"--classes", "N", TN_OPT_CLASSES, "classes of the net to describe (default: 1000)"},
    {"--net", "NAME", TN_OPT_WEIGHTS, "import: the net that the weights are of (default: the one that fits)"},
    {"--padding", "WORD", TN_OPT_WEIGHTS, "import: symmetric or same, where names do not tell (timm)"},
    {"--against", "FILE", TN_OPT_WEIGHTS, "verify: safetensors with the expected `logits`"},
    {"--posteriors", "FILE", TN_OPT_FILTER,
     "HDF5 of class probabilities by models trained elsewhere (file-formats.md)"},
    {"--diff", NULL, TN_OPT_FILTER, "compare two ledgers"},
    {"--if-complete", NULL, TN_OPT_FILTER,
     "do nothing while a cell of the round is missing, or another process filters"},
    {"--reference", NULL, TN_OPT_REFERENCE, "print the reference of all keys as markdown and end"},
    {"--json", NULL, TN_OPT_JSON, "as one JSON object, with what became of every start (file-formats.md)"},
    {"--write", NULL, TN_OPT_DOCTOR,
     "with --slurm: write the advised lines into the user's site.env, where there is none"},
    {"--probe", NULL, TN_OPT_DOCTOR, "be one of the ranks that look together"},
    {"--time", NULL, TN_OPT_TIME, "time some steps here, and forecast the run: seconds, node-hours, finish"},
    {"--nodes", "N", TN_OPT_TIME | TN_OPT_DOCTOR,
     "check --time: the finish with so many nodes; doctor --slurm: start ranks on them"},
    {"--help", NULL, ~0U, "this text"},
};
enum { N_OPTIONS = sizeof OPTION / sizeof *OPTION };

static tn_status number(const char *option_name, const char *text, long long least, long long most, long long *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most)
        return tn_fail(TN_EARG, "%s %s: give a whole number from %lld to %lld", option_name, text, least, most);
    *out = value;
    return TN_OK;
}

static tn_status int_value(const char *option_name, const char *text, int least, int most, int *out) {
    long long value;
    TN_TRY(number(option_name, text, least, most, &value));
    *out = (int)value;
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

static tn_status take(const char *name, char *value, tn_args *out) {
    long long seed = 0;
    if (strcmp(name, "--run") == 0) {
        if (!*value) return tn_fail(TN_EARG, "--run: the folder has no name"); /* an unset variable: not / */
        out->run_dir = value;
    } else if (strcmp(name, "--set") == 0) {
        if (out->n_set == TN_MAX_SET)
            return tn_fail(TN_EARG, "more than %d --set: put them into the job file", TN_MAX_SET);
        out->set[out->n_set++] = value;
    } else if (strcmp(name, "--folds") == 0) {
        return folds(value, out);
    } else if (strcmp(name, "--part") == 0) {
        return part(value, out);
    } else if (strcmp(name, "--round") == 0) {
        return int_value(name, value, 0, 99, &out->round);
    } else if (strcmp(name, "--rung") == 0) {
        return int_value(name, value, 0, TN_MAX_RUNGS, &out->rung);
    } else if (strcmp(name, "--place") == 0) {
        return int_value(name, value, 0, 9999, &out->place);
    } else if (strcmp(name, "--size") == 0) {
        return int_value(name, value, 8, 4096, &out->size_px);
    } else if (strcmp(name, "--seed") == 0) {
        TN_TRY(number(name, value, 0, LLONG_MAX, &seed));
        out->seed = seed;
    } else if (strcmp(name, "--ranks") == 0) {
        return int_value(name, value, 1, 4096, &out->ranks);
    } else if (strcmp(name, "--ranks-per-fold") == 0) {
        return int_value(name, value, 1, 65536, &out->ranks_per_fold);
    } else if (strcmp(name, "--classes") == 0) {
        return int_value(name, value, 1, 1000000, &out->classes);
    } else if (strcmp(name, "--node-command") == 0) {
        out->node_command = value;
    } else if (strcmp(name, "--pilot") == 0) {
        return int_value(name, value, 1, 4096, &out->pilot);
    } else if (strcmp(name, "--runs") == 0) {
        return int_value(name, value, 1, 100000, &out->runs);
    } else if (strcmp(name, "--nodes") == 0) {
        return int_value(name, value, 1, 1000000, &out->nodes);
    } else if (strcmp(name, "--every") == 0) {
        return int_value(name, value, 1, 86400, &out->every_s);
    } else if (strcmp(name, "--net") == 0) {
        out->net = value;
    } else if (strcmp(name, "--padding") == 0) {
        out->padding = value;
    } else if (strcmp(name, "--against") == 0) {
        out->against = value;
    } else if (strcmp(name, "--posteriors") == 0) {
        out->posteriors = value;
    } else if (strcmp(name, "--data") == 0) {
        if (!*value) return tn_fail(TN_EARG, "--data: the folder has no name");
        out->data = value;
    } else if (strcmp(name, "--table") == 0) {
        out->table = value;
    } else if (strcmp(name, "--images") == 0) {
        out->images = value;
    } else {
        out->allow_other_bits |= strcmp(name, "--allow-other-bits") == 0;
        out->profile |= strcmp(name, "--profile") == 0;
        out->allow_missing |= strcmp(name, "--allow-missing") == 0;
        out->dry_run |= strcmp(name, "--dry-run") == 0;
        out->slurm |= strcmp(name, "--slurm") == 0;
        out->watch |= strcmp(name, "--watch") == 0;
        out->reference |= strcmp(name, "--reference") == 0;
        out->if_complete |= strcmp(name, "--if-complete") == 0;
        out->diff |= strcmp(name, "--diff") == 0;
        out->probe |= strcmp(name, "--probe") == 0;
        out->write |= strcmp(name, "--write") == 0;
        out->json |= strcmp(name, "--json") == 0;
        out->time |= strcmp(name, "--time") == 0;
        out->help |= strcmp(name, "--help") == 0;
    }
    return TN_OK;
}

static const option *find(const char *word, size_t n) {
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTION[i].name) == n && strncmp(OPTION[i].name, word, n) == 0) return &OPTION[i];
    return NULL;
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
    const option *o = find(word, equals ? (size_t)(equals - word) : strlen(word));
    if (!o) return tn_fail(TN_EARG, "unknown option %s; tenfold %s --help lists them", word, verb->name);
    if (!(o->verbs & verb->options) && o->verbs != ~0U)
        return tn_fail(TN_EARG, "tenfold %s does not take %s; tenfold %s --help lists what it takes", verb->name,
                       o->name, verb->name);
    char *value = equals ? equals + 1 : NULL;
    if (!o->value && value) return tn_fail(TN_EARG, "%s takes no value", o->name);
    if (o->value && !value) {
        if (*at + 1 >= argc) return tn_fail(TN_EARG, "%s wants a value: %s %s", o->name, o->name, o->value);
        value = argv[++*at];
    }
    return take(o->name, value, out);
}

tn_status tn_args_parse(const tn_verb *verb, int argc, char **argv, tn_args *out) {
    *out = (tn_args){.round = -1, .seed = -1, .rung = -1, .place = -1};
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) out->help = true;
    if (out->help) return TN_OK;
    for (int i = 0; i < argc; i++) TN_TRY(parse_word(verb, argc, argv, &i, out));
    if (out->n_words < verb->least_words)
        return tn_fail(TN_EARG, "usage: tenfold %s %s [options]; tenfold %s --help says more", verb->name, verb->words,
                       verb->name);
    return TN_OK;
}

void tn_verb_print_help(const tn_verb *verb, FILE *out) {
    fprintf(out, "usage: tenfold %s %s [options]\n\n%s\n\noptions:\n", verb->name, verb->words, verb->help);
    for (int i = 0; i < N_OPTIONS; i++) {
        if (!(OPTION[i].verbs & verb->options) && OPTION[i].verbs != ~0U) continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", OPTION[i].name, OPTION[i].value ? " " : "",
                 OPTION[i].value ? OPTION[i].value : "");
        fprintf(out, "  %-24s %s\n", left, OPTION[i].help);
    }
}
