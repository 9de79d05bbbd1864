/* gif.c - reads the descriptor of the first frame; every length is checked, because the file may be damaged. */
#include "preprocess/gif.h"

#include <string.h>

enum { HEADER = 13, EXTENSION = 0x21, FRAME = 0x2C };

/* The number of bytes of a colour table, from the flags before it. */
static size_t table(unsigned flags) {
    return flags & 128U ? (size_t)3 << ((flags & 7U) + 1) : 0;
}

/* Skip an extension: its label, then blocks with their lengths up to one of length 0. Returns the offset after it. */
static size_t skip(const unsigned char *file, size_t n_file, size_t at) {
    at += 2;
    while (at < n_file && file[at] != 0) at += (size_t)file[at] + 1;
    return at + 1;
}

bool tn_gif_frame(const unsigned char *file, size_t n_file, int out[4]) {
    if (n_file < HEADER || memcmp(file, "GIF8", 4) != 0) return false;
    size_t at = HEADER + table(file[10]);
    while (at < n_file && file[at] == EXTENSION) at = skip(file, n_file, at);
    if (at >= n_file || n_file - at < 10 || file[at] != FRAME) return false;
    for (int i = 0; i < 4; i++) out[i] = file[at + 1 + 2 * (size_t)i] | file[at + 2 + 2 * (size_t)i] << 8;
    return true;
}
