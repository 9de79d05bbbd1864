/* room.h - what a net takes on a GPU beside its arena. Needs nothing of CUDA: `check` predicts memory where there is none. */
#ifndef TN_DEV_CUDA_ROOM_H
#define TN_DEV_CUDA_ROOM_H

#include "dev/dev.h"

/* tn_dev_table.room */
size_t tn_cuda_room(tn_precision precision, int n, const tn_conv_shape *shape, bool training);

#endif
