/*
 * cfg.h - the job file (libconfig) as one typed structure. All functions are local.
 *
 *   tn_cfg *cfg = NULL;
 *   TN_TRY(tn_cfg_read("jobs/quickstart.cfg", n_set, set, run_dir_or_null, &cfg));
 *
 * The table in cfg_table.c describes every key: name, type, default, range or accepted words, unit, one line of help and the
 * stages whose results depend on it. Parsing, errors, `tenfold check`, canonical text and docs/job-file.md follow from it.
 *
 * Errors     TN_EARG "FILE:LINE: key ..." for an unknown key (with the nearest spelling), a missing required key, a wrong type,
 *            a value out of range (with the accepted values). All of them are listed, one per line. Values of --set are reported
 *            as "--set". A syntax error is reported alone: "FILE:LINE:COLUMN: cause, and the text there".
 * Text       UTF-8, with or without byte order mark; lines end with LF, CRLF or CR.
 * Paths      in a job file are relative to the folder of the job file; in --set to the current folder.
 * Lists      count, then values; fixed maxima below.
 */
#ifndef TN_CFG_CFG_H
#define TN_CFG_CFG_H

#include "base/fs.h"
#include "base/status.h"
#include "cfg/devices.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    TN_MAX_CLASSES = 21999, /* ImageNet-21k has 21,841 */
    TN_WHOLE_CLASSES =
        1024, /* up to so many, a row's probabilities are kept whole; of more classes the largest (score/prow.h) */
    /* of more classes than these, files and tables show some; the first table of explore lists all: */
    TN_MOST_SHOWN = 20,   /* in a table for people */
    TN_MOST_COLUMNS = 64, /* as columns of submission.csv, or in a confusion matrix */
    TN_MAX_LEVELS = 4,
    TN_MAX_SIZES = 8,
    TN_MAX_FOLDS = 64,
    TN_MAX_AUGMENT = 16,
    TN_MAX_STAGES = 9, /* of a net: the stem, seven groups of blocks, the last convolution */
    TN_MAX_VIEWS = 16,
    TN_MAX_SPACE = 16,   /* keys of a search */
    TN_MAX_CHOICES = 16, /* of one of them */
    TN_MAX_RUNGS = 8,
    TN_MAX_OPTIONS = 16, /* of sbatch, in one list */
    TN_OPTION_BYTES = 128,
    TN_NAME_BYTES = 64,
    TN_VALUE_BYTES = 512
};

/* enums of settings: values are indices in the lists of words in cfg_table.c */
typedef enum { TN_STORE_JPEG, TN_STORE_ORIGINAL, TN_STORE_RAW } tn_store;
typedef enum { TN_VALIDATION_SLICE, TN_VALIDATION_HELD_OUT } tn_validation;
typedef enum {
    TN_SAMPLER_NATURAL,
    TN_SAMPLER_BALANCED_DOWN,
    TN_SAMPLER_BALANCED_UP,
    TN_SAMPLER_N_PER_CLASS,
    TN_SAMPLER_SQUARE_ROOT
} tn_sampler_kind;
extern const char *const tn_sampler_words[];                 /* NULL at the end */
typedef enum { TN_OPTIM_SGD, TN_OPTIM_ADAMW } tn_optim_kind; /* sgd = Nesterov momentum */
typedef enum { TN_SCHEDULE_CONSTANT, TN_SCHEDULE_COSINE, TN_SCHEDULE_STEP } tn_schedule_kind;
typedef enum { TN_VIEW_OWN, TN_VIEW_SHARED, TN_VIEW_OUT_OF_FOLD } tn_self_view;
typedef enum { TN_SELF_SELF, TN_SELF_CONFIDENT, TN_SELF_DISAGREEMENT } tn_self_method;
typedef enum { TN_PRUNE_NOISE_RATE, TN_PRUNE_BOTH } tn_prune;
typedef enum { TN_DROPPED_DROP, TN_DROPPED_UNLABELED, TN_DROPPED_RELABEL, TN_DROPPED_SOFT } tn_dropped;
typedef enum { TN_CONSISTENCY_MSE, TN_CONSISTENCY_KL, TN_CONSISTENCY_ELR } tn_consistency_kind;
typedef enum { TN_REDUCE_MEAN, TN_REDUCE_GMEAN, TN_REDUCE_GREEDY } tn_reduce_kind;
typedef enum { TN_DECISION_PRIOR, TN_DECISION_OFFSETS, TN_DECISION_ARGMAX } tn_decision;
#define TN_DEVICE_KIND(KIND, name) TN_DEVICE_##KIND,
typedef enum { TN_DEVICES(TN_DEVICE_KIND) TN_N_DEVICES } tn_device_kind;
typedef enum { TN_FP32, TN_BF16 } tn_precision; /* of stored activations */

