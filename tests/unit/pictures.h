/* pictures.h - PNG, TIFF, BMP and GIF files of one colour, byte by byte, so that no library stands between a test and the file;
 * and ICC profiles whose values are proportional to light. */
#ifndef TN_TESTS_PICTURES_H
#define TN_TESTS_PICTURES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURE_SIDE = 3, PICTURE_BYTES = 16384 };

typedef struct {
    unsigned char at[PICTURE_BYTES];
    size_t n;
} bytes;

/* Samples of a pixel, as the file holds them: colours, and behind them alpha, or what else there is. */
typedef struct {
    int n, depth, n_colours;     /* n_colours 1 or 3; depth in bits; n - n_colours is 1 with alpha */
    const uint32_t *beside;      /* what a TIFF calls the samples beside the colours; NULL: one, alpha */
    bool reduced;                /* of a TIFF: its only directory says that it is a smaller copy of another */
    bool reserved;               /* of a BMP: the fourth byte is not alpha, as no header of version 4 says so */
    bool big_endian, multiplied; /* of a TIFF; its colours are multiplied by alpha */
    bool strange;                /* a TIFF with a tag that no library knows */
    bool is_float;               /* sample[] / scale is what a TIFF of 32 bits holds */
    uint32_t sample[5];
    double scale;
    const bytes *profile; /* NULL: none */
} picture;

static inline void put(bytes *b, const void *data, size_t n) {
    if (b->n + n > sizeof b->at) abort();
    memcpy(b->at + b->n, data, n);
    b->n += n;
}

static inline void put_big(bytes *b, uint32_t x, int n) {
    for (int i = n - 1; i >= 0; i--) put(b, &(unsigned char){(unsigned char)(x >> 8 * i)}, 1);
}

static inline void put_little(bytes *b, uint32_t x, int n) {
    for (int i = 0; i < n; i++) put(b, &(unsigned char){(unsigned char)(x >> 8 * i)}, 1);
}

/* --- PNG (W3C, Portable Network Graphics) -------------------------------------------------------------------------- */

