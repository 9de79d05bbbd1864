/* pretrained.c - reads the weights of model.pretrained, from which training begins. */
#include "model/pth_priv.h"

#include <stdlib.h>
#include <string.h>

/* Check that a number (width, depth) in the file is that of the job file. wanted 0: the net's default. */
static tn_status same_number(const char *path, const char *key, double in_file, double wanted) {
    if (in_file == wanted) return TN_OK;
    return tn_fail(TN_EARG,
                   "model.pretrained: %s has %s %.9g, the job file's model has %.9g: omit model.%s, or set it to the "
                   "value of the file",
                   path, key, in_file, wanted, key);
}

tn_status tn_pretrained_fit(const char *path, const tn_ckpt *ck, tn_net_spec *spec, tn_input_norm *norm_out) {
    tn_ckpt_model have;
    tn_net *net = NULL;
    tn_status st = tn_ckpt_model_of(ck, &have);
    if (st != TN_OK)
        return tn_fail(TN_EFORMAT, "model.pretrained: %s: %s. Give a file that `tenfold weights import` wrote", path,
                       tn_msg);
    if (strcmp(have.net.name, spec->name) != 0)
        return tn_fail(TN_EARG, "model.pretrained: %s is of %s, but model.net = \"%s\"", path, have.net.name,
                       spec->name);
    TN_TRY(tn_net_new(spec, &net));
    st = same_number(path, "width", have.net.width, tn_net_spec_of(net)->width);
    if (st == TN_OK) st = same_number(path, "depth", have.net.depth, tn_net_spec_of(net)->depth);
    tn_net_free(&net);
    if (st != TN_OK) return st;
    spec->pad_same = have.net.pad_same;
    spec->bn_eps = have.net.bn_eps;
    if (spec->bn_momentum == 0) spec->bn_momentum = have.net.bn_momentum;
    *norm_out = have.norm;
    return TN_OK;
}

/* The file is read as one of another program, because the error then says how to convert it. */
tn_status tn_pretrained_open(const char *path, tn_net_spec *spec, tn_input_norm *norm_out, tn_ckpt **out) {
    tn_ckpt *ck = NULL;
    if (tn_pth_is(path))
        return tn_fail(TN_EFORMAT,
                       "model.pretrained: %s: is a file of PyTorch: give what `tenfold weights import` makes of it",
                       path);
    TN_TRY(tn_ckpt_read_foreign(path, &ck));
    tn_status st = tn_pretrained_fit(path, ck, spec, norm_out);
    if (st == TN_OK)
        *out = ck;
    else
        tn_ckpt_free(&ck);
    return st;
}

tn_status tn_pretrained_load(const tn_ckpt *ck, const tn_net *net, float *params, float *state) {
    for (int i = 0; i < tn_net_tensors(net); i++) {
        const tn_tensor *t = tn_net_tensor(net, i);
        char name[TN_TENSOR_NAME_BYTES + 8];
        if (tn_is_head(t)) continue;
        snprintf(name, sizeof name, "model.%s", t->name);
        if (tn_ckpt_copy(ck, name, t->n_dims, t->dim, (tn_tensor_is_state(t) ? state : params) + t->offset) != TN_OK)
            return tn_fail(TN_EFORMAT, "model.pretrained: %s", tn_msg);
    }
    return TN_OK;
}
