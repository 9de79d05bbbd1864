/* sums.cu - sums over the rows of activations, and batch norm, which needs them. See kernels.h. */
#include "dev/cuda/kernels.cuh"

namespace {

/* partial (pieces, 3, C): the value of the piece's first row, the sum of the differences from it, and of their squares. */
template <class T> __global__ void moments_kernel(int64_t M, int64_t rows, int C, const T *y, float *partial) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V;
    int64_t first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float *out = partial + (int64_t)blockIdx.y * 3 * C, acc[2 * V] = {0}, pivot[V], v[V];
    if (g < G) {
        load(y + first * C + g * V, pivot);
        for (int64_t m = first + t / s.Gb; m < end; m += s.rows) {
            load(y + m * C + g * V, v);
            for (int j = 0; j < V; j++) {
                float d = v[j] - pivot[j];
                acc[j] += d;
                acc[V + j] += d * d;
            }
        }
        if (t < s.Gb) store(pivot, out + g * V);
    }
    block_sums<2 * V>(acc, s, g0, G, out + C, C);
}

/* Chan, Golub, LeVeque 1979 */
struct moment {
    double n, mean, squares;
};
__device__ inline moment merged(moment a, moment b) {
    if (b.n == 0) return a;
    double n = a.n + b.n, d = b.mean - a.mean;
    return moment{n, a.mean + d * b.n / n, a.squares + b.squares + d * d * a.n * b.n / n};
}
__global__ void moments_merge_kernel(int64_t M, int64_t rows, int pieces, int C, const float *partial, float *mean,
                                     float *var) {
    __shared__ moment memory[MERGE_LANES][32];
    int c = (int)(blockIdx.x * 32 + threadIdx.x), lane = (int)threadIdx.y;
    moment all = {0, 0, 0};
    for (int i = lane; c < C && i < pieces; i += MERGE_LANES) {
        const float *p = partial + (int64_t)i * 3 * C + c;
        double n = i < pieces - 1 ? (double)rows : (double)(M - i * rows), sum = p[C];
        all = merged(all, moment{n, (double)p[0] + sum / n, (double)p[2 * (int64_t)C] - sum * sum / n});
    }
    memory[lane][threadIdx.x] = all;
    __syncthreads();
    if (lane > 0 || c >= C) return;
    for (int i = 1; i < MERGE_LANES; i++) all = merged(all, memory[i][threadIdx.x]);
    mean[c] = (float)all.mean;
    var[c] = (float)(all.squares > 0 ? all.squares / all.n : 0);
}

/* dz is stored first and summed as it was stored: who reads it meets the same values. */
template <class T>
__global__ void __launch_bounds__(THREADS, 3)
    read_backward_kernel(int64_t M, int64_t rows, int64_t HW, int C, tn_cuda_view x, const T *g_in, const float *keep,
                         const float *dpool, T *dz, float *partial) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V, c = g * V;
    int64_t first = blockIdx.y * rows, end = first + rows < M ? first + rows : M;
    float acc[2 * V] = {0};
    for (int64_t m = first + t / s.Gb; g < G && m < end; m += s.rows) {
        int64_t b = (uint32_t)m / (uint32_t)HW;
        float raw[V], d[V] = {0}, w[V];
        load(static_cast<const T *>(x.x) + m * C + c, raw);
        if (g_in) {
            float k = keep ? keep[b] : 1.0F;
            load(g_in + m * C + c, d);
            for (int j = 0; j < V; j++) d[j] *= k;
        }
        if (x.scale) {
            load(x.scale + b * C + c, w);
            for (int j = 0; j < V; j++) d[j] *= w[j];
        }
        if (dpool) {
            load(dpool + b * C + c, w);
            for (int j = 0; j < V; j++) d[j] += w[j] / (float)HW;
        }
        if (x.a) {
            float a[V], o[V];
            load(x.a + c, a);
            load(x.b + c, o);
            for (int j = 0; j < V; j++) d[j] *= slope_of<T>(x.act, a[j] * raw[j] + o[j]);
        }
        store(d, dz + m * C + c);
        for (int j = 0; j < V; j++) {
            float kept = rounded<T>(d[j]);
            acc[j] += kept;
            acc[V + j] += kept * raw[j];
        }
    }
    block_sums<2 * V>(acc, s, g0, G, partial + (int64_t)blockIdx.y * 2 * C, C);
}

/* A block sums the rows of an image: y(b,c) = factor sum v, or sum g v if there is a gradient g. */
template <class T>
__global__ void __launch_bounds__(THREADS, 4)
    image_sums_kernel(int64_t HW, int C, tn_cuda_view x, const T *grad, float factor, float *y) {
    shape s = block_shape(C);
    int t = (int)threadIdx.x, g0 = (int)blockIdx.x * s.Gb, g = g0 + t % s.Gb, G = C / V, c = g * V;
    int64_t b = blockIdx.y;
    float acc[V] = {0}, v[V], d[V];
    for (int64_t i = t / s.Gb; g < G && i < HW; i += s.rows) {
        int64_t m = b * HW + i;
        if (grad) {
            view<T>(x, m, C, c, v);
            load(grad + m * C + c, d);
        } else {
            scaled_view<T>(x, m, b, C, c, v);
        }
        for (int j = 0; j < V; j++) acc[j] += grad ? v[j] * d[j] : v[j];
    }
    for (int j = 0; j < V; j++) acc[j] *= factor;
    block_sums<V>(acc, s, g0, G, y + b * C, C);
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
void tn_cuda_pool(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, float *y) {
    EITHER(TN_LAUNCH((image_sums_kernel<T>), sums_grid(C, B), sums_block(C), s, HW, C, x,
                     static_cast<const T *>(nullptr), 1.0F / (float)HW, y));
}
void tn_cuda_scale_backward(cudaStream_t s, bool bf16, int B, int64_t HW, int C, tn_cuda_view x, const void *g,
                            float *ds) {
    EITHER(TN_LAUNCH((image_sums_kernel<T>), sums_grid(C, B), sums_block(C), s, HW, C, x, READ_REAL(T, g), 1.0F, ds));
}

void tn_cuda_bn_affine(cudaStream_t s, int C, const float *gamma, const float *beta, const float *mean,
                       const float *var, float eps, float *a, float *b) {
    LAUNCH(bn_affine_kernel, C, C, gamma, beta, mean, var, eps, a, b);
}
void tn_cuda_bn_backward(cudaStream_t s, int64_t M, int C, const double *sums, const float *gamma, const float *mean,
                         const float *var, float eps, float *gho, float *dgamma, float *dbeta) {
    LAUNCH(bn_backward_kernel, C, M, C, sums, gamma, mean, var, eps, gho, dgamma, dbeta);
}