static inline void put_chunk(bytes *b, const char *name, const bytes *data) {
    size_t from = b->n + 4;
    uint32_t crc = ~0U;
    put_big(b, (uint32_t)data->n, 4);
    put(b, name, 4);
    put(b, data->at, data->n);
    for (size_t i = from; i < b->n; i++) {
        crc ^= b->at[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    put_big(b, ~crc, 4);
}

/* zlib with one block that is stored as it is */
static inline void put_zlib(bytes *b, const bytes *data) {
    uint32_t low = 1, high = 0;
    put(b, "\x78\x01\x01", 3);
    put_little(b, (uint32_t)data->n, 2);
    put_little(b, ~(uint32_t)data->n, 2);
    put(b, data->at, data->n);
    for (size_t i = 0; i < data->n; i++) {
        low = (low + data->at[i]) % 65521;
        high = (high + low) % 65521;
    }
    put_big(b, high << 16 | low, 4);
}

/* palette: the colour is entry 1 of a palette of bytes; key: alpha is a tRNS chunk (of a palette: its alpha; else the
 * whole colour is transparent). */
static inline void picture_png(const picture *p, bool palette, bool key, bytes *out) {
    static bytes data, lines;
    int alpha = p->n - p->n_colours, per_pixel = palette ? 1 : key ? p->n_colours : p->n;
    out->n = 0;
    put(out, "\x89PNG\r\n\x1a\n", 8);
    data.n = 0;
    put_big(&data, PICTURE_SIDE, 4);
    put_big(&data, PICTURE_SIDE, 4);
    put_big(&data, (uint32_t)p->depth, 1);
    put_big(&data, palette ? 3 : (p->n_colours == 3 ? 2U : 0U) | (alpha && !key ? 4U : 0U), 1);
    put_big(&data, 0, 3);
    put_chunk(out, "IHDR", &data);
    if (p->profile) {
        data.n = 0;
        put(&data, "test\0", 6);
        put_zlib(&data, p->profile);
        put_chunk(out, "iCCP", &data);
    }
    if (palette) {
        data.n = 0;
        put_big(&data, 0, 3);
        for (int c = 0; c < 3; c++) put_big(&data, p->sample[c], 1);
        put_chunk(out, "PLTE", &data);
    }
    if (key) {
        data.n = 0;
        if (palette) put_big(&data, 255, 1);
        for (int c = palette ? 3 : 0; c < (palette ? 4 : p->n_colours); c++)
            put_big(&data, p->sample[c], palette ? 1 : 2);
        put_chunk(out, "tRNS", &data);
    }
    lines.n = 0;
    for (int y = 0; y < PICTURE_SIDE; y++) {
        put_big(&lines, 0, 1);
        if (p->depth >= 8) {
            for (int i = 0; i < PICTURE_SIDE * per_pixel; i++)
                put_big(&lines, palette ? 1 : p->sample[i % per_pixel], p->depth / 8);
            continue;
        }
        uint32_t row = 0; /* one sample per pixel: three of at most four bits fit into two bytes */
        for (int i = 0; i < PICTURE_SIDE; i++) row |= (palette ? 1 : p->sample[0]) << (16 - p->depth * (i + 1));
        put_big(&lines, row >> 8, 1);
        if (PICTURE_SIDE * p->depth > 8) put_big(&lines, row & 255U, 1);
    }
    data.n = 0;
    put_zlib(&data, &lines);
    put_chunk(out, "IDAT", &data);
    data.n = 0;
    put_chunk(out, "IEND", &data);
}

/* --- TIFF 6.0 ------------------------------------------------------------------------------------------------------- */

enum { TIFF_SHORT = 3, TIFF_LONG = 4, TIFF_UNDEFINED = 7 };

static inline void put_number(const picture *p, bytes *b, uint32_t x, int n) {
    if (p->big_endian)
        put_big(b, x, n);
    else
        put_little(b, x, n);
}

/* value: an offset; or, of SHORTs, one or two of them beside each other. */
static inline void put_tag(const picture *p, bytes *b, uint32_t tag, uint32_t type, uint32_t count, uint32_t value) {
    put_number(p, b, tag, 2);
    put_number(p, b, type, 2);
    put_number(p, b, count, 4);
    if (type == TIFF_SHORT && count <= 2) {
        put_number(p, b, value & 65535U, 2);
        put_number(p, b, value >> 16, 2);
    } else {
        put_number(p, b, value, 4);
    }
}

static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* One strip; the header, the values of BitsPerSample and SampleFormat, the pixels, the profile, the directory. */
static inline void picture_tiff(const picture *p, bytes *out) {
    uint32_t n = (uint32_t)p->n, width = (uint32_t)p->depth / 8, n_tags = 14;
    uint32_t kind = p->is_float ? 3 : 1, at_bits = 8, at_kinds = at_bits + 2 * n, at_pixels = at_kinds + 2 * n;
    uint32_t n_pixels = PICTURE_SIDE * PICTURE_SIDE * n * width, at_profile = at_pixels + n_pixels;
    uint32_t n_profile = p->profile ? (uint32_t)p->profile->n : 0;
    uint32_t at_directory = (at_profile + n_profile + 1) / 2 * 2;
    out->n = 0;
    put(out, p->big_endian ? "MM\0*" : "II*\0", 4);
    put_number(p, out, at_directory, 4);
    for (uint32_t i = 0; i < n; i++) put_number(p, out, (uint32_t)p->depth, 2);
    for (uint32_t i = 0; i < n; i++) put_number(p, out, kind, 2);
    for (uint32_t i = 0; i < PICTURE_SIDE * PICTURE_SIDE * n; i++) {
        float x = (float)(p->sample[i % n] / p->scale);
        if (p->is_float)
            put_number(p, out, bits_of(x), 4);
        else
            put_number(p, out, p->sample[i % n], (int)width);
    }
    if (p->profile) put(out, p->profile->at, p->profile->n);
    while (out->n < at_directory) put_number(p, out, 0, 1);
    n_tags =
        n_tags - (p->profile ? 0 : 1) - (p->n > p->n_colours ? 0 : 1) - (p->reduced ? 0 : 1) - (p->strange ? 0 : 1);
    put_number(p, out, n_tags, 2);
    if (p->reduced) put_tag(p, out, 254, TIFF_LONG, 1, 1);
    put_tag(p, out, 256, TIFF_SHORT, 1, PICTURE_SIDE);
    put_tag(p, out, 257, TIFF_SHORT, 1, PICTURE_SIDE);
    put_tag(p, out, 258, TIFF_SHORT, n, n > 2 ? at_bits : (uint32_t)p->depth | (n > 1 ? (uint32_t)p->depth << 16 : 0));
    put_tag(p, out, 259, TIFF_SHORT, 1, 1);
    put_tag(p, out, 262, TIFF_SHORT, 1, p->n_colours == 3 ? 2 : 1);
    put_tag(p, out, 273, TIFF_LONG, 1, at_pixels);
    put_tag(p, out, 277, TIFF_SHORT, 1, n);
    put_tag(p, out, 278, TIFF_SHORT, 1, PICTURE_SIDE);
    put_tag(p, out, 279, TIFF_LONG, 1, n_pixels);
    uint32_t n_beside = n - (uint32_t)p->n_colours, beside = p->multiplied ? 1 : 2;
    if (p->beside) beside = p->beside[0] | (n_beside > 1 ? p->beside[1] << 16 : 0);
    if (n_beside) put_tag(p, out, 338, TIFF_SHORT, n_beside, beside);
    put_tag(p, out, 339, TIFF_SHORT, n, n > 2 ? at_kinds : kind | (n > 1 ? kind << 16 : 0));
    if (p->profile) put_tag(p, out, 34675, TIFF_UNDEFINED, n_profile, at_profile);
    if (p->strange) put_tag(p, out, 65000, TIFF_SHORT, 1, 7);
    put_number(p, out, 0, 4);
}

/* --- BMP, version 4 with masks, or version 3 with a reserved byte ---------------------------------------------------- */

static inline void picture_bmp(const picture *p, bytes *out) {
    uint32_t n_pixels = PICTURE_SIDE * PICTURE_SIDE * 4, n_header = p->reserved ? 40 : 108, at = 14 + n_header;
    bool fourth = p->n == 4;
    out->n = 0;
    put(out, "BM", 2);
    put_little(out, at + n_pixels, 4);
    put_little(out, 0, 4);
    put_little(out, at, 4);
    put_little(out, n_header, 4);
    put_little(out, PICTURE_SIDE, 4);
    put_little(out, PICTURE_SIDE, 4);
    put_little(out, 1 | 32U << 16, 4);
    put_little(out, p->reserved ? 0 : 3, 4); /* 3: masks */
    put_little(out, n_pixels, 4);
    for (int i = 0; i < 4; i++) put_little(out, 0, 4);
    if (!p->reserved) {
        put_little(out, 0x00FF0000U, 4);
        put_little(out, 0x0000FF00U, 4);
        put_little(out, 0x000000FFU, 4);
        put_little(out, fourth ? 0xFF000000U : 0, 4);
        put_little(out, 0x73524742U, 4); /* sRGB */
        while (out->n < at) put_little(out, 0, 4);
    }
    for (int i = 0; i < PICTURE_SIDE * PICTURE_SIDE; i++)
        put_little(out, p->sample[2] | p->sample[1] << 8 | p->sample[0] << 16 | (fourth ? p->sample[3] << 24 : 0), 4);
}

/* --- GIF89a: a screen of the side, and a frame on it; its codes are not compressed ----------------------------------- */

static inline void picture_gif(const picture *p, const int frame[4], bool extensions, bytes *out) {
    uint32_t bits = 0, n_bits = 0;
    bytes codes = {.n = 0};
    out->n = 0;
    put(out, "GIF89a", 6);
    put_little(out, PICTURE_SIDE, 2);
    put_little(out, PICTURE_SIDE, 2);
    put(out, "\x91\0\0", 3); /* a palette of four */
    put(out, "\x0A\x14\x1E", 3);
    for (int c = 0; c < 3; c++) put_little(out, p->sample[p->n_colours == 3 ? c : 0], 1);
    put(out, "\0\0\0\xFF\xFF\xFF", 6);
    if (extensions) put(out, "!\xFE\3abc\2de\0!\xF9\4\1\0\0\3\0", 18); /* a comment; entry 3 is transparent */
    put(out, ",", 1);
    for (int i = 0; i < 4; i++) put_little(out, (uint32_t)frame[i], 2);
    put(out, "\0\2", 2);
    for (int i = 0; i <= frame[2] * frame[3]; i++) { /* of three bits: clear, entry 1, clear, entry 1, ..., end */
        bits |= (i < frame[2] * frame[3] ? 4U | 1U << 3 : 5U) << n_bits;
        for (n_bits += 6; n_bits >= 8; n_bits -= 8, bits >>= 8) put_little(&codes, bits & 255U, 1);
    }
    put_little(&codes, bits, 1);
    put_little(out, (uint32_t)codes.n, 1);
    put(out, codes.at, codes.n);
    put(out, "\0;", 2);
}

/* --- ICC.1:2001-04 -------------------------------------------------------------------------------------------------- */

static inline void put_fixed(bytes *b, double x) {
    put_big(b, (uint32_t)(x * 65536 + 0.5), 4);
}

/* Primaries of sRGB, but values proportional to light: a curve without points. */
static inline void profile_linear(int n_colours, bytes *out) {
    static const double XYZ[4][3] = {
        {0.4360, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}, {0.9642, 1.0, 0.8249}};
    static const char *const RGB[] = {"rXYZ", "gXYZ", "bXYZ", "wtpt", "rTRC", "gTRC", "bTRC"}, *const GREY[] = {"wtpt",
                                                                                                                "kTRC"};
    int n_tags = n_colours == 3 ? 7 : 2, n_xyz = n_colours == 3 ? 4 : 1;
    uint32_t at_data = 128 + 4 + 12 * (uint32_t)n_tags, at_curve = at_data + 20 * (uint32_t)n_xyz;
    memset(out, 0, sizeof *out);
    put_big(out, at_curve + 12, 4);
    put_big(out, 0, 4);
    put_big(out, 0x02100000U, 4);
    put(out, n_colours == 3 ? "mntrRGB XYZ " : "mntrGRAYXYZ ", 12);
    while (out->n < 36) put_big(out, 0, 1);
    put(out, "acsp", 4);
    while (out->n < 68) put_big(out, 0, 1);
    for (int i = 0; i < 3; i++) put_fixed(out, XYZ[3][i]);
    while (out->n < 128) put_big(out, 0, 1);
    put_big(out, (uint32_t)n_tags, 4);
    for (int i = 0; i < n_tags; i++) {
        put(out, n_colours == 3 ? RGB[i] : GREY[i], 4);
        put_big(out, i < n_xyz ? at_data + 20 * (uint32_t)i : at_curve, 4);
        put_big(out, i < n_xyz ? 20 : 12, 4);
    }
    for (int i = 0; i < n_xyz; i++) {
        put(out, "XYZ \0\0\0\0", 8);
        for (int k = 0; k < 3; k++) put_fixed(out, XYZ[n_colours == 3 ? i : 3][k]);
    }
    put(out, "curv\0\0\0\0\0\0\0\0", 12);
}

#endif
