/* ckpt_priv.h - a checkpoint in memory; shared by ckpt.c and ckpt_read.c. */
#ifndef TN_LEARN_CKPT_PRIV_H
#define TN_LEARN_CKPT_PRIV_H

#include "learn/ckpt.h"

enum { TN_CKPT_HEADER_BYTES = 100 * 1000 * 1000 }; /* the limit of the safetensors library */

struct tn_ckpt {
    json_t *meta; /* object of strings, NULL when the file has none */
    float *data;
    float *converted; /* tensors that were F16, BF16 or not aligned; NULL when there are none */
    int n;
    tn_ckpt_entry *entry; /* (n) in ascending order of name */
};

int64_t tn_ckpt_entry_count(const tn_ckpt_entry *e);
int tn_ckpt_by_name(const void *a, const void *b); /* for qsort and bsearch over tn_ckpt_entry */

/* The hash of everything in a header but itself: `xxh3` says that the data are whole, `xxh3_header` that names, shapes
 * and words (the clock of a run) are. NULL: no memory. */
json_t *tn_ckpt_header_hash(json_t *header);

#endif
