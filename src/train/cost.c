/* cost.c - see cost.h. */
#include "train/cost.h"

#include "augment/augment.h"
#include "cfg/cell.h"
#include "cfg/student.h"
#include "data/view.h"
#include "model/weights.h"
#include "score/prow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t PROGRAM_BYTES = 60UL << 20;    /* measured: idle Open MPI and HDF5, and scratch memory */
static const size_t GPU_LIBRARY_BYTES = 1UL << 30; /* of CUDA and cuDNN in host memory; not measured */

/* Bytes of activations of a lane, and what the device takes beside them. */
static tn_status plan_device(const tn_cfg *cfg, const tn_net *net, int size_px, size_t *lane_out, size_t *room_out) {
    tn_dev *plan = NULL;
    size_t teacher_bytes = 0;
    *lane_out = 0;
    TN_TRY(tn_dev_open_plan(cfg->train.device, cfg->train.precision, &plan));
    tn_status st = tn_exec_cost(plan, net, cfg->train.lane_images, size_px, true, lane_out);
    if (st == TN_OK && cfg->self.consistency_weight > 0)
        st = tn_exec_cost(plan, net, cfg->train.lane_images, size_px, false, &teacher_bytes);
    *lane_out += teacher_bytes;
    *room_out = st == TN_OK ? tn_dev_plan_room(plan, true) : 0;
    tn_dev_close(&plan);
    return st;
}

/* Does the loader keep a second copy of each lane, unmixed, for the teacher? */
static bool mixes(const tn_cfg *cfg) {
    return tn_augment_find(cfg->train.n_augment, cfg->train.augment, TN_AUG_CUTMIX) ||
           tn_augment_find(cfg->train.n_augment, cfg->train.augment, TN_AUG_MIXUP);
}

tn_net_spec tn_train_net(const tn_cfg *cfg, int extra_units) {
    tn_net_spec spec = {.width = cfg->model.width,
                        .depth = cfg->model.depth,
                        .stem_stride = cfg->model.stem_stride,
                        .n_classes = cfg->data.n_classes,
                        .extra_units = extra_units,
                        .head_units = tn_cfg_head_units(cfg),
                        .dropout = cfg->model.dropout,
                        .drop_connect = cfg->model.drop_connect,
                        .bn_momentum = fmax(cfg->train.bn_momentum, 0)};
    memcpy(spec.name, cfg->model.net, sizeof spec.name);
    return spec;
}

tn_status tn_train_cost_of(const tn_cfg *cfg, int size_px, int lanes_here, int extra_units, tn_train_cost *out) {
    tn_net_spec spec = tn_train_net(cfg, extra_units);
    tn_net *net = NULL;
    TN_TRY(tn_net_new(&spec, &net));
    size_t room = 0;
    tn_status st = plan_device(cfg, net, size_px, &out->lane_bytes, &room);
    size_t params = (size_t)tn_net_params(net) * sizeof(float);
    tn_net_free(&net);
    bool adamw = cfg->train.optimizer == TN_OPTIM_ADAMW, bf16 = cfg->train.precision == TN_BF16,
         teacher = cfg->self.consistency_weight > 0, is_far = !tn_dev_table_of(cfg->train.device)->in_host_memory;
    /* weights, average, one or two moments, a gradient per lane */
    size_t vectors = params * (size_t)(3 + adamw + lanes_here);
    size_t lane_pixels = (size_t)cfg->train.lane_images * (size_t)size_px * (size_t)size_px * 3;
    /* on rank 0 a copy of weights, average and moments for the checkpoint; half a gradient in flight between ranks */
    out->host_bytes = PROGRAM_BYTES + params * (size_t)(3 + adamw) + (lanes_here < cfg->train.lanes ? params / 2 : 0);
    out->host_bytes += lane_pixels * (size_t)(2 * lanes_here + 2) * (teacher && mixes(cfg) ? 2 : 1);
    if (!tn_prow_whole(cfg->data.n_classes)) /* targets of these lanes, and a lane's probabilities */
        out->host_bytes +=
            (size_t)(2 * lanes_here + 3) * (size_t)cfg->train.lane_images * (size_t)cfg->data.n_classes * sizeof(float);
    if (is_far) {
        out->device_bytes = out->lane_bytes + vectors + room;
        /* images on their way to the device; the gradient, where MPI can send it */
        out->host_bytes += GPU_LIBRARY_BYTES + 2 * lane_pixels + (lanes_here < cfg->train.lanes ? params : 0);
    } else {
        out->device_bytes = 0;
        out->host_bytes += out->lane_bytes + vectors + params * (size_t)(bf16 * (1 + teacher)); /* packed copies */
    }
    return st;
}

/* Bytes of activations of a lane that is evaluated, and what the device takes beside them. */
static tn_status plan_evaluation(const tn_cfg *cfg, const tn_net *net, int size_px, size_t *lane_out,
                                 size_t *room_out) {
    tn_dev *plan = NULL;
    *lane_out = *room_out = 0;
    TN_TRY(tn_dev_open_plan(cfg->train.device, cfg->train.precision, &plan));
    tn_status st = tn_exec_cost(plan, net, cfg->train.lane_images, size_px, false, lane_out);
    if (st == TN_OK) *room_out = tn_dev_plan_room(plan, false);
    tn_dev_close(&plan);
    return st;
}

