/* plain_webp.c - libwebp, then the resize. */
#include "preprocess/plain_webp.h"

#include "preprocess/upright.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

static bool is_simple(const unsigned char *file, size_t n) {
    return n > 16 && memcmp(file, "RIFF", 4) == 0 && memcmp(file + 8, "WEBPVP8", 7) == 0 &&
           (file[15] == ' ' || file[15] == 'L');
}

bool tn_plain_webp_decode(const tn_cfg *cfg, tn_image *image) {
    WebPBitstreamFeatures f;
    int w, h;
    if (!is_simple(image->file, image->n_file) || WebPGetFeatures(image->file, image->n_file, &f) != VP8_STATUS_OK ||
        f.has_alpha || (int64_t)f.width * f.height > cfg->preprocess.max_pixels)
        return false;
    size_t stride = (size_t)f.width * 3, n_bytes = stride * (size_t)f.height;
    image->w = f.width;
    image->h = f.height;
    image->pixels = malloc(n_bytes);
    tn_upright_size(f.width, f.height, cfg->preprocess.size_px, &w, &h);
    if (image->pixels && WebPDecodeRGBInto(image->file, image->n_file, image->pixels, n_bytes, (int)stride) &&
        tn_upright_pixels(image, f.width, f.height, w, h, 1))
        return true;
    free(image->pixels);
    image->pixels = NULL;
    return false;
}
