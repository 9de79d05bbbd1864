/*
 * loader.c - a ring of slots for lanes, filled by threads.
 *
 * States of a slot: free -> pushed (rows known; threads take its images one by one) -> complete (all images done, Mixup or CutMix
 * applied by the thread that finished the last one) -> popped -> free at the next pop. Slots are pushed and popped in order.
 */
#include "data/loader.h"

#include "base/progress.h"
#include "base/stop.h"
#include "base/thread.h"
#include "store/jpeg.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int B, n_taken, n_done;
    int64_t position, *row;
    unsigned char *image, *clean_image; /* clean: before mixing; NULL without keep_clean */
    float *extra, *clean_extra, *target;
    tn_mix mix;
    tn_status st;
    char msg[TN_MSG_BYTES];
    bool complete;
} slot;

struct tn_loader {
    tn_loader_spec spec;
    const tn_augment *crop, *flip, *vertical_flip, *mixup, *cutmix;
    int K, M;
    slot *ring; /* (depth) */
    int64_t n_pushed, n_popped;
    int n_threads;
    pthread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool stop;
    double waited_s;
};

/* Buffers of one thread. */
typedef struct {
    unsigned char *stored, *pixels;
    size_t stored_room, pixels_room;
} scratch;

int tn_extra_units(const tn_index *ix, int metadata_levels) {
    int M = 0;
    for (int m = 0; m < metadata_levels && m < ix->n_levels; m++) M += ix->n_values[m];
    return M;
}

tn_status tn_levels_check(const tn_cfg *cfg, const tn_index *ix) {
    return cfg->model.metadata_levels <= ix->n_levels
               ? TN_OK
               : tn_fail(TN_EARG,
                         "model.metadata_levels = %d, but the table has %d category columns (cat1, ...): give at most "
                         "%d, or preprocess a table that has them",
                         cfg->model.metadata_levels, ix->n_levels, ix->n_levels);
}

static const tn_augment *find(const tn_loader_spec *spec, tn_augment_kind kind) {
    return tn_augment_find(spec->training ? spec->n_augment : 0, spec->augment, kind);
}

static bool mixes(const tn_loader *ld) {
    return ld->mixup || ld->cutmix;
}

/* --- one image ---------------------------------------------------------------------------------------------------- */

static void fill_target(const tn_loader *ld, int64_t row, float *target) {
    const tn_loader_spec *spec = &ld->spec;
    int32_t label = (spec->label ? spec->label : spec->index->label)[row];
    const float *soft = spec->soft ? tn_soft_of(spec->soft, row) : NULL;
    memset(target, 0, (size_t)ld->K * sizeof *target);
    if (soft)
        memcpy(target, soft, (size_t)ld->K * sizeof *target);
    else if (label >= 0)
        target[label] = 1;
    if (spec->training && label >= 0) tn_target_smooth(ld->K, spec->label_smoothing, target);
}

static void fill_extra(const tn_loader *ld, int64_t row, float *extra) {
    const tn_index *ix = ld->spec.index;
    memset(extra, 0, (size_t)ld->M * sizeof *extra);
    for (int m = 0, at = 0; m < ld->spec.metadata_levels; at += ix->n_values[m++])
        extra[at + ix->cat[row * ix->n_levels + m]] = 1;
}

