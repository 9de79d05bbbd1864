/* train_priv.h - the state of a cell in training; shared by train.c, train_feed.c, train_state.c, train_ckpt.c, train_evaluation.c. */
#ifndef TN_TRAIN_TRAIN_PRIV_H
#define TN_TRAIN_TRAIN_PRIV_H

#include "base/progress.h"
#include "data/fold.h"
#include "data/loader.h"
#include "data/overlay.h"
#include "model/ckpt.h"
#include "net/optim.h"
#include "net/sync.h"
#include "score/metric.h"
#include "train/class_loss.h"
#include "train/eval.h"
#include "train/sampler.h"
#include "train/train.h"

/* The state that changes during training, without the vectors; a checkpoint stores it. */
typedef struct {
    int64_t step, images_seen;
    int evaluations_done;           /* evaluations so far                                      */
    int best_evaluation;            /* index of the kept evaluation (train.h); -1 before the first */
    tn_score best;                  /* its validation score                                    */
    char best_digest[TN_HEX_BYTES]; /* of best.safetensors and posteriors.h5 together          */
    double loss_sum;                /* sum over the steps since the last evaluation            */
    double small_sq,
        big_sq;         /* sums over these steps: squared gradient length of a lane (mean), and of the step (noise.h) */
    int64_t loss_steps; /* number of these steps */
    int64_t exposure[TN_MAX_CLASSES]; /* images seen by class; other images had no label */
    int64_t journal_bytes;
    double seconds; /* training time over all starts; never part of a digest */
} tn_train_clock;

enum { TN_TRAIN_INPUTS_BYTES = 256 };
#define TN_CHECKPOINT_NAME "checkpoint.safetensors" /* in the cell's folder until it is done */

/* The rows that evaluations predict. ALL: all labelled rows, for the filter. SLICE: only the validation slice, and no
 * posteriors.h5, if no filter follows. OWN: slice and own fold, for the final comparison of a search (search/rung_judge.c). A cell
 * that was evaluated on more rows than needed counts as done. */
typedef enum { TN_EVALUATED_ALL, TN_EVALUATED_OWN, TN_EVALUATED_SLICE } tn_evaluated;

/* Paths. The cell's folder, and files in it. */
typedef struct {
    char folder[TN_PATH_BYTES], checkpoint[TN_PATH_BYTES], best[TN_PATH_BYTES], posteriors[TN_PATH_BYTES],
        journal[TN_PATH_BYTES], heartbeat[TN_PATH_BYTES];
} tn_train_files;

/* The rows that the cell trains on and predicts, and what it knows of them. Host memory. */
typedef struct {
    tn_evaluated kind;      /* named in the inputs, too */
    int64_t n_evaluated;    /* number of rows that evaluations predict */
    int64_t *evaluated;     /* (n_evaluated): these rows, ascending */
    uint8_t *is_validation; /* (N) is the row in the validation slice? */
    int64_t n_validation;   /* rows in the validation slice; all of them are evaluated */
    float *top;             /* (n_validation): the class predicted by the highest-scoring evaluation; whole numbers */
    int32_t *label;         /* (N) label to train with; -1 = none */
    tn_soft soft;           /* targets of rows that the filter mixed */
    int64_t by_class[TN_MAX_CLASSES]; /* rows to train on, by this label */
    int64_t n_unlabeled;
    float *z, *p; /* n_evaluated rows (score/prow.h): prediction ensemble, latest posteriors */
} tn_train_rows;

/* Weights, moments, averages, and the lanes' gradients. Device memory. */
typedef struct {
    int64_t n_params, n_state;
    float *params, *state, *m, *v, *ema_params, *ema_state; /* v: NULL without AdamW */
    float **lane; /* (lanes of this rank), in host memory: vectors of n_lane floats */
    /* A lane's vector: batch moments, then gradients from the first layer to the last, because tn_lane_sum sends from the end, and
     * gradients of the last layer are final first. */
    int64_t grads_at, n_lane;
    double *square; /* (lanes of this rank): squared length of the lane's gradient; after them in the same memory: */
    float *loss;    /* (lanes of this rank, B): losses of the samples */
    tn_lane_sum *sum;
} tn_train_vectors;

