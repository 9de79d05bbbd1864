/* jpeg_means.c - the markers of a JPEG, its blocks in order, and colours. */
#include "picture/jpeg_means.h"

#include "picture/jpeg_markers.h"
#include "picture/jpeg_scan.h"
#include "picture/vectors.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CELLS = 64 };

typedef struct {
    int id, across, down, quant; /* sampling factors, table */
    int cells_x, cells_y;        /* means of a block */
    int dc, ac, pred, n_vectors;
    float *weight;        /* (64, n_vectors * 4) */
    unsigned char *plane; /* of a row of MCUs */
} component;

typedef struct {
    const unsigned char *file;
    size_t n_file, at;
    int w, h, n_components, interval, shrink;
    component part[3];
    uint16_t quant[4][64]; /* 0: not there */
    tn_scan_table *table;  /* (8): DC, then AC */
    /* the scan */
    unsigned char *clean; /* an interval without stuffing */
    int mcu_w, mcu_h, n_across, n_down, out_w, out_h;
    size_t stride; /* of a plane */
    float *weights;
    unsigned char *planes, *out;
} decoder;

/* --- markers ------------------------------------------------------------------------------------------------------ */

static bool read_quant(decoder *d, const unsigned char *p, size_t n) {
    while (n > 0) {
        int wide = p[0] >> 4, id = p[0] & 15;
        size_t size = wide ? 129 : 65;
        if (wide > 1 || id > 3 || n < size) return false;
        for (int k = 0; k < 64; k++) d->quant[id][k] = (uint16_t)(wide ? p[1 + 2 * k] << 8 | p[2 + 2 * k] : p[1 + k]);
        p += size;
        n -= size;
    }
    return true;
}

static bool read_huffman(decoder *d, const unsigned char *p, size_t n) {
    while (n > 0) {
        int n_symbols = 0, is_ac = p[0] >> 4, id = p[0] & 15;
        if (is_ac > 1 || id > 3 || n < 17) return false;
        for (int i = 1; i <= 16; i++) n_symbols += p[i];
        if (n_symbols > 256 || n < 17 + (size_t)n_symbols) return false;
        if (!tn_scan_table_set(&d->table[is_ac * 4 + id], !is_ac, p + 1, p + 17, n_symbols)) return false;
        p += 17 + n_symbols;
        n -= 17 + (size_t)n_symbols;
    }
    return true;
}

/* A sampling factor: 3 is possible too, but does not divide a block. */
static bool is_factor(int n) {
    return n == 1 || n == 2 || n == 4;
}

static bool read_frame(decoder *d, const unsigned char *p, size_t n) {
    if (n < 6 || p[0] != 8 || d->w != 0) return false;
    d->h = p[1] << 8 | p[2];
    d->w = p[3] << 8 | p[4];
    d->n_components = p[5];
    if (d->w == 0 || d->h == 0 || (d->n_components != 1 && d->n_components != 3)) return false;
    if (n != 6 + (size_t)d->n_components * 3) return false;
    for (int c = 0; c < d->n_components; c++) {
        const unsigned char *q = p + 6 + 3 * c;
        d->part[c] = (component){.id = q[0], .across = q[1] >> 4, .down = q[1] & 15, .quant = q[2]};
        if (q[2] > 3 || (d->n_components == 3 && q[0] != d->part[0].id + c)) return false;
        if (!is_factor(q[1] >> 4) || !is_factor(q[1] & 15)) return false;
    }
    return d->n_components == 1 ||
           d->part[0].id <= 1; /* 1, 2, 3 or 0, 1, 2: YCbCr unless Adobe's marker says otherwise */
}