/* Instruction sets that kernels are compiled for, in ascending order. BEST (in settings): the highest that all ranks have when a cell
 * begins. */
typedef enum { TN_ISA_PLAIN, TN_ISA_AVX2, TN_ISA_AVX512, TN_ISA_AVX512_BF16, TN_ISA_AVX512_AMX, TN_ISA_BEST } tn_isa;
extern const char *const tn_isa_words[]; /* NULL at the end */

/* Kinds of augmentations: indices of words in cfg_augment.c, so that a new one stands last. */
typedef enum {
    TN_AUG_CROP,
    TN_AUG_FLIP,
    TN_AUG_CUTMIX,
    TN_AUG_VERTICAL_FLIP,
    TN_AUG_SHIFT_SCALE_ROTATE,
    TN_AUG_RAND_AUGMENT,
    TN_AUG_BRIGHTNESS_CONTRAST,
    TN_AUG_HUE_SATURATION_VALUE,
    TN_AUG_GAUSSIAN_BLUR,
    TN_AUG_GAUSS_NOISE,
    TN_AUG_COARSE_DROPOUT,
    TN_AUG_CHANNEL_DROPOUT,
    TN_AUG_MIXUP
} tn_augment_kind;
/* augment = ( { op = "random_resized_crop"; probability = 1.0; area_min = 0.08; area_max = 1.0; ratio_min = 0.75;
 *               ratio_max = 1.3333; },
 *             { op = "horizontal_flip"; probability = 0.5; },
 *             { op = "cutmix"; probability = 0.5; } );   each at most once; augment/augment.h says in which order */
typedef struct {
    tn_augment_kind kind;
    double probability;
    double area_min, area_max, ratio_min, ratio_max; /* random_resized_crop: shares of the area; width/height */
    double shift_limit, scale_limit, rotate_limit;   /* shift_scale_rotate: share of the side; of 1; degrees */
    double magnitude, num_ops;                       /* rand_augment: 0 to 10 */
    double brightness_limit, contrast_limit;         /* random_brightness_contrast: shares of 255 and of 1 */
    double hue_shift_limit, sat_shift_limit, val_shift_limit; /* hue_saturation_value: 8-bit steps; of hue: 2 degrees */
    double sigma_min, sigma_max;                              /* gaussian_blur: px */
    double std_min, std_max;                                  /* gauss_noise: 8-bit steps */
    double num_holes_min, num_holes_max, hole_size_min, hole_size_max; /* coarse_dropout: shares of the side */
    double num_channels_min, num_channels_max;                         /* channel_dropout */
    double fill;                                                       /* of both: 8-bit value */
    double alpha;                                                      /* mixup */
} tn_augment;

typedef enum { TN_SAMPLING_SOBOL, TN_SAMPLING_RANDOM } tn_sampling;
typedef enum { TN_SPACE_CHOICE, TN_SPACE_UNIFORM, TN_SPACE_LOG_UNIFORM, TN_SPACE_INTEGER } tn_space_kind;
/* { key = "train.learning_rate"; log_uniform = [ 1e-4, 1e-2 ]; }, { key = "train.sampler"; choice = [ ... ]; } */
typedef struct {
    char key[2 * TN_NAME_BYTES]; /* "train.sampler", "train.augment.cutmix.probability" */
    int line;
    tn_space_kind kind;
    double low, high; /* all but choice */
    int n_choices;
    char choice[TN_MAX_CHOICES][TN_VALUE_BYTES]; /* values in libconfig syntax */
} tn_dimension;

/* options = [ "--constraint=epyc", "--exclusive" ]: each is one argument of sbatch; options that tenfold itself gives are refused
 * (cfg_options.c). */
typedef struct {
    int n;
    char at[TN_MAX_OPTIONS][TN_OPTION_BYTES];
} tn_sbatch_options;

