/* train_priv.h - the state of a cell in training; shared by train.c, train_state.c, train_ckpt.c, train_point.c. */
#ifndef TN_LEARN_TRAIN_PRIV_H
#define TN_LEARN_TRAIN_PRIV_H

#include "base/progress.h"
#include "data/batch.h"
#include "data/fold.h"
#include "data/sampler.h"
#include "learn/ckpt.h"
#include "learn/eval.h"
#include "learn/metric.h"
#include "learn/self.h"
#include "learn/train.h"
#include "net/optim.h"
#include "net/sync.h"

/* What changes while training, and a checkpoint must hold beside the vectors. */
typedef struct {
    int64_t step, images_seen;
    int points_done;                /* evaluation points behind us                        */
    int best_point;                 /* the one that is kept (train.h); -1 before the first */
    tn_score best;                  /* validation score there                             */
    char best_digest[TN_HEX_BYTES]; /* of best.safetensors and posteriors.h5 together   */
    double loss_sum;                /* of the steps since the last point                  */
    double small_sq, big_sq; /* of theirs: squared lengths of gradients of a lane (mean), and of the step (noise.h) */
    int64_t loss_steps;
    int64_t exposure[TN_MAX_CLASSES]; /* images seen by class; the rest had no label */
    int64_t journal_bytes;
    double seconds; /* training time over all starts; never part of a digest */
} tn_train_clock;

enum { TN_TRAIN_INPUTS_BYTES = 256 };
#define TN_CHECKPOINT_NAME "checkpoint.safetensors" /* in the cell's folder until it is done */

/* The rows that evaluation points look at. All: the filter judges by them. Without a filter behind: the validation slice
 * alone, and no posteriors.h5; in a search the own fold too, on which the judgement compares (suite/rung_judge.c). Who has
 * judged more has judged enough. */
typedef enum { TN_JUDGED_ALL, TN_JUDGED_OWN, TN_JUDGED_SLICE } tn_judged;

typedef struct tn_train {
    const tn_cfg *cfg;
    const tn_index *index;
    const tn_shards *shards;
    tn_cell cell;
    const tn_train_how *how;
    char name[TN_CELL_NAME_BYTES];
    char folder[TN_PATH_BYTES], ckpt_path[TN_PATH_BYTES], best_path[TN_PATH_BYTES], posteriors_path[TN_PATH_BYTES],
        journal_path[TN_PATH_BYTES], sign_path[TN_PATH_BYTES];
    char *settings, inputs[TN_TRAIN_INPUTS_BYTES]; /* identity; inputs as rank 0 sees them */
    tn_judged rows;                                /* as the inputs say */

    tn_ckpt_model model;
    tn_ckpt *pretrained; /* while opening, when the job file names one */
    tn_net *net;
    tn_dev *dev;
    tn_exec *exec;
    tn_exec *teacher; /* evaluates the averaged weights in training; NULL without consistency loss */
    float *teacher_p; /* (2,B,K): of the lane's images, and mixed as CutMix mixed them */
    tn_isa isa;

    int L, B; /* lanes per step, images per lane */
    tn_lanes mine;
    int64_t n_params, n_state, n_steps;
    float *params, *state, *m, *v, *ema_params, *ema_state; /* device */
    float **lane;                                           /* (mine.n) x n_lane floats, see below */
    int64_t moments_at, grads_at, n_lane;
    tn_lane_sum *sum;

    tn_sampler *sampler;
    tn_loader_spec train_spec, eval_spec;
    int64_t n_judged; /* rows of tn_judged with fold >= 0, ascending: what is evaluated */
    int64_t *judged;
    uint8_t *is_validation; /* (N) */
    int64_t n_validation;   /* rows of it, all of them judged */
    float *top;             /* (n_validation): the class that the point with the highest score names; whole numbers */
    int32_t *label;         /* (N) to train with; -1 = none */
    int64_t rows_by_class[TN_MAX_CLASSES]; /* rows to train on, by that label */
    int64_t rows_unlabeled;
    float *z, *p; /* (n_judged,K): prediction ensemble, latest posteriors */

    tn_train_clock clock;
    double checkpoint_at_s; /* of this start's clock: when the latest one was begun */
    FILE *journal;          /* rank 0 */
} tn_train;

/* A lane's vector: these slots, sums that every rank learns with the gradient; batch moments; gradients. What is known
 * last comes first, as tn_lane_sum wants it. */
enum { TN_SLOT_LOSS, TN_SLOT_SQUARE, TN_SLOT_STOP, TN_SLOT_SAVE, TN_SLOT_FAILED, TN_SLOTS };

/* train.c: which rows are judged, by the lines of a cell's inputs or a checkpoint's; all before that line is in front. */
tn_judged tn_train_judged_of(const char *inputs, size_t *front_out);

/* train_state.c */
tn_status tn_train_open(tn_run *run, tn_train *t, bool allow_other_bits);
void tn_train_close(tn_train *t);

/* train_ckpt.c */
tn_status tn_train_checkpoint(tn_run *run, tn_train *t); /* collective: rank 0 publishes */
/* Fills t, whose vectors are there. resumed_out false: the checkpoint belongs to other inputs and is ignored. Local.
 * Errors  TN_EARG it was made with other settings, or began with other bits. TN_EFORMAT damaged, or an old version's. */
tn_status tn_train_resume(tn_train *t, const tn_ckpt *ck, bool allow_other_bits, bool *resumed_out);

/* train_point.c: evaluation point: posteriors, ensemble z, validation score, best model, journal, checkpoint.
 * Errors  TN_EUNFINISHED asked to stop in mid-evaluation: nothing has changed, the point is still to be done. */
tn_status tn_train_point(tn_run *run, tn_train *t);
/* The digest that best_digest should have, from the kept model's files as they are now. Overwrites p. Local, rank 0. */
tn_status tn_train_best_digest(tn_train *t, char hex_out[TN_HEX_BYTES]);
/* The step after which evaluation point j stands. */
int64_t tn_train_point_step(const tn_train *t, int j);

#endif
