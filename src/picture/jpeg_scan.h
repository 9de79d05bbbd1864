/* jpeg_scan.h - Huffman codes of jpeg_means.c. */
#ifndef TN_PICTURE_JPEG_SCAN_H
#define TN_PICTURE_JPEG_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TN_SCAN_LOOK = 10, TN_SCAN_PADDING = 320 };

/* A Huffman table. An entry for the next bits says: how many bits the code and its value have together (bits 0 to 5), how many the code
 * has (8 to 13), 63 less those of the value (16 to 21), zeros before the value (24 to 30; 64: the block ends). 0: a longer code, or none. */
typedef struct {
    bool known;
    uint32_t entry[1 << TN_SCAN_LOOK];
    int past[17];   /* by length: the first code after those of this length, left-justified in 16 bits */
    int offset[17]; /* by length: the first symbol's index less its code */
    unsigned char symbol[256];
} tn_scan_table;

/* count (16): codes of each length; symbol (n). is_dc: a symbol is a number of bits. false: no valid table. */
bool tn_scan_table_set(tn_scan_table *t, bool is_dc, const unsigned char *count, const unsigned char *symbol, int n);

/* A reader of bits without stuffing; TN_SCAN_PADDING bytes of zeros stand behind the end. */
typedef struct {
    const unsigned char *at, *end;
    uint64_t bits, next; /* the next ones, from the highest bit on; those at `at` */
    unsigned n;          /* valid ones in `bits` */
} tn_scan_bits;

/* Begin at `at`. */
void tn_scan_bits_begin(tn_scan_bits *b, const unsigned char *at, const unsigned char *end);

/* Decode a block of 64 coefficients to n_vectors * 4 values: 128 + the sum of coefficient[k] * weight[k][i], rounded and clipped to 0..255.
 * pred    the DC before, replaced
 * weight  (64, n_vectors * 4), in the order of the file */
bool tn_scan_block(tn_scan_bits *b, const tn_scan_table *dc, const tn_scan_table *ac, int *pred, int n_vectors,
                   const float *weight, unsigned char *mean);

/* The bits left over; negative: more were read than there are. */
static inline ptrdiff_t tn_scan_bits_left(const tn_scan_bits *b) {
    return (b->end - b->at) * 8 + (ptrdiff_t)b->n;
}

#endif
