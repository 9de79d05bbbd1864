/* net_priv.h - the block list of a net: made by effnet.c, given tensors by net.c, turned into a tape by exec_tape.c. */
#ifndef TN_NET_NET_PRIV_H
#define TN_NET_NET_PRIV_H

#include "net/net.h"

/* One row of the table of nets. */
typedef struct {
    const char *name;
    double width, depth;
    int size_px;
    double dropout, bn_eps, bn_momentum;
    bool lite; /* no SE, ReLU6, stem and head not scaled, first and last group of blocks not deepened */
} tn_effnet;

/* A convolution is named by its weight tensor; the four tensors of its batch norm (gamma, beta, mean, var) follow. */
typedef struct {
    int stage, place; /* group and index in the group, as in timm's name blocks.<stage>.<place> */
    int n_in, n_mid, n_out, kernel, stride;
    int squeeze;                        /* channels of the SE bottleneck, 0 = no SE                               */
    bool skip;                          /* identity skip                                                          */
    int expand, depthwise, se, project; /* tensor index; -1 = none. se: reduce weight, bias, expand weight, bias */
} tn_block;

struct tn_net {
    tn_net_spec spec;
    const tn_effnet *family;
    tn_act act;
    int n_stem, n_head; /* channels */
    int n_blocks, n_tensors, n_stages;
    tn_block *block;
    tn_tensor *tensor;
    int stem, head, head_dense, classifier; /* tensor index; head_dense -1 = none */
    int64_t n_params, n_state;
};

/* Find a row of the table. Errors TN_EARG unknown name (suggests the nearest). */
tn_status tn_effnet_find(const char *name, const tn_effnet **out);

/* Block list for width and depth; tensor indices are left at -1. *block_out: caller frees. */
tn_status tn_effnet_blocks(const tn_effnet *family, double width, double depth, int *n_out, tn_block **block_out);

int tn_effnet_stem(const tn_effnet *family, double width);
int tn_effnet_head(const tn_effnet *family, double width);

/* Returns the output size of a convolution on S pixels. pad_out: padding before the first pixel. */
int tn_net_out_px(const tn_net *net, int S, int kernel, int stride, int *pad_out);

#endif