/* Decode the stored bytes to pixels (h,w,3), perhaps reduced. *box: the crop; on return in coordinates of these pixels. */
static tn_status pixels_of(const tn_loader *ld, int64_t row, scratch *s, const unsigned char **pixels, int *w, int *h,
                           tn_box *box) {
    int32_t n = 0;
    TN_TRY(tn_shards_read(ld->spec.shards, row, &s->stored, &s->stored_room, &n));
    if (tn_shards_raw(ld->spec.shards)) {
        *pixels = s->stored;
        return (int64_t)*w * *h * 3 == n
                   ? TN_OK
                   : tn_fail(TN_EFORMAT, "row %lld: %d bytes for %d x %d pixels", (long long)row, n, *w, *h);
    }
    int shrink = tn_view_shrink(ld->spec.view, *box, ld->spec.size_px);
    tn_box wanted = tn_box_shrunk(*box, shrink), got;
    tn_status st =
        tn_jpeg_decode_part(s->stored, (size_t)n, *w, *h, &wanted, shrink, &s->pixels, &s->pixels_room, &got);
    *pixels = s->pixels;
    *w = got.w;
    *h = got.h;
    *box = (tn_box){wanted.x - got.x, wanted.y - got.y, wanted.w, wanted.h};
    if (st == TN_EFORMAT) return tn_fail(st, "row %lld (%s): %s", (long long)row, ld->spec.index->path[row], tn_msg);
    return st;
}