static bool read_scan(decoder *d, const unsigned char *p, size_t n) {
    if (d->w == 0 || n != 4 + (size_t)d->n_components * 2 || p[0] != d->n_components) return false;
    for (int c = 0; c < d->n_components; c++) {
        component *m = &d->part[c];
        m->dc = p[2 + 2 * c] >> 4;
        m->ac = 4 + (p[2 + 2 * c] & 15);
        if (p[1 + 2 * c] != m->id || m->dc > 3 || m->ac > 7) return false;
        if (!d->table[m->dc].known || !d->table[m->ac].known || d->quant[m->quant][0] == 0) return false;
    }
    const unsigned char *q = p + 1 + 2 * d->n_components;
    return q[0] == 0 && q[1] == 63 && q[2] == 0;
}

static bool read_segment(decoder *d, const tn_jpeg_segment *s) {
    const unsigned char *p = s->data;
    size_t n = s->n;
    switch (s->marker) {
    case TN_JPEG_DQT:
        return read_quant(d, p, n);
    case TN_JPEG_DHT:
        return read_huffman(d, p, n);
    case TN_JPEG_SOF0:
    case TN_JPEG_SOF1:
        return read_frame(d, p, n);
    case TN_JPEG_SOS:
        return read_scan(d, p, n);
    case TN_JPEG_DRI:
        d->interval = n == 2 ? p[0] << 8 | p[1] : -1;
        return n == 2;
    case TN_JPEG_APP0: /* JFIF: its version is 1.x */
        return n < 14 || memcmp(p, "JFIF", 5) != 0 || p[5] == 1;
    case TN_JPEG_APP14: /* Adobe: its last byte is 1 for YCbCr */
        return n < 12 || memcmp(p, "Adobe", 5) != 0 || p[11] == 1;
    default: /* applications' data and comments are skipped; others belong to other kinds of files */
        return (s->marker >= TN_JPEG_APP0 && s->marker <= TN_JPEG_APP15) || s->marker == TN_JPEG_COM;
    }
}

static bool read_markers(decoder *d) {
    tn_jpeg_segment s = {0};
    while (s.marker != TN_JPEG_SOS)
        if (!tn_jpeg_segment_read(d->file, d->n_file, &d->at, &s) || !read_segment(d, &s)) return false;
    return true;
}

/* --- weights ------------------------------------------------------------------------------------------------------ */

/* cos(i pi / 16) */
static double cosine(int i) {
    static const double C[9] = {1,
                                0.98078528040323044,
                                0.92387953251128674,
                                0.83146961230254524,
                                0.70710678118654752,
                                0.55557023301960222,
                                0.38268343236508977,
                                0.19509032201612827,
                                0};
    i %= 32;
    if (i > 16) i = 32 - i;
    return i <= 8 ? C[i] : -C[16 - i];
}

/* What coefficient u adds to the mean of cell j of n along a block. */
static double share(int u, int j, int n) {
    double sum = 0;
    for (int x = 8 / n * j; x < 8 / n * (j + 1); x++) sum += cosine((2 * x + 1) * u);
    return sum * n / 8 / 2 * (u == 0 ? cosine(4) : 1);
}

static void fill_weights(component *m, const uint16_t *quant) {
    static const unsigned char ZIGZAG[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                             12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                             35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                             58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};
    double x[8][8], y[8][8];
    for (int u = 0; u < 8; u++) {
        for (int j = 0; j < m->cells_x; j++) x[u][j] = share(u, j, m->cells_x);
        for (int j = 0; j < m->cells_y; j++) y[u][j] = share(u, j, m->cells_y);
    }
    for (int k = 0; k < 64; k++) {
        float *w = m->weight + k * m->n_vectors * 4;
        const double *across = x[ZIGZAG[k] % 8], *down = y[ZIGZAG[k] / 8];
        for (int i = 0; i < m->n_vectors * 4; i++) w[i] = 0;
        for (int i = 0; i < m->cells_y; i++)
            for (int j = 0; j < m->cells_x; j++) w[i * m->cells_x + j] = (float)(quant[k] * down[i] * across[j]);
    }
}

/* --- layout ------------------------------------------------------------------------------------------------------- */

