/* ckpt_priv.h - a checkpoint in memory; shared by ckpt.c and ckpt_read.c. */
#ifndef TN_MODEL_CKPT_PRIV_H
#define TN_MODEL_CKPT_PRIV_H

#include "model/ckpt.h"

#include <jansson.h>

enum { TN_CKPT_HEADER_BYTES = 100 * 1000 * 1000 }; /* the limit of the safetensors library */

struct tn_ckpt {
    json_t *meta; /* object of strings; NULL: the file has none */
    float *data;
    float *converted; /* copies of tensors that were F16, BF16 or not aligned; NULL: none */
    int n;
    tn_ckpt_entry *entry; /* (n) in ascending order of name */
};

int64_t tn_ckpt_entry_count(const tn_ckpt_entry *e);
int tn_ckpt_by_name(const void *a, const void *b); /* for qsort and bsearch over tn_ckpt_entry */

/* Counters of PyTorch, whole numbers that are not needed here: num_batches_tracked of a batch norm, n_averaged of an average. */
bool tn_ckpt_is_counter(const char *name);

/* The word `xxh3_header`: a hash of the header without this word itself. It protects names, shapes and words, as `xxh3` protects the
 * data. The caller owns the result; NULL: no memory. */
json_t *tn_ckpt_header_hash(json_t *header);

#endif
