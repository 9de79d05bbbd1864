/* cost.c - see cost.h. */
#include "train/cost.h"

#include "model/weights.h"

#include <string.h>

static const size_t PROGRAM_BYTES = 60UL << 20; /* measured: idle Open MPI and HDF5, and scratch memory */

static tn_status with_device(const tn_cfg *cfg, const tn_net *net, int size_px, size_t *lane_bytes_out) {
    tn_dev *dev = NULL;
    /* a plan takes the same memory on every device; a job file for GPUs is checked where there is none */
    tn_device_kind kind = cfg->train.device == TN_DEVICE_CUDA ? TN_DEVICE_CPU : cfg->train.device;
    TN_TRY(tn_dev_open(kind, cfg->train.lane_threads, tn_isa_best(), cfg->train.precision, &dev));
    tn_status st = tn_exec_cost(dev, net, cfg->train.lane_images, size_px, true, lane_bytes_out);
    size_t teacher_bytes = 0;
    if (st == TN_OK && cfg->self.consistency_weight > 0)
        st = tn_exec_cost(dev, net, cfg->train.lane_images, size_px, false, &teacher_bytes);
    if (st == TN_OK) *lane_bytes_out += teacher_bytes;
    tn_dev_close(&dev);
    return st;
}

/* Does the loader keep a second copy of each lane, without CutMix, for the teacher? */
static bool mixes(const tn_cfg *cfg) {
    for (int i = 0; i < cfg->train.n_augment; i++)
        if (cfg->train.augment[i].kind == TN_AUG_CUTMIX) return true;
    return false;
}

tn_net_spec tn_train_net(const tn_cfg *cfg, int extra_units) {
    tn_net_spec spec = {.width = cfg->model.width,
                        .depth = cfg->model.depth,
                        .stem_stride = cfg->model.stem_stride,
                        .n_classes = cfg->data.n_classes,
                        .extra_units = extra_units,
                        .head_units = cfg->model.head_units,
                        .dropout = cfg->model.dropout,
                        .drop_connect = cfg->model.drop_connect};
    memcpy(spec.name, cfg->model.net, sizeof spec.name);
    return spec;
}

tn_status tn_train_cost_of(const tn_cfg *cfg, int size_px, int lanes_here, int extra_units, tn_train_cost *out) {
    tn_net_spec spec = tn_train_net(cfg, extra_units);
    tn_net *net = NULL;
    TN_TRY(tn_net_new(&spec, &net));
    tn_status st = with_device(cfg, net, size_px, &out->lane_bytes);
    size_t params = (size_t)tn_net_params(net) * sizeof(float);
    bool adamw = cfg->train.optimizer == TN_OPTIM_ADAMW, bf16 = cfg->train.precision == TN_BF16,
         teacher = cfg->self.consistency_weight > 0;
    tn_net_free(&net);
    /* weights, average, one or two moments, a gradient per lane; bf16: two packed copies of the weights; on rank 0 a host copy of
     * weights, average and moments for the checkpoint; and half a gradient in flight between ranks */
    out->weights_bytes = params * (size_t)(3 + adamw + lanes_here + bf16 * (1 + teacher) + 3 + adamw);
    if (lanes_here < cfg->train.lanes) out->weights_bytes += params / 2;
    size_t lane_pixels = (size_t)cfg->train.lane_images * (size_t)size_px * (size_t)size_px * 3;
    out->loader_bytes = lane_pixels * (size_t)(2 * lanes_here + 2) * (teacher && mixes(cfg) ? 2 : 1);
    out->program_bytes = PROGRAM_BYTES;
    return st;
}

tn_status tn_train_steps(const tn_cfg *cfg, int64_t *out) {
    int64_t images = (int64_t)cfg->train.lanes * cfg->train.lane_images;
    *out = (cfg->train.images + images - 1) / images;
    return *out >= cfg->train.evaluations
               ? TN_OK
               : tn_fail(TN_EARG,
                         "train.images = %lld are %lld steps of %d x %d images, fewer than train.evaluations = "
                         "%d",
                         (long long)cfg->train.images, (long long)*out, cfg->train.lanes, cfg->train.lane_images,
                         cfg->train.evaluations);
}

tn_status tn_train_check(const tn_cfg *cfg) {
    int64_t n_steps;
    tn_train_cost cost;
    tn_net_spec spec = tn_train_net(cfg, 0);
    tn_input_norm norm;
    tn_ckpt *ck = NULL;
    TN_TRY(tn_train_steps(cfg, &n_steps));
    for (int i = 0; i < cfg->train.n_sizes; i++) TN_TRY(tn_train_cost_of(cfg, cfg->train.sizes_px[i], 1, 0, &cost));
    if (!*cfg->model.pretrained || !tn_file_exists(cfg->model.pretrained)) return TN_OK;
    tn_status st = tn_pretrained_open(cfg->model.pretrained, &spec, &norm, &ck);
    tn_ckpt_free(&ck);
    return st;
}
