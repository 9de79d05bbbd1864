/* jpeg.c - calls libjpeg-turbo; its errors do not exit the process. */
#include "store/jpeg.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h> /* asks for the version that the other one tells */

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

/* Warnings (level -1) mean corrupt data and are errors; traces are ignored. */
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

/* The arguments and results of a decoding. */
typedef struct {
    const tn_box *wanted; /* NULL: the whole image */
    int w, h, shrink;
    unsigned char **pixels;
    size_t *capacity;
    tn_box got;
} part;

static void start(struct jpeg_decompress_struct *d, int shrink) {
    d->out_color_space = JCS_RGB;
    d->dct_method = JDCT_ISLOW;
    d->scale_num = 1;
    d->scale_denom = (unsigned)shrink;
    jpeg_start_decompress(d);
}

/* Restrict decoding to the box and one more block on every side: upsampling of colours uses neighbours, and values inside the box must
 * not depend on the box. Returns the first row to read. */
static int crop(struct jpeg_decompress_struct *d, const tn_box *box) {
    int block = d->min_DCT_scaled_size, margin_x = d->max_h_samp_factor * block,
        margin_y = d->max_v_samp_factor * block;
    int from = box->x > margin_x ? box->x - margin_x : 0, to = box->x + box->w + margin_x;
    if (to > (int)d->output_width) to = (int)d->output_width;
    JDIMENSION x = (JDIMENSION)from, n = (JDIMENSION)(to - from);
    if (from > 0 || to < (int)d->output_width) jpeg_crop_scanline(d, &x, &n);
    int y = box->y > margin_y ? box->y - margin_y : 0;
    if (y > 0) jpeg_skip_scanlines(d, (JDIMENSION)y);
    return (int)x;
}

static tn_status decode(struct jpeg_decompress_struct *d, part *p) {
    jpeg_read_header(d, TRUE);
    if (p->wanted && ((int)d->image_width != p->w || (int)d->image_height != p->h))
        return tn_fail(TN_EFORMAT, "corrupt JPEG: %u x %u pixels instead of %d x %d", d->image_width, d->image_height,
                       p->w, p->h);
    start(d, p->shrink);
    int x = p->wanted ? crop(d, p->wanted) : 0, y = (int)d->output_scanline;
    int end = p->wanted ? p->wanted->y + p->wanted->h : (int)d->output_height;
    p->got = (tn_box){x, y, (int)d->output_width, end - y};
    size_t stride = (size_t)d->output_width * 3;
    TN_TRY(make_room(stride * (size_t)(end - y), p->pixels, p->capacity));
    while ((int)d->output_scanline < end) {
        JSAMPROW row = *p->pixels + stride * (size_t)((int)d->output_scanline - y);
        jpeg_read_scanlines(d, &row, 1);
    }
    if (!p->wanted) jpeg_finish_decompress(d); /* reports missing data at the end */
    return TN_OK;
}

static tn_status decode_safely(const unsigned char *data, size_t n_bytes, part *p) {
    struct jpeg_decompress_struct d;
    error_manager e;
    d.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    e.base.emit_message = on_message;
    if (setjmp(e.back)) {
        jpeg_destroy_decompress(&d);
        return e.base.msg_code == JERR_OUT_OF_MEMORY ? tn_fail(TN_ENOMEM, "no memory to decode a JPEG: %s", e.text)
                                                     : tn_fail(TN_EFORMAT, "corrupt JPEG: %s", e.text);
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, data, n_bytes);
    tn_status st = decode(&d, p);
    jpeg_destroy_decompress(&d);
    return st;
}

tn_status tn_jpeg_decode(const unsigned char *data, size_t n_bytes, int shrink, unsigned char **pixels,
                         size_t *capacity, int *w_out, int *h_out) {
    part p = {.shrink = shrink, .pixels = pixels, .capacity = capacity};
    tn_status st = decode_safely(data, n_bytes, &p);
    *w_out = p.got.w;
    *h_out = p.got.h;
    return st;
}

tn_status tn_jpeg_decode_part(const unsigned char *data, size_t n_bytes, int w, int h, const tn_box *wanted, int shrink,
                              unsigned char **pixels, size_t *capacity, tn_box *got_out) {
    part p = {.wanted = wanted, .w = w, .h = h, .shrink = shrink, .pixels = pixels, .capacity = capacity};
    TN_ASSERT(wanted->w > 0 && wanted->h > 0 && wanted->x >= 0 && wanted->y >= 0 &&
              wanted->x + wanted->w <= (w + shrink - 1) / shrink && wanted->y + wanted->h <= (h + shrink - 1) / shrink);
    tn_status st = decode_safely(data, n_bytes, &p);
    *got_out = p.got;
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

/* bytes and n are in the caller's frame, so that they are valid after longjmp. */
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