/* Numbers of a lane whose sums over all lanes every rank gets in every step. Host memory. */
enum { TN_LANE_LOSS, TN_LANE_SQUARE, TN_LANE_STOP, TN_LANE_SAVE, TN_LANE_FAILED, TN_LANE_NUMBERS };
typedef struct {
    float **lane; /* (lanes of this rank) x TN_LANE_NUMBERS */
    float *memory;
    int64_t n_computed;
    float *computed; /* (n_computed): a copy of tn_train_vectors.square and loss */
    tn_lane_sum *sum;
} tn_train_numbers;

typedef struct tn_train {
    const tn_cfg *cfg;
    const tn_index *index;
    const tn_shards *shards;
    tn_cell cell;
    const tn_train_how *how;
    char name[TN_CELL_NAME_BYTES];
    tn_train_files files;
    char *settings, inputs[TN_TRAIN_INPUTS_BYTES]; /* identity (store/done.h); inputs as rank 0 sees them */

    tn_ckpt_model model;
    tn_ckpt *pretrained; /* only while opening, if the job file names one */
    tn_net *net;
    tn_dev *dev;
    tn_isa isa;
    tn_exec *exec;
    tn_exec *teacher; /* evaluates the averaged weights in training; NULL without consistency loss */
    float
        *teacher_p; /* (2,B,K): the teacher's probabilities of the lane's images; the same, mixed as the labels were */

    int L, B; /* lanes per step, images per lane */
    int64_t n_steps;
    tn_lanes mine; /* the lanes of this rank */
    tn_train_vectors vec;
    tn_train_numbers numbers;

    tn_train_rows rows;
    tn_sampler *sampler;
    tn_class_loss class_loss;
    tn_loader_spec train_spec, eval_spec;

    tn_train_clock clock;
    double checkpoint_at_s; /* when the latest checkpoint was begun, tn_now_s */
    FILE *journal;          /* rank 0 */
} tn_train;

/* The lanes of this rank in the order of training, from one start to its end. */
typedef struct {
    tn_loader *loader;
    int64_t *rows;  /* (B) */
    int64_t pushed; /* lanes of this rank pushed since the first step of this start */
    int64_t first_step;
    tn_lane next; /* popped ahead, and on its way to the device */
    tn_status next_st;
    char next_msg[TN_MSG_BYTES];
    bool has_next;
} tn_feed;

/* train_feed.c. Local. Errors of begin: those of tn_loader_new; of take: those of the lane's images. */
tn_status tn_feed_begin(tn_train *t, tn_feed *f);
void tn_feed_end(tn_train *t, tn_feed *f);
tn_status tn_feed_take(tn_train *t, tn_feed *f, tn_lane *out); /* valid until the next take or stage */
/* If the next lane is loaded, begin to send its images to the device. Call it when the device no longer reads the lane taken last. Does
 * nothing for a device in host memory. */
void tn_feed_stage(tn_train *t, tn_feed *f);

/* train.c: which rows are evaluated, as the inputs of a cell or checkpoint say in their line "judged ...". front_out: bytes before
 * that line. */
tn_evaluated tn_train_judged_of(const char *inputs, size_t *front_out);

/* train_state.c */
tn_status tn_train_open(tn_run *run, tn_train *t, bool allow_other_bits);
void tn_train_close(tn_train *t);

/* train_ckpt.c */
tn_status tn_train_checkpoint(tn_run *run, tn_train *t); /* collective: rank 0 publishes */
/* Fill t, whose vectors are allocated, from a checkpoint. resumed_out false: it belongs to other inputs and is ignored. Local.
 * Errors  TN_EARG it was made with other settings, instruction set or library; TN_EFORMAT damaged, or of an old version. */
tn_status tn_train_resume(tn_train *t, const tn_ckpt *ck, bool allow_other_bits, bool *resumed_out);

/* train_evaluation.c: one evaluation: posteriors, temporal ensemble z, validation score, kept model, journal, checkpoint.
 * Collective.
 * Errors  TN_EUNFINISHED stopped during the evaluation: nothing has changed, and the evaluation will be repeated. */
tn_status tn_train_evaluate(tn_run *run, tn_train *t);
/* Compute the digest of the kept model's files as they are now, to compare it with best_digest. Overwrites p. Local, rank 0. */
tn_status tn_train_best_digest(tn_train *t, char hex_out[TN_HEX_BYTES]);
/* The step after which evaluation j takes place. */
int64_t tn_train_point_step(const tn_train *t, int j);

#endif
