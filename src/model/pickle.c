/* pickle.c - the machine that reads a pickle: a stack of values, a memo, and one table of opcodes. */
#include "model/machine_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What MARK puts on the stack. */
static tn_pickled MARKER;

tn_status tn_machine_damaged(const tn_machine *m, const char *why) {
    return tn_fail(TN_EFORMAT, "%s: its pickle is damaged: %s", m->path, why);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Room for one element more behind n in *array; a room doubles. */
tn_status tn_machine_grow(void *array, int n, int *room, size_t size) {
    if (n < *room) return TN_OK;
    int more = *room ? 2 * *room : 8;
    void *now = realloc(*(void **)array, (size_t)more * size);
    if (!now) return tn_fail_memory((size_t)more * size, "a pickle");
    *(void **)array = now;
    *room = more;
    return TN_OK;
}

static tn_status push(tn_machine *m, tn_pickled *x) {
    TN_TRY(tn_machine_grow(&m->stack, m->n_stack, &m->stack_room, sizeof *m->stack));
    m->stack[m->n_stack++] = x;
    return TN_OK;
}

/* Push a new value, a copy of x. */
tn_status tn_machine_push(tn_machine *m, tn_pickled x) {
    tn_pickled_block *b = m->out->blocks;
    if (!b || b->n == TN_PICKLED_BLOCK) {
        b = malloc(sizeof *b);
        if (!b) return tn_fail_memory(sizeof *b, "a pickle");
        b->n = 0;
        b->next = m->out->blocks;
        m->out->blocks = b;
    }
    b->value[b->n] = x;
    TN_TRY(push(m, &b->value[b->n]));
    b->n++;
    return TN_OK;
}

/* Pop a value; NULL: the stack is empty, or there is a mark. */
static tn_pickled *pop(tn_machine *m) {
    return m->n_stack > 0 && m->stack[m->n_stack - 1] != &MARKER ? m->stack[--m->n_stack] : NULL;
}

tn_pickled *tn_machine_pop(tn_machine *m, tn_pickled_kind kind) {
    tn_pickled *x = pop(m);
    return x && x->kind == kind ? x : NULL;
}

/* The place of the latest mark; -1: there is none. */
static int mark_of(const tn_machine *m) {
    int i = m->n_stack - 1;
    while (i >= 0 && m->stack[i] != &MARKER) i--;
    return i;
}

/* n_bytes of the pickle; NULL: it ends before. */
const char *tn_machine_take(tn_machine *m, uint64_t n_bytes) {
    if (n_bytes > (uint64_t)(m->end - m->at)) return NULL;
    const char *bytes = m->at;
    m->at += n_bytes;
    return bytes;
}

static uint64_t little(const char *bytes, int n) {
    uint64_t x = 0;
    for (int i = n - 1; i >= 0; i--) x = x << 8 | (unsigned char)bytes[i];
    return x;
}

tn_status tn_machine_ends_early(const tn_machine *m) {
    if (!m->cut) return tn_machine_damaged(m, "it ends too early");
    return tn_fail(TN_EFORMAT, "%s: its pickle has more than %d bytes: save the state dictionary alone", m->path,
                   TN_PICKLE_BYTES);
}

/* --- plain data: the second argument comes from the table of opcodes ------------------------------------------------ */

static tn_status do_protocol(tn_machine *m, int unused) {
    (void)unused;
    const char *version = tn_machine_take(m, 1);
    if (!version) return tn_machine_ends_early(m);
    return *version >= 2 && *version <= 5 ? TN_OK : tn_machine_damaged(m, "it is not of protocol 2 to 5");
}

static tn_status do_skip(tn_machine *m, int n_bytes) {
    return tn_machine_take(m, (uint64_t)n_bytes) ? TN_OK : tn_machine_ends_early(m);
}

static tn_status do_stop(tn_machine *m, int unused) {
    (void)unused;
    if (m->n_stack != 1 || !(m->out->root = pop(m))) return tn_machine_damaged(m, "it does not end with one value");
    m->stopped = true;
    return TN_OK;
}

static tn_status do_mark(tn_machine *m, int unused) {
    (void)unused;
    return push(m, &MARKER);
}

static tn_status do_plain(tn_machine *m, int n_bytes) {
    if (!tn_machine_take(m, (uint64_t)n_bytes)) return tn_machine_ends_early(m);
    return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_PLAIN});
}

