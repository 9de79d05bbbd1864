/* exec.c - memory of an executor, and the functions of net.h. */
#include "net/exec_priv.h"

#include "base/rng.h"
#include "net/consistency.h"

#include <stdlib.h>

static tn_status check_size(const tn_net *net, int B, int size_px) {
    int least = tn_net_least_px(net);
    if (B < 1) return tn_fail(TN_EARG, "a batch of %d images: give 1 or more", B);
    if (size_px < least)
        return tn_fail(TN_EARG, "images of %d px are too small for %s: give %d px or more%s", size_px, net->spec.name,
                       least, net->spec.stem_stride == 2 ? ", or stem_stride = 1" : "");
    return TN_OK;
}

/* Batch norm cannot use the variance of a single value per channel. */
static tn_status check_moments(const tn_exec *ex) {
    for (int i = 0; ex->training && i < ex->n_ops; i++)
        if (ex->op[i].kind == TN_OP_CONV && (int64_t)ex->B * ex->value[ex->op[i].y].S < 2)
            return tn_fail(TN_EARG,
                           "batch norm has one value per channel with images of %d px and lanes of one image: "
                           "give larger images or lanes",
                           ex->size_px);
    return TN_OK;
}

/* The batch of evaluation: few enough images that activations stay in the cache, many enough to keep all threads busy. */
static int eval_batch(const tn_exec *ex) {
    if (!ex->dev->op->eval_pixels) return ex->B;
    int n = ex->dev->op->eval_pixels / (ex->size_px * ex->size_px);
    return n < 1 ? 1 : n > ex->B ? ex->B : n;
}

