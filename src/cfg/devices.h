/*
 * devices.h - the list of devices, one line each.
 *
 *   X(KIND, name)   TN_DEVICE_KIND; the word of train.device, the folder below src/dev, and its table tn_name_table (dev/dev.h)
 */
#ifndef TN_CFG_DEVICES_H
#define TN_CFG_DEVICES_H

#define TN_DEVICES(X)                                                                                                  \
    X(REF, ref)                                                                                                        \
    X(CPU, cpu)                                                                                                        \
    X(CUDA, cuda)

#endif
