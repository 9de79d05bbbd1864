/* fuzz_pth.c - any bytes as a file of torch.save, archive or stream: its tensors are read, or it is refused, never more. libFuzzer's
 * entry; replay.c calls it with the files of corpus-pth/. */
#include "model/pth_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { MOST = 1 << 16 }; /* values of a tensor that are converted here */

static char path[64];
static void remove_file(void) {
    unlink(path);
}

/* One file, written again and again, in memory where the system has such a folder. */
static int open_file(void) {
    if (!*path) {
        strcpy(path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-pth.XXXXXX" : "/tmp/fuzz-pth.XXXXXX");
        atexit(remove_file);
        return mkstemp(path);
    }
    return open(path, O_WRONLY | O_TRUNC);
}

static void read_tensors(tn_ema ema) {
    static float out[MOST];
    tn_pth *p = NULL;
    if (!tn_pth_is(path) || tn_pth_open(path, ema, &p) != TN_OK) return;
    for (int i = 0; i < tn_pth_count(p); i++) {
        const tn_pth_tensor *t = tn_pth_at(p, i);
        int64_t n = 1;
        for (int d = 0; d < t->n_dims && n <= MOST; d++) n = t->dim[d] > MOST ? MOST + 1 : n * t->dim[d];
        if (n <= MOST) (void)tn_pth_values(p, t, out);
    }
    tn_pth_close(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    int fd = open_file();
    TN_ASSERT(fd >= 0);
    bool written = n_bytes == 0 || write(fd, data, n_bytes) == (ssize_t)n_bytes;
    close(fd);
    if (!written) return 0;
    read_tensors(TN_EMA_IF_THERE);
    read_tensors(TN_EMA_NO);
    return 0;
}
