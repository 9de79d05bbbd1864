/* cpu.h - the CPU device: own kernels per instruction set.                           layer: dev, uses: base */
#ifndef TN_DEV_CPU_CPU_H
#define TN_DEV_CPU_CPU_H

#include "dev/dev.h"

extern const tn_dev_table tn_cpu_table;

tn_status tn_cpu_begin(tn_dev *dev); /* sets dev->op and dev->state */
void tn_cpu_end(tn_dev *dev);

#endif
