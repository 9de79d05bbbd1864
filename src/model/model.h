/*
 * model.h - loads the model of a checkpoint onto a device, ready to evaluate. All functions are local.
 *
 *   tn_model m = {.net = NULL};
 *   TN_TRY(tn_model_open(path, &(tn_model_use){.device = TN_DEVICE_CPU, .n_threads = 1, .isa = isa, .B = 16}, &m));
 *   tn_images images = tn_images_of(bytes, &m.about.norm);
 *   tn_exec_eval(m.exec, &images, extra, p);  tn_model_close(&m);
 */
#ifndef TN_MODEL_MODEL_H
#define TN_MODEL_MODEL_H

#include "model/ckpt.h"

typedef struct {
    tn_device_kind device;
    int n_threads;
    tn_isa isa; /* TN_ISA_BEST: the one recorded in the file, or, after training on a GPU, that of this processor */
    tn_precision precision;
    int B;       /* images per batch */
    int size_px; /* 0: as recorded in the file */
} tn_model_use;

typedef struct {
    tn_ckpt_model about;
    tn_net *net;
    tn_dev *dev;
    tn_exec *exec;
    float *params, *state; /* device */
} tn_model;

/* Call tn_model_close also after an error. Errors "PATH: ...": those of tn_ckpt_read, tn_net_new, tn_exec_new. */
tn_status tn_model_open(const char *path, const tn_model_use *use, tn_model *m);
void tn_model_close(tn_model *m);

/* Open pretrained weights (tn_pretrained_open) with an identity in place of the classifier: tn_exec_logits gives the d pooled
 * features of each image, and m->about.net.n_classes is d. spec: the net of the job file; its head is not used. isa: not TN_ISA_BEST.
 * Call tn_model_close also after an error. Errors those of tn_pretrained_open, tn_net_new, tn_exec_new. */
tn_status tn_model_open_features(const char *path, const tn_net_spec *spec, const tn_model_use *use, tn_model *m);

/* The number d of pooled features of a net, whatever its head. Errors those of tn_net_new. */
tn_status tn_feature_count(const tn_net_spec *spec, int *out);

/* Images as bytes, for a net that was trained with this norm. */
tn_images tn_images_of(const unsigned char *bytes, const tn_input_norm *norm);

#endif
