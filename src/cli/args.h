/*
 * args.h - the command line after the verb: parsed by one table of options for all verbs. All functions are local.
 *
 * Each verb lists the options that it accepts; any other option is an error. Every verb accepts --help.
 */
#ifndef TN_CLI_ARGS_H
#define TN_CLI_ARGS_H

#include "cfg/cfg.h"
#include "run/plan.h"

#include <stdio.h>

enum { TN_MAX_SET = 48 };

typedef struct {
    int n_words;
    char *word[4]; /* positional arguments: job file, run folder ... */
    int n_set;
    char *set[TN_MAX_SET];
    const char *run_dir; /* NULL = from the job file             */
    int n_folds;         /* 0 = all                              */
    int fold[TN_MAX_FOLDS];
    int rung, slot;                      /* -1 = not given                       */
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
    const char *ema;                     /* NULL = not given                     */
    const char *posteriors;              /* NULL = not given                     */
    const char *data;                    /* NULL = not given                     */
    bool diff, if_complete, student;
    bool allow_missing, allow_other_bits, profile, dry_run, slurm, watch, reference, time, json, probe, write, help;
} tn_args;

typedef enum {
    TN_OPT_SET = 1 << 0,        /* --set, --run */
    TN_OPT_CELLS = 1 << 1,      /* --folds, --part, --round, --size, --seed */
    TN_OPT_ROUND = 1 << 2,      /* --round alone */
    TN_OPT_RANKS = 1 << 3,      /* --ranks */
    TN_OPT_GROUPS = 1 << 4,     /* --ranks-per-fold, --allow-other-bits, --profile */
    TN_OPT_MISSING = 1 << 5,    /* --allow-missing */
    TN_OPT_CLASSES = 1 << 6,    /* --classes, --size */
    TN_OPT_REFERENCE = 1 << 7,  /* --reference */
    TN_OPT_WEIGHTS = 1 << 8,    /* --net, --padding, --against */
    TN_OPT_FILTER = 1 << 9,     /* --posteriors, --diff */
    TN_OPT_COMPLETE = 1 << 10,  /* --if-complete */
    TN_OPT_DRILL = 1 << 11,     /* --runs, --seed, --node-command */
    TN_OPT_RUNG = 1 << 12,      /* --rung */
    TN_OPT_SLOT = 1 << 13,      /* --slot, --part, --folds */
    TN_OPT_DRY = 1 << 14,       /* --dry-run */
    TN_OPT_SLURM = 1 << 15,     /* --slurm */
    TN_OPT_WATCH = 1 << 16,     /* --watch, --every */
    TN_OPT_DATA = 1 << 17,      /* --data, --student */
    TN_OPT_JSON = 1 << 18,      /* --json */
    TN_OPT_DOCTOR = 1 << 19,    /* --probe, --write, --nodes */
    TN_OPT_TIME = 1 << 20,      /* --time, --nodes */
    TN_OPT_PILOT = 1 << 21,     /* --pilot */
    TN_OPT_OTHER_BITS = 1 << 22 /* --allow-other-bits alone */
} tn_options;

typedef struct {
    const char *name;  /* "train" */
    const char *words; /* positional arguments in the usage line: "JOB.cfg" */
    int least_words, most_words;
    unsigned options;    /* of tn_options */
    bool mpi;            /* all ranks take part; otherwise rank 0 does the work and the others exit at once */
    bool internal;       /* called by tenfold itself: `tenfold --help` does not list it */
    const char *summary; /* one line for `tenfold --help` */
    const char *help;    /* purpose, files read and written, and an example */
    tn_status (*run)(const tn_args *args);
} tn_verb;

extern const tn_verb tn_verb_check, tn_verb_preprocess, tn_verb_train, tn_verb_filter, tn_verb_predict, tn_verb_reduce,
    tn_verb_report, tn_verb_run, tn_verb_submit, tn_verb_trial, tn_verb_rank, tn_verb_status, tn_verb_pilot,
    tn_verb_weights, tn_verb_drill, tn_verb_show, tn_verb_doctor, tn_verb_explore, tn_verb_probe, tn_verb_distil;

/* All verbs, in the order of `tenfold --help`; behind the last is NULL. */
extern const tn_verb *const tn_verbs[];

/* Behind the last, text is NULL. */
typedef struct {
    tn_status code;
    const char *text;
} tn_exit_code;
extern const tn_exit_code tn_exit_codes[];

/* NULL where there is no such verb: then the second says so, or what the verb is called now (TN_EARG). */
const tn_verb *tn_verb_find(const char *name);
tn_status tn_verb_unknown(const char *name);

void tn_print_help(FILE *out); /* `tenfold --help` */

/* Parse argv after the verb. With --help only out->help is set and nothing else is checked.
 * Errors  TN_EARG unknown option, option of another verb, bad value, wrong number of positional arguments. */
tn_status tn_args_parse(const tn_verb *verb, int argc, char **argv, tn_args *out);

/* Read the settings that word[0] names: a job file with --set and --run, or a run folder as it was started. The caller frees *out.
 * Errors TN_EARG, those of tn_cfg_read and tn_plan_read. */
tn_status tn_args_cfg(const tn_args *args, tn_cfg **out);

/* Read settings and plan that word[0] names: a job file, or a run folder, whose job file is read again as it is now. The caller
 * frees both.
 * check        called before anything is written
 * make_folder  make the run folder of a job file
 * Errors       TN_EARG, those of check, tn_cfg_read and tn_plan_read. */
tn_status tn_args_plan(const tn_args *args, tn_status (*check)(const tn_cfg *cfg), bool make_folder, tn_cfg **cfg_out,
                       tn_plan **out);

/* Fill out with how this command starts a run; make_folder: also make the run folder. cfg->run_dir becomes absolute. out->set
 * belongs to args. Errors TN_EARG, TN_EIO. */
tn_status tn_args_start(const tn_args *args, tn_cfg *cfg, bool make_folder, tn_start *out);

/* An option of a verb. takes: what its value is, for completion. */
typedef struct {
    const char *name, *value; /* value NULL: a switch */
    enum { TN_TAKES_WORD, TN_TAKES_FILE, TN_TAKES_FOLDER } takes;
    const char *help;
} tn_verb_option;

/* The i-th option of the verb, from 0. False: it has no more. */
bool tn_verb_option_at(const tn_verb *verb, int i, tn_verb_option *out);

/* Print usage, help text and options of a verb. */
void tn_verb_print_help(const tn_verb *verb, FILE *out);

#endif
