/*
 * plain_jpeg.h - the straight road for JPEG files, without libvips. All functions are local.
 *
 * A JPEG is plain if it is grey, YCbCr or RGB of 8 bits, Huffman-coded, without a profile of colours, its EXIF orientation is clear, and
 * libjpeg reads it without a warning. Nearly all are. Every other file is left to libvips, which also says what is wrong with it.
 * The image is decoded at the smallest of 1, 1/2, 1/4 and 1/8 of its size (means of blocks of pixels, computed in the cosine transform)
 * that is not below the wanted size, and scaled down from there (Lanczos).
 */
#ifndef TN_PREPROCESS_PLAIN_JPEG_H
#define TN_PREPROCESS_PLAIN_JPEG_H

#include "preprocess/image.h"

/* Decode, scale and turn a plain JPEG: sets pixels, w, h and storable. false: it is not plain, too large, or there is no memory; pixels
 * stay NULL. */
bool tn_plain_jpeg_decode(const tn_cfg *cfg, tn_image *image);

#endif
