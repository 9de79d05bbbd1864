/*
 * batch.h - loader threads: rows in, normalised float lanes out, in order.   layer: data, uses: base, shard, augment
 *
 *   tn_loader_push(ld, rows, B, position);      // up to `depth` lanes ahead, main thread
 *   TN_TRY(tn_loader_pop(ld, &lane));           // oldest pushed lane; valid until the next pop
 *
 * Threads pread, check, decode (libjpeg-turbo) and fit single images; the last one of a lane applies CutMix.
 * Which thread did what never changes a bit. A decode or checksum failure is the status of that lane's pop.
 */
#ifndef TN_DATA_BATCH_H
#define TN_DATA_BATCH_H

#include "data/augment.h"
#include "data/index.h"
#include "data/shard.h"
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
    const int32_t *label;   /* (N) to train with, -1 = none; NULL = the index's */
    bool keep_clean;        /* also give the lane as it was before CutMix */
    int metadata_levels;    /* leading levels joined as one-hots; M = sum of their n_values */
    tn_input_norm norm;
    const tn_image_view *view; /* evaluation only; NULL: the centre square */
} tn_loader_spec;

typedef struct {
    int B;                                  /* rows in it: <= lane_images */
    const int64_t *row;                     /* (B) */
    const float *image;                     /* (B,S,S,3) */
    const float *extra;                     /* (B,M) category one-hots, NULL when M = 0 */
    const float *target;                    /* (B,K); rows without label: zeros */
    const float *clean_image, *clean_extra; /* before CutMix; NULL without keep_clean */
    tn_mix mix;                             /* what CutMix mixed */
} tn_lane;

typedef struct tn_loader tn_loader;
tn_status tn_loader_new(const tn_loader_spec *spec, tn_loader **out);
void tn_loader_free(tn_loader **ld); /* joins the threads; pending lanes are dropped */
/* rows (B) copied; sample i of the lane stands at stream position + i. Asserts that fewer than depth - 1 are
 * pending. */
void tn_loader_push(tn_loader *ld, const int64_t *rows, int B, int64_t position);
tn_status tn_loader_pop(tn_loader *ld, tn_lane *out);
int tn_loader_pending(const tn_loader *ld);
double tn_loader_waited_s(const tn_loader *ld);              /* total time pop blocked */
int tn_extra_units(const tn_index *ix, int metadata_levels); /* M */
/* Has the data set the model.metadata_levels that the head is to join? Errors TN_EARG both numbers. */
tn_status tn_levels_check(const tn_cfg *cfg, const tn_index *ix);

#endif
