/* hash.c - XXH3 by the xxHash library. */
#include "base/hash.h"

#include "base/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct tn_hash {
    XXH3_state_t *state;
};

tn_hash *tn_hash_new(void) {
    tn_hash *h = malloc(sizeof *h);
    TN_ASSERT(h != NULL);
    h->state = XXH3_createState();
    TN_ASSERT(h->state != NULL);
    XXH3_128bits_reset(h->state);
    return h;
}

void tn_hash_free(tn_hash **h) {
    if (!*h) return;
    XXH3_freeState((*h)->state);
    free(*h);
    *h = NULL;
}

void tn_hash_add(tn_hash *h, const void *data, size_t n_bytes) {
    XXH3_128bits_update(h->state, data, n_bytes);
}

void tn_hash_text(tn_hash *h, const char *text) {
    tn_hash_add(h, text, strlen(text) + 1);
}

static void to_hex(XXH128_hash_t value, char hex_out[TN_HEX_BYTES]) {
    snprintf(hex_out, TN_HEX_BYTES, "%016llx%016llx", (unsigned long long)value.high64,
             (unsigned long long)value.low64);
}

void tn_hash_hex(const tn_hash *h, char hex_out[TN_HEX_BYTES]) {
    to_hex(XXH3_128bits_digest(h->state), hex_out);
}

uint64_t tn_hash64(const void *data, size_t n_bytes) {
    return XXH3_64bits(data, n_bytes);
}

void tn_hash_once(const void *data, size_t n_bytes, char hex_out[TN_HEX_BYTES]) {
    to_hex(XXH3_128bits(data, n_bytes), hex_out);
}

tn_status tn_hash_file(const char *path, char hex_out[TN_HEX_BYTES]) {
    FILE *f = fopen(path, "rb");
    if (!f) return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    tn_hash *h = tn_hash_new();
    char piece[1 << 16];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0; tn_watch_go()) tn_hash_add(h, piece, n);
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
    int failed = ferror(f);
    fclose(f);
    return failed ? tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno)) : TN_OK;
}
