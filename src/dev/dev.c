/* dev.c - the list of devices. */
#include "dev/dev.h"

#include "dev/cpu/cpu.h"
#include "dev/ref/ref.h"

#include <stdlib.h>
#include <unistd.h>

const char *tn_dev_library(void) {
    return "kernels 2";
}

static tn_status lacks(tn_isa isa) {
    char host[64] = "?";
    gethostname(host, sizeof host - 1);
    return tn_fail(
        TN_ENODE,
        "the processor of %s has no %s, only %s: use a node that has it (under Slurm, request that kind of node: "
        "slurm.options = [ \"--constraint=...\" ])",
        host, tn_isa_words[isa], tn_isa_words[tn_isa_best()]);
}

tn_status tn_dev_open(tn_device_kind kind, int n_threads, tn_isa isa, tn_precision precision, tn_dev **out) {
    if (n_threads < 1) return tn_fail(TN_EARG, "%d threads for a device: give 1 or more", n_threads);
    if (isa > tn_isa_best()) return lacks(isa);
    if (kind == TN_DEVICE_REF && precision != TN_FP32)
        return tn_fail(TN_EARG, "the device `ref` computes in fp32 only: set train.precision = \"fp32\"");
    tn_dev *dev = calloc(1, sizeof *dev);
    if (!dev) return tn_fail_memory(sizeof *dev, "the device");
    dev->n_threads = n_threads;
    dev->isa = isa;
    dev->precision = precision;
    tn_status st = TN_OK;
    switch (kind) {
    case TN_DEVICE_REF:
        dev->op = &tn_ref_table;
        break;
    case TN_DEVICE_CPU:
        st = tn_cpu_begin(dev);
        break;
    }
    if (st == TN_OK)
        *out = dev;
    else
        free(dev);
    return st;
}

void tn_dev_close(tn_dev **dev) {
    if (!*dev) return;
    if ((*dev)->op == &tn_cpu_table) tn_cpu_end(*dev);
    free(*dev);
    *dev = NULL;
}
