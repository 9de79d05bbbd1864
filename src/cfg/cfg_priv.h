/* cfg_priv.h - the table of keys; shared by cfg_table.c, cfg.c, cfg_value.c, cfg_print.c, cfg_syntax.c, cfg_classes.c,
 * cfg_check.c. */
#ifndef TN_CFG_CFG_PRIV_H
#define TN_CFG_CFG_PRIV_H

#include "cfg/cfg.h"

#include <libconfig.h>
#include <stddef.h>

typedef enum {
    KEY_INT,     /* int                                   */
    KEY_I64,     /* int64_t                               */
    KEY_DOUBLE,  /* double                                */
    KEY_TEXT,    /* char[TN_NAME_BYTES]                   */
    KEY_PATH,    /* char[TN_PATH_BYTES], second: as given */
    KEY_BOOL,    /* bool                                  */
    KEY_WORD,    /* enum, by index in words               */
    KEY_INTS,    /* int[], second: count                  */
    KEY_I64S,    /* int64_t[], second: count              */
    KEY_TEXTS,   /* char[][TN_NAME_BYTES], second: count  */
    KEY_AUGMENT, /* tn_augment[], second: count          */
    KEY_SPACE,   /* tn_dimension[], second: count         */
    KEY_OPTIONS  /* tn_sbatch_options                            */
} tn_key_type;

typedef struct {
    const char *group, *name;
    tn_key_type type;
    size_t at, second;        /* offsets in tn_cfg */
    const char *preset;       /* default in libconfig syntax; NULL = the key is required */
    double least, most;       /* numbers, and members of number lists */
    int most_members;         /* lists */
    const char *const *words; /* KEY_WORD: accepted, NULL at the end */
    unsigned stages;          /* bits of tn_keys_of: the stages whose identity it belongs to */
    const char *help;         /* one line, with the unit */
} tn_key;

extern const tn_key tn_keys[];
extern const int tn_n_keys;

/* Renamed keys. A dot in a name is a group inside its group: slurm: { train: { minutes = 10; }; }; */
typedef struct {
    const char *group, *before, *now;
} tn_renamed;
extern const tn_renamed tn_renamed_keys[]; /* group NULL at the end */

extern const char *const tn_augment_words[]; /* by tn_augment_kind, NULL at the end */

/* The problems of a job file, one per line. */
typedef struct {
    const char *file;
    char text[TN_MSG_BYTES];
    int n;
} tn_problems;

/* Add a problem. It begins with "FILE:LINE: " if line > 0, "--set: " if line = -1, "FILE: " if line = 0. */
void tn_problem(tn_problems *p, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* cfg_value.c: check a value and store it in cfg. line: as in tn_problem. base_dir: folder that relative paths refer to. */
void tn_key_set(tn_cfg *cfg, const tn_key *key, const config_setting_t *value, int line, const char *base_dir,
                tn_problems *problems);
/* Print the value of a key in libconfig syntax. */
void tn_key_print(const tn_cfg *cfg, const tn_key *key, bool paths_as_given, FILE *out);
/* Print which values are accepted: "a whole number from 1 to 64", "one of: jpeg, original, raw". */
void tn_key_accepted(const tn_key *key, FILE *out);

/* Helpers for values of several kinds: a number, whole or not; a list or array of an accepted length. */
bool tn_real_value(const config_setting_t *v, double *out);
bool tn_list_length(const tn_key *key, const config_setting_t *v, int line, int *n_out, tn_problems *problems);
void tn_print_double(double x, FILE *out); /* the shortest text that reads back to the same number */
void tn_print_text(const char *text, FILE *out);

/* cfg.c: parse and set a value given as text, as in --set; name may be an address, "augment.cutmix.probability". */
void tn_key_take(tn_cfg *cfg, const char *group, const char *name, const char *text, int line, tn_problems *problems);
int tn_key_find(const char *group, const char *name); /* -1: none */

/* cfg_augment.c */
enum { TN_MAX_AUGMENT_ADDRESSES = 64 };
void tn_augment_set(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems);
void tn_augment_print(const tn_cfg *cfg, FILE *out);
void tn_augment_check(const tn_cfg *cfg, int line, tn_problems *problems); /* ranges upside down, an op named twice */
void tn_augment_print_reference(FILE *out);                                /* the table of docs/job-file.md */
/* Set one parameter of one member of the list; address: "cutmix.probability". */
void tn_augment_take(tn_cfg *cfg, const char *address, const config_setting_t *value, int line, tn_problems *problems);
int tn_augment_addresses(const char *out[TN_MAX_AUGMENT_ADDRESSES]); /* "train.augment.cutmix.probability", ... */

/* cfg_space.c: search.space. The keys that it names are checked after the whole job file was read. */
void tn_space_set(tn_cfg *cfg, const tn_key *key, const config_setting_t *v, int line, tn_problems *problems);
void tn_space_print(const tn_cfg *cfg, FILE *out);
void tn_space_check(const tn_cfg *cfg, tn_problems *problems);

/* cfg_options.c: options for sbatch, as a list of texts or as one text. */
void tn_sbatch_options_set(tn_sbatch_options *out, const tn_key *key, const config_setting_t *v, int line,
                           tn_problems *problems);
void tn_sbatch_options_print(const tn_sbatch_options *options, FILE *out);

/* cfg_syntax.c: the error message for a text that libconfig refused: line, column, cause, and the text there. */
tn_status tn_cfg_refuse(const char *file, const char *text, const config_t *tree);

/* cfg_classes.c: take the names of data.classes_file as data.classes. line: where data.classes was given. */
void tn_classes_read(tn_cfg *cfg, tn_problems *problems);
void tn_classes_check(const tn_cfg *cfg, int line, tn_problems *problems);

/* cfg_check.c: check rules that involve several keys. */
void tn_cfg_check(tn_cfg *cfg, tn_problems *problems);

#endif
