/* jpeg_markers.h - walks the segments of a JPEG file up to its first scan. Local, thread-safe. Source: ITU-T T.81, annex B. */
#ifndef TN_PICTURE_JPEG_MARKERS_H
#define TN_PICTURE_JPEG_MARKERS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    TN_JPEG_SOF0 = 0xC0,
    TN_JPEG_SOF1 = 0xC1,
    TN_JPEG_SOF2 = 0xC2,
    TN_JPEG_SOF15 = 0xCF,
    TN_JPEG_DHT = 0xC4,
    TN_JPEG_JPG = 0xC8,
    TN_JPEG_DAC = 0xCC,
    TN_JPEG_RST0 = 0xD0,
    TN_JPEG_EOI = 0xD9,
    TN_JPEG_SOS = 0xDA,
    TN_JPEG_DQT = 0xDB,
    TN_JPEG_DRI = 0xDD,
    TN_JPEG_APP0 = 0xE0,
    TN_JPEG_APP1 = 0xE1,
    TN_JPEG_APP2 = 0xE2,
    TN_JPEG_APP14 = 0xEE,
    TN_JPEG_APP15 = 0xEF,
    TN_JPEG_COM = 0xFE
};

/* A segment: its marker and what stands behind its length. */
typedef struct {
    int marker;
    const unsigned char *data;
    size_t n;
} tn_jpeg_segment;

/* Read the segment at *at (0: the first one) of a file and move *at behind it; behind TN_JPEG_SOS begin the codes.
 * false: no JPEG, no marker there, fill bytes before a marker, or the file ends within the segment. */
static inline bool tn_jpeg_segment_read(const unsigned char *file, size_t n_file, size_t *at, tn_jpeg_segment *s) {
    if (*at == 0) {
        if (n_file < 2 || file[0] != 0xFF || file[1] != 0xD8) return false;
        *at = 2;
    }
    const unsigned char *p = file + *at;
    if (n_file - *at < 4 || p[0] != 0xFF || p[1] == 0xFF) return false;
    size_t n = (size_t)(p[2] << 8 | p[3]);
    if (n < 2 || n_file - *at - 2 < n) return false;
    *s = (tn_jpeg_segment){p[1], p + 4, n - 2};
    *at += 2 + n;
    return true;
}

#endif
