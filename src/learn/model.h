/*
 * model.h - the model of a checkpoint on a device, ready to evaluate.               layer: learn, uses: net
 *
 *   tn_model m = {.net = NULL};
 *   TN_TRY(tn_model_open(path, &(tn_model_use){.device = TN_DEVICE_CPU, .n_threads = 1, .isa = isa, .B = 16}, &m));
 *   tn_exec_eval(m.exec, image, extra, p);  tn_model_close(&m);
 */
#ifndef TN_LEARN_MODEL_H
#define TN_LEARN_MODEL_H

#include "learn/ckpt.h"

typedef struct {
    tn_device_kind device;
    int n_threads;
    tn_isa isa; /* BEST: that of the file, which must say one */
    tn_precision precision;
    int B;
    int size_px; /* 0: the file's */
} tn_model_use;

typedef struct {
    tn_ckpt_model about;
    tn_net *net;
    tn_dev *dev;
    tn_exec *exec;
    float *params, *state; /* device */
} tn_model;

/* Errors: "PATH: ...", of tn_ckpt_read, tn_net_new, tn_exec_new. Close it in any case. */
tn_status tn_model_open(const char *path, const tn_model_use *use, tn_model *m);
void tn_model_close(tn_model *m);

#endif