/* Resources of the jobs of one stage, if they differ from those of all jobs. */
typedef struct {
    char partition[TN_NAME_BYTES]; /* "" = slurm.partition */
    int minutes;                   /* 0 = the partition's default */
    int memory_gib;                /* 0 = slurm.memory_gib */
    tn_sbatch_options options; /* given after slurm.options, so that they win: sbatch uses the last of equal options */
} tn_slurm_stage;

enum { TN_MAX_KEYS = 160 };

typedef struct tn_cfg {          /* has no pointers: it is copied and broadcast bytewise */
    int line[TN_MAX_KEYS];       /* by key of the table: line in the job file, 0 = default, -1 = --set */
    char file[TN_PATH_BYTES];    /* job file as given                                         */
    char name[TN_NAME_BYTES];    /* its base name without .cfg, as UTF-8 that can be printed  */
    char run_dir[TN_PATH_BYTES]; /* --run, or results/<name> under the current folder         */

    struct {
        char metadata[TN_PATH_BYTES]; /* required                                             */
        char images[TN_PATH_BYTES];   /* root of the paths; default: the metadata's folder    */
        char metadata_given[TN_PATH_BYTES], images_given[TN_PATH_BYTES]; /* as written: identity */
        int n_classes; /* classes = [ "worn", ... ], or from classes_file; at least 2 */
        char classes[TN_MAX_CLASSES][TN_NAME_BYTES];
        char classes_file[TN_PATH_BYTES], classes_file_given[TN_PATH_BYTES]; /* "" = none            */
        char truth_column[TN_NAME_BYTES]; /* "" = none                                        */
        double max_bad_fraction;          /* 0.01                                             */
        char stage_folder[TN_PATH_BYTES]; /* on a disk of each node; "" = none; never changes results */
        char stage_folder_given[TN_PATH_BYTES];
    } data;
    struct {
        int size_px;        /* short side, scaled down only; 256                     */
        tn_store store;     /* jpeg                                                  */
        int jpeg_quality;   /* 92                                                    */
        int background[3];  /* alpha is composed over this colour; [255,255,255]     */
        int64_t max_pixels; /* larger images are refused; 2^28                       */
        int shard_rows;     /* 4096                                                  */
    } preprocess;
    struct {
        int count;                /* 10; at least 3                                        */
        int64_t seed;             /* 1                                                     */
        int duplicate_bits;       /* 0; perceptual hashes within this distance are duplicates */
        double validation_share;  /* 0.1                                                   */
        tn_validation validation; /* slice                                                 */
    } folds;
    struct {
        char net[TN_NAME_BYTES];        /* efficientnet-b0..b7, efficientnet-lite0..4            */
        double width, depth;            /* 0 = the table's                                       */
        int stem_stride;                /* 2                                                     */
        int metadata_levels;            /* how many of cat1..cat4 join the head; 0               */
        int head_units;                 /* hidden units; 0 = none; -1 = see tn_cfg_head_units    */
        double dropout;                 /* -1 = the table's                                      */
        double drop_connect;            /* 0.2                                                   */
        char pretrained[TN_PATH_BYTES]; /* weights to begin from; "" = none */
        char pretrained_given[TN_PATH_BYTES];
    } model;
    struct {
        int64_t images;                      /* budget in images seen, required                       */
        int n_sizes, sizes_px[TN_MAX_SIZES]; /* one model per size; [224]                     */
        int n_seeds;
        int64_t seeds[TN_MAX_SIZES];          /* one model per seed; [1]                               */
        tn_device_kind device;                /* cpu                                                   */
        tn_precision precision;               /* fp32                                                  */
        tn_isa isa;                           /* best                                                  */
        int lanes, lane_images, lane_threads; /* 2, 16, 1                                     */
        int loader_threads;                   /* 1; never changes results                              */
        tn_sampler_kind sampler;              /* natural                                               */
        int64_t rows_per_class;               /* 0; n_per_class: rows of each class in an epoch        */
        int n_augment;
        tn_augment augment[TN_MAX_AUGMENT];
        double label_smoothing;                       /* 0.1                                                   */
        double class_weight, logit_adjustment;        /* 0, 0; train/class_loss.h                              */
        tn_optim_kind optimizer;                      /* adamw                                                 */
        double learning_rate, momentum, weight_decay; /* 1e-3, 0.9, 0.01                      */
        double head_learning_rate, layer_decay;       /* 0 = learning_rate, 1                                  */
        int freeze_stages;                            /* 0; net.h: tn_net_stages                               */
        int64_t freeze_images;                        /* 0                                                     */
        tn_schedule_kind schedule;                    /* cosine                                                */
        int64_t warmup_images;                        /* 0                                                     */
        int restarts;                                 /* 0; cosine                                             */
        double restart_growth;                        /* 1                                                     */
        int64_t step_images;                          /* 0; step                                               */
        double step_factor;                           /* 0.1                                                   */
        double clip_norm;                             /* 0 = off                                               */
        double ema_decay;                             /* per step; 0 = off; -1: net/optim.h                    */
        double bn_momentum;                           /* of running moments; -1: the net's own                 */
        int evaluations;                              /* 5, evenly spaced over the budget                      */
        double checkpoint_seconds;                    /* 600; 0 = at evaluations alone; never changes results      */
        double hang_seconds;                          /* 1800; 0 = never; base/watch.h                         */
    } train;
    struct {
        bool probe;                       /* false: round 0 is trained after a filter by a probe */
        int max_rounds;                   /* 1: rounds of filtering + retraining; 0 = none         */
        tn_self_method method;            /* self                                                  */
        tn_prune prune;                   /* confident: noise_rate                                 */
        tn_self_view view;                /* own                                                   */
        int n_folds, folds[TN_MAX_FOLDS]; /* shared view: which; [] = all                     */
        double alpha;                     /* 0.7: weight of earlier evaluations in z               */
        double verdict_ratio;             /* 2: odds above which a label is suspicious             */
        double class_floor;               /* 0.5: least share of each class that is kept           */
        double category_floor;            /* 0: the same of each value of cat1                     */
        tn_dropped dropped;               /* drop: what happens to a suspicious row                */
        double relabel_margin;            /* 0.5                                                   */
        tn_consistency_kind consistency;  /* mse                                                   */
        double consistency_weight;        /* 0 = off                                               */
        int64_t rampup_images;            /* 0                                                     */
    } self;
    struct {
        double size_factor; /* 1: of the training size; cell.h: tn_predict_px */
        int n_views;        /* [ "identity" ]: the probabilities of all views of an image are averaged */
        char views[TN_MAX_VIEWS][TN_NAME_BYTES];
    } predict;
    struct {
        tn_reduce_kind method; /* mean                                                  */
        tn_decision decision;  /* prior                                                 */
        int category_prior;    /* 0 = none, or a category level                         */
        double prior_count;    /* 10: smoothing of that prior, in rows                  */
        int64_t tune_rows;     /* 100000: about how many out-of-fold rows to tune on    */
        int bootstrap;         /* 1000 resamples for intervals; 0 = none                */
    } reduce;
    struct {
        bool student;                   /* false */
        char net[TN_NAME_BYTES];        /* "" = model.net */
        int64_t images;                 /* 0 = three times train.images */
        char pretrained[TN_PATH_BYTES]; /* "" = model.pretrained, if net is "", too */
        char pretrained_given[TN_PATH_BYTES];
    } distil;
    bool is_student; /* these are the settings of the student (student.h); no key of the job file */
    struct {
        int trials;                                   /* 16; the first is the job file as it stands            */
        tn_sampling sampling;                         /* sobol                                                 */
        int64_t seed;                                 /* 1                                                     */
        int n_folds, folds[TN_MAX_FOLDS];             /* [0]: folds that trials are trained on and ranked by   */
        int n_judge_folds, judge_folds[TN_MAX_FOLDS]; /* folds of the final comparison; [] = all others        */
        int n_rungs;
        int64_t rungs[TN_MAX_RUNGS]; /* images seen, ascending                                */
        double keep;                 /* 0.333                                                 */
        int n_space;
        tn_dimension space[TN_MAX_SPACE];
    } search;
    struct {                                                                       /* never part of an identity */
        char partition[TN_NAME_BYTES], account[TN_NAME_BYTES], qos[TN_NAME_BYTES]; /* "" = Slurm's default  */
        int nodes[2];                               /* fewest and most per task; 1, 1                 */
        int n_size_nodes, size_nodes[TN_MAX_SIZES]; /* most per cell of each of train.sizes_px; none: nodes */
        int ranks_per_node, cpus_per_rank;          /* 1; 0 = see tn_cfg_cpus_per_rank               */
        int gpus_per_node, memory_gib;              /* 0; 0 = predicted, -1 = no request             */
        tn_sbatch_options options;
        tn_slurm_stage preprocess, train, reduce; /* train: all stages that run in tasks of arrays */
        int predict_minutes;                      /* 0: added to train.minutes */
        int max_running, max_jobs;                /* 0 = no limit */
        bool allow_missing;                       /* false */
    } slurm;
} tn_cfg;

