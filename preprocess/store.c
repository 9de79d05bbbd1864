/* store.c - converts pixels to the bytes that a shard stores. */
#include "preprocess/image.h"

#include "store/jpeg.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_image_store(const tn_cfg *cfg, const tn_image *image, unsigned char **bytes_out, size_t *n_out) {
    bool raw = cfg->preprocess.store == TN_STORE_RAW;
    bool original = cfg->preprocess.store == TN_STORE_ORIGINAL && image->storable;
    if (!raw && !original)
        return tn_jpeg_encode(image->pixels, image->w, image->h, cfg->preprocess.jpeg_quality, bytes_out, n_out);
    size_t n = raw ? (size_t)image->w * (size_t)image->h * 3 : image->n_file;
    unsigned char *copy = malloc(n);
    if (!copy) return tn_fail_memory(n, "an image");
    memcpy(copy, raw ? image->pixels : image->file, n);
    *bytes_out = copy;
    *n_out = n;
    return TN_OK;
}
