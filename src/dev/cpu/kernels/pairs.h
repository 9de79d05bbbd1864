/*
 * pairs.h - packs operands of bf16 products in pairs: two neighbours along the summed dimension in one 32-bit word, the first in the low half.
 * Included by kernels.c once for each instruction set.
 */

/* Interleave rows 2p and 2p+1 of x (n, n_columns; row length ld) to pairs: out (ceil(n/2), ld_out). A missing last row and the padding
 * are zeros. */
static void pair_rows(int64_t n, int64_t n_columns, const bf16 *x, int64_t ld, uint32_t *out, int64_t ld_out) {
    for (int64_t i = 0; i < n; i += 2, x += 2 * ld, out += ld_out) {
        if (i + 1 < n) {
#pragma omp simd
            for (int64_t c = 0; c < n_columns; c++) out[c] = (uint32_t)x[c] | (uint32_t)x[ld + c] << 16;
        } else {
            for (int64_t c = 0; c < n_columns; c++) out[c] = x[c];
        }
        for (int64_t c = n_columns; c < ld_out; c++) out[c] = 0;
    }
}

/* r[i][j] becomes r[j][i]: blocks of 1, 2, 4 and 8 words change places across the diagonal. */
INLINE void transpose_words(v16u r[VW]) {
#define SWAP(D, ...)                                                                                                   \
    for (int i = 0; i < VW; i++)                                                                                       \
        if (!(i & D)) {                                                                                                \
            const v16i upper = {__VA_ARGS__}, lower = upper + D;                                                       \
            v16u a = r[i], b = r[i + D];                                                                               \
            r[i] = __builtin_shuffle(a, b, upper);                                                                     \
            r[i + D] = __builtin_shuffle(a, b, lower);                                                                 \
        }
#pragma GCC unroll 16
    SWAP(1, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#pragma GCC unroll 16
    SWAP(2, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#pragma GCC unroll 16
    SWAP(4, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#pragma GCC unroll 16
    SWAP(8, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#undef SWAP
}

/* 16 values of bf16 from each of two vectors, as pairs of neighbours: the first eight from `low`. */
INLINE v16u neighbours(v16 low, v16 high) {
    v16h h[2] = {round_bf16(low), round_bf16(high)};
    v16u pairs;
    memcpy(&pairs, h, sizeof pairs);
    return pairs;
}

/* Pack weights w(k,j) = w[k * k_step + j * j_step], k < K, j < J, in panels of pairs along k: out (J/16, K/2, 16), padded with zeros. One of
 * the steps is 1. */
INLINE void pack_columns(int64_t K, int n, const float *w, int64_t k_step, uint32_t *out) {
    for (int64_t k = 0; k < K; k += 2, out += VW) {
        v16 low = get_f32(w + k * k_step, n), high = k + 1 < K ? get_f32(w + (k + 1) * k_step, n) : all(0);
        v16u pairs = (v16u)bf16_round(low) >> 16 | (v16u)bf16_round(high);
        memcpy(out, &pairs, sizeof pairs);
    }
}

INLINE void pack_rows(int64_t K, int n, const float *w, int64_t j_step, uint32_t *out) {
    for (int64_t k = 0; k < K; k += 2 * VW) {
        v16u r[VW];
        int64_t left = K - k;
        for (int j = 0; j < VW; j++) {
            const float *row = w + j * j_step + k;
            v16 low = j >= n ? all(0) : get_f32(row, left < VW ? (int)left : VW), high = all(0);
            if (j < n && left > VW) high = get_f32(row + VW, left < 2 * VW ? (int)left - VW : VW);
            r[j] = neighbours(low, high);
        }
        transpose_words(r);
        memcpy(out + k / 2 * VW, r, sizeof *r * (size_t)(left < 2 * VW ? (left + 1) / 2 : VW));
    }
}

static void pack_pairs(int n_threads, int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step,
                       uint32_t *out) {
    int64_t n_panel = (K + 1) / 2 * VW;
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1 && K * J > 16384)
    for (int64_t panel = 0; panel < J; panel += VW) {
        int n = J - panel < VW ? (int)(J - panel) : VW;
        if (k_step == 1)
            pack_rows(K, n, w + panel * j_step, j_step, out + panel / VW * n_panel);
        else
            pack_columns(K, n, w + panel, k_step, out + panel / VW * n_panel);
    }
}
