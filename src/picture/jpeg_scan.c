/* jpeg_scan.c - Huffman tables with values, and blocks that are added up while they are read. */
#include "picture/jpeg_scan.h"

#include "picture/vectors.h"

#include <string.h>

typedef float v4 __attribute__((vector_size(16)));
typedef unsigned char v4b __attribute__((vector_size(4)));
typedef int32_t v4i __attribute__((vector_size(16)));

enum { LONGEST = 16, BLOCK_ENDS = 64, LENGTH_AT = 8, SIZE_AT = 16, ZEROS_AT = 24, MOST_DC = 1 << 16 };
enum { DC_BITS = 11, AC_BITS = 10 }; /* the largest numbers of bits of values (F.1.2) */

/* --- tables ------------------------------------------------------------------------------------------------------- */

/* The entry of a symbol whose code has `length` bits. */
static uint32_t entry_of(bool is_dc, int symbol, int length) {
    int size = is_dc ? symbol : symbol & 15, zeros = is_dc ? 0 : symbol >> 4;
    if (!is_dc && size == 0 && zeros < 15) zeros = BLOCK_ENDS;
    return (uint32_t)(length + size) | (uint32_t)length << LENGTH_AT | (uint32_t)(63 - size) << SIZE_AT |
           (uint32_t)zeros << ZEROS_AT;
}

bool tn_scan_table_set(tn_scan_table *t, bool is_dc, const unsigned char *count, const unsigned char *symbol, int n) {
    int code = 0, at = 0;
    *t = (tn_scan_table){.known = true};
    memcpy(t->symbol, symbol, (size_t)n);
    for (int length = 1; length <= LONGEST; length++, code *= 2) {
        t->offset[length] = at - code;
        for (int i = 0; i < count[length - 1]; i++, at++, code++) {
            if (code >= 1 << length || (is_dc ? symbol[at] > DC_BITS : (symbol[at] & 15) > AC_BITS)) return false;
            int free_bits = TN_SCAN_LOOK - length;
            for (int j = 0; free_bits >= 0 && j < 1 << free_bits; j++) {
                int next = code << free_bits | j;
                t->entry[next] = entry_of(is_dc, symbol[at], length);
            }
        }
        t->past[length] = code << (LONGEST - length);
    }
    return at == n;
}

/* --- bits --------------------------------------------------------------------------------------------------------- */

static inline uint64_t bits_at(const unsigned char *at) {
    uint64_t more;
    memcpy(&more, at, sizeof more);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    more = __builtin_bswap64(more);
#endif
    return more;
}

/* Fill up to at least 56 bits, enough for two codes with values. The bytes were read before, so that nothing waits for them. */
static inline void refill(tn_scan_bits *b) {
    b->bits |= b->next >> b->n;
    b->at += (63 - b->n) >> 3;
    b->n |= 56;
    b->next = bits_at(b->at);
}

void tn_scan_bits_begin(tn_scan_bits *b, const unsigned char *at, const unsigned char *end) {
    *b = (tn_scan_bits){.at = at, .end = end, .next = bits_at(at)};
}

/* The entry of a code longer than LOOK bits; 0: there is no such code. */
static uint32_t long_code(const tn_scan_bits *b, const tn_scan_table *t, bool is_dc) {
    int next = (int)(b->bits >> (64 - LONGEST));
    for (int length = TN_SCAN_LOOK + 1; length <= LONGEST; length++)
        if (next < t->past[length])
            return entry_of(is_dc, t->symbol[t->offset[length] + (next >> (LONGEST - length))], length);
    return 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

/* Read one code and its value. *zeros: before it. false: no such code. Without branches on the value's size, which nobody can predict. */
static inline __attribute__((always_inline)) bool next_value(tn_scan_bits *b, const tn_scan_table *t, bool is_dc,
                                                             unsigned *zeros, int *value) {
    uint32_t entry = t->entry[b->bits >> (64 - TN_SCAN_LOOK)];
    if (__builtin_expect(entry == 0, 0) && (entry = long_code(b, t, is_dc)) == 0) return false;
    uint64_t rest = b->bits << (entry >> LENGTH_AT & 63);
    unsigned empty = entry >> SIZE_AT & 63;
    int raw = (int)(rest >> 1 >> empty), ones = (int)(UINT64_MAX >> 1 >> empty), negative = (int)((int64_t)~rest >> 63);
    b->bits <<= entry & 63;
    b->n -= entry & 63;
    *zeros = entry >> ZEROS_AT;
    *value = raw - (negative & ones); /* values that begin with 0 are negative (F.2.2.1, EXTEND) */
    return true;
}

static inline __attribute__((always_inline)) void add(v4 *sum, int n_vectors, const float *weight, int value) {
    for (int i = 0; i < n_vectors; i++) {
        v4 w;
        memcpy(&w, weight + 4 * i, sizeof w);
        sum[i] += (float)value * w;
    }
}

typedef enum { MORE, END, BAD } state;

/* Read the next coefficient after *k. */
static inline __attribute__((always_inline)) state
next_coefficient(tn_scan_bits *b, const tn_scan_table *ac, int n_vectors, const float *weight, unsigned *k, v4 *sum) {
    unsigned zeros;
    int value;
    if (!next_value(b, ac, false, &zeros, &value)) return BAD;
    *k += zeros + 1;
    if (*k >= 63 && (*k > 63 || zeros == BLOCK_ENDS)) return zeros == BLOCK_ENDS ? END : BAD;
    add(sum, n_vectors, weight + (int)*k * n_vectors * 4, value);
    return *k == 63 ? END : MORE;
}

static inline __attribute__((always_inline)) bool block(tn_scan_bits *b, const tn_scan_table *dc,
                                                        const tn_scan_table *ac, int *pred, int n_vectors,
                                                        const float *weight, unsigned char *out) {
    tn_scan_bits bits = *b;
    v4 sum[16];
    unsigned zeros, k = 0;
    int value;
    refill(&bits);
    if (!next_value(&bits, dc, true, &zeros, &value)) return false;
    *pred += value;
    if (*pred < -MOST_DC || *pred > MOST_DC) return false;
    for (int i = 0; i < n_vectors; i++) sum[i] = (v4){0} + 128.5F;
    add(sum, n_vectors, weight, *pred);
    for (state at = MORE; at == MORE;) {
        at = next_coefficient(&bits, ac, n_vectors, weight, &k, sum);
        if (at == MORE) {
            refill(&bits);
            at = next_coefficient(&bits, ac, n_vectors, weight, &k, sum);
        }
        if (at == BAD) return false;
    }
    for (int i = 0; i < n_vectors; i++) {
        sum[i] = (v4)((v4i)sum[i] & (sum[i] > 0));
        v4i big = sum[i] > 255, whole = (__builtin_convertvector(sum[i], v4i) & ~big) | (255 & big);
        v4b bytes = __builtin_convertvector(whole, v4b);
        memcpy(out + 4 * i, &bytes, sizeof bytes);
    }
    *b = bits;
    return b->at <= b->end + sizeof b->bits;
}

TN_FOR_VECTORS bool tn_scan_block(tn_scan_bits *b, const tn_scan_table *dc, const tn_scan_table *ac, int *pred,
                                  int n_vectors, const float *weight, unsigned char *mean) {
    switch (n_vectors) { /* so that sums stay in registers */
    case 1:
        return block(b, dc, ac, pred, 1, weight, mean);
    case 2:
        return block(b, dc, ac, pred, 2, weight, mean);
    case 4:
        return block(b, dc, ac, pred, 4, weight, mean);
    default:
        return block(b, dc, ac, pred, n_vectors, weight, mean);
    }
}
