/* store.c - pixels to the bytes that a shard holds. */
#include "preprocess/image.h"

#include "data/jpeg.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} error_manager;

static void on_error(j_common_ptr c) {
    error_manager *e = (error_manager *)c->err;
    e->base.format_message(c, e->text);
    longjmp(e->back, 1);
}

static void compress(struct jpeg_compress_struct *c, const tn_image *image, int quality) {
    c->image_width = (JDIMENSION)image->w;
    c->image_height = (JDIMENSION)image->h;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    c->comp_info[0].h_samp_factor = c->comp_info[0].v_samp_factor = 1; /* 4:4:4 */
    c->dct_method = JDCT_ISLOW;
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = image->pixels + (size_t)c->next_scanline * (size_t)image->w * 3;
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
}

/* bytes_out and n_out belong to the caller's frame, so that they are sound after longjmp. */
static tn_status encode(const tn_image *image, int quality, unsigned char **bytes_out, unsigned long *n_out) {
    struct jpeg_compress_struct c;
    error_manager e;
    c.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    if (setjmp(e.back)) {
        jpeg_destroy_compress(&c);
        return tn_fail(TN_ENOMEM, "an image of %d x %d cannot be encoded: %s", image->w, image->h, e.text);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, bytes_out, n_out);
    compress(&c, image, quality);
    jpeg_destroy_compress(&c);
    return TN_OK;
}

/* libjpeg accepts the file without a warning, as the loader will demand. */
static bool decodes_cleanly(const tn_image *image) {
    unsigned char *pixels = NULL;
    size_t room = 0;
    int w = 0, h = 0;
    bool ok =
        tn_jpeg_decode(image->file, image->n_file, &pixels, &room, &w, &h) == TN_OK && w == image->w && h == image->h;
    free(pixels);
    return ok;
}

tn_status tn_image_store(const tn_cfg *cfg, const tn_image *image, unsigned char **bytes_out, size_t *n_out) {
    bool raw = cfg->preprocess.store == TN_STORE_RAW;
    bool original = cfg->preprocess.store == TN_STORE_ORIGINAL && image->storable && decodes_cleanly(image);
    if (!raw && !original) {
        unsigned char *bytes = NULL;
        unsigned long n_bytes = 0;
        tn_status st = encode(image, cfg->preprocess.jpeg_quality, &bytes, &n_bytes);
        if (st != TN_OK) free(bytes);
        *bytes_out = st == TN_OK ? bytes : NULL;
        *n_out = n_bytes;
        return st;
    }
    size_t n = raw ? (size_t)image->w * (size_t)image->h * 3 : image->n_file;
    unsigned char *copy = malloc(n);
    if (!copy) return tn_fail_memory(n, "an image");
    memcpy(copy, raw ? image->pixels : image->file, n);
    *bytes_out = copy;
    *n_out = n;
    return TN_OK;
}
