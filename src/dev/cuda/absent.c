/* absent.c - the device `cuda` of a build without CUDA: it cannot be opened. */
#include "dev/cuda/room.h"

extern const tn_dev_table tn_cuda_table;

static tn_status begin(tn_dev *dev) {
    (void)dev;
    return tn_fail(TN_EARG,
                   "train.device = \"cuda\": this tenfold was built without CUDA: build it with -DTENFOLD_CUDA=ON, or "
                   "set train.device = \"cpu\"");
}

const tn_dev_table tn_cuda_table = {.library = "none", .begin = begin, .room = tn_cuda_room};
