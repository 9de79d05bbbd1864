/*
 * hash.h - 128-bit XXH3 hashes as 32 hex digits, of streams, memory and files. All functions are local.
 *
 *   tn_hash *h = tn_hash_new();  tn_hash_add(h, data, n);  tn_hash_hex(h, hex);  tn_hash_free(&h);
 */
#ifndef TN_BASE_HASH_H
#define TN_BASE_HASH_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TN_HEX_BYTES = 33 }; /* 32 digits and the 0 byte */

typedef struct tn_hash tn_hash;
tn_hash *tn_hash_new(void); /* never NULL: asserts on memory (64 bytes) */
void tn_hash_free(tn_hash **h);
void tn_hash_add(tn_hash *h, const void *data, size_t n_bytes);
void tn_hash_text(tn_hash *h, const char *text); /* with its 0 byte, so that "a","bc" differs from "ab","c" */
void tn_hash_hex(const tn_hash *h, char hex_out[TN_HEX_BYTES]);

uint64_t tn_hash64(const void *data, size_t n_bytes); /* XXH3 64 bits, seed 0 */
void tn_hash_once(const void *data, size_t n_bytes, char hex_out[TN_HEX_BYTES]);
tn_status tn_hash_file(const char *path, char hex_out[TN_HEX_BYTES]);

#endif
