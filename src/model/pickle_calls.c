/* pickle_calls.c - globals and calls of a pickle: the whole list of what may be named or called. */
#include "model/machine_priv.h"

#include <string.h>

typedef enum { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_TYPE } global_kind;

static const struct {
    const char *module, *name;
    global_kind kind;
    tn_element element;
} GLOBAL[] = {{"collections", "OrderedDict", ORDERED_DICT, 0},
              {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, 0},
              {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, 0},
              {"torch", "FloatStorage", STORAGE_TYPE, TN_ELEMENT_F32},
              {"torch", "HalfStorage", STORAGE_TYPE, TN_ELEMENT_F16},
              {"torch", "BFloat16Storage", STORAGE_TYPE, TN_ELEMENT_BF16},
              {"torch", "DoubleStorage", STORAGE_TYPE, TN_ELEMENT_F64},
              {"torch", "LongStorage", STORAGE_TYPE, TN_ELEMENT_I64},
              {"torch", "IntStorage", STORAGE_TYPE, TN_ELEMENT_I32},
              {"torch", "ShortStorage", STORAGE_TYPE, TN_ELEMENT_I16},
              {"torch", "CharStorage", STORAGE_TYPE, TN_ELEMENT_I8},
              {"torch", "ByteStorage", STORAGE_TYPE, TN_ELEMENT_U8},
              {"torch", "BoolStorage", STORAGE_TYPE, TN_ELEMENT_BOOL}};
enum { N_GLOBALS = sizeof GLOBAL / sizeof *GLOBAL };

static bool same(int n, const char *text, const char *want) {
    return (size_t)n == strlen(want) && memcmp(text, want, (size_t)n) == 0;
}

static tn_status refuse(const tn_machine *m, const char *what, int n_module, const char *module, int n_name,
                        const char *name) {
    return tn_fail(TN_EFORMAT,
                   "%s: its pickle %s %.*s.%.*s, which is no part of a state dictionary, and is not run. If you trust "
                   "the file, load it in PyTorch and save the state dictionary alone: torch.save(net.state_dict(), "
                   "\"new.pth\")",
                   m->path, what, n_module < 80 ? n_module : 80, module, n_name < 80 ? n_name : 80, name);
}

static tn_status push_global(tn_machine *m, int n_module, const char *module, int n_name, const char *name) {
    for (int i = 0; i < N_GLOBALS; i++)
        if (same(n_module, module, GLOBAL[i].module) && same(n_name, name, GLOBAL[i].name))
            return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_GLOBAL, .of = i});
    return refuse(m, "names", n_module, module, n_name, name);
}

/* A line of the pickle, without its end; *n_out -1: it ends before. */
static const char *line(tn_machine *m, int *n_out) {
    const char *begin = m->at, *end = memchr(begin, '\n', (size_t)(m->end - begin));
    *n_out = end ? (int)(end - begin) : -1;
    if (end) m->at = end + 1;
    return begin;
}

tn_status tn_machine_global(tn_machine *m, int unused) {
    (void)unused;
    int n_module, n_name;
    const char *module = line(m, &n_module), *name = line(m, &n_name);
    if (n_module < 0 || n_name < 0) return tn_machine_ends_early(m);
    return push_global(m, n_module, module, n_name, name);
}

tn_status tn_machine_stack_global(tn_machine *m, int unused) {
    (void)unused;
    const tn_pickled *name = tn_machine_pop(m, TN_PICKLED_TEXT), *module = tn_machine_pop(m, TN_PICKLED_TEXT);
    if (!name || !module) return tn_machine_damaged(m, "a global has no name");
    return push_global(m, module->n, module->text, name->n, name->text);
}

/* ('storage', type, key, device, number of elements), in old files with None behind */
tn_status tn_machine_persistent(tn_machine *m, int unused) {
    (void)unused;
    tn_pickle *p = m->out;
    const tn_pickled *id = tn_machine_pop(m, TN_PICKLED_TUPLE);
    if (!id || (id->n != 5 && id->n != 6)) return tn_machine_damaged(m, "a storage is not described as PyTorch does");
    const tn_pickled *type = id->item[1], *key = id->item[2], *n = id->item[4];
    if (!tn_pickled_is(id->item[0], "storage") || type->kind != TN_PICKLED_GLOBAL ||
        GLOBAL[type->of].kind != STORAGE_TYPE || key->kind != TN_PICKLED_TEXT || n->kind != TN_PICKLED_INT)
        return tn_machine_damaged(m, "a storage is not described as PyTorch does");
    if (n->whole < 0 || n->whole > INT64_MAX / 8) return tn_machine_damaged(m, "the size of a storage is impossible");
    if (id->n == 6 && id->item[5]->kind != TN_PICKLED_PLAIN)
        return tn_fail(
            TN_EFORMAT,
            "%s: a storage in it is a part of another: load it in PyTorch, and save it again with torch.save", m->path);
    TN_TRY(tn_machine_grow(&p->storage, p->n_storages, &p->storage_room, sizeof *p->storage));
    TN_TRY(tn_machine_push(
        m, (tn_pickled){.kind = TN_PICKLED_STORAGE, .of = (int)GLOBAL[type->of].element, .item = id->item}));
    p->storage[p->n_storages++] = m->stack[m->n_stack - 1];
    return TN_OK;
}

static tn_status rebuild_tensor(tn_machine *m, const tn_pickled *a) {
    static const tn_pickled_kind WANTED[] = {TN_PICKLED_STORAGE, TN_PICKLED_INT, TN_PICKLED_TUPLE, TN_PICKLED_TUPLE};
    bool ok = a->n == 6 || a->n == 7; /* more: requires_grad, hooks, metadata */
    for (int i = 0; ok && i < 4; i++) ok = a->item[i]->kind == WANTED[i];
    if (!ok) return tn_machine_damaged(m, "a tensor is not described as PyTorch does");
    return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_TENSOR, .item = a->item});
}

tn_status tn_machine_reduce(tn_machine *m, int unused) {
    (void)unused;
    const tn_pickled *a = tn_machine_pop(m, TN_PICKLED_TUPLE), *f = tn_machine_pop(m, TN_PICKLED_GLOBAL);
    if (!a || !f) return tn_machine_damaged(m, "it calls what is not callable");
    switch (GLOBAL[f->of].kind) {
    case ORDERED_DICT:
        if (a->n > 0) return tn_machine_damaged(m, "an OrderedDict has arguments");
        return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_DICT, .of = 1});
    case REBUILD_TENSOR:
        return rebuild_tensor(m, a);
    case REBUILD_PARAMETER: /* of a tensor, requires_grad, hooks */
        if (a->n != 3 || a->item[0]->kind != TN_PICKLED_TENSOR)
            return tn_machine_damaged(m, "a parameter is not described as PyTorch does");
        return tn_machine_push(m, *a->item[0]);
    case STORAGE_TYPE:
        break;
    }
    const char *module = GLOBAL[f->of].module, *name = GLOBAL[f->of].name;
    return refuse(m, "calls", (int)strlen(module), module, (int)strlen(name), name);
}

/* A state dictionary has attributes, `_metadata`, which nothing here needs. */
tn_status tn_machine_build(tn_machine *m, int unused) {
    (void)unused;
    const tn_pickled *state = tn_machine_pop(m, TN_PICKLED_DICT);
    tn_pickled *x = state ? tn_machine_pop(m, TN_PICKLED_DICT) : NULL;
    if (!x || x->of != 1) return tn_machine_damaged(m, "BUILD sets attributes of no OrderedDict");
    m->n_stack++; /* it stays where it was */
    return TN_OK;
}
