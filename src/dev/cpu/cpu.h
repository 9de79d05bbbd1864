/* cpu.h - the CPU device: our own kernels for each instruction set. */
#ifndef TN_DEV_CPU_CPU_H
#define TN_DEV_CPU_CPU_H

#include "dev/dev.h"

extern const tn_dev_table tn_cpu_table;

tn_status
tn_cpu_begin(tn_dev *dev); /* sets dev->op and dev->state. Local. Errors TN_EARG threads or stacks, TN_ENOMEM */
void tn_cpu_end(tn_dev *dev);

#endif