static int64_t aligned(int64_t n) {
    enum { ALIGN = 16 }; /* floats: 64 bytes */
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static tn_status allocate(tn_exec *ex) {
    int64_t B = ex->B, BK = B * ex->net->spec.n_classes;
    ex->arena = ex->dev->op->alloc(ex->dev, ex->n_arena);
    ex->affine = ex->dev->op->alloc(ex->dev, ex->n_fixed);
    ex->host = malloc((size_t)(B + 2 * BK + ex->n_draws) * sizeof *ex->host);
    if (!ex->arena || !ex->affine || !ex->host) return tn_fail_memory(tn_exec_bytes(ex), "the activations of a lane");
    ex->gho = ex->affine + aligned(ex->n_affine); /* devices read these channel by channel in whole vectors */
    ex->sums = (double *)(void *)(ex->gho + aligned(3 * (int64_t)ex->most_channels));
    ex->target = (float *)(void *)(ex->sums + 2 * (int64_t)ex->most_channels);
    ex->p = ex->target + BK;
    ex->loss = ex->p + BK;
    ex->draw = ex->loss + B;
    return TN_OK;
}

static tn_status build(tn_exec *ex) {
    TN_TRY(tn_tape_build(ex));
    TN_TRY(check_moments(ex));
    ex->B_eval = eval_batch(ex);
    TN_TRY(tn_tape_plan(ex));
    ex->n_fixed = aligned(ex->n_affine) + aligned(3 * (int64_t)ex->most_channels) + 4 * (int64_t)ex->most_channels +
                  2 * (int64_t)ex->B * ex->net->spec.n_classes + ex->B + ex->n_draws;
    return TN_OK;
}

/* Build and plan an executor without allocating its arena. */
static tn_status plan_new(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, tn_exec **out) {
    TN_TRY(check_size(net, B, size_px));
    tn_exec *ex = calloc(1, sizeof *ex);
    if (!ex) return tn_fail_memory(sizeof *ex, "an executor");
    ex->dev = dev;
    ex->net = net;
    ex->B = B;
    ex->size_px = size_px;
    ex->training = training;
    *out = ex;
    return build(ex);
}

tn_status tn_exec_new(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, tn_exec **out) {
    tn_exec *ex = NULL;
    tn_status st = plan_new(dev, net, B, size_px, training, &ex);
    if (st == TN_OK) st = allocate(ex);
    if (st == TN_OK)
        *out = ex;
    else
        tn_exec_free(&ex);
    return st;
}

tn_status tn_exec_cost(tn_dev *dev, const tn_net *net, int B, int size_px, bool training, size_t *bytes_out) {
    tn_exec *ex = NULL;
    tn_status st = plan_new(dev, net, B, size_px, training, &ex);
    if (st == TN_OK) *bytes_out = tn_exec_bytes(ex);
    tn_exec_free(&ex);
    return st;
}

void tn_exec_free(tn_exec **ex_ref) {
    tn_exec *ex = *ex_ref;
    if (!ex) return;
    const tn_dev_table *f = ex->dev->op;
    for (int i = 0; i < ex->n_ops; i++)
        if (ex->op[i].conv) f->conv_free(ex->dev, &ex->op[i].conv);
    f->free(ex->dev, ex->arena);
    f->free(ex->dev, ex->affine);
    free(ex->host);
    free(ex->op);
    free(ex->value);
    free(ex);
    *ex_ref = NULL;
}

size_t tn_exec_bytes(const tn_exec *ex) {
    return (size_t)(ex->n_arena + ex->n_fixed) * sizeof(float);
}

void tn_exec_weights(tn_exec *ex, const float *params, const float *state) {
    ex->params = params;
    ex->state = state;
    for (int i = 0; i < ex->n_ops; i++) {
        const tn_op *op = &ex->op[i];
        if (op->conv) ex->dev->op->conv_weights(ex->dev, op->conv, params + ex->net->tensor[op->tensor].offset);
    }
}

/* --- training ----------------------------------------------------------------------------------------------------- */

/* Draw dropout factors: 1/(1-p) to keep, 0 to drop; one random generator per sample. */
static void draw_factors(const tn_op *op, tn_stream stream, const tn_exec_lane *lane, int B, int64_t n, float *factor) {
    float kept = (float)(1.0 / (1.0 - op->drop));
    for (int b = 0; b < B; b++) {
        tn_rng r = tn_rng_at(lane->seed, stream, (uint64_t)(lane->position + b), (uint64_t)op->layer);
        for (int64_t i = 0; i < n; i++) *factor++ = tn_rng_uniform(&r) < op->drop ? 0.0F : kept;
    }
}

void tn_exec_draw(tn_exec *ex, const tn_exec_lane *lane) {
    for (int i = 0; i < ex->n_ops; i++) {
        const tn_op *op = &ex->op[i];
        if (op->draw_at < 0) continue;
        float *factor = ex->host + op->draw_at;
        if (op->kind == TN_OP_RESIDUAL) draw_factors(op, TN_STREAM_DROP_CONNECT, lane, ex->B, 1, factor);
        if (op->kind == TN_OP_DROPOUT) draw_factors(op, TN_STREAM_DROPOUT, lane, ex->B, ex->value[op->x].C, factor);
    }
    ex->dev->op->upload(ex->dev, ex->n_draws, ex->host, ex->draw);
}

/* Copy images `first` to `first` + n of a batch to the device. */
static void upload_inputs(tn_exec *ex, int first, int n, const tn_images *image, const float *extra, bool training) {
    const tn_dev_table *f = ex->dev->op;
    int64_t n_extra = ex->value[TN_VALUE_EXTRA].n, each = ex->value[TN_VALUE_IMAGE].n;
    void *x = tn_value_at(ex, TN_VALUE_IMAGE, training);
    ex->batch = n;
    if (image->bytes)
        f->pixels(ex->dev, n * each / 3, image->bytes + first * each, &image->norm, x);
    else
        f->store(ex->dev, n * each, image->x + first * each, x);
    if (n_extra) f->upload(ex->dev, n * n_extra, extra + first * n_extra, tn_value_at(ex, TN_VALUE_EXTRA, training));
}

/* The backward pass needs biased variances, but running variances are unbiased, as in PyTorch and TensorFlow. */
static void unbias(tn_exec *ex, float *moments) {
    for (int i = 0; i < ex->n_ops; i++) {
        const tn_op *op = &ex->op[i];
        if (op->kind != TN_OP_CONV) continue;
        const tn_value *v = &ex->value[op->y];
        double M = (double)ex->B * v->S * v->S;
        ex->dev->op->scale(ex->dev, v->C, (float)(M / (M - 1)), moments + ex->net->tensor[op->tensor + 4].offset);
    }
}

static double mean_loss(tn_exec *ex) {
    double sum = 0;
    ex->dev->op->download(ex->dev, ex->B, ex->loss, ex->host);
    for (int b = 0; b < ex->B; b++) sum += (double)ex->host[b];
    return sum / ex->B;
}

/* Add the consistency loss to the loss and to the gradient of the logits, on the host, because these are few numbers. */
static void add_consistency(tn_exec *ex, const tn_exec_lane *lane) {
    const tn_dev_table *f = ex->dev->op;
    int K = ex->net->spec.n_classes;
    int64_t BK = (int64_t)ex->B * K;
    float *loss = ex->host, *logits = loss + ex->B, *dlogits = logits + BK;
    f->download(ex->dev, ex->B, ex->loss, loss);
    f->download(ex->dev, BK, tn_value_at(ex, ex->logits, true), logits);
    f->download(ex->dev, BK, tn_grad_at(ex, ex->logits), dlogits);
    tn_consistency(lane->consistency, ex->B, K, logits, lane->teacher, lane->consistency_weight, 1.0 / ex->B, loss,
                   dlogits);
    f->upload(ex->dev, ex->B, loss, ex->loss);
    f->upload(ex->dev, BK, dlogits, tn_grad_at(ex, ex->logits));
}

/* Targets, times the weights of their classes. */
static void upload_target(tn_exec *ex, const tn_exec_lane *lane) {
    int K = ex->net->spec.n_classes, BK = ex->B * K;
    for (int i = 0; lane->class_weight && i < BK; i++) ex->host[i] = lane->target[i] * lane->class_weight[i % K];
    ex->dev->op->upload(ex->dev, BK, lane->class_weight ? ex->host : lane->target, ex->target);
}

/* The logits that the cross entropy is computed of; with a shift they are in ex->p, which only evaluation uses otherwise. */
static const float *loss_logits(tn_exec *ex, const tn_exec_lane *lane) {
    int K = ex->net->spec.n_classes, BK = ex->B * K;
    const float *logits = tn_value_at(ex, ex->logits, true);
    if (!lane->logit_shift) return logits;
    for (int i = 0; i < BK; i++) ex->host[i] = lane->logit_shift[i % K];
    ex->dev->op->upload(ex->dev, BK, ex->host, ex->p);
    ex->dev->op->add(ex->dev, BK, logits, ex->p);
    return ex->p;
}

void tn_exec_train(tn_exec *ex, const tn_exec_lane *lane, float *grads_out, float *moments_out, double *loss_out) {
    TN_ASSERT(ex->training && ex->params);
    const tn_dev_table *f = ex->dev->op;
    int K = ex->net->spec.n_classes;
    upload_inputs(ex, 0, ex->B, &lane->image, lane->extra, true);
    upload_target(ex, lane);
    tn_exec_draw(ex, lane);
    tn_tape_forward(ex, moments_out);
    f->cross_entropy(ex->dev, ex->B, K, loss_logits(ex, lane), ex->target, 1.0F / (float)ex->B, ex->loss,
                     tn_grad_at(ex, ex->logits));
    if (lane->teacher) add_consistency(ex, lane);
    tn_tape_backward(ex, lane, moments_out, grads_out);
    unbias(ex, moments_out);
    if (loss_out) *loss_out = mean_loss(ex);
}

const float *tn_exec_losses(const tn_exec *ex) {
    return ex->loss;
}

/* --- evaluation --------------------------------------------------------------------------------------------------- */

static void evaluate(tn_exec *ex, const tn_images *image, const float *extra, bool logits, float *out) {
    TN_ASSERT(ex->params);
    const tn_dev_table *f = ex->dev->op;
    int K = ex->net->spec.n_classes;
    for (int at = 0; at < ex->B; at += ex->B_eval) {
        int n = ex->B - at < ex->B_eval ? ex->B - at : ex->B_eval;
        upload_inputs(ex, at, n, image, extra, false);
        tn_tape_forward(ex, NULL);
        const float *z = tn_value_at(ex, ex->logits, false);
        if (!logits) f->softmax(ex->dev, n, K, z, ex->p);
        f->download(ex->dev, (int64_t)n * K, logits ? z : ex->p, out + (int64_t)at * K);
    }
}

void tn_exec_eval(tn_exec *ex, const tn_images *image, const float *extra, float *p_out) {
    evaluate(ex, image, extra, false, p_out);
}

void tn_exec_logits(tn_exec *ex, const tn_images *image, const float *extra, float *logits_out) {
    evaluate(ex, image, extra, true, logits_out);
}
