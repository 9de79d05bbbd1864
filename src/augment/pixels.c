/* pixels.c - the augmentations of colours, blur, noise and holes. */
#include "augment/pixels.h"

#include "augment/pixels_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int tn_mirrored(int i, int n) {
    if (n == 1) return 0;
    int period = 2 * (n - 1), at = i % period;
    if (at < 0) at += period;
    return at < n ? at : period - at;
}

static unsigned char rounded(double v) {
    return (unsigned char)(v <= 0 ? 0 : v >= 255 ? 255 : v + 0.5);
}

static inline float clipped(float v, float most) {
    v = v > 0 ? v : 0;
    return v < most ? v : most;
}

void tn_pixels_brightness_contrast(int S, double brightness, double contrast, unsigned char *image) {
    unsigned char to[256];
    size_t n = (size_t)S * (size_t)S * 3;
    for (int v = 0; v < 256; v++) to[v] = rounded(v * contrast + brightness * 255);
    for (size_t i = 0; i < n; i++) image[i] = to[image[i]];
}

/* --- hue, saturation, value --------------------------------------------------------------------------------------- */

/* How far a channel is below the value, as a share of the chroma: 0 within 60 degrees of the channel's own hue, for red, green and blue
 * at own = 5, 3 and 1. */
static inline float below(float sector, float own) {
    float k = own + sector;
    k -= k >= 6 ? 6 : 0;
    float down = 4 - k, least = k < down ? k : down;
    return clipped(least, 1);
}

/* p: red, green, blue. hue in sectors of 60 degrees, saturation on 0..1, value on 0..255. */
static void shift_hsv(float hue, float saturation, float value, unsigned char *p) {
    float r = p[0], g = p[1], b = p[2], most = r > g ? r : g, least = r < g ? r : g;
    most = most > b ? most : b;
    least = least < b ? least : b;
    float chroma = most - least, v = clipped(most + value, 255), s = 0, sector = 0;
    if (chroma > 0) {
        s = clipped(chroma / most + saturation, 1);
        sector = most == r ? (g - b) / chroma : most == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
        sector += hue;
        sector -= sector >= 6 ? 6 : sector < 0 ? -6 : 0;
    }
    p[0] = (unsigned char)(v - v * s * below(sector, 5) + 0.5F);
    p[1] = (unsigned char)(v - v * s * below(sector, 3) + 0.5F);
    p[2] = (unsigned char)(v - v * s * below(sector, 1) + 0.5F);
}

void tn_pixels_hsv(int S, double hue, double saturation, double value, unsigned char *image) {
    int64_t n = (int64_t)S * S;
    float sectors = (float)fmod(hue / 30, 6);
    for (int64_t i = 0; i < n; i++) shift_hsv(sectors, (float)(saturation / 255), (float)value, image + 3 * i);
}

/* --- blur --------------------------------------------------------------------------------------------------------- */

/* weight[k], 0 <= k <= radius: of the pixels k steps before and after. */
static void gaussian(double sigma, int radius, float *weight) {
    double sum = 0;
    for (int k = -radius; k <= radius; k++) sum += exp(-0.5 * k * k / (sigma * sigma));
    for (int k = 0; k <= radius; k++) weight[k] = (float)(exp(-0.5 * k * k / (sigma * sigma)) / sum);
}

/* Blur a row of S pixels. wide: the row as floats, with `radius` mirrored pixels on both sides. */
static void blur_across(int S, int radius, const float *weight, const unsigned char *row, float *restrict wide,
                        float *restrict out) {
    int n = S * 3;
    for (int x = -radius; x < S + radius; x++)
        for (int c = 0; c < 3; c++) wide[(x + radius) * 3 + c] = row[tn_mirrored(x, S) * 3 + c];
    const float *middle = wide + radius * 3;
    for (int j = 0; j < n; j++) out[j] = weight[0] * middle[j];
    for (int k = 1; k <= radius; k++)
        for (int j = 0; j < n; j++) out[j] += weight[k] * (middle[j - 3 * k] + middle[j + 3 * k]);
}

/* across (S,S,3): rows that are blurred across; sum (S,3). */
static void blur_down(int S, int radius, const float *weight, const float *across, float *restrict sum,
                      unsigned char *image) {
    size_t n = (size_t)S * 3;
    for (int y = 0; y < S; y++) {
        for (size_t j = 0; j < n; j++) sum[j] = 0.5F + weight[0] * across[(size_t)y * n + j];
        for (int k = 1; k <= radius; k++) {
            const float *a = across + (size_t)tn_mirrored(y - k, S) * n,
                        *b = across + (size_t)tn_mirrored(y + k, S) * n;
            for (size_t j = 0; j < n; j++) sum[j] += weight[k] * (a[j] + b[j]);
        }
        for (size_t j = 0; j < n; j++) image[(size_t)y * n + j] = (unsigned char)sum[j];
    }
}

tn_status tn_pixels_blur(int S, double sigma, unsigned char *image) {
    int radius = (int)ceil(3 * sigma);
    if (radius == 0) return TN_OK;
    size_t n = (size_t)S * 3, n_wide = n + (size_t)radius * 6, n_floats = (size_t)S * n + n_wide + (size_t)radius + 1;
    float *across = malloc(n_floats * sizeof *across);
    if (!across) return tn_fail_memory(n_floats * sizeof *across, "blurring");
    float *wide = across + (size_t)S * n, *weight = wide + n_wide;
    gaussian(sigma, radius, weight);
    for (int y = 0; y < S; y++) blur_across(S, radius, weight, image + (size_t)y * n, wide, across + (size_t)y * n);
    blur_down(S, radius, weight, across, wide, image);
    free(across);
    return TN_OK;
}

/* --- noise and holes ---------------------------------------------------------------------------------------------- */

void tn_pixels_noise(int S, double std, tn_rng *r, unsigned char *image) {
    enum { PIECE = 256 };
    uint32_t word[PIECE];
    const float scale = (float)(std / sqrt((256.0 * 256 - 1) / 3)); /* four times the variance of 0..255 */
    int64_t n = (int64_t)S * S * 3;
    for (int64_t done = 0; done < n; done += PIECE) {
        int here = (int)(n - done < PIECE ? n - done : PIECE);
        for (int i = 0; i < here; i++) word[i] = tn_rng_u32(r);
        for (int i = 0; i < here; i++) {
            uint32_t w = word[i];
            int sum = (int)((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24)) - 510;
            float v = (float)image[done + i] + scale * (float)sum + 0.5F;
            image[done + i] = (unsigned char)clipped(v, 255);
        }
    }
}

void tn_pixels_fill(int S, tn_box box, unsigned char value, unsigned char *image) {
    for (int y = box.y; y < box.y + box.h; y++)
        memset(image + ((size_t)y * (size_t)S + (size_t)box.x) * 3, value, (size_t)box.w * 3);
}

void tn_pixels_fill_channel(int S, int channel, unsigned char value, unsigned char *image) {
    int64_t n = (int64_t)S * S;
    for (int64_t i = 0; i < n; i++) image[i * 3 + channel] = value;
}
