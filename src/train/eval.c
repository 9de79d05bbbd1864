/* eval.c - evaluation, distributed over ranks by blocks. */
#include "train/eval.h"

#include "base/progress.h"
#include "base/stop_broadcast.h"
#include "base/watch.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

void tn_eval_share(int64_t n, int block, int n_ranks, int rank, int64_t *first_out, int64_t *n_out) {
    int64_t n_blocks = (n + block - 1) / block;
    int64_t first = n_blocks * rank / n_ranks * block, end = n_blocks * (rank + 1) / n_ranks * block;
    if (end > n) end = n;
    *first_out = first;
    *n_out = end - first;
}

static tn_status stopped(const char *label, int64_t done, int64_t n) {
    return tn_fail(
        TN_EUNFINISHED,
        "%s: stopped on request after %lld of %lld images of this rank; everything published before is kept: run "
        "the same command again",
        label ? label : "evaluation", (long long)done, (long long)n);
}

typedef struct {
    int K, W;           /* values that the net gives for a row, and that are kept of it */
    bool logits;        /* instead of probabilities */
    const int32_t *own; /* as in eval.h */
    const char *label;
} kept;

/* Write the n rows of a lane, beginning with p_out. block_p (n,K). */
static void keep_rows(const kept *k, int n, const int64_t *rows, const float *block_p, float *p_out) {
    int K = k->K;
    const int32_t *own = k->own;
    if (!own) memcpy(p_out, block_p, (size_t)n * (size_t)K * sizeof *p_out);
    for (int b = 0; own && b < n; b++)
        tn_prow_keep(K, own[rows[b]], block_p + (int64_t)b * K, p_out + (int64_t)b * tn_prow_width(K));
}

/* Write this rank's rows to p. Stops after a block if any rank is asked to stop or fails. */
static tn_status eval_here(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, const kept *k, int64_t first,
                           int64_t n, const int64_t *rows, float *p) {
    int B = spec->lane_images, S = spec->size_px, K = k->K, W = k->W;
    const char *label = k->label;
    int M = tn_extra_units(spec->index, spec->metadata_levels);
    size_t image_bytes = (size_t)S * (size_t)S * 3;
    unsigned char *image = calloc((size_t)B, image_bytes);
    float *extra = calloc((size_t)B * (size_t)M + 1, sizeof *extra);
    float *block_p = malloc((size_t)B * (size_t)K * sizeof *block_p);
    tn_loader *loader = NULL;
    tn_status st = image && extra && block_p ? tn_loader_new(spec, &loader)
                                             : tn_fail_memory((size_t)B * image_bytes, "evaluation");
    tn_progress bar;
    bool first_rank = run->rank == 0;
    tn_progress_begin(&bar, label ? label : "evaluation", n, "images");
    bar.quiet = !label;
    int64_t pushed = 0, done = 0;
    tn_stop_broadcast halt;
    tn_stop_broadcast_begin(run, &halt);
    while (st == TN_OK && done < n) {
        tn_watch_at(bar.label, done);
        if (tn_stop_broadcast_wanted(&halt)) {
            if (halt.called) st = stopped(label, done, n);
            break;
        }
        for (; pushed < n && tn_loader_pending(loader) < spec->depth - 1; pushed += B)
            tn_loader_push(loader, rows + first + pushed, (int)(n - pushed < B ? n - pushed : B), 0);
        tn_lane lane;
        if ((st = tn_loader_pop(loader, &lane)) != TN_OK) break;
        tn_images x = tn_images_of(lane.image, &spec->norm);
        const float *e = lane.extra;
        if (lane.B < B) { /* the last block is padded with black images, so that its bits are always the same */
            memcpy(image, lane.image, (size_t)lane.B * image_bytes);
            if (M) memcpy(extra, lane.extra, (size_t)lane.B * (size_t)M * sizeof *extra);
            x.bytes = image;
            e = M ? extra : NULL;
        }
        (k->logits ? tn_exec_logits : tn_exec_eval)(ex, &x, e, block_p);
        keep_rows(k, lane.B, rows + first + done, block_p, p + (first + done) * W);
        done += lane.B;
        if (first_rank) tn_progress_at(&bar, done, NULL);
    }
    tn_stop_broadcast_end(run, &halt, st);
    if (first_rank) tn_progress_end(&bar, NULL);
    tn_loader_free(&loader);
    free(image);
    free(extra);
    free(block_p);
    return st;
}

static tn_status eval_all(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, const kept *k, int64_t n,
                          const int64_t *rows, float *out) {
    int64_t first, n_here;
    tn_eval_share(n, spec->lane_images, run->n_ranks, run->rank, &first, &n_here);
    TN_TRY(tn_agree(run, eval_here(run, ex, spec, k, first, n_here, rows, out)));
    for (int r = 0; r < run->n_ranks; r++) {
        tn_eval_share(n, spec->lane_images, run->n_ranks, r, &first, &n_here);
        tn_bcast(run, r, out + first * k->W, (size_t)(n_here * k->W) * sizeof *out);
    }
    return TN_OK;
}

tn_status tn_eval_rows(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, int64_t n, const int64_t *rows,
                       const int32_t *own, const char *label, float *p_out) {
    int K = spec->index->n_classes;
    kept k = {.K = K, .W = own ? tn_prow_width(K) : K, .own = own, .label = label};
    return eval_all(run, ex, spec, &k, n, rows, p_out);
}

tn_status tn_eval_logits(tn_run *run, tn_exec *ex, const tn_loader_spec *spec, int K, int64_t n, const int64_t *rows,
                         float *out) {
    kept k = {.K = K, .W = K, .logits = true};
    return eval_all(run, ex, spec, &k, n, rows, out);
}
