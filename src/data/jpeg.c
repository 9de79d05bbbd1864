/* jpeg.c - libjpeg-turbo without its exit(). */
#include "data/jpeg.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Warnings (level -1) are corrupt data; traces are not wanted. */
static void on_message(j_common_ptr c, int level) {
    if (level < 0) on_error(c);
}

static tn_status make_room(size_t n, unsigned char **pixels, size_t *capacity) {
    if (n <= *capacity) return TN_OK;
    unsigned char *more = realloc(*pixels, n);
    if (!more) return tn_fail_memory(n, "the pixels of an image");
    *pixels = more;
    *capacity = n;
    return TN_OK;
}

static tn_status decode(struct jpeg_decompress_struct *d, unsigned char **pixels, size_t *capacity) {
    jpeg_read_header(d, TRUE);
    d->out_color_space = JCS_RGB;
    d->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(d);
    size_t stride = (size_t)d->output_width * 3;
    TN_TRY(make_room(stride * d->output_height, pixels, capacity));
    while (d->output_scanline < d->output_height) {
        JSAMPROW row = *pixels + stride * d->output_scanline;
        jpeg_read_scanlines(d, &row, 1);
    }
    jpeg_finish_decompress(d);
    return TN_OK;
}

tn_status tn_jpeg_decode(const unsigned char *data, size_t n_bytes, unsigned char **pixels, size_t *capacity,
                         int *w_out, int *h_out) {
    struct jpeg_decompress_struct d;
    error_manager e;
    d.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    e.base.emit_message = on_message;
    if (setjmp(e.back)) {
        jpeg_destroy_decompress(&d);
        return tn_fail(TN_EFORMAT, "corrupt JPEG: %s", e.text);
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, data, n_bytes);
    tn_status st = decode(&d, pixels, capacity);
    *w_out = (int)d.output_width;
    *h_out = (int)d.output_height;
    jpeg_destroy_decompress(&d);
    return st;
}

/* --- encoding ----------------------------------------------------------------------------------------------------- */

static void compress(struct jpeg_compress_struct *c, const unsigned char *pixels, int w, int h, int quality) {
    c->image_width = (JDIMENSION)w;
    c->image_height = (JDIMENSION)h;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    c->comp_info[0].h_samp_factor = c->comp_info[0].v_samp_factor = 1; /* 4:4:4 */
    c->dct_method = JDCT_ISLOW;
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)c->next_scanline * (size_t)w * 3);
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
}

/* bytes and n belong to the caller's frame, so that they are sound after longjmp. */
static tn_status encode(const unsigned char *pixels, int w, int h, int quality, unsigned char **bytes,
                        unsigned long *n) {
    struct jpeg_compress_struct c;
    error_manager e;
    c.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    if (setjmp(e.back)) {
        jpeg_destroy_compress(&c);
        return tn_fail(TN_ENOMEM, "an image of %d x %d cannot be encoded: %s", w, h, e.text);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, bytes, n);
    compress(&c, pixels, w, h, quality);
    jpeg_destroy_compress(&c);
    return TN_OK;
}

tn_status tn_jpeg_encode(const unsigned char *pixels, int w, int h, int quality, unsigned char **bytes_out,
                         size_t *n_out) {
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    tn_status st = encode(pixels, w, h, quality, &bytes, &n);
    if (st != TN_OK) {
        free(bytes);
        return st;
    }
    *bytes_out = bytes;
    *n_out = n;
    return TN_OK;
}
