/* narrow.h - 16-bit floating-point numbers as float. All functions are local. */
#ifndef TN_MODEL_NARROW_H
#define TN_MODEL_NARROW_H

#include <stdint.h>
#include <string.h>

/* Convert from IEEE 754 half precision, including subnormals, infinities and NaN. */
static inline float tn_from_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000U) << 16, exponent = h >> 10 & 31U, fraction = h & 1023U, bits;
    float x;
    if (exponent == 0) {
        x = (float)fraction * 0x1p-24F;
        memcpy(&bits, &x, sizeof bits);
        bits |= sign;
    } else {
        bits = sign | (exponent == 31 ? 255U : exponent + 112U) << 23 | fraction << 13;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float tn_from_bfloat(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
