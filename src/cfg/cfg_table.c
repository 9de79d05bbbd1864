/* cfg_table.c - every key of the job file, in the order of its printing. */
#include "cfg/cfg_priv.h"

#define AT(field) offsetof(tn_cfg, field)
#define PRE       TN_KEYS_PREPROCESS
#define TRAIN     TN_KEYS_TRAIN
#define SEARCH    TN_KEYS_SEARCH
#define FOLDS     (TN_KEYS_FOLDS | TN_KEYS_TRAIN)

static const char *const STORE[] = {"jpeg", "original", "raw", NULL};
static const char *const VALIDATION[] = {"slice", "held_out", NULL};
static const char *const OPTIMIZER[] = {"sgd", "adamw", NULL};
static const char *const SCHEDULE[] = {"constant", "cosine", "step", NULL};
static const char *const VIEW[] = {"own", "shared", NULL};
static const char *const SELF_METHOD[] = {"self", "confident", "disagreement", NULL};
static const char *const PRUNE[] = {"noise_rate", "both", NULL};
static const char *const DROPPED[] = {"drop", "unlabeled", "relabel", NULL};
static const char *const CONSISTENCY[] = {"mse", "kl", NULL};
static const char *const METHOD[] = {"mean", "gmean", "greedy", NULL};
static const char *const SAMPLING[] = {"sobol", "random", NULL};
#define WORD(KIND, name) #name,
static const char *const DEVICE[] = {TN_DEVICES(WORD) NULL};
static const char *const PRECISION[] = {"fp32", "bf16", NULL};
const char *const tn_sampler_words[] = {"natural", "balanced_down", "balanced_up", "n_per_class", "square_root", NULL};
const char *const tn_isa_words[] = {"plain", "avx2", "avx512", "avx512_bf16", "best", NULL};
const char *const tn_augment_words[] = {"random_resized_crop", "horizontal_flip", "cutmix", NULL};

/* clang-format off */
/* Resources of a stage: `slurm: { train: { partition = "gpu"; minutes = 600; }; };` */
#define STAGE(stage, of, limit)                                                                                        \
    {"slurm", #stage ".partition", KEY_TEXT, AT(slurm.stage.partition), 0, "\"\"", 0, 0, 0, NULL, 0,                   \
     "partition " of "; empty: slurm.partition"},                                                                      \
    {"slurm", #stage ".minutes", KEY_INT, AT(slurm.stage.minutes), 0, "0", 0, 1e6, 0, NULL, 0,                         \
     limit "; 0: the partition's default"},                                                                            \
    {"slurm", #stage ".memory_gib", KEY_INT, AT(slurm.stage.memory_gib), 0, "0", -1, 1e6, 0, NULL, 0,                  \
     "memory on each node in GiB; 0: slurm.memory_gib; -1: no request"},                                        \
    {"slurm", #stage ".options", KEY_OPTIONS, AT(slurm.stage.options), AT(slurm.stage.options.n), "[ ]", 0, 0, TN_MAX_OPTIONS, NULL, 0,        \
     "sbatch options " of ", added after slurm.options; of two equal ones sbatch takes the last"}
