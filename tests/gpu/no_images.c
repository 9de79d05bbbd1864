/* no_images.c - in the place of preprocess/image.c: a tenfold for the bundle of tests/gpu/bundle, which reads shards and no images, and needs
 * no libvips. */
#include "preprocess/image.h"

tn_status tn_image_decode(const tn_cfg *cfg, const unsigned char *file, size_t n_file, tn_image *out) {
    (void)cfg, (void)file, (void)n_file, (void)out;
    return tn_fail(TN_EARG, "this tenfold has no libvips: it reads shards, and no images");
}
void tn_image_free(tn_image *image) {
    (void)image;
}
tn_status tn_image_store(const tn_cfg *cfg, const tn_image *image, unsigned char **bytes_out, size_t *n_out) {
    (void)cfg, (void)image, (void)bytes_out, (void)n_out;
    return tn_fail(TN_EARG, "this tenfold has no libvips");
}
