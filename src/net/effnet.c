/* effnet.c - the table of EfficientNets, and the list of blocks of each. */
#include "net/net_priv.h"

#include "cfg/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* B0-B4 as torchvision and timm train them, B5-B7 and Lite with TensorFlow's batch norm. */
static const tn_effnet families[] = {
    {"efficientnet-b0", 1.0, 1.0, 224, 0.2, 1e-5, 0.1, false},
    {"efficientnet-b1", 1.0, 1.1, 240, 0.2, 1e-5, 0.1, false},
    {"efficientnet-b2", 1.1, 1.2, 260, 0.3, 1e-5, 0.1, false},
    {"efficientnet-b3", 1.2, 1.4, 300, 0.3, 1e-5, 0.1, false},
    {"efficientnet-b4", 1.4, 1.8, 380, 0.4, 1e-5, 0.1, false},
    {"efficientnet-b5", 1.6, 2.2, 456, 0.4, 1e-3, 0.01, false},
    {"efficientnet-b6", 1.8, 2.6, 528, 0.5, 1e-3, 0.01, false},
    {"efficientnet-b7", 2.0, 3.1, 600, 0.5, 1e-3, 0.01, false},
    {"efficientnet-lite0", 1.0, 1.0, 224, 0.2, 1e-3, 0.01, true},
    {"efficientnet-lite1", 1.0, 1.1, 240, 0.2, 1e-3, 0.01, true},
    {"efficientnet-lite2", 1.1, 1.2, 260, 0.3, 1e-3, 0.01, true},
    {"efficientnet-lite3", 1.2, 1.4, 280, 0.3, 1e-3, 0.01, true},
    {"efficientnet-lite4", 1.4, 1.8, 300, 0.3, 1e-3, 0.01, true},
};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

/* Tan & Le 2019, table 1, before scaling. */
static const struct {
    int kernel, stride, expand, out, repeats;
} stages[] = {{3, 1, 1, 16, 1},  {3, 2, 6, 24, 2},  {5, 2, 6, 40, 2}, {3, 2, 6, 80, 3},
              {5, 1, 6, 112, 3}, {5, 2, 6, 192, 4}, {3, 1, 6, 320, 1}};
enum { N_STAGES = sizeof stages / sizeof stages[0], STEM = 32, HEAD = 1280, DIVISOR = 8, SQUEEZE = 4 };

tn_status tn_effnet_find(const char *name, const tn_effnet **out) {
    const char *names[N_FAMILIES];
    for (int i = 0; i < N_FAMILIES; i++) {
        names[i] = families[i].name;
        if (strcmp(name, names[i]) != 0) continue;
        *out = &families[i];
        return TN_OK;
    }
    const char *nearest = tn_nearest(name, N_FAMILIES, names);
    return tn_fail(TN_EARG, "unknown net `%s`: %s%s%sthere are efficientnet-b0 to b7 and efficientnet-lite0 to lite4",
                   name, nearest ? "did you mean `" : "", nearest ? nearest : "", nearest ? "`? " : "");
}

const char *tn_net_name(int i) {
    return i >= 0 && i < N_FAMILIES ? families[i].name : NULL;
}

/* Scale a number of channels and round it to the nearest multiple of 8, but not more than 10 % down. */
static int scaled(int channels, double width) {
    double wanted = channels * width;
    int n = (int)(wanted + DIVISOR / 2.0) / DIVISOR * DIVISOR;
    if (n < DIVISOR) n = DIVISOR;
    return n < 0.9 * wanted ? n + DIVISOR : n;
}

int tn_effnet_stem(const tn_effnet *family, double width) {
    return family->lite ? STEM : scaled(STEM, width);
}
int tn_effnet_head(const tn_effnet *family, double width) {
    return family->lite ? HEAD : scaled(HEAD, width);
}

static int repeats_of(const tn_effnet *family, int stage, double depth) {
    bool fixed = family->lite && (stage == 0 || stage == N_STAGES - 1);
    return fixed ? stages[stage].repeats : (int)ceil(stages[stage].repeats * depth);
}

tn_status tn_effnet_blocks(const tn_effnet *family, double width, double depth, int *n_out, tn_block **block_out) {
    int n = 0;
    for (int s = 0; s < N_STAGES; s++) n += repeats_of(family, s, depth);
    tn_block *block = calloc((size_t)n, sizeof *block);
    if (!block) return tn_fail_memory((size_t)n * sizeof *block, "the blocks of a net");
    int at = 0, channels = tn_effnet_stem(family, width);
    for (int s = 0; s < N_STAGES; s++) {
        int out = scaled(stages[s].out, width), repeats = repeats_of(family, s, depth);
        for (int place = 0; place < repeats; place++) {
            int stride = place == 0 ? stages[s].stride : 1;
            block[at++] = (tn_block){.stage = s,
                                     .place = place,
                                     .n_in = channels,
                                     .n_mid = channels * stages[s].expand,
                                     .n_out = out,
                                     .kernel = stages[s].kernel,
                                     .stride = stride,
                                     .squeeze = family->lite ? 0 : channels / SQUEEZE,
                                     .skip = stride == 1 && channels == out,
                                     .expand = -1,
                                     .depthwise = -1,
                                     .se = -1,
                                     .project = -1};
            channels = out;
        }
    }
    *n_out = n;
    *block_out = block;
    return TN_OK;
}