const tn_key tn_keys[] = {
    {"data", "metadata", KEY_PATH, AT(data.metadata), AT(data.metadata_given), NULL, 0, 0, 0, NULL, PRE,
     "table of the images: path[,label][,cat1..cat4][,group][,split]; relative to the job file"},
    {"data", "images", KEY_PATH, AT(data.images), AT(data.images_given), "\"\"", 0, 0, 0, NULL, PRE,
     "folder that the paths in the table start from; empty: the table's folder"},
    {"data", "classes", KEY_TEXTS, AT(data.classes), AT(data.n_classes), NULL, 0, 0, TN_MAX_CLASSES, NULL, PRE | FOLDS,
     "names of the classes, in the order of all outputs"},
    {"data", "truth_column", KEY_TEXT, AT(data.truth_column), 0, "\"\"", 0, 0, 0, NULL, PRE,
     "column with true labels, used only for scoring; empty: none"},
    {"data", "max_bad_fraction", KEY_DOUBLE, AT(data.max_bad_fraction), 0, "0.01", 0, 1, 0, NULL, 0,
     "share of images that cannot be decoded above which preprocess fails"},
    {"data", "stage_folder", KEY_PATH, AT(data.stage_folder), AT(data.stage_folder_given), "\"\"", 0, 0, 0, NULL, 0,
     "folder on a local disk of each node; train and predict copy the shards there while they work; empty: none"},

    {"preprocess", "size_px", KEY_INT, AT(preprocess.size_px), 0, "256", 16, 4096, 0, NULL, PRE,
     "short side of the stored images in pixels; larger ones are scaled down, never up"},
    {"preprocess", "store", KEY_WORD, AT(preprocess.store), 0, "\"jpeg\"", 0, 0, 0, STORE, PRE,
     "what is stored: jpeg: encoded anew; original: the file's own bytes where possible; raw: pixels"},
    {"preprocess", "jpeg_quality", KEY_INT, AT(preprocess.jpeg_quality), 0, "92", 1, 100, 0, NULL, PRE,
     "quality of the JPEG that is encoded anew (4:4:4)"},
    {"preprocess", "background", KEY_INTS, AT(preprocess.background), 0, "[ 255, 255, 255 ]", 0, 255, 3, NULL, PRE,
     "sRGB colour behind transparent pixels"},
    {"preprocess", "max_pixels", KEY_I64, AT(preprocess.max_pixels), 0, "268435456", 1, 1e12, 0, NULL, PRE,
     "an image whose header claims more pixels is quarantined"},
    {"preprocess", "shard_rows", KEY_INT, AT(preprocess.shard_rows), 0, "4096", 1, 1e6, 0, NULL, PRE,
     "rows of the table per shard file"},

    {"folds", "count", KEY_INT, AT(folds.count), 0, "10", 3, TN_MAX_FOLDS, 0, NULL, FOLDS | TN_KEYS_REDUCE,
     "number of folds F: F models per size, seed and round"},
    {"folds", "seed", KEY_I64, AT(folds.seed), 0, "1", 0, 9e15, 0, NULL, FOLDS,
     "seed of the fold map and of the validation slices"},
    {"folds", "duplicate_bits", KEY_INT, AT(folds.duplicate_bits), 0, "0", 0, 8, 0, NULL, FOLDS,
     "images whose 64-bit perceptual hashes differ in at most this many bits stay in one fold"},
    {"folds", "validation_share", KEY_DOUBLE, AT(folds.validation_share), 0, "0.1", 0.01, 0.5, 0, NULL, TRAIN,
     "share of a model's training folds that it does not train on: this validation slice decides which evaluation is kept"},
    {"folds", "validation", KEY_WORD, AT(folds.validation), 0, "\"slice\"", 0, 0, 0, VALIDATION, TRAIN,
     "rows that decide: the validation slice, or the held-out fold itself, whose score is then optimistic"},

    {"model", "net", KEY_TEXT, AT(model.net), 0, "\"efficientnet-b0\"", 0, 0, 0, NULL, TRAIN,
     "efficientnet-b0 to -b7, efficientnet-lite0 to -lite4"},
    {"model", "width", KEY_DOUBLE, AT(model.width), 0, "0", 0, 10, 0, NULL, TRAIN,
     "width multiplier; 0: the net's own"},
    {"model", "depth", KEY_DOUBLE, AT(model.depth), 0, "0", 0, 10, 0, NULL, TRAIN,
     "depth multiplier; 0: the net's own"},
    {"model", "stem_stride", KEY_INT, AT(model.stem_stride), 0, "2", 1, 2, 0, NULL, TRAIN,
     "stride of the first convolution; 1 keeps more of small images"},
    {"model", "metadata_levels", KEY_INT, AT(model.metadata_levels), 0, "0", 0, TN_MAX_LEVELS, 0, NULL, TRAIN,
     "how many of cat1..cat4 are inputs of the head, as one-hot values"},
    {"model", "head_units", KEY_INT, AT(model.head_units), 0, "0", 0, 65536, 0, NULL, TRAIN,
     "units of a hidden layer in the head; 0: no such layer"},
    {"model", "dropout", KEY_DOUBLE, AT(model.dropout), 0, "-1", -1, 0.95, 0, NULL, TRAIN,
     "dropout before the last layer; -1: the net's own"},
    {"model", "drop_connect", KEY_DOUBLE, AT(model.drop_connect), 0, "0.2", 0, 0.95, 0, NULL, TRAIN,
     "stochastic depth: rate of the last block, falling linearly to 0 at the first"},
    {"model", "pretrained", KEY_PATH, AT(model.pretrained), AT(model.pretrained_given), "\"\"", 0, 0, 0, NULL, TRAIN,
     "weights to start from, written by `tenfold weights import`; the head starts anew; empty: none"},

    {"train", "images", KEY_I64, AT(train.images), 0, NULL, 1, 1e12, 0, NULL, TRAIN,
     "training length of each model in images seen, rounded up to whole steps"},
    {"train", "sizes_px", KEY_INTS, AT(train.sizes_px), AT(train.n_sizes), "[ 224 ]", 8, 4096, TN_MAX_SIZES, NULL, 0,
     "input sizes in pixels: one model per fold for each"},
    {"train", "seeds", KEY_I64S, AT(train.seeds), AT(train.n_seeds), "[ 1 ]", 0, 9e15, TN_MAX_SIZES, NULL, 0,
     "seeds of weights, sampling and augmentation: one model per fold for each"},
    {"train", "device", KEY_WORD, AT(train.device), 0, "\"cpu\"", 0, 0, 0, DEVICE, TRAIN,
     "cpu: own kernels; ref: plain C, slow, the reference of the tests; cuda: NVIDIA GPUs, see docs/gpu.md"},
    {"train", "precision", KEY_WORD, AT(train.precision), 0, "\"fp32\"", 0, 0, 0, PRECISION, TRAIN,
     "type of stored activations and of products; weights, statistics and sums are at least fp32 either way"},
    {"train", "isa", KEY_WORD, AT(train.isa), 0, "\"best\"", 0, 0, 0, tn_isa_words, TRAIN,
     "instruction set of train and predict; best: the highest that all ranks have when a cell begins, which the cell then keeps; a named one gives the same bits on all nodes that have it"},
    {"train", "lanes", KEY_INT, AT(train.lanes), 0, "2", 1, 4096, 0, NULL, TRAIN,
     "micro-batches per optimiser step, distributed over MPI ranks; a power of two"},
    {"train", "lane_images", KEY_INT, AT(train.lane_images), 0, "16", 1, 4096, 0, NULL, TRAIN,
     "images per micro-batch, which is one batch-norm group; a step has lanes x lane_images"},
    {"train", "lane_threads", KEY_INT, AT(train.lane_threads), 0, "1", 1, 1024, 0, NULL, TRAIN,
     "threads that compute one micro-batch"},
    {"train", "loader_threads", KEY_INT, AT(train.loader_threads), 0, "1", 1, 256, 0, NULL, 0,
     "threads per rank that decode and augment images in advance"},
    {"train", "sampler", KEY_WORD, AT(train.sampler), 0, "\"natural\"", 0, 0, 0, tn_sampler_words, TRAIN,
     "rows of an epoch: natural: every row once; balanced_down, balanced_up: of each class as many as the rarest, or the largest, class has; n_per_class: of each class rows_per_class; square_root: shares in proportion to the square root of the class size"},
    {"train", "rows_per_class", KEY_I64, AT(train.rows_per_class), 0, "0", 0, 1e7, 0, NULL, TRAIN,
     "for sampler = n_per_class: rows of each class in an epoch; rows of smaller classes come several times"},
    {"train", "augment", KEY_AUGMENT, AT(train.augment), AT(train.n_augment), "( )", 0, 0, TN_MAX_AUGMENT, NULL, TRAIN,
     "list of { op, probability, ... }: random_resized_crop, horizontal_flip, cutmix"},
    {"train", "label_smoothing", KEY_DOUBLE, AT(train.label_smoothing), 0, "0.1", 0, 0.9, 0, NULL, TRAIN,
     "share of the target that is spread evenly over all classes"},
    {"train", "class_weight", KEY_DOUBLE, AT(train.class_weight), 0, "0", 0, 2, 0, NULL, TRAIN,
     "weight of a class in the loss: its share of an epoch's labelled images to the power of minus this, scaled to a mean of 1; 0: none; 1: all classes weigh the same"},
    {"train", "logit_adjustment", KEY_DOUBLE, AT(train.logit_adjustment), 0, "0", 0, 4, 0, NULL, TRAIN,
     "tau: the loss adds tau log(that share) to the logit of each class, so that predictions, where it is not added, name rare classes more often; 0: none"},
    {"train", "optimizer", KEY_WORD, AT(train.optimizer), 0, "\"adamw\"", 0, 0, 0, OPTIMIZER, TRAIN,
     "sgd: with Nesterov momentum"},
    {"train", "learning_rate", KEY_DOUBLE, AT(train.learning_rate), 0, "0.001", 1e-12, 100, 0, NULL, TRAIN,
     "peak learning rate"},
    {"train", "head_learning_rate", KEY_DOUBLE, AT(train.head_learning_rate), 0, "0", 0, 100, 0, NULL, TRAIN,
     "peak learning rate of the head, which starts anew where the rest is pretrained; 0: learning_rate"},
    {"train", "layer_decay", KEY_DOUBLE, AT(train.layer_decay), 0, "1", 0.01, 1, 0, NULL, TRAIN,
     "the learning rate of each stage of the net is so many times that of the stage behind it; the last stage's is layer_decay x learning_rate; 1: all the same"},
    {"train", "freeze_stages", KEY_INT, AT(train.freeze_stages), 0, "0", 0, TN_MAX_STAGES, 0, NULL, TRAIN,
     "the first stages of the net, which stay as they are for freeze_images: the stem, 7 groups of blocks, the last convolution; 9: all but the head"},
    {"train", "freeze_images", KEY_I64, AT(train.freeze_images), 0, "0", 0, 1e12, 0, NULL, TRAIN,
     "images during which freeze_stages are frozen, rounded up to whole steps"},
    {"train", "momentum", KEY_DOUBLE, AT(train.momentum), 0, "0.9", 0, 0.9999, 0, NULL, TRAIN,
     "momentum of sgd; beta1 of adamw"},
    {"train", "weight_decay", KEY_DOUBLE, AT(train.weight_decay), 0, "0.01", 0, 10, 0, NULL, TRAIN,
     "weight decay of convolution and dense weights"},
    {"train", "schedule", KEY_WORD, AT(train.schedule), 0, "\"cosine\"", 0, 0, 0, SCHEDULE, TRAIN,
     "course of the learning rate after the warm-up: constant; cosine: falls to 0 along half a cosine, once or, with restarts, in each cycle; step: is multiplied by step_factor every step_images"},
    {"train", "warmup_images", KEY_I64, AT(train.warmup_images), 0, "0", 0, 1e12, 0, NULL, TRAIN,
     "images over which the learning rate rises from 0"},
    {"train", "restarts", KEY_INT, AT(train.restarts), 0, "0", 0, 100, 0, NULL, TRAIN,
     "for cosine: how often the rate jumps back to its peak; the last cycle ends with the training"},
    {"train", "restart_growth", KEY_DOUBLE, AT(train.restart_growth), 0, "1", 1, 10, 0, NULL, TRAIN,
     "for cosine with restarts: each cycle is so many times as long as the one before"},
    {"train", "step_images", KEY_I64, AT(train.step_images), 0, "0", 0, 1e12, 0, NULL, TRAIN,
     "for step: images from one fall of the rate to the next, counted from the end of the warm-up"},
    {"train", "step_factor", KEY_DOUBLE, AT(train.step_factor), 0, "0.1", 1e-6, 1, 0, NULL, TRAIN,
     "for step: the rate is multiplied by it at each fall"},
    {"train", "clip_norm", KEY_DOUBLE, AT(train.clip_norm), 0, "0", 0, 1e9, 0, NULL, TRAIN,
     "largest norm of the gradient; 0: no limit"},
    {"train", "ema_decay", KEY_DOUBLE, AT(train.ema_decay), 0, "0.99", 0, 0.999999, 0, NULL, TRAIN,
     "decay per step of the averaged weights, which are evaluated and kept; 0: no averaging"},
    {"train", "evaluations", KEY_INT, AT(train.evaluations), 0, "5", 1, 10000, 0, NULL, TRAIN,
     "number of evaluations, evenly spaced over the training length"},
    {"train", "checkpoint_seconds", KEY_DOUBLE, AT(train.checkpoint_seconds), 0, "600", 0, 1e6, 0, NULL, 0,
     "seconds between checkpoints: a killed job loses at most the work since the last one; 0: only at evaluations"},
    {"train", "hang_seconds", KEY_DOUBLE, AT(train.hang_seconds), 0, "1800", 0, 1e6, 0, NULL, 0,
     "in every stage: a process ends with exit code 6 if no rank of its host has made progress for this long; 0: never"},

    {"self", "max_rounds", KEY_INT, AT(self.max_rounds), 0, "1", 0, 20, 0, NULL, 0,
     "how often labels are filtered and all models trained again; 0: never"},
    {"self", "method", KEY_WORD, AT(self.method), 0, "\"self\"", 0, 0, 0, SELF_METHOD, TN_KEYS_FILTER,
     "self: flags labels that contradict predictions averaged over evaluations; confident (confident learning) and disagreement (another class is predicted) use out-of-fold predictions"},
    {"self", "prune", KEY_WORD, AT(self.prune), 0, "\"noise_rate\"", 0, 0, 0, PRUNE, TN_KEYS_FILTER,
     "for confident: prune by noise rate, or only the rows that pruning by class removes as well"},
    {"self", "view", KEY_WORD, AT(self.view), 0, "\"own\"", 0, 0, 0, VIEW, TN_KEYS_FILTER,
     "own: each model filters its own training rows. shared: averaged predictions filter all rows; later scores are not independent"},
    {"self", "folds", KEY_INTS, AT(self.folds), AT(self.n_folds), "[ ]", 0, TN_MAX_FOLDS - 1, TN_MAX_FOLDS, NULL,
     TN_KEYS_FILTER, "for the shared view: folds whose models' predictions are averaged; empty: all"},
    {"self", "alpha", KEY_DOUBLE, AT(self.alpha), 0, "0.9", 0, 0.9999, 0, NULL, TRAIN | TN_KEYS_FILTER,
     "averages predictions p over evaluations: z = alpha z + (1 - alpha) p"},
    {"self", "class_floor", KEY_DOUBLE, AT(self.class_floor), 0, "0.5", 0, 1, 0, NULL, TN_KEYS_FILTER,
     "at least this share of the rows of each class is kept"},
    {"self", "category_floor", KEY_DOUBLE, AT(self.category_floor), 0, "0", 0, 1, 0, NULL, TN_KEYS_FILTER,
     "at least this share of the rows of each value of cat1 is kept"},
    {"self", "dropped", KEY_WORD, AT(self.dropped), 0, "\"drop\"", 0, 0, 0, DROPPED, TN_KEYS_FILTER,
     "a suspicious row is: left out of training; kept without its label; or kept with the suggested label"},
    {"self", "relabel_margin", KEY_DOUBLE, AT(self.relabel_margin), 0, "0.5", 0, 1, 0, NULL, TN_KEYS_FILTER,
     "for relabel: the suggested label is taken above this margin; other suspicious rows are dropped"},
    {"self", "consistency", KEY_WORD, AT(self.consistency), 0, "\"mse\"", 0, 0, 0, CONSISTENCY, TRAIN,
     "distance between the model and its averaged weights (the teacher): mean square of probabilities, or Kullback-Leibler divergence"},
    {"self", "consistency_weight", KEY_DOUBLE, AT(self.consistency_weight), 0, "0", 0, 1e6, 0, NULL, TRAIN,
     "weight of this distance in the loss, over all rows, in every round; 0: no teacher"},
    {"self", "rampup_images", KEY_I64, AT(self.rampup_images), 0, "0", 0, 1e12, 0, NULL, TRAIN,
     "images over which this weight rises, by the factor exp(-5 (1 - images / rampup_images)^2); 0: at once"},

    {"predict", "views", KEY_TEXTS, AT(predict.views), AT(predict.n_views), "[ \"identity\" ]", 0, 0, TN_MAX_VIEWS, NULL,
     TN_KEYS_PREDICT,
     "views of each image, whose predictions are averaged: identity (the centre square), horizontal_flip, center_crop_<percent>, five_crop_<percent>"},

    {"reduce", "method", KEY_WORD, AT(reduce.method), 0, "\"mean\"", 0, 0, 0, METHOD, TN_KEYS_REDUCE,
     "how predictions are combined: arithmetic or geometric mean of a round's models; greedy: models of all rounds, selected for the score"},
    {"reduce", "offsets", KEY_BOOL, AT(reduce.offsets), 0, "false", 0, 0, 0, NULL, TN_KEYS_REDUCE,
     "add an offset to each class's log probability, chosen for the highest geometric-mean F1 on out-of-fold rows"},
    {"reduce", "category_prior", KEY_INT, AT(reduce.category_prior), 0, "0", 0, TN_MAX_LEVELS, 0, NULL, TN_KEYS_REDUCE,
     "multiply each class's probability by how much more frequent it is at the row's value of cat1..cat4 (1 to 4); 0: do not"},
    {"reduce", "prior_count", KEY_DOUBLE, AT(reduce.prior_count), 0, "10", 0.001, 1e9, 0, NULL, TN_KEYS_REDUCE,
     "rows with the class shares of the whole table that are added to each value of the category; fewer: rare values are trusted more"},
    {"reduce", "tune_rows", KEY_I64, AT(reduce.tune_rows), 0, "100000", 100, 1e9, 0, NULL, TN_KEYS_REDUCE,
     "about how many out-of-fold rows greedy and offsets are tuned on; rare classes with all of their rows, weighted"},
    {"reduce", "bootstrap", KEY_INT, AT(reduce.bootstrap), 0, "1000", 0, 100000, 0, NULL, TN_KEYS_REDUCE,
     "resamples (by group) for the 95 % intervals of scores; 0: no intervals"},

    {"search", "trials", KEY_INT, AT(search.trials), 0, "16", 2, 10000, 0, NULL, SEARCH,
     "number of trials in the first rung; the first trial is the job file as it stands"},
    {"search", "sampling", KEY_WORD, AT(search.sampling), 0, "\"sobol\"", 0, 0, 0, SAMPLING, SEARCH,
     "how values are drawn: a Sobol sequence, shifted at random, or independently"},
    {"search", "seed", KEY_I64, AT(search.seed), 0, "1", 0, 9e15, 0, NULL, SEARCH,
     "seed of the values drawn"},
    {"search", "folds", KEY_INTS, AT(search.folds), AT(search.n_folds), "[ 0 ]", 0, TN_MAX_FOLDS - 1, TN_MAX_FOLDS, NULL, SEARCH,
     "folds that each trial trains models for; trials are ranked by their scores on the validation slices"},
    {"search", "rungs", KEY_I64S, AT(search.rungs), AT(search.n_rungs), "[ ]", 1, 1e12, TN_MAX_RUNGS, NULL, SEARCH,
     "training lengths in images seen, ascending: all trials train for the first, the best of them for the next"},
    {"search", "keep", KEY_DOUBLE, AT(search.keep), 0, "0.333", 0.01, 0.99, 0, NULL, SEARCH,
     "share of a rung's trials that goes on to the next"},
    {"search", "judge_folds", KEY_INTS, AT(search.judge_folds), AT(search.n_judge_folds), "[ ]", 0, TN_MAX_FOLDS - 1, TN_MAX_FOLDS,
     NULL, 0, "folds on which the best trial is compared with the job file as it stands; empty: all but search.folds"},
    {"search", "space", KEY_SPACE, AT(search.space), AT(search.n_space), "( )", 0, 0, TN_MAX_SPACE, NULL, SEARCH,
     "keys to search, and their values; empty: no search"},

    {"slurm", "partition", KEY_TEXT, AT(slurm.partition), 0, "\"\"", 0, 0, 0, NULL, 0,
     "partition of the jobs; empty: Slurm's default"},
    {"slurm", "account", KEY_TEXT, AT(slurm.account), 0, "\"\"", 0, 0, 0, NULL, 0,
     "account that pays; empty: Slurm's default"},
    {"slurm", "qos", KEY_TEXT, AT(slurm.qos), 0, "\"\"", 0, 0, 0, NULL, 0,
     "quality of service; empty: Slurm's default"},
    {"slurm", "nodes", KEY_INTS, AT(slurm.nodes), 0, "[ 1, 1 ]", 1, 4096, 2, NULL, 0,
     "fewest and most nodes of a cell (one model); a cell that is queued again may get fewer"},
    {"slurm", "size_nodes", KEY_INTS, AT(slurm.size_nodes), AT(slurm.n_size_nodes), "[ ]", 1, 4096, TN_MAX_SIZES, NULL, 0,
     "most nodes of a cell for each of train.sizes_px, smallest size first; each size is then an array of its own; empty: slurm.nodes"},
    {"slurm", "ranks_per_node", KEY_INT, AT(slurm.ranks_per_node), 0, "1", 1, 1024, 0, NULL, 0,
     "ranks on each node; all nodes together have at most train.lanes"},
    {"slurm", "cpus_per_rank", KEY_INT, AT(slurm.cpus_per_rank), 0, "0", 0, 1024, 0, NULL, 0,
     "CPUs for each rank; 0: train.lane_threads (on a GPU 1) + train.loader_threads"},
    {"slurm", "gpus_per_node", KEY_INT, AT(slurm.gpus_per_node), 0, "0", 0, 64, 0, NULL, 0,
     "GPUs to ask for on each node that trains or predicts: as many as ranks, with train.device = \"cuda\""},
    {"slurm", "memory_gib", KEY_INT, AT(slurm.memory_gib), 0, "0", -1, 1e6, 0, NULL, 0,
     "memory on each node in GiB; 0: what `tenfold check` predicts, and a quarter more; -1: no request"},
    {"slurm", "options", KEY_OPTIONS, AT(slurm.options), AT(slurm.options.n), "[ ]", 0, 0, TN_MAX_OPTIONS, NULL, 0,
     "further options for sbatch, such as --constraint=epyc or --exclusive; options that tenfold sets itself are refused"},
    STAGE(preprocess, "of preprocess", "time limit in minutes"),
    STAGE(train, "of train, predict and filter, which share a task, and of a search", "time limit in minutes of one start of a cell; the next start goes on"),
    {"slurm", "predict.minutes", KEY_INT, AT(slurm.predict_minutes), 0, "0", 0, 1e6, 0, NULL, 0,
     "minutes that are added to train.minutes, since a task also predicts with the cell that it trained"},
    STAGE(reduce, "of reduce and report", "time limit in minutes"),
    {"slurm", "max_running", KEY_INT, AT(slurm.max_running), 0, "0", 0, 1e6, 0, NULL, 0,
     "how many cells of an array run at a time; 0: no limit"},
    {"slurm", "max_jobs", KEY_INT, AT(slurm.max_jobs), 0, "0", 0, 1e6, 0, NULL, 0,
     "most jobs and array tasks to submit; cells share a task until they fit; 0: no limit"},
    {"slurm", "allow_missing", KEY_BOOL, AT(slurm.allow_missing), 0, "false", 0, 0, 0, NULL, 0,
     "true: if folds were given up, reduce combines the others and says how many; false: it refuses"},
};
/* clang-format on */
const tn_renamed tn_renamed_keys[] = {
    {"slurm", "preprocess_minutes", "preprocess.minutes"}, {"slurm", "train_minutes", "train.minutes"},
    {"slurm", "filter_minutes", "train.minutes"},          {"slurm", "predict_minutes", "predict.minutes"},
    {"slurm", "reduce_minutes", "reduce.minutes"},         {NULL, NULL, NULL}};
const int tn_n_keys = sizeof tn_keys / sizeof *tn_keys;
_Static_assert(sizeof tn_keys / sizeof *tn_keys <= TN_MAX_KEYS, "enlarge TN_MAX_KEYS");
