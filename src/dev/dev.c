/* dev.c - opens devices. */
#include "dev/dev.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DECLARE(KIND, name) extern const tn_dev_table tn_##name##_table;
TN_DEVICES(DECLARE)
#define ADDRESS(KIND, name) &tn_##name##_table,
static const tn_dev_table *const TABLE[TN_N_DEVICES] = {TN_DEVICES(ADDRESS)};

const tn_dev_table *tn_dev_table_of(tn_device_kind kind) {
    return TABLE[kind];
}

tn_status tn_isa_check(tn_isa isa) {
    char host[64] = "?";
    if (isa <= tn_isa_best()) return TN_OK;
    gethostname(host, sizeof host - 1);
    return tn_fail(
        TN_ENODE,
        "the processor of %s has no %s, only %s: use a node that has it (under Slurm, request that kind of node: "
        "slurm.options = [ \"--constraint=...\" ])",
        host, tn_isa_words[isa], tn_isa_words[tn_isa_best()]);
}

tn_status tn_dev_open(tn_device_kind kind, int n_threads, tn_isa isa, tn_precision precision, tn_dev **out) {
    if (n_threads < 1) return tn_fail(TN_EARG, "%d threads for a device: give 1 or more", n_threads);
    tn_dev *dev = calloc(1, sizeof *dev);
    if (!dev) return tn_fail_memory(sizeof *dev, "the device");
    *dev = (tn_dev){.op = TABLE[kind], .n_threads = n_threads, .isa = isa, .precision = precision};
    snprintf(dev->library, sizeof dev->library, "%s", dev->op->library);
    tn_status st = dev->op->begin(dev);
    if (st != TN_OK) {
        free(dev);
        return st;
    }
    dev->number = (double *)(void *)dev->op->alloc(dev, sizeof *dev->number / sizeof(float));
    if (!dev->number) st = tn_fail_memory(sizeof *dev->number, "the device");
    if (st != TN_OK)
        tn_dev_close(&dev);
    else
        *out = dev;
    return st;
}

void tn_dev_close(tn_dev **dev) {
    if (!*dev) return;
    (*dev)->op->free(*dev, (float *)(void *)(*dev)->number);
    (*dev)->op->end(*dev);
    free(*dev);
    *dev = NULL;
}

double tn_dev_squares(tn_dev *dev, int64_t n, const float *x) {
    double sum = 0;
    dev->op->fill(dev, sizeof sum / sizeof(float), 0, (float *)(void *)dev->number);
    dev->op->add_squares(dev, n, x, dev->number);
    dev->op->download(dev, sizeof sum / sizeof(float), (const float *)(const void *)dev->number, (float *)(void *)&sum);
    return sum;
}