static tn_status do_truth(tn_machine *m, int value) {
    return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_INT, .whole = value});
}

static tn_status do_int(tn_machine *m, int n_bytes) {
    const char *bytes = tn_machine_take(m, (uint64_t)n_bytes);
    if (!bytes) return tn_machine_ends_early(m);
    int64_t x = (int64_t)little(bytes, n_bytes);
    if (n_bytes == 4) x = (int32_t)(uint32_t)x;
    return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_INT, .whole = x});
}

/* Two's complement of any length; only what fits into 64 bits has a value here. */
static tn_status do_long(tn_machine *m, int unused) {
    (void)unused;
    const char *length = tn_machine_take(m, 1), *bytes = length ? tn_machine_take(m, (unsigned char)*length) : NULL;
    if (!bytes) return tn_machine_ends_early(m);
    int n = (unsigned char)*length;
    if (n > 8) return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_PLAIN});
    uint64_t x = little(bytes, n);
    if (n > 0 && n < 8 && (bytes[n - 1] & 0x80)) x |= ~0ULL << 8 * n;
    return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_INT, .whole = (int64_t)x});
}

static tn_status do_text(tn_machine *m, int length_bytes) {
    const char *length = tn_machine_take(m, (uint64_t)length_bytes);
    uint64_t n = length ? little(length, length_bytes) : 0;
    const char *text = length ? tn_machine_take(m, n) : NULL;
    if (!text) return tn_machine_ends_early(m);
    return tn_machine_push(m, (tn_pickled){.kind = TN_PICKLED_TEXT, .text = text, .n = (int)n});
}

static tn_status do_empty(tn_machine *m, int kind) {
    return tn_machine_push(m, (tn_pickled){.kind = (tn_pickled_kind)kind});
}

/* A tuple of the last n values. */
static tn_status tuple(tn_machine *m, int n) {
    tn_pickled x = {.kind = TN_PICKLED_TUPLE, .n = n, .room = n};
    if (n > m->n_stack) return tn_machine_damaged(m, "a tuple lacks items");
    for (int i = m->n_stack - n; i < m->n_stack; i++)
        if (m->stack[i] == &MARKER) return tn_machine_damaged(m, "a tuple lacks items");
    if (n > 0) x.item = malloc((size_t)n * sizeof *x.item);
    if (n > 0 && !x.item) return tn_fail_memory((size_t)n * sizeof *x.item, "a pickle");
    m->n_stack -= n;
    for (int i = 0; i < n; i++) x.item[i] = m->stack[m->n_stack + i];
    tn_status st = tn_machine_push(m, x);
    if (st != TN_OK) free(x.item);
    return st;
}

static tn_status do_tuple(tn_machine *m, int n) {
    return tuple(m, n);
}

static tn_status do_tuple_of_mark(tn_machine *m, int unused) {
    (void)unused;
    int mark = mark_of(m);
    if (mark < 0) return tn_machine_damaged(m, "a mark is missing");
    int n = m->n_stack - mark - 1;
    memmove(&m->stack[mark], &m->stack[mark + 1], (size_t)n * sizeof *m->stack);
    m->n_stack--;
    return tuple(m, n);
}

/* Append the values from place `from` on, in groups of `each` (1: a list, 2: a dictionary), to the value before. */
static tn_status add_items(tn_machine *m, int from, int each, int skip) {
    int n = m->n_stack - from;
    tn_pickled *x = from - skip > 0 ? m->stack[from - skip - 1] : NULL;
    if (!x || x == &MARKER || n % each != 0 || x->kind != (each == 1 ? TN_PICKLED_LIST : TN_PICKLED_DICT))
        return tn_machine_damaged(m, "items of a list or a dictionary are not where it is");
    for (int i = 0; i < n; i++) {
        if (m->stack[from + i] == &MARKER)
            return tn_machine_damaged(m, "items of a list or a dictionary are not where it is");
        TN_TRY(tn_machine_grow(&x->item, x->n * each + i % each, &x->room, sizeof *x->item));
        x->item[x->n * each + i % each] = m->stack[from + i];
        if (i % each == each - 1) x->n++;
    }
    m->n_stack = from - skip;
    return TN_OK;
}

static tn_status do_add(tn_machine *m, int each) {
    return m->n_stack > each ? add_items(m, m->n_stack - each, each, 0) : tn_machine_damaged(m, "the stack is empty");
}