/* One entry of predict.views: a word, behind the crops a percentage of the short side ("center_crop_80"; default 87), and behind
 * all but the first two perhaps "_flip". data/view.h says what each shows. */
typedef enum {
    TN_VIEW_KIND_IDENTITY,
    TN_VIEW_KIND_FLIP,
    TN_VIEW_KIND_CENTER,
    TN_VIEW_KIND_FIVE,
    TN_VIEW_KIND_SQUISH,
    TN_VIEW_KIND_PAD
} tn_view_kind;
typedef struct {
    tn_view_kind kind;
    int percent;
    bool flip; /* mirrored */
} tn_view_spec;
extern const char *const tn_view_words[]; /* NULL at the end */
bool tn_view_parse(const char *text, tn_view_spec *out);

/* Stages, as bits in the table of cfg_table.c: a key belongs to the identity of a stage if its results depend on it. */
typedef enum {
    TN_KEYS_PREPROCESS = 1,
    TN_KEYS_FOLDS = 2,
    TN_KEYS_TRAIN = 4,
    TN_KEYS_FILTER = 8,
    TN_KEYS_PREDICT = 16,
    TN_KEYS_REDUCE = 32,
    TN_KEYS_SEARCH = 64,
    TN_KEYS_PROBE = 128,
    TN_KEYS_DISTIL = 256
} tn_keys_of;

