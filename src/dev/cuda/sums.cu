/* sums.cu - sums over the rows of activations, and batch norm, which needs them. See kernels.h. */
#include "dev/cuda/kernels.cuh"

namespace {

/* Rows, and pieces, that are loaded before the first is used. */
enum { ROWS_AT_ONCE = 2, PIECES_AT_ONCE = 4 };

/* partial (pieces, 3, C): the value of the piece's first row, the sum of the differences from it, and of their squares. */
template <class T> __global__ void moments_kernel(int64_t M, int64_t rows, int C, const T *y, float *partial) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V;
    int64_t first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float *out = partial + (int64_t)blockIdx.y * 3 * C, acc[2 * V] = {0}, pivot[V], v[V];
    if (g < G) {
        load(y + first * C + g * V, pivot);
        for (int64_t m = first + t / s.Gb; m < end; m += ROWS_AT_ONCE * s.rows) {
            packed<T> row[ROWS_AT_ONCE];
#pragma unroll
            for (int i = 0; i < ROWS_AT_ONCE; i++) {
                int64_t at = m + i * s.rows;
                row[i] = fetch(y + (at < end ? at : first) * C + g * V); /* the first row differs by 0 from itself */
            }
#pragma unroll
            for (int i = 0; i < ROWS_AT_ONCE; i++) {
                unpack(row[i], v);
                for (int j = 0; j < V; j++) {
                    float d = v[j] - pivot[j];
                    acc[j] += d;
                    acc[V + j] += d * d;
                }
            }
        }
        if (t < s.Gb) store(pivot, out + g * V);
    }
    block_sums<2 * V>(acc, s, g0, G, out + C, C);
}

/* Sums of differences from the first piece's pivot, in double: no division per piece. */
__global__ void __launch_bounds__(32 * MERGE_LANES)
    moments_merge_kernel(int64_t M, int64_t rows, int pieces, int C, const float *partial, float *mean, float *var) {
    int c = (int)(blockIdx.x * 32 + threadIdx.x);
    double pivot = c < C ? (double)partial[c] : 0, sum = 0, squares = 0;
    for (int i = (int)threadIdx.y; c < C && i < pieces; i += PIECES_AT_ONCE * MERGE_LANES) {
        float p[PIECES_AT_ONCE][3];
#pragma unroll
        for (int k = 0; k < PIECES_AT_ONCE; k++) {
            int64_t piece = i + k * MERGE_LANES;
            for (int j = 0; j < 3; j++) p[k][j] = piece < pieces ? partial[(piece * 3 + j) * C + c] : 0;
        }
#pragma unroll
        for (int k = 0; k < PIECES_AT_ONCE; k++) {
            int64_t left = M - (i + k * MERGE_LANES) * rows;
            double n = (double)(left > rows ? rows : left > 0 ? left : 0), d = (double)p[k][0] - pivot, s = p[k][1];
            sum += s + n * d;
            squares += (double)p[k][2] + d * (2 * s + n * d);
        }
    }
    sum = lane_sum(sum);
    squares = lane_sum(squares) - sum * sum / (double)M;
    if (threadIdx.y > 0 || c >= C) return;
    mean[c] = (float)(pivot + sum / (double)M);
    var[c] = (float)(squares > 0 ? squares / (double)M : 0);
}

