/* rng.c - draws from Philox4x32-10 blocks. */
#include "base/rng.h"

#include <math.h>

#include <Random123/philox.h>

tn_rng tn_rng_at(uint64_t seed, tn_stream stream, uint64_t counter, uint64_t sample) {
    return (tn_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                    .counter = {(uint32_t)stream, (uint32_t)sample, (uint32_t)counter, (uint32_t)(counter >> 32)}};
}

static void refill(tn_rng *r) {
    philox4x32_ctr_t counter = {{r->counter[0], r->counter[1], r->counter[2], r->counter[3]}};
    philox4x32_key_t key = {{r->key[0], r->key[1]}};
    philox4x32_ctr_t out = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) r->word[i] = out.v[i];
    r->counter[0] += 1U << 8;                               /* the next block; the stream stays in the low byte */
    if (r->counter[0] < 1U << 8) r->counter[3] += 1U << 24; /* a shuffle of more than 2^26 rows: on, never round */
    r->n_left = 4;
}

uint32_t tn_rng_u32(tn_rng *r) {
    if (r->n_left == 0) refill(r);
    return r->word[4 - r->n_left--];
}

double tn_rng_uniform(tn_rng *r) {
    uint64_t high = tn_rng_u32(r), low = tn_rng_u32(r);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double tn_rng_normal(tn_rng *r) {
    double u = 1.0 - tn_rng_uniform(r), v = tn_rng_uniform(r); /* u in (0,1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint32_t tn_rng_below(tn_rng *r, uint32_t n) {
    uint64_t product = (uint64_t)tn_rng_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t least = (uint32_t)(-n) % n;
        while ((uint32_t)product < least) product = (uint64_t)tn_rng_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

void tn_rng_shuffle(tn_rng *r, int64_t n, int64_t *a) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = tn_rng_below(r, (uint32_t)(i + 1));
        int64_t was = a[i];
        a[i] = a[j];
        a[j] = was;
    }
}
