/*
 * pickle_priv.h - reads pickles of torch.save as data: no code in them is run, or could be.
 *
 *   tn_pickle *p = NULL;
 *   TN_TRY(tn_pickle_read(path, bytes, n_bytes, &p, &n_used));
 *   const tn_pickled *x = tn_pickled_find(tn_pickle_root(p), "state_dict");
 *   tn_pickle_free(&p);                                 its values point into bytes: free those afterwards
 *
 * Knows  None, truth values, numbers, strings, lists, tuples, dictionaries; of the callables collections.OrderedDict without
 *        arguments, torch._utils._rebuild_tensor_v2 and _rebuild_parameter; the types of storages in persistent ids. Any
 *        other global, and any other opcode, is refused by its name.
 * Cost   at most one value per opcode, and a memo of 16 bytes per byte that was read; no recursion, so that nesting needs no stack.
 *        A value may occur in many places, also in itself: whoever walks through them must limit the depth.
 * Source CPython Lib/pickletools.py; PyTorch torch/serialization.py, torch/_utils.py. All functions are local.
 */
#ifndef TN_MODEL_PICKLE_PRIV_H
#define TN_MODEL_PICKLE_PRIV_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TN_PICKLE_BYTES = 8 << 20 }; /* limit; EfficientNet-B7 with its optimiser takes 0.6 MB */

typedef enum {
    TN_PICKLED_PLAIN, /* None, a floating-point number, a whole number beyond 64 bits: nobody asks for its value */
    TN_PICKLED_INT,   /* truth values, too */
    TN_PICKLED_TEXT,
    TN_PICKLED_LIST,
    TN_PICKLED_TUPLE,
    TN_PICKLED_DICT,
    TN_PICKLED_GLOBAL,
    TN_PICKLED_STORAGE, /* item[2]: its key, TEXT; item[4]: its number of elements, INT */
    TN_PICKLED_TENSOR   /* item[0]: STORAGE; item[1]: offset, INT; item[2], item[3]: sizes and strides, TUPLE */
} tn_pickled_kind;

typedef enum {
    TN_ELEMENT_F32,
    TN_ELEMENT_F16,
    TN_ELEMENT_BF16,
    TN_ELEMENT_F64,
    TN_ELEMENT_I64,
    TN_ELEMENT_I32,
    TN_ELEMENT_I16,
    TN_ELEMENT_I8,
    TN_ELEMENT_U8,
    TN_ELEMENT_BOOL
} tn_element;

typedef struct tn_pickled {
    tn_pickled_kind kind;
    int n;                          /* TEXT: bytes; LIST, TUPLE: items; DICT: pairs */
    int room;                       /* of item, where this value owns it */
    int of;                         /* GLOBAL: which; STORAGE: tn_element; DICT: 1 = OrderedDict */
    int64_t whole;                  /* INT */
    const char *text;               /* TEXT: not ended by a 0 byte */
    const struct tn_pickled **item; /* LIST, TUPLE (n); DICT (n,2): key, value */
} tn_pickled;

typedef struct tn_pickle tn_pickle;

/* Read one pickle from the beginning of bytes; path is for messages. The caller frees *out.
 * n_used_out  bytes up to and with its STOP
 * Errors      TN_EFORMAT it is damaged, or has a global or an opcode that is refused; TN_ENOMEM */
tn_status tn_pickle_read(const char *path, const char *bytes, size_t n_bytes, tn_pickle **out, size_t *n_used_out);
void tn_pickle_free(tn_pickle **p);
const tn_pickled *tn_pickle_root(const tn_pickle *p);
const tn_pickled *tn_pickle_storage(const tn_pickle *p, int i); /* every STORAGE, in order; NULL after the last */

/* The value of a key of a dictionary; NULL: absent. Of equal keys the last one counts, as in Python. */
const tn_pickled *tn_pickled_find(const tn_pickled *dict, const char *key);
bool tn_pickled_is(const tn_pickled *x, const char *text); /* is it this TEXT? */

#endif