static tn_status load(const tn_loader *ld, const slot *x, int i, scratch *s) {
    const tn_loader_spec *spec = &ld->spec;
    int64_t row = x->row[i];
    uint64_t position = (uint64_t)(x->position + i);
    const unsigned char *pixels;
    int w = spec->index->width[row], h = spec->index->height[row];
    tn_box box =
        spec->view ? tn_view_box(spec->view, w, h) : tn_crop_draw(ld->crop, spec->seed, position, (uint64_t)row, w, h);
    tn_box place = spec->view ? tn_view_place(spec->view, w, h, spec->size_px) : (tn_box){0};
    unsigned flips = 0;
    if (spec->view ? spec->view->flip : tn_flip_draw(ld->flip, spec->seed, position, (uint64_t)row))
        flips |= TN_FLIP_ACROSS;
    if (tn_flip_draw(ld->vertical_flip, spec->seed, position, (uint64_t)row)) flips |= TN_FLIP_DOWN;
    TN_TRY(pixels_of(ld, row, s, &pixels, &w, &h, &box));
    fill_target(ld, row, x->target + (size_t)i * (size_t)ld->K);
    if (ld->M) fill_extra(ld, row, x->extra + (size_t)i * (size_t)ld->M);
    unsigned char *image = x->image + (size_t)i * (size_t)spec->size_px * (size_t)spec->size_px * 3;
    if (spec->view) return tn_image_place(pixels, w, h, box, flips, spec->size_px, place, spec->view->around, image);
    TN_TRY(tn_image_fit(pixels, w, h, box, flips, spec->size_px, image));
    return tn_augment_image(spec->training ? spec->n_augment : 0, spec->augment, spec->seed, position, (uint64_t)row,
                            spec->size_px, image);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Finish a lane whose images are all done: keep the clean copy, and apply Mixup or else CutMix. */
static tn_status finish(const tn_loader *ld, slot *x) {
    const tn_loader_spec *spec = &ld->spec;
    size_t B = (size_t)x->B, S = (size_t)spec->size_px;
    if (x->clean_image) {
        memcpy(x->clean_image, x->image, B * S * S * 3);
        memcpy(x->clean_extra, x->extra, B * (size_t)ld->M * sizeof *x->extra);
    }
    if (ld->mixup)
        TN_TRY(tn_mixup(ld->mixup, spec->seed, (uint64_t)x->position, x->B, spec->size_px, ld->K, ld->M, x->image,
                        x->target, x->extra, &x->mix));
    if (!ld->cutmix || x->mix.lambda < 1) return TN_OK;
    return tn_cutmix(ld->cutmix, spec->seed, (uint64_t)x->position, x->B, spec->size_px, ld->K, ld->M, x->image,
                     x->target, x->extra, &x->mix);
}

/* The oldest slot with an image that no thread has taken; NULL: none. The caller holds the lock. */
static slot *find_work(tn_loader *ld) {
    for (int64_t i = ld->n_popped; i < ld->n_pushed; i++) {
        slot *x = &ld->ring[i % ld->spec.depth];
        if (x->n_taken < x->B) return x;
    }
    return NULL;
}

static void note_failure(slot *x, tn_status st) {
    if (st == TN_OK || x->st != TN_OK) return;
    x->st = st;
    memcpy(x->msg, tn_msg, sizeof x->msg);
}

static void *work(void *context) {
    tn_loader *ld = context;
    scratch s = {.stored = NULL};
    tn_stop_thread();
    pthread_mutex_lock(&ld->lock);
    while (!ld->stop) {
        slot *x = find_work(ld);
        if (!x) {
            pthread_cond_wait(&ld->work, &ld->lock);
            continue;
        }
        int i = x->n_taken++;
        pthread_mutex_unlock(&ld->lock);
        tn_status st = load(ld, x, i, &s);
        pthread_mutex_lock(&ld->lock);
        note_failure(x, st);
        if (++x->n_done < x->B) continue;
        if (mixes(ld) &&
            x->st == TN_OK) { /* no lock is needed: no other thread uses a lane whose images are all done */
            pthread_mutex_unlock(&ld->lock);
            st = finish(ld, x);
            pthread_mutex_lock(&ld->lock);
            note_failure(x, st);
        }
        x->complete = true;
        pthread_cond_broadcast(&ld->ready);
    }
    pthread_mutex_unlock(&ld->lock);
    free(s.stored);
    free(s.pixels);
    return NULL;
}

/* --- main thread -------------------------------------------------------------------------------------------------- */

static tn_status make_ring(tn_loader *ld) {
    size_t B = (size_t)ld->spec.lane_images, S = (size_t)ld->spec.size_px;
    ld->ring = calloc((size_t)ld->spec.depth, sizeof *ld->ring);
    ld->thread = calloc((size_t)ld->spec.n_threads, sizeof *ld->thread);
    bool ok = ld->ring && ld->thread;
    for (int i = 0; ok && i < ld->spec.depth; i++) {
        slot *x = &ld->ring[i];
        x->row = malloc(B * sizeof *x->row);
        x->image = malloc(B * S * S * 3);
        x->target = malloc(B * (size_t)ld->K * sizeof *x->target);
        x->extra = malloc(B * (size_t)ld->M * sizeof *x->extra + 1);
        x->mix.partner = malloc(B * sizeof *x->mix.partner);
        ok = x->row && x->image && x->target && x->extra && x->mix.partner;
        if (!ok || !mixes(ld) || !ld->spec.keep_clean) continue;
        x->clean_image = malloc(B * S * S * 3);
        x->clean_extra = malloc(B * (size_t)ld->M * sizeof *x->clean_extra + 1);
        ok = x->clean_image && x->clean_extra;
    }
    return ok ? TN_OK : tn_fail_memory((size_t)ld->spec.depth * B * S * S * 3, "the loader");
}

tn_status tn_loader_new(const tn_loader_spec *spec, tn_loader **out) {
    TN_ASSERT(!(spec->training && spec->view));
    TN_ASSERT(spec->depth >= 2 && spec->n_threads >= 1 && spec->metadata_levels <= spec->index->n_levels);
    tn_loader *ld = calloc(1, sizeof *ld);
    if (!ld) return tn_fail_memory(sizeof *ld, "the loader");
    ld->spec = *spec;
    ld->crop = find(spec, TN_AUG_CROP);
    ld->flip = find(spec, TN_AUG_FLIP);
    ld->vertical_flip = find(spec, TN_AUG_VERTICAL_FLIP);
    ld->mixup = find(spec, TN_AUG_MIXUP);
    ld->cutmix = find(spec, TN_AUG_CUTMIX);
    ld->K = spec->index->n_classes;
    ld->M = tn_extra_units(spec->index, spec->metadata_levels);
    pthread_mutex_init(&ld->lock, NULL);
    pthread_cond_init(&ld->work, NULL);
    pthread_cond_init(&ld->ready, NULL);
    tn_status st = make_ring(ld);
    for (; st == TN_OK && ld->n_threads < spec->n_threads; ld->n_threads++)
        if ((st = tn_thread_start(work, ld, &ld->thread[ld->n_threads])) != TN_OK) {
            st = tn_fail(st, "thread %d of train.loader_threads = %d: %s", ld->n_threads + 1, spec->n_threads, tn_msg);
            break;
        }
    if (st == TN_OK)
        *out = ld;
    else
        tn_loader_free(&ld);
    return st;
}

void tn_loader_free(tn_loader **at) {
    tn_loader *ld = *at;
    if (!ld) return;
    pthread_mutex_lock(&ld->lock);
    ld->stop = true;
    pthread_cond_broadcast(&ld->work);
    pthread_mutex_unlock(&ld->lock);
    for (int i = 0; i < ld->n_threads; i++) pthread_join(ld->thread[i], NULL);
    for (int i = 0; ld->ring && i < ld->spec.depth; i++) {
        free(ld->ring[i].row);
        free(ld->ring[i].image);
        free(ld->ring[i].target);
        free(ld->ring[i].extra);
        free(ld->ring[i].clean_image);
        free(ld->ring[i].clean_extra);
        free(ld->ring[i].mix.partner);
    }
    pthread_cond_destroy(&ld->work);
    pthread_cond_destroy(&ld->ready);
    pthread_mutex_destroy(&ld->lock);
    free(ld->ring);
    free(ld->thread);
    free(ld);
    *at = NULL;
}

bool tn_loader_is_ready(tn_loader *ld) {
    pthread_mutex_lock(&ld->lock);
    bool is_ready = ld->n_popped < ld->n_pushed && ld->ring[ld->n_popped % ld->spec.depth].complete;
    pthread_mutex_unlock(&ld->lock);
    return is_ready;
}

int tn_loader_pending(const tn_loader *ld) {
    return (int)(ld->n_pushed - ld->n_popped);
}
double tn_loader_waited_s(const tn_loader *ld) {
    return ld->waited_s;
}

/* The slot popped last is still used by the caller, so fewer than depth slots may be pending. */
void tn_loader_push(tn_loader *ld, const int64_t *rows, int B, int64_t position) {
    TN_ASSERT(tn_loader_pending(ld) < ld->spec.depth - 1 && B >= 1 && B <= ld->spec.lane_images);
    pthread_mutex_lock(&ld->lock);
    slot *x = &ld->ring[ld->n_pushed % ld->spec.depth];
    memcpy(x->row, rows, (size_t)B * sizeof *rows);
    x->B = B;
    x->position = position;
    x->n_taken = x->n_done = 0;
    x->st = TN_OK;
    x->complete = false;
    x->mix.lambda = 1;
    ld->n_pushed++;
    pthread_cond_broadcast(&ld->work);
    pthread_mutex_unlock(&ld->lock);
}

tn_status tn_loader_pop(tn_loader *ld, tn_lane *out) {
    TN_ASSERT(tn_loader_pending(ld) > 0);
    slot *x = &ld->ring[ld->n_popped % ld->spec.depth];
    double begin = tn_now_s();
    pthread_mutex_lock(&ld->lock);
    while (!x->complete) pthread_cond_wait(&ld->ready, &ld->lock);
    ld->n_popped++;
    pthread_mutex_unlock(&ld->lock);
    ld->waited_s += tn_now_s() - begin;
    const float *extra = ld->M ? x->extra : NULL;
    *out = (tn_lane){.B = x->B, .row = x->row, .image = x->image, .extra = extra, .target = x->target, .mix = x->mix};
    if (ld->spec.keep_clean) { /* without mixing the clean copy is the lane itself */
        out->clean_image = x->clean_image ? x->clean_image : x->image;
        out->clean_extra = ld->M && x->clean_image ? x->clean_extra : extra;
    }
    return x->st == TN_OK ? TN_OK : tn_fail(x->st, "%s", x->msg);
}
