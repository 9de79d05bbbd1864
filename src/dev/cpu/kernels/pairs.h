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

typedef uint32_t words __attribute__((vector_size(4 * PW))); /* of a panel */

/* r[i][j] becomes r[j][i]: blocks of 1, 2, 4 and 8 words change places across the diagonal. */
INLINE void transpose_words(words r[PW]) {
#define SWAP(D, ...)                                                                                                   \
    for (int i = 0; i < PW; i++)                                                                                       \
        if (!(i & D)) {                                                                                                \
            const words upper = {__VA_ARGS__}, lower = upper + D, a = r[i], b = r[i + D];                              \
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

/* How many of VW values from `at` on exist, of n. */
INLINE int existing(int64_t n, int64_t at) {
    return n - at >= VW ? VW : n > at ? (int)(n - at) : 0;
}

/* Pack weights w(k,j) = w[k * k_step + j * j_step], k < K, j < J, in panels of pairs along k: out (J/16, K/2, 16), padded with zeros. One of
 * the steps is 1. */
INLINE void pack_columns(int64_t K, int64_t n, const float *w, int64_t k_step, uint32_t *out) {
    for (int64_t k = 0; k < K; k += 2, out += PW)
        for (int c = 0; c < PW; c += VW) {
            const float *at = w + k * k_step + c;
            vec low = get_f32(at, existing(n, c)), high = k + 1 < K ? get_f32(at + k_step, existing(n, c)) : all(0);
            vecu pairs = (vecu)bf16_round(low) >> 16 | (vecu)bf16_round(high);
            memcpy(out + c, &pairs, sizeof pairs);
        }
}

INLINE void pack_rows(int64_t K, int64_t n, const float *w, int64_t j_step, uint32_t *out) {
    for (int64_t k = 0; k < K; k += 2 * PW) {
        words r[PW];
        for (int j = 0; j < PW; j++) {
            bf16 row[2 * PW] = {0};
            for (int at = 0; j < n && at < 2 * PW; at += VW)
                put_bf16(row + at, get_f32(w + j * j_step + k + at, existing(K, k + at)), VW);
            memcpy(&r[j], row, sizeof r[j]);
        }
        transpose_words(r);
        int64_t left = (K - k + 1) / 2;
        memcpy(out + k / 2 * PW, r, sizeof *r * (size_t)(left < PW ? left : PW));
    }
}

static void pack_pairs(int n_threads, int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step,
                       uint32_t *out) {
    int64_t n_panel = (K + 1) / 2 * PW;
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1 && K * J > 16384)
    for (int64_t panel = 0; panel < J; panel += PW)
        if (k_step == 1)
            pack_rows(K, J - panel, w + panel * j_step, j_step, out + panel / PW * n_panel);
        else
            pack_columns(K, J - panel, w + panel, k_step, out + panel / PW * n_panel);
}
