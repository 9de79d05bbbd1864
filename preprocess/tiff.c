/* tiff.c - reads tags of the first directory; every offset is checked, because the file may be damaged. */
#include "preprocess/tiff.h"

#include <stdint.h>
#include <string.h>

enum { NEW_SUBFILE_TYPE = 254, SUBFILE_TYPE = 255, ORIENTATION = 274, EXTRA_SAMPLES = 338 };
enum { ASSOCIATED = 1, UNASSOCIATED = 2 };

typedef struct {
    const unsigned char *file;
    size_t n_file;
    bool big_endian, wide; /* wide: BigTIFF, offsets and counts of eight bytes */
} reader;

/* A number of n bytes; 0 beyond the end of the file. */
static uint64_t number(const reader *r, uint64_t at, int n) {
    uint64_t x = 0;
    if (at > r->n_file || r->n_file - at < (uint64_t)n) return 0;
    for (int i = 0; i < n; i++) x = x << 8 | r->file[at + (uint64_t)(r->big_endian ? i : n - 1 - i)];
    return x;
}

static bool begin(const unsigned char *file, size_t n_file, reader *r) {
    if (n_file < 16 || (memcmp(file, "II", 2) != 0 && memcmp(file, "MM", 2) != 0)) return false;
    *r = (reader){.file = file, .n_file = n_file, .big_endian = file[0] == 'M'};
    uint64_t version = number(r, 2, 2);
    r->wide = version == 43;
    return version == 42 || r->wide;
}

bool tn_tiff_is(const unsigned char *file, size_t n_file) {
    reader r;
    return begin(file, n_file, &r);
}

/* The offset of a tag's entry in the first directory; 0: there is none. */
static uint64_t find(const reader *r, uint64_t tag) {
    int width = r->wide ? 8 : 4;
    uint64_t at = number(r, r->wide ? 8 : 4, width), n_tags = number(r, at, r->wide ? 8 : 2);
    uint64_t first = at + (r->wide ? 8U : 2U), step = r->wide ? 20 : 12;
    for (uint64_t i = 0; i < n_tags && i < 65536; i++) {
        uint64_t entry = first + i * step;
        if (entry > r->n_file || r->n_file - entry < step) return 0;
        if (number(r, entry, 2) == tag) return entry;
    }
    return 0;
}

/* The offset of an entry's values: inside the entry if they fit, otherwise elsewhere. */
static uint64_t values_at(const reader *r, uint64_t entry, uint64_t n_bytes_each, uint64_t *count_out) {
    int width = r->wide ? 8 : 4;
    uint64_t at = entry + (r->wide ? 12 : 8);
    *count_out = number(r, entry + 4, width);
    return *count_out > (uint64_t)width / n_bytes_each ? number(r, at, width) : at;
}

int tn_tiff_alpha(const unsigned char *file, size_t n_file, bool *multiplied_out) {
    reader r;
    uint64_t entry, count = 0;
    *multiplied_out = false;
    if (!begin(file, n_file, &r) || (entry = find(&r, EXTRA_SAMPLES)) == 0) return -1;
    uint64_t at = values_at(&r, entry, 2, &count);
    for (uint64_t i = 0; i < count && i < 65536; i++) {
        uint64_t kind = number(&r, at + 2 * i, 2);
        if (kind != ASSOCIATED && kind != UNASSOCIATED) continue;
        *multiplied_out = kind == ASSOCIATED;
        return (int)i;
    }
    return -1;
}

bool tn_tiff_reduced(const unsigned char *file, size_t n_file) {
    reader r;
    uint64_t entry, count;
    if (!begin(file, n_file, &r)) return false;
    if ((entry = find(&r, NEW_SUBFILE_TYPE)) != 0) return number(&r, values_at(&r, entry, 4, &count), 4) & 1;
    return (entry = find(&r, SUBFILE_TYPE)) != 0 && number(&r, values_at(&r, entry, 2, &count), 2) == 2;
}

int tn_tiff_orientation(const unsigned char *file, size_t n_file) {
    enum { SHORT = 3 };
    reader r;
    uint64_t entry, count = 0;
    if (!begin(file, n_file, &r)) return 0;
    if ((entry = find(&r, ORIENTATION)) == 0) return 1;
    uint64_t at = values_at(&r, entry, 2, &count), value = number(&r, at, 2);
    return number(&r, entry + 2, 2) == SHORT && count == 1 && value >= 1 && value <= 8 ? (int)value : 0;
}