static tn_status do_add_all(tn_machine *m, int each) {
    int mark = mark_of(m);
    return mark >= 0 ? add_items(m, mark + 1, each, 1) : tn_machine_damaged(m, "a mark is missing");
}

/* --- memo --------------------------------------------------------------------------------------------------------- */

/* Picklers number what they remember from 0, and each number takes bytes. So a number beyond the bytes that were read is damage; it must
 * not make the memo large. */
static tn_status remember(tn_machine *m, uint64_t i) {
    if (m->n_stack == 0 || m->stack[m->n_stack - 1] == &MARKER)
        return tn_machine_damaged(m, "it remembers what is not there");
    if (i >= (uint64_t)(m->at - m->begin)) return tn_machine_damaged(m, "a number in its memo is impossible");
    int before = m->memo_room;
    while ((int)i >= m->memo_room) TN_TRY(tn_machine_grow(&m->memo, m->memo_room, &m->memo_room, sizeof *m->memo));
    for (int k = before; k < m->memo_room; k++) m->memo[k] = NULL;
    if (!m->memo[i]) m->n_memo++;
    m->memo[i] = m->stack[m->n_stack - 1];
    return TN_OK;
}

static tn_status do_put(tn_machine *m, int n_bytes) {
    const char *bytes = tn_machine_take(m, (uint64_t)n_bytes);
    return bytes ? remember(m, little(bytes, n_bytes)) : tn_machine_ends_early(m);
}

static tn_status do_memoize(tn_machine *m, int unused) {
    (void)unused;
    return remember(m, (uint64_t)m->n_memo);
}

static tn_status do_get(tn_machine *m, int n_bytes) {
    const char *bytes = tn_machine_take(m, (uint64_t)n_bytes);
    if (!bytes) return tn_machine_ends_early(m);
    uint64_t i = little(bytes, n_bytes);
    if (i >= (uint64_t)m->memo_room || !m->memo[i]) return tn_machine_damaged(m, "it recalls what was not there");
    return push(m, m->memo[i]);
}

/* --- the table of opcodes ------------------------------------------------------------------------------------------- */

static const struct {
    unsigned char code;
    const char *name; /* for who reads this table */
    tn_status (*perform)(tn_machine *m, int argument);
    int argument;
} OPCODE[] = {{0x80, "PROTO", do_protocol, 0},
              {0x95, "FRAME", do_skip, 8},
              {'.', "STOP", do_stop, 0},
              {'(', "MARK", do_mark, 0},
              {'N', "NONE", do_plain, 0},
              {'G', "BINFLOAT", do_plain, 8},
              {0x88, "NEWTRUE", do_truth, 1},
              {0x89, "NEWFALSE", do_truth, 0},
              {'K', "BININT1", do_int, 1},
              {'M', "BININT2", do_int, 2},
              {'J', "BININT", do_int, 4},
              {0x8a, "LONG1", do_long, 0},
              {0x8c, "SHORT_BINUNICODE", do_text, 1},
              {'X', "BINUNICODE", do_text, 4},
              {0x8d, "BINUNICODE8", do_text, 8},
              {']', "EMPTY_LIST", do_empty, TN_PICKLED_LIST},
              {')', "EMPTY_TUPLE", do_empty, TN_PICKLED_TUPLE},
              {'}', "EMPTY_DICT", do_empty, TN_PICKLED_DICT},
              {0x85, "TUPLE1", do_tuple, 1},
              {0x86, "TUPLE2", do_tuple, 2},
              {0x87, "TUPLE3", do_tuple, 3},
              {'t', "TUPLE", do_tuple_of_mark, 0},
              {'a', "APPEND", do_add, 1},
              {'e', "APPENDS", do_add_all, 1},
              {'s', "SETITEM", do_add, 2},
              {'u', "SETITEMS", do_add_all, 2},
              {'q', "BINPUT", do_put, 1},
              {'r', "LONG_BINPUT", do_put, 4},
              {0x94, "MEMOIZE", do_memoize, 0},
              {'h', "BINGET", do_get, 1},
              {'j', "LONG_BINGET", do_get, 4},
              {'c', "GLOBAL", tn_machine_global, 0},
              {0x93, "STACK_GLOBAL", tn_machine_stack_global, 0},
              {'Q', "BINPERSID", tn_machine_persistent, 0},
              {'R', "REDUCE", tn_machine_reduce, 0},
              {'b', "BUILD", tn_machine_build, 0}};

