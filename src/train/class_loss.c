/* class_loss.c - see class_loss.h. */
#include "train/class_loss.h"

#include <math.h>
#include <stdlib.h>

static tn_status check(const tn_cfg *cfg, int K, char *const *class_name, const int64_t *count) {
    const char *key = cfg->train.class_weight > 0 ? "class_weight" : "logit_adjustment";
    for (int k = 0; k < K; k++)
        if (count[k] == 0)
            return tn_fail(TN_EARG,
                           "class %s has no training rows, so train.%s cannot know its share: set it to 0, or give "
                           "rows of that class",
                           class_name[k], key);
    return TN_OK;
}

tn_status tn_class_loss_new(const tn_cfg *cfg, int n_classes, char *const *class_name, const int64_t *count,
                            tn_class_loss *out) {
    double a = cfg->train.class_weight, tau = cfg->train.logit_adjustment, n = 0, sum = 0;
    size_t n_bytes = (size_t)n_classes * sizeof(float);
    *out = (tn_class_loss){.weight = NULL};
    if (a == 0 && tau == 0) return TN_OK;
    TN_TRY(check(cfg, n_classes, class_name, count));
    if (a != 0) out->weight = malloc(n_bytes);
    if (tau != 0) out->shift = malloc(n_bytes);
    if ((a != 0 && !out->weight) || (tau != 0 && !out->shift)) {
        tn_class_loss_free(out);
        return tn_fail_memory(n_bytes, "the class weights");
    }
    for (int k = 0; k < n_classes; k++) n += (double)count[k];
    for (int k = 0; k < n_classes; k++) sum += pow((double)count[k] / n, 1 - a);
    for (int k = 0; k < n_classes; k++) {
        double share = (double)count[k] / n;
        if (out->weight) out->weight[k] = (float)(pow(share, -a) / sum);
        if (out->shift) out->shift[k] = (float)(tau * log(share));
    }
    return TN_OK;
}

void tn_class_loss_free(tn_class_loss *c) {
    free(c->weight);
    free(c->shift);
    *c = (tn_class_loss){.weight = NULL};
}
