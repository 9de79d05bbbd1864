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

/* Pack weights w(k,j) = w[k * k_step + j * j_step], k < K, j < J, in panels of pairs along k: out (J/16, K/2, 16), padded with zeros. */
static void pack_pairs(int64_t K, int64_t J, const float *w, int64_t k_step, int64_t j_step, uint32_t *out) {
    for (int64_t panel = 0; panel < J; panel += VW)
        for (int64_t k = 0; k < K; k += 2, out += VW) {
            float low[VW] = {0}, high[VW] = {0};
            for (int64_t j = panel; j < panel + VW && j < J; j++) {
                low[j - panel] = w[k * k_step + j * j_step];
                if (k + 1 < K) high[j - panel] = w[(k + 1) * k_step + j * j_step];
            }
            v16u pairs = (v16u)bf16_round(get_f32(low, VW)) >> 16 | (v16u)bf16_round(get_f32(high, VW));
            memcpy(out, &pairs, sizeof pairs);
        }
}