/* dz is stored first and summed as it was stored: who reads it meets the same values. */
template <class T>
__global__ void __launch_bounds__(THREADS, ROWS_AT_ONCE > 1 ? 2 : 3)
    read_backward_kernel(int64_t M, int64_t rows, int64_t HW, int C, tn_cuda_view x, const T *g_in, const float *keep,
                         const float *dpool, T *dz, float *partial) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V, c = g * V;
    int64_t first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    const T *x_in = static_cast<const T *>(x.x);
    float acc[2 * V] = {0}, inverse = 1.0F / (float)HW;
    affine f = affine_of(x, g < G ? c : 0);
    for (int64_t m0 = first + t / s.Gb; g < G && m0 < end; m0 += ROWS_AT_ONCE * s.rows) {
        packed<T> of_x[ROWS_AT_ONCE], of_g[ROWS_AT_ONCE];
#pragma unroll
        for (int i = 0; i < ROWS_AT_ONCE; i++) {
            int64_t m = m0 + i * s.rows;
            if (m < end) of_x[i] = fetch(x_in + m * C + c);
            if (m < end && g_in) of_g[i] = fetch(g_in + m * C + c);
        }
#pragma unroll
        for (int i = 0; i < ROWS_AT_ONCE; i++) {
            int64_t m = m0 + i * s.rows, b = (uint32_t)m / (uint32_t)HW;
            if (m >= end) break;
            float raw[V], d[V] = {0}, w[V];
            unpack(of_x[i], raw);
            if (g_in) {
                float k = keep ? keep[b] : 1.0F;
                unpack(of_g[i], d);
                for (int j = 0; j < V; j++) d[j] *= k;
            }
            if (x.scale) {
                load(x.scale + b * C + c, w);
                for (int j = 0; j < V; j++) d[j] *= w[j];
            }
            if (dpool) {
                load(dpool + b * C + c, w);
                for (int j = 0; j < V; j++) d[j] += w[j] * inverse;
            }
            if (x.a) {
                for (int j = 0; j < V; j++) w[j] = f.a[j] * raw[j] + f.b[j];
                slope_all<T, V>(x.act, w, d);
            }
            store(d, dz + m * C + c);
            for (int j = 0; j < V; j++) {
                float kept = rounded<T>(d[j]);
                acc[j] += kept;
                acc[V + j] += kept * raw[j];
            }
        }
    }
    block_sums<2 * V>(acc, s, g0, G, partial + (int64_t)blockIdx.y * 2 * C, C);
}

/* A block sums a piece of the rows of an image: out(b, piece, c) = factor sum v, or sum g v if there is a gradient g. */
template <class T>
__global__ void __launch_bounds__(THREADS, ROWS_AT_ONCE > 2 || sizeof(T) == 4 ? 2 : 3)
    image_sums_kernel(int HW, int rows, int pieces, int C, tn_cuda_view x, const T *grad, float factor, float *out) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V, c = g * V;
    int first = (int)blockIdx.y % pieces * rows, end = first + rows < HW ? first + rows : HW;
    int64_t b = (int)blockIdx.y / pieces, m = b * HW;
    const T *x_in = static_cast<const T *>(x.x);
    float acc[V] = {0}, v[V], d[V];
    affine f = affine_of(x, g < G ? c : 0);
    for (int i0 = first + t / s.Gb; g < G && i0 < end; i0 += ROWS_AT_ONCE * s.rows) {
        packed<T> of_x[ROWS_AT_ONCE], of_g[ROWS_AT_ONCE];
#pragma unroll
        for (int i = 0; i < ROWS_AT_ONCE; i++) {
            int at = i0 + i * s.rows;
            if (at < end) of_x[i] = fetch(x_in + (m + at) * C + c);
            if (at < end && grad) of_g[i] = fetch(grad + (m + at) * C + c);
        }
#pragma unroll
        for (int i = 0; i < ROWS_AT_ONCE; i++) {
            if (i0 + i * s.rows >= end) break;
            unpack(of_x[i], v);
            if (grad) {
                apply<T>(x, f, v);
                unpack(of_g[i], d);
                for (int j = 0; j < V; j++) acc[j] += v[j] * d[j];
            } else {
                apply_scaled<T>(x, f, b, C, c, v);
                for (int j = 0; j < V; j++) acc[j] += v[j];
            }
        }
    }
    for (int j = 0; j < V; j++) acc[j] *= factor;
    block_sums<V>(acc, s, g0, G, out + (int64_t)blockIdx.y * C, C);
}
/* partial (B, pieces, C) -> y (B, C) */
__global__ void image_merge_kernel(int64_t n, int pieces, int C, const float *partial, float *y) {
    int64_t i = this_thread();
    if (i >= n) return;
    const float *from = partial + (i / C * pieces) * C + i % C;
    float sum = 0;
#pragma unroll 8
    for (int k = 0; k < pieces; k++) sum += from[(int64_t)k * C];
    y[i] = sum;
}