size_t tn_predict_row_bytes(const tn_cfg *cfg) {
    tn_image_view view[TN_MAX_SINGLE_VIEWS];
    size_t K = (size_t)cfg->data.n_classes;
    return tn_views_of(cfg, view) == 1 ? (size_t)tn_prow_width((int)K) * sizeof(float)
                                       : K * (sizeof(float) + sizeof(double));
}

int tn_predict_wave_lanes(const tn_cfg *cfg, int n_ranks) {
    enum { MOST = 64 };
    size_t lane_bytes = (size_t)cfg->train.lane_images * tn_predict_row_bytes(cfg) * (size_t)n_ranks,
           n = (128UL << 20) / lane_bytes;
    return n < 1 ? 1 : n > MOST ? MOST : (int)n;
}

/* What a rank holds of the probabilities: a lane's K values, and the rows of a wave. */
static size_t probability_bytes(const tn_cfg *cfg) {
    int n_ranks = cfg->slurm.nodes[1] * cfg->slurm.ranks_per_node;
    size_t lane = (size_t)cfg->train.lane_images, K = (size_t)cfg->data.n_classes;
    size_t n_rows = lane * (size_t)n_ranks * (size_t)tn_predict_wave_lanes(cfg, n_ranks);
    return lane * K * sizeof(float) + n_rows * (tn_predict_row_bytes(cfg) + sizeof(int64_t));
}

tn_status tn_predict_cost_of(const tn_cfg *cfg, int size_px, int extra_units, tn_train_cost *out) {
    enum { LANES_AHEAD = 5 }; /* four in the loader, one that is padded */
    tn_net_spec spec = tn_train_net(cfg, extra_units);
    tn_net *net = NULL;
    TN_TRY(tn_net_new(&spec, &net));
    int px = tn_predict_px(cfg, size_px);
    size_t room = 0;
    tn_status st = plan_evaluation(cfg, net, px, &out->lane_bytes, &room);
    size_t params = (size_t)tn_net_params(net) * sizeof(float);
    tn_net_free(&net);
    size_t lane_pixels = (size_t)cfg->train.lane_images * (size_t)px * (size_t)px * 3;
    /* the file of the weights, and a copy on its way to the device */
    out->host_bytes = PROGRAM_BYTES + 2 * params + LANES_AHEAD * lane_pixels + probability_bytes(cfg);
    out->device_bytes = out->lane_bytes + params + room;
    if (!tn_dev_table_of(cfg->train.device)->in_host_memory) {
        out->host_bytes += GPU_LIBRARY_BYTES + 2 * lane_pixels;
        return st;
    }
    out->host_bytes += out->device_bytes + (cfg->train.precision == TN_BF16 ? params : 0);
    out->device_bytes = 0;
    return st;
}

tn_status tn_train_steps(const tn_cfg *cfg, int64_t *out) {
    *out = tn_cfg_steps(cfg, cfg->train.images);
    return *out >= cfg->train.evaluations
               ? TN_OK
               : tn_fail(TN_EARG,
                         "train.images = %lld are %lld steps of %d x %d images, fewer than train.evaluations = "
                         "%d",
                         (long long)cfg->train.images, (long long)*out, cfg->train.lanes, cfg->train.lane_images,
                         cfg->train.evaluations);
}

static tn_status check_student(const tn_cfg *cfg) {
    tn_cfg *its = malloc(sizeof *its);
    if (!its) return tn_fail_memory(sizeof *its, "the student");
    *its = *cfg;
    tn_cfg_student(its);
    tn_status st = tn_train_check(its);
    free(its);
    return st == TN_OK ? TN_OK : tn_fail(st, "the student (distil.net, distil.images, distil.pretrained): %s", tn_msg);
}

tn_status tn_train_check(const tn_cfg *cfg) {
    int64_t n_steps;
    tn_train_cost cost;
    tn_net_spec spec = tn_train_net(cfg, 0);
    tn_input_norm norm;
    tn_ckpt *ck = NULL;
    TN_TRY(tn_train_steps(cfg, &n_steps));
    for (int i = 0; i < cfg->train.n_sizes; i++) {
        TN_TRY(tn_train_cost_of(cfg, cfg->train.sizes_px[i], 1, 0, &cost));
        TN_TRY(tn_predict_cost_of(cfg, cfg->train.sizes_px[i], 0, &cost));
    }
    tn_status st = TN_OK;
    if (*cfg->model.pretrained && tn_file_exists(cfg->model.pretrained))
        st = tn_pretrained_open(cfg->model.pretrained, &spec, &norm, &ck);
    tn_ckpt_free(&ck);
    return st == TN_OK && cfg->distil.student && !cfg->is_student ? check_student(cfg) : st;
}
