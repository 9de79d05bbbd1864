/*
 * loader.h - loads lanes (micro-batches) of images ahead of their use, with threads: decoded and augmented. Local.
 *
 *   tn_loader_push(ld, rows, B, position);      // main thread; lanes are loaded in the order of pushes
 *   TN_TRY(tn_loader_pop(ld, &lane));           // main thread; the oldest lane, valid until the next pop
 *
 * Threads read, check, decode (libjpeg-turbo), crop and resize single images; the thread that finishes the last image of a lane
 * applies Mixup, or CutMix if that did not mix it. The result does not depend on the threads. A decode or checksum error is the
 * status of that lane's pop.
 */
#ifndef TN_DATA_LOADER_H
#define TN_DATA_LOADER_H

#include "augment/augment.h"
#include "data/index.h"
#include "data/shard.h"
#include "data/soft.h"
#include "data/view.h"

typedef struct {
    const tn_index *index;
    const tn_shards *shards;
    int size_px, lane_images, n_threads, depth;
    uint64_t seed;
    bool training;             /* false: centre square, no randomness, no smoothing */
    const tn_augment *augment; /* n_augment operations (training only) */
    int n_augment;
    double label_smoothing; /* training only */
    const int32_t *label;   /* (N) label to train with, -1 = none; NULL = labels of the index */
    const tn_soft *soft;    /* targets of some rows, in place of their labels; NULL: none */
    bool keep_clean;        /* also return the images before they were mixed */
    int metadata_levels;    /* number of category columns, from cat1 on, given as one-hots; M = sum of their n_values */
    tn_input_norm norm;     /* for the net that gets the bytes; the loader does not use it */
    const tn_image_view *view; /* evaluation only; NULL: the centre square */
} tn_loader_spec;

typedef struct {
    int B;                            /* number of rows, <= lane_images */
    const int64_t *row;               /* (B) */
    const unsigned char *image;       /* (B,S,S,3) */
    const float *extra;               /* (B,M) category one-hots; NULL if M = 0 */
    const float *target;              /* (B,K); rows without label: zeros */
    const unsigned char *clean_image; /* before mixing; NULL without keep_clean */
    const float *clean_extra;
    tn_mix mix; /* how the rows were mixed */
} tn_lane;

typedef struct tn_loader tn_loader;
tn_status tn_loader_new(const tn_loader_spec *spec, tn_loader **out); /* errors TN_ENOMEM, a thread cannot be started */
void tn_loader_free(tn_loader **ld);                                  /* joins the threads; pending lanes are dropped */
/* Ask for a lane: rows (B) are copied; image i has stream position `position` + i. Asserts that fewer than depth - 1 lanes are
 * pending. */
void tn_loader_push(tn_loader *ld, const int64_t *rows, int B, int64_t position);
tn_status tn_loader_pop(tn_loader *ld, tn_lane *out);
bool tn_loader_is_ready(tn_loader *ld); /* would pop return at once? */
int tn_loader_pending(const tn_loader *ld);
double tn_loader_waited_s(const tn_loader *ld);              /* total time that pop has waited */
int tn_extra_units(const tn_index *ix, int metadata_levels); /* M */
/* Check that the data set has model.metadata_levels category columns. Errors TN_EARG names both numbers. */
tn_status tn_levels_check(const tn_cfg *cfg, const tn_index *ix);

#endif