/* The number of means of each block, so that all components have one size. */
static bool lay_out(decoder *d) {
    int across = 1, down = 1, n_blocks = 0;
    if (d->n_components == 1) d->part[0].across = d->part[0].down = 1; /* A.2.2: a lone component has blocks in rows */
    for (int c = 0; c < d->n_components; c++) {
        if (d->part[c].across > across) across = d->part[c].across;
        if (d->part[c].down > down) down = d->part[c].down;
    }
    for (int c = 0; c < d->n_components; c++) {
        component *m = &d->part[c];
        n_blocks += m->across * m->down;
        m->cells_x = 8 * across / m->across / d->shrink;
        m->cells_y = 8 * down / m->down / d->shrink;
        if (m->cells_x < 1 || m->cells_x > 8 || m->cells_y < 1 || m->cells_y > 8) return false;
        m->n_vectors = (m->cells_x * m->cells_y + 3) / 4;
    }
    d->mcu_w = 8 * across / d->shrink;
    d->mcu_h = 8 * down / d->shrink;
    d->n_across = (d->w + 8 * across - 1) / (8 * across);
    d->n_down = (d->h + 8 * down - 1) / (8 * down);
    d->out_w = (d->w + d->shrink - 1) / d->shrink;
    d->out_h = (d->h + d->shrink - 1) / d->shrink;
    d->stride = (size_t)d->n_across * (size_t)d->mcu_w;
    return n_blocks <= 10; /* B.2.3 */
}

static bool make_room(decoder *d, unsigned char **pixels, size_t *capacity) {
    size_t n_pixels = (size_t)d->out_w * (size_t)d->out_h * 3, n_plane = d->stride * (size_t)d->mcu_h;
    d->clean = malloc(d->n_file - d->at + TN_SCAN_PADDING);
    d->weights = malloc((size_t)d->n_components * 64 * MOST_CELLS * sizeof *d->weights);
    d->planes = malloc((size_t)d->n_components * n_plane);
    if (!d->clean || !d->weights || !d->planes) return false;
    if (n_pixels > *capacity) {
        unsigned char *more = realloc(*pixels, n_pixels);
        if (!more) return false;
        *pixels = more;
        *capacity = n_pixels;
    }
    d->out = *pixels;
    for (int c = 0; c < d->n_components; c++) {
        d->part[c].weight = d->weights + c * 64 * MOST_CELLS;
        d->part[c].plane = d->planes + (size_t)c * n_plane;
        fill_weights(&d->part[c], d->quant[d->part[c].quant]);
    }
    return true;
}

/* --- the scan ----------------------------------------------------------------------------------------------------- */

static void put_block(const unsigned char *mean, int cells_x, int cells_y, unsigned char *to, size_t stride) {
    for (int row = 0; row < cells_y; row++, to += stride) {
        if (cells_x == 2)
            memcpy(to, mean + 2 * row, 2);
        else if (cells_x == 4)
            memcpy(to, mean + 4 * row, 4);
        else
            memcpy(to, mean + cells_x * row, (size_t)cells_x);
    }
}

static bool read_mcu(decoder *d, tn_scan_bits *bits, int x) {
    unsigned char mean[MOST_CELLS];
    for (int c = 0; c < d->n_components; c++) {
        component *m = &d->part[c];
        for (int j = 0; j < m->down; j++)
            for (int i = 0; i < m->across; i++) {
                if (!tn_scan_block(bits, &d->table[m->dc], &d->table[m->ac], &m->pred, m->n_vectors, m->weight, mean))
                    return false;
                unsigned char *to = m->plane + (size_t)(j * m->cells_y) * d->stride + x * d->mcu_w + i * m->cells_x;
                put_block(mean, m->cells_x, m->cells_y, to, d->stride);
            }
    }
    return true;
}

static inline unsigned char clipped(int v) {
    v = v < 0 ? 0 : v;
    return (unsigned char)(v > 255 ? 255 : v);
}