/* --- batch norm --------------------------------------------------------------------------------------------------- */

__global__ void bn_affine_kernel(int C, const float *gamma, const float *beta, const float *mean, const float *var,
                                 float eps, float *a, float *b) {
    int c = (int)this_thread();
    if (c >= C) return;
    double scale = (double)gamma[c] / sqrt((double)var[c] + (double)eps);
    a[c] = (float)scale;
    b[c] = (float)((double)beta[c] - (double)mean[c] * scale);
}

__global__ void bn_backward_kernel(int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                                   const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    int c = (int)this_thread();
    if (c >= C) return;
    double inverse = 1 / sqrt((double)var[c] + (double)eps), m = (double)mean[c], sum = sums[c];
    double sum_hat = (sums[C + c] - m * sum) * inverse;
    double scale = (double)gamma[c] * inverse, slope = -scale * inverse * sum_hat / (double)M;
    dbeta[c] = (float)sum;
    dgamma[c] = (float)sum_hat;
    gho[c] = (float)scale;
    gho[C + c] = (float)slope;
    gho[2 * C + c] = (float)(-scale * sum / (double)M - slope * m);
}

} // namespace

int64_t tn_cuda_partial_floats(int64_t M, int C) {
    return tn_cuda_pieces(M) * 3 * C;
}
void tn_cuda_moments(cudaStream_t s, bool bf16, int64_t M, int C, const void *y, float *partial, float *mean,
                     float *var) {
    int64_t rows = tn_cuda_piece_rows(M);
    EITHER(TN_LAUNCH((moments_kernel<T>), sums_grid(C, tn_cuda_pieces(M)), sums_block(C), s, M, rows, C,
                     READ_REAL(T, y), partial));
    TN_LAUNCH(moments_merge_kernel, merge_grid(C), dim3(32, MERGE_LANES), s, M, rows, (int)tn_cuda_pieces(M), C,
              partial, mean, var);
}
void tn_cuda_read_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                           const float *keep, const float *dpool, void *dz, float *partial, double *sums) {
    int64_t M = B * HW, rows = tn_cuda_piece_rows(M);
    EITHER(TN_LAUNCH((read_backward_kernel<T>), sums_grid(C, tn_cuda_pieces(M)), sums_block(C), s, M, rows, HW, C, x,
                     READ_REAL(T, g), keep, dpool, REAL(T, dz), partial));
    TN_LAUNCH((merge_kernel<double>), merge_grid(2 * C), dim3(32, MERGE_LANES), s, (int)tn_cuda_pieces(M), 2 * C,
              partial, sums);
}
static void image_sums(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *grad,
                       float factor, float *partial, float *y) {
    int pieces = tn_cuda_image_pieces(B, HW, C), rows = (int)((HW + pieces - 1) / pieces);
    EITHER(TN_LAUNCH((image_sums_kernel<T>), sums_grid(C, (int64_t)B * pieces), sums_block(C), s, (int)HW, rows, pieces,
                     C, x, READ_REAL(T, grad), factor, pieces > 1 ? partial : y));
    int64_t n = (int64_t)B * C;
    if (pieces > 1) LAUNCH(image_merge_kernel, n, n, pieces, C, partial, y);
}
void tn_cuda_pool(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, float *partial, float *y) {
    image_sums(s, bf16, B, HW, C, x, NULL, 1.0F / (float)HW, partial, y);
}
void tn_cuda_scale_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                            float *partial, float *ds) {
    image_sums(s, bf16, B, HW, C, x, g, 1.0F, partial, ds);
}

void tn_cuda_bn_affine(cudaStream_t s, int C, const float *gamma, const float *beta, const float *mean,
                       const float *var, float eps, float *a, float *b) {
    LAUNCH(bn_affine_kernel, C, C, gamma, beta, mean, var, eps, a, b);
}
void tn_cuda_bn_backward(cudaStream_t s, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                         const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    LAUNCH(bn_backward_kernel, C, M, C, sums, gamma, mean, var, eps, gho, dgamma, dbeta);
}
