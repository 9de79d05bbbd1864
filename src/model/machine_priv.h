/* machine_priv.h - the machine that reads a pickle, shared by pickle.c (stack, memo, plain data) and pickle_calls.c (globals and calls).
 * All functions are local. */
#ifndef TN_MODEL_MACHINE_PRIV_H
#define TN_MODEL_MACHINE_PRIV_H

#include "model/pickle_priv.h"

enum { TN_PICKLED_BLOCK = 512 };

typedef struct tn_pickled_block {
    struct tn_pickled_block *next;
    int n;
    tn_pickled value[TN_PICKLED_BLOCK];
} tn_pickled_block;

struct tn_pickle {
    tn_pickled_block *blocks; /* the latest first */
    const tn_pickled *root;
    const tn_pickled **storage; /* (n_storages) */
    int n_storages, storage_room;
};

typedef struct {
    const char *path, *begin, *at, *end;
    tn_pickle *out;
    tn_pickled **stack, **memo;
    int n_stack, stack_room, memo_room, n_memo; /* n_memo: of MEMOIZE and the others together */
    bool cut, stopped;                          /* cut: at the limit of a pickle's length */
} tn_machine;

tn_status tn_machine_damaged(const tn_machine *m, const char *why);
tn_status tn_machine_ends_early(const tn_machine *m);
/* Room for one element more behind n in *array; a room doubles. */
tn_status tn_machine_grow(void *array, int n, int *room, size_t size);
tn_status tn_machine_push(tn_machine *m, tn_pickled x); /* a copy of x */
tn_pickled *tn_machine_pop(tn_machine *m,
                           tn_pickled_kind kind);             /* NULL: the stack is empty, or there is another kind */
const char *tn_machine_take(tn_machine *m, uint64_t n_bytes); /* bytes of the pickle; NULL: it ends before */

/* Opcodes. The second argument is not used. */
tn_status tn_machine_global(tn_machine *m, int unused);
tn_status tn_machine_stack_global(tn_machine *m, int unused);
tn_status tn_machine_persistent(tn_machine *m, int unused);
tn_status tn_machine_reduce(tn_machine *m, int unused);
tn_status tn_machine_build(tn_machine *m, int unused);

#endif
