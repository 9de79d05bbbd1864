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

/* A depthwise weight gradient is summed in pieces of rows of output pixels (all images' rows: B P), of FILTER_CHANNELS channels and at
 * least FILTER_LANES rows, about BLOCKS in all. */
enum { TN_CUDA_FILTER_CHANNELS = 64, TN_CUDA_FILTER_LANES = 8 };
static inline int tn_cuda_filter_rows(int64_t rows, int C) {
    enum { BLOCKS = 1024 };
    int64_t columns = (C + TN_CUDA_FILTER_CHANNELS - 1) / TN_CUDA_FILTER_CHANNELS;
    int64_t each = (rows * columns + BLOCKS - 1) / BLOCKS;
    return (int)(each < TN_CUDA_FILTER_LANES ? TN_CUDA_FILTER_LANES : each);
}
static inline int tn_cuda_filter_pieces(int64_t rows, int C) {
    return (int)((rows + tn_cuda_filter_rows(rows, C) - 1) / tn_cuda_filter_rows(rows, C));
}

#endif
