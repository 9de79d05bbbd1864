/* fuzz_weights.c - any bytes as a file of weights, safetensors or HDF5: read or refused, never more. libFuzzer's entry;
 * replay.c calls it with the files of corpus/. */
#include "model/weights.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static char path[64];
static void remove_file(void) {
    unlink(path);
}

/* One file, written again and again, in memory where the system has such a folder. HDF5 opens no memfd. */
static int open_file(void) {
    if (!*path) {
        strcpy(path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-weights.XXXXXX" : "/tmp/fuzz-weights.XXXXXX");
        atexit(remove_file);
        return mkstemp(path);
    }
    return open(path, O_WRONLY | O_TRUNC);
}

static void read_weights(void) {
    tn_weights_ask ask = {.net = "efficientnet-b0", .width = 0.01, .depth = 0.01, .padding = TN_PADDING_GUESS};
    tn_weights *w = NULL;
    if (tn_weights_read(path, &ask, NULL, &w) == TN_EARG) { /* timm: the padding was to be said */
        ask.padding = TN_PADDING_SAME;
        (void)tn_weights_read(path, &ask, NULL, &w);
    }
    tn_weights_free(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    int fd = open_file();
    TN_ASSERT(fd >= 0);
    bool written = n_bytes == 0 || write(fd, data, n_bytes) == (ssize_t)n_bytes;
    close(fd);
    if (written) read_weights();
    return 0;
}