/* Read a job file. The caller frees *out. run_dir: NULL, or the value of --run.
 * set     (n_set) strings "group.key=value", value in libconfig syntax; bare words are text; lists in []
 * Errors  TN_EARG as above; TN_EIO */
tn_status tn_cfg_read(const char *path, int n_set, char **set, const char *run_dir, tn_cfg **out);
void tn_cfg_free(tn_cfg **cfg);
/* A copy with other values, which are set and checked as above. */
tn_status tn_cfg_derive(const tn_cfg *from, int n_set, char **set, tn_cfg **out);

/* The CPUs of a rank under Slurm: one for each thread that computes (on a GPU one that feeds it) or loads images, unless
 * slurm.cpus_per_rank says otherwise. */
int tn_cfg_cpus_per_rank(const tn_cfg *cfg);

/* The optimiser steps of a training of so many images, rounded up. */
static inline int64_t tn_cfg_steps(const tn_cfg *cfg, int64_t images) {
    int64_t of_step = (int64_t)cfg->train.lanes * cfg->train.lane_images;
    return (images + of_step - 1) / of_step;
}

/* The units of the head's hidden layer, 0: none. model.head_units, or if that is -1: with category levels 256, and at least one for each
 * class, because fewer could not tell all classes apart independently; without them none, as the nets are published. */
int tn_cfg_head_units(const tn_cfg *cfg);

/* The number of slots of a rung: search.trials in rung 0, then search.keep times that of the rung before, rounded. */
int tn_cfg_slots(const tn_cfg *cfg, int rung);

/* Read the text of the file `copy` as if it were the job file `path`: relative paths, the run's name and messages refer to `path`. */
tn_status tn_cfg_read_copy(const char *path, const char *copy, int n_set, char **set, const char *run_dir,
                           tn_cfg **out);

/* Set a key that neither the job file nor --set has set. where, line: file and line of the value, for messages. name: may have
 * underscores for dots, "train_minutes".
 * Errors  TN_EARG no such key (suggests the nearest), or the value is not accepted. */
tn_status tn_cfg_default(tn_cfg *cfg, const char *group, const char *name, const char *value, const char *where,
                         int line);

/* The canonical text of the settings that a stage depends on: lines "group.key = value" in the order of the table, with effective
 * values and paths as given. Settings that cannot change results (loader threads, checkpoint interval) are left out. The caller
 * frees it; NULL: no memory. */
char *tn_cfg_canonical(const tn_cfg *cfg, tn_keys_of stage);

/* Print all settings, including defaults (marked as such), as a valid job file with help as comments. */
void tn_cfg_print(const tn_cfg *cfg, FILE *out);

/* Print the reference of all keys as markdown. docs/job-file.md is this text; a test compares them. */
void tn_cfg_print_reference(FILE *out);

#endif
