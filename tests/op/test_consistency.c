/* test_consistency.c - the consistency loss against PyTorch, and its gradient through a whole net against
 * differences. */
#include "unit.h"

#include "net/consistency.h"
#include "net/optim.h"

#include "golden/consistency.h"

#include <math.h>

/* Cross entropy by the device, the rest added: loss per row and gradient of the mean. */
static void against_pytorch(void **unused) {
    (void)unused;
    tn_dev *dev = NULL;
    assert_int_equal(tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_FP32, &dev), TN_OK);
    for (size_t g = 0; g < sizeof GOLDEN_CONSISTENCY / sizeof *GOLDEN_CONSISTENCY; g++) {
        const golden_consistency *e = &GOLDEN_CONSISTENCY[g];
        float loss[GOLDEN_B], gradient[GOLDEN_B * GOLDEN_K];
        dev->op->cross_entropy(dev, GOLDEN_B, GOLDEN_K, e->logits, e->target, 1.0F / GOLDEN_B, loss, gradient);
        tn_consistency(e->kind, GOLDEN_B, GOLDEN_K, e->logits, e->teacher, e->weight, 1.0 / GOLDEN_B, loss, gradient);
        for (int b = 0; b < GOLDEN_B; b++) assert_true(fabs((double)loss[b] - e->loss[b]) < 2e-6);
        for (int i = 0; i < GOLDEN_B * GOLDEN_K; i++) assert_true(fabs((double)gradient[i] - e->gradient[i]) < 1e-6);
    }
    tn_dev_close(&dev);
}

/* A student and a teacher that are sure: 1 - <p, q> is 0 in float32. The loss and its gradient stay within the bounds of the header. */
static void elr_of_sure_rows(void **unused) {
    (void)unused;
    static const float LOGIT[3][3] = {{0, 200, 0}, {0, 8, 0}, {200, 0, 0}}, TEACHER[3] = {0, 1, 0};
    for (int i = 0; i < 3; i++) {
        float loss = 0, gradient[3] = {0}, sum = 0;
        tn_consistency(TN_CONSISTENCY_ELR, 1, 3, LOGIT[i], TEACHER, 1, 1, &loss, gradient);
        for (int k = 0; k < 3; k++) {
            assert_true(fabsf(gradient[k]) <= 1);
            sum += gradient[k];
        }
        assert_true(fabsf(sum) < 1e-6F);
        double others = i == 1 ? 2 / (exp(8) + 2) : i == 0 ? 0 : 1, u = 1e-4 + 0.9999 * others;
        assert_true(fabs((double)loss - log(u)) < 1e-5);
        assert_true(fabs((double)gradient[1] + 0.9999 * others * (1 - others) / u) < 1e-5);
    }
}

/* --- through a net ------------------------------------------------------------------------------------------------ */

enum { B = 4, S = 16, K = 3 };

typedef struct {
    tn_dev *dev;
    tn_net *net;
    tn_exec *ex;
    float *params, *state, *grads, *moments, image[B * S * S * 3], target[B * K], teacher[B * K];
    tn_consistency_kind kind;
} world;

static double loss_of(world *w) {
    tn_exec_lane lane = {.image = {.x = w->image},
                         .target = w->target,
                         .teacher = w->teacher,
                         .consistency = w->kind,
                         .consistency_weight = 2.5};
    double loss = 0;
    tn_exec_weights(w->ex, w->params, w->state);
    tn_exec_train(w->ex, &lane, w->grads, w->moments, &loss);
    return loss;
}

static void make(world *w, tn_consistency_kind kind) {
    tn_net_spec spec = {.name = "efficientnet-b0", .width = 0.25, .depth = 0.35, .stem_stride = 1, .n_classes = K};
    *w = (world){.kind = kind};
    assert_int_equal(tn_dev_open(TN_DEVICE_REF, 1, TN_ISA_PLAIN, TN_FP32, &w->dev), TN_OK);
    assert_int_equal(tn_net_new(&spec, &w->net), TN_OK);
    assert_int_equal(tn_exec_new(w->dev, w->net, B, S, true, &w->ex), TN_OK);
    int64_t n = tn_net_params(w->net), m = tn_net_state(w->net);
    w->params = w->dev->op->alloc(w->dev, n);
    w->grads = w->dev->op->alloc(w->dev, n);
    w->state = w->dev->op->alloc(w->dev, m);
    w->moments = w->dev->op->alloc(w->dev, m);
    tn_net_init(w->net, 3, w->params, w->state);
    for (int i = 0; i < B * S * S * 3; i++) w->image[i] = (float)(i * 37 % 101) / 50 - 1;
    for (int b = 0; b < B; b++)
        for (int k = 0; k < K; k++) {
            w->target[b * K + k] = b < 2 && k == b; /* the others have no label */
            w->teacher[b * K + k] = (b + k) % K == 0 ? 0.7F : 0.15F;
        }
}

static void drop(world *w) {
    float *all[] = {w->params, w->grads, w->state, w->moments};
    for (size_t i = 0; i < 4; i++) w->dev->op->free(w->dev, all[i]);
    tn_exec_free(&w->ex);
    tn_net_free(&w->net);
    tn_dev_close(&w->dev);
}

/* The slope along the gradient itself is its squared length. */
static void slope(void **unused) {
    (void)unused;
    for (int kind = TN_CONSISTENCY_MSE; kind <= TN_CONSISTENCY_ELR; kind++) {
        world w;
        make(&w, (tn_consistency_kind)kind);
        loss_of(&w);
        int64_t n = tn_net_params(w.net);
        float *g = malloc((size_t)n * sizeof *g);
        double squared = 0, h;
        memcpy(g, w.grads, (size_t)n * sizeof *g);
        for (int64_t i = 0; i < n; i++) squared += (double)g[i] * (double)g[i];
        h = 1e-3 / squared;
        for (int64_t i = 0; i < n; i++) w.params[i] += (float)(h * (double)g[i]);
        double up = loss_of(&w);
        for (int64_t i = 0; i < n; i++) w.params[i] -= (float)(2 * h * (double)g[i]);
        double down = loss_of(&w);
        if (fabs((up - down) / (2 * h) / squared - 1) > 0.02)
            fail_msg("kind %d: slope %g, squared gradient %g", kind, (up - down) / (2 * h), squared);
        free(g);
        drop(&w);
    }
}

/* exp(-5) of it at the beginning, exp(-5/4) half way, all of it from the end on. */
static void ramp(void **unused) {
    (void)unused;
    tn_cfg cfg = {.self = {.consistency_weight = 8, .rampup_images = 1000}};
    assert_true(fabs(tn_consistency_weight(&cfg, 0) - 8 * 0.006737947) < 1e-8);
    assert_true(fabs(tn_consistency_weight(&cfg, 500) - 8 * 0.286504797) < 1e-8);
    assert_true(tn_consistency_weight(&cfg, 1000) == 8 && tn_consistency_weight(&cfg, 5000) == 8);
    cfg.self.rampup_images = 0;
    assert_true(tn_consistency_weight(&cfg, 0) == 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_pytorch), cmocka_unit_test(elr_of_sure_rows),
                                       cmocka_unit_test(slope), cmocka_unit_test(ramp)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
