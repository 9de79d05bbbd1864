/* pieces.h - how sums over many rows are cut into pieces, on which the scratch memory of kernels depends. C and CUDA C. */
#ifndef TN_DEV_CUDA_PIECES_H
#define TN_DEV_CUDA_PIECES_H

#include <stdint.h>

/* Sums over M rows are made in pieces: about PIECES of them, of at least LEAST rows. */
static inline int64_t tn_cuda_piece_rows(int64_t M) {
    enum { PIECES = 1024, LEAST = 64 };
    int64_t n = (M + PIECES - 1) / PIECES;
    return n < LEAST ? LEAST : n;
}
static inline int64_t tn_cuda_pieces(int64_t M) {
    return (M + tn_cuda_piece_rows(M) - 1) / tn_cuda_piece_rows(M);
}

/* Sums over the HW rows of each of B images are made in pieces of at least 64 rows, so that there are about BLOCKS blocks, of 256
 * channels. There are no more pieces of all images than 3 tn_cuda_pieces(B HW). */
static inline int tn_cuda_image_pieces(int B, int64_t HW, int C) {
    enum { BLOCKS = 1056, LEAST = 64, CHANNELS = 256 };
    int64_t n = BLOCKS / ((int64_t)B * ((C + CHANNELS - 1) / CHANNELS));
    if (n > HW / LEAST) n = HW / LEAST;
    return n < 1 ? 1 : (int)n;
}

/* Depthwise gradients: a block has pairs of channels by places, 256 threads at most; a thread takes strips of STRIP pixels of a row. The
 * strips are cut into pieces, of about BLOCKS blocks in all: 8 for each of an H100's 132 processors. */
enum { TN_CUDA_STRIP = 8, TN_CUDA_PLACES_PAIRS = 256, TN_CUDA_MOST_PAIRS = 32 };
static inline int tn_cuda_pairs(int C) {
    int n = C / 2, columns = (n + TN_CUDA_MOST_PAIRS - 1) / TN_CUDA_MOST_PAIRS;
    return ((n + columns - 1) / columns + 3) / 4 * 4;
}
static inline int tn_cuda_strips_each(int64_t strips, int C) {
    enum { BLOCKS = 1056 };
    int pairs = tn_cuda_pairs(C), places = TN_CUDA_PLACES_PAIRS / pairs, columns = (C / 2 + pairs - 1) / pairs;
    int64_t each = (strips * columns + BLOCKS - 1) / BLOCKS;
    return (int)(each < places ? places : each);
}
static inline int tn_cuda_strips_pieces(int64_t strips, int C) {
    int each = tn_cuda_strips_each(strips, C);
    return (int)((strips + each - 1) / each);
}

#endif
