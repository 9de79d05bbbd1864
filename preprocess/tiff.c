/* tiff.c - one tag of the first directory; every offset is checked, as strangers wrote the file. */
#include "preprocess/tiff.h"

#include <stdint.h>
#include <string.h>

enum { EXTRA_SAMPLES = 338, ASSOCIATED = 1, UNASSOCIATED = 2 };

typedef struct {
    const unsigned char *file;
    size_t n_file;
    bool big_endian;
} reader;

/* A number of n bytes; 0 beyond the end, which no caller follows. */
static uint64_t number(const reader *r, uint64_t at, int n) {
    uint64_t x = 0;
    if (at > r->n_file || r->n_file - at < (uint64_t)n) return 0;
    for (int i = 0; i < n; i++) x = x << 8 | r->file[at + (uint64_t)(r->big_endian ? i : n - 1 - i)];
    return x;
}

static int first_alpha(const reader *r, uint64_t tag, bool wide, bool *multiplied_out) {
    uint64_t count = number(r, tag + 4, wide ? 8 : 4), at = tag + (wide ? 12 : 8), room = wide ? 8 : 4;
    if (count > room / 2) at = number(r, at, (int)room);
    for (uint64_t i = 0; i < count && i < 65536; i++) {
        uint64_t kind = number(r, at + 2 * i, 2);
        if (kind != ASSOCIATED && kind != UNASSOCIATED) continue;
        *multiplied_out = kind == ASSOCIATED;
        return (int)i;
    }
    return -1;
}

bool tn_tiff_is(const unsigned char *file, size_t n_file) {
    if (n_file < 16 || (memcmp(file, "II", 2) != 0 && memcmp(file, "MM", 2) != 0)) return false;
    reader r = {.file = file, .n_file = n_file, .big_endian = file[0] == 'M'};
    uint64_t version = number(&r, 2, 2);
    return version == 42 || version == 43;
}

int tn_tiff_alpha(const unsigned char *file, size_t n_file, bool *multiplied_out) {
    *multiplied_out = false;
    if (!tn_tiff_is(file, n_file)) return -1;
    reader r = {.file = file, .n_file = n_file, .big_endian = file[0] == 'M'};
    bool wide = number(&r, 2, 2) == 43; /* BigTIFF: offsets and counts of eight bytes */
    uint64_t at = number(&r, wide ? 8 : 4, wide ? 8 : 4), n_tags = number(&r, at, wide ? 8 : 2);
    uint64_t first = at + (wide ? 8U : 2U), step = wide ? 20 : 12;
    for (uint64_t i = 0; i < n_tags && i < 65536; i++) {
        uint64_t tag = first + i * step;
        if (tag > n_file || n_file - tag < step) return -1;
        if (number(&r, tag, 2) == EXTRA_SAMPLES) return first_alpha(&r, tag, wide, multiplied_out);
    }
    return -1;
}
