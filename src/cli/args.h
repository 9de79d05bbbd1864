/*
 * args.h - the words behind a verb, parsed once for all verbs.                       layer: cli, uses: suite
 *
 * A verb names the options it takes; any other is an error that says so. Every verb takes --help.
 */
#ifndef TN_CLI_ARGS_H
#define TN_CLI_ARGS_H

#include "base/cfg.h"
#include "suite/plan.h"

enum { TN_MAX_SET = 48 };

typedef struct {
    int n_words;
    char *word[4]; /* positional: job file, run folder ... */
    int n_set;
    char *set[TN_MAX_SET];
    const char *run_dir; /* NULL = from the job file             */
    int n_folds;         /* 0 = all                              */
    int fold[TN_MAX_FOLDS];
    int rung, place;                     /* -1 = not given                       */
    int part, n_parts;                   /* n_parts 0 = not given                */
    int round;                           /* -1 = not given                       */
    int size_px;                         /* 0 = all                              */
    int64_t seed;                        /* -1 = all                             */
    int ranks, ranks_per_fold;           /* 0 = not given                        */
    int classes;                         /* 0 = not given                        */
    int runs, nodes, pilot;              /* 0 = not given; pilot: nodes          */
    int every_s;                         /* 0 = not given                        */
    const char *node_command;            /* NULL = not given                     */
    const char *net, *padding, *against; /* NULL = not given           */
    const char *posteriors;              /* NULL = not given                     */
    const char *data, *table, *images;   /* NULL = not given                     */
    bool diff, if_complete;
    bool allow_missing, allow_other_bits, profile, dry_run, slurm, watch, reference, time, json, probe, write, help;
} tn_args;

typedef enum {
    TN_OPT_SET = 1,      /* --set, --run */
    TN_OPT_CELLS = 2,    /* --folds, --part, --round, --size, --seed */
    TN_OPT_ROUND = 4,    /* --round alone */
    TN_OPT_RANKS = 8,    /* --ranks */
    TN_OPT_GROUPS = 16,  /* --ranks-per-fold, --allow-other-bits, --profile */
    TN_OPT_MISSING = 32, /* --allow-missing */
    TN_OPT_CLASSES = 64, /* --classes, --size */
    TN_OPT_REFERENCE = 128,
    TN_OPT_WEIGHTS = 256,    /* --net, --padding, --against */
    TN_OPT_FILTER = 512,     /* --posteriors, --diff, --if-complete */
    TN_OPT_DRILL = 4096,     /* --runs, --seed, --node-command */
    TN_OPT_RUNG = 8192,      /* --rung */
    TN_OPT_PLACE = 16384,    /* --place, --part, --folds */
    TN_OPT_DRY = 1024,       /* --dry-run */
    TN_OPT_SLURM = 2048,     /* --slurm */
    TN_OPT_WATCH = 32768,    /* --watch, --every */
    TN_OPT_DATA = 65536,     /* --data */
    TN_OPT_TABLE = 131072,   /* --table, --images */
    TN_OPT_JSON = 524288,    /* --json */
    TN_OPT_DOCTOR = 1048576, /* --probe, --write, --nodes */
    TN_OPT_TIME = 262144,    /* --time, --nodes */
    TN_OPT_PILOT = 2097152   /* --pilot */
} tn_options;

typedef struct {
    const char *name;  /* "train" */
    const char *words; /* "JOB.cfg" */
    int least_words, most_words;
    unsigned options;    /* of tn_options */
    bool mpi;            /* all ranks take part; else rank 0 does the work and the others end at once */
    const char *summary; /* one line for `tenfold --help` */
    const char *help;    /* what it reads, writes, and an example */
    tn_status (*run)(const tn_args *args);
} tn_verb;

extern const tn_verb tn_verb_check, tn_verb_preprocess, tn_verb_train, tn_verb_filter, tn_verb_predict, tn_verb_reduce,
    tn_verb_report, tn_verb_run, tn_verb_submit, tn_verb_tune, tn_verb_trial, tn_verb_rank, tn_verb_status,
    tn_verb_resume, tn_verb_pilot, tn_verb_weights, tn_verb_drill, tn_verb_show, tn_verb_doctor;

/* argv behind the verb.
 * Errors  TN_EARG unknown option (with the nearest), not one of this verb's, bad value, wrong count of words;
 *         args->help is set when --help was given (nothing else is checked then). */
tn_status tn_args_parse(const tn_verb *verb, int argc, char **argv, tn_args *out);

/* Settings of word[0]: a job file with --set and --run, or the folder of a run as it was started. Errors TN_EARG. */
tn_status tn_args_cfg(const tn_args *args, tn_cfg **out);

/* How a run is started with these words; make_folder: also makes its folder. cfg->run_dir becomes absolute. */
tn_status tn_args_start(const tn_args *args, tn_cfg *cfg, bool make_folder, tn_start *out);

/* Usage, help text and the list of its options. */
void tn_verb_print_help(const tn_verb *verb, FILE *out);

#endif