/* Opcodes that are refused. */
static const struct {
    unsigned char code;
    const char *name;
} REFUSED[] = {{'0', "POP"},
               {'1', "POP_MARK"},
               {'2', "DUP"},
               {'F', "FLOAT"},
               {'I', "INT"},
               {'L', "LONG"},
               {'P', "PERSID"},
               {'S', "STRING"},
               {'T', "BINSTRING"},
               {'U', "SHORT_BINSTRING"},
               {'V', "UNICODE"},
               {'B', "BINBYTES"},
               {'C', "SHORT_BINBYTES"},
               {0x8e, "BINBYTES8"},
               {0x96, "BYTEARRAY8"},
               {0x97, "NEXT_BUFFER"},
               {0x98, "READONLY_BUFFER"},
               {'d', "DICT"},
               {'l', "LIST"},
               {'g', "GET"},
               {'p', "PUT"},
               {'i', "INST"},
               {'o', "OBJ"},
               {0x81, "NEWOBJ"},
               {0x92, "NEWOBJ_EX"},
               {0x82, "EXT1"},
               {0x83, "EXT2"},
               {0x84, "EXT4"},
               {0x8b, "LONG4"},
               {0x8f, "EMPTY_SET"},
               {0x90, "ADDITEMS"},
               {0x91, "FROZENSET"}};

static tn_status step(tn_machine *m) {
    const char *at = tn_machine_take(m, 1);
    if (!at) return tn_machine_ends_early(m);
    unsigned char code = (unsigned char)*at;
    for (size_t i = 0; i < sizeof OPCODE / sizeof *OPCODE; i++)
        if (OPCODE[i].code == code) return OPCODE[i].perform(m, OPCODE[i].argument);
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (REFUSED[i].code == code)
            return tn_fail(TN_EFORMAT,
                           "%s: its pickle has the opcode %s, which a state dictionary does not need: save the state "
                           "dictionary alone, with torch.save(net.state_dict(), \"new.pth\")",
                           m->path, REFUSED[i].name);
    return tn_fail(TN_EFORMAT, "%s: its pickle is damaged: there is no opcode 0x%02x", m->path, code);
}

tn_status tn_pickle_read(const char *path, const char *bytes, size_t n_bytes, tn_pickle **out, size_t *n_used_out) {
    bool cut = n_bytes > TN_PICKLE_BYTES;
    const char *end = bytes + (cut ? TN_PICKLE_BYTES : n_bytes);
    tn_machine m = {.path = path, .begin = bytes, .at = bytes, .end = end, .cut = cut};
    m.out = calloc(1, sizeof *m.out);
    tn_status st = m.out ? TN_OK : tn_fail_memory(sizeof *m.out, "a pickle");
    while (st == TN_OK && !m.stopped) st = step(&m);
    free(m.stack);
    free(m.memo);
    *n_used_out = (size_t)(m.at - bytes);
    if (st == TN_OK)
        *out = m.out;
    else
        tn_pickle_free(&m.out);
    return st;
}

void tn_pickle_free(tn_pickle **p) {
    if (!*p) return;
    for (tn_pickled_block *b = (*p)->blocks, *next; b; b = next) {
        next = b->next;
        for (int i = 0; i < b->n; i++)
            if (b->value[i].room > 0) free(b->value[i].item);
        free(b);
    }
    free((*p)->storage);
    free(*p);
    *p = NULL;
}

/* --- what was read -------------------------------------------------------------------------------------------------- */

const tn_pickled *tn_pickle_root(const tn_pickle *p) {
    return p->root;
}

const tn_pickled *tn_pickle_storage(const tn_pickle *p, int i) {
    return i < p->n_storages ? p->storage[i] : NULL;
}

bool tn_pickled_is(const tn_pickled *x, const char *text) {
    return x->kind == TN_PICKLED_TEXT && (size_t)x->n == strlen(text) && memcmp(x->text, text, (size_t)x->n) == 0;
}

const tn_pickled *tn_pickled_find(const tn_pickled *dict, const char *key) {
    for (int i = dict->n - 1; i >= 0; i--)
        if (tn_pickled_is(dict->item[2 * i], key)) return dict->item[2 * i + 1];
    return NULL;
}