/* Colours in 65536ths: R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr, B = Y + 1.772 Cb */
TN_FOR_VECTORS static void put_row(int n, const unsigned char *restrict y, const unsigned char *restrict cb,
                                   const unsigned char *restrict cr, unsigned char *restrict to) {
    for (int x = 0; x < n; x++) {
        int whole = y[x] * 65536 + 32768, blue = cb[x] - 128, red = cr[x] - 128;
        to[3 * x] = clipped((whole + 91881 * red) >> 16);
        to[3 * x + 1] = clipped((whole - 22553 * blue - 46802 * red) >> 16);
        to[3 * x + 2] = clipped((whole + 116130 * blue) >> 16);
    }
}

/* A row of MCUs to pixels. */
static void put_rows(decoder *d, int mcu_y) {
    for (int r = 0; r < d->mcu_h && mcu_y * d->mcu_h + r < d->out_h; r++) {
        const unsigned char *y = d->part[0].plane + (size_t)r * d->stride;
        unsigned char *to = d->out + (size_t)(mcu_y * d->mcu_h + r) * (size_t)d->out_w * 3;
        if (d->n_components == 3)
            put_row(d->out_w, y, d->part[1].plane + (size_t)r * d->stride, d->part[2].plane + (size_t)r * d->stride,
                    to);
        else
            for (int x = 0; x < d->out_w; x++) memset(to + 3 * x, y[x], 3);
    }
}

/* Copy the next interval without stuffed zeros (B.1.1.5), up to a marker. Returns the marker; 0: the file ends. */
static int read_interval(decoder *d, tn_scan_bits *bits) {
    unsigned char *to = d->clean;
    const unsigned char *from = d->file + d->at, *end = d->file + d->n_file;
    int marker = 0;
    while (from < end) {
        const unsigned char *mark = memchr(from, 0xFF, (size_t)(end - from));
        if (!mark || mark + 1 == end) break;
        size_t n = (size_t)(mark - from) + (mark[1] == 0);
        memcpy(to, from, n);
        to += n;
        from = mark + 2;
        if (mark[1] == 0) continue;
        marker = mark[1];
        break;
    }
    memset(to, 0, TN_SCAN_PADDING);
    d->at = (size_t)(from - d->file);
    tn_scan_bits_begin(bits, d->clean, to);
    return marker;
}

/* Decode the intervals between restart markers. Only what libjpeg reads without a warning is accepted. */
static bool read_blocks(decoder *d) {
    int n_mcus = d->n_across * d->n_down, n_intervals = 0;
    for (int done = 0; done < n_mcus; n_intervals++) {
        tn_scan_bits bits;
        int marker = read_interval(d, &bits);
        int end = d->interval > 0 && n_mcus - done > d->interval ? done + d->interval : n_mcus;
        if (marker != (end == n_mcus ? TN_JPEG_EOI : TN_JPEG_RST0 + n_intervals % 8)) return false;
        for (int c = 0; c < d->n_components; c++) d->part[c].pred = 0;
        for (; done < end; done++) {
            if (!read_mcu(d, &bits, done % d->n_across)) return false;
            if ((done + 1) % d->n_across == 0) put_rows(d, done / d->n_across);
        }
        ptrdiff_t left = tn_scan_bits_left(&bits);
        if (left < 0 || left > 7) return false;
    }
    return true;
}

bool tn_jpeg_means(const unsigned char *data, size_t n_bytes, int shrink, unsigned char **pixels, size_t *capacity,
                   int *w_out, int *h_out) {
    decoder d = {.file = data, .n_file = n_bytes, .shrink = shrink, .table = calloc(8, sizeof *d.table)};
    bool ok = d.table && read_markers(&d) && lay_out(&d) && make_room(&d, pixels, capacity) && read_blocks(&d);
    *w_out = d.out_w;
    *h_out = d.out_h;
    free(d.table);
    free(d.clean);
    free(d.weights);
    free(d.planes);
    return ok;
}
