/* student.c - see student.h. */
#include "cfg/student.h"

#include <string.h>

/* Another net has no use for the weights of model.pretrained. */
static void choose_net(tn_cfg *cfg) {
    bool other = *cfg->distil.net != 0;
    if (other) {
        memcpy(cfg->model.net, cfg->distil.net, sizeof cfg->model.net);
        cfg->model.width = cfg->model.depth = 0;
    }
    if (other || *cfg->distil.pretrained) {
        memcpy(cfg->model.pretrained, cfg->distil.pretrained, sizeof cfg->model.pretrained);
        memcpy(cfg->model.pretrained_given, cfg->distil.pretrained_given, sizeof cfg->model.pretrained_given);
    }
    if (!*cfg->model.pretrained) cfg->train.freeze_images = cfg->train.freeze_stages = 0;
}

int64_t tn_student_images(const tn_cfg *cfg) {
    return cfg->distil.images > 0 ? cfg->distil.images : 3 * cfg->train.images;
}

void tn_cfg_student(tn_cfg *cfg) {
    cfg->is_student = true;
    choose_net(cfg);
    cfg->train.images = tn_student_images(cfg);
    cfg->train.label_smoothing = cfg->train.class_weight = cfg->train.logit_adjustment = 0;
    cfg->self.consistency_weight = 0;
    cfg->self.dropped = TN_DROPPED_DROP;
    cfg->self.probe = false;
    cfg->self.max_rounds = 0;
    cfg->folds.validation = TN_VALIDATION_SLICE;
}
