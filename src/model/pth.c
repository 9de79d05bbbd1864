/* pth.c - finds the state dictionary in a file of torch.save, and converts its tensors. */
#include "model/pth_priv.h"

#include "model/ckpt_priv.h"
#include "model/narrow.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const tn_pickled *is;
    const char *bytes; /* NULL: not read yet */
    char *own;         /* bytes, where they are not in the stream */
} storage;

struct tn_pth {
    char path[TN_PATH_BYTES];
    char *bytes; /* the pickle, or the whole stream */
    size_t n_bytes;
    tn_pickle *pickle;
    tn_pth_zip *zip; /* NULL: a stream */
    int n_storages;
    storage *storage; /* (n_storages) in order of key */
    bool averaged;
    char part[96];
    int n;
    tn_pth_tensor *tensor; /* (n) in order of the dictionary */
};

static tn_status damaged(const tn_pth *p, const char *why) {
    return tn_fail(TN_EFORMAT, "%s: is a damaged file of torch.save, fetch or copy it again: %s", p->path, why);
}

/* --- storages ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int bytes;
} ELEMENT[] = {[TN_ELEMENT_F32] = {"F32", 4},  [TN_ELEMENT_F16] = {"F16", 2}, [TN_ELEMENT_BF16] = {"BF16", 2},
               [TN_ELEMENT_F64] = {"F64", 8},  [TN_ELEMENT_I64] = {"I64", 8}, [TN_ELEMENT_I32] = {"I32", 4},
               [TN_ELEMENT_I16] = {"I16", 2},  [TN_ELEMENT_I8] = {"I8", 1},   [TN_ELEMENT_U8] = {"U8", 1},
               [TN_ELEMENT_BOOL] = {"BOOL", 1}};

static const tn_pickled *key_of(const tn_pickled *s) {
    return s->item[2];
}

static int64_t elements_of(const tn_pickled *s) {
    return s->item[4]->whole;
}

static int64_t bytes_of(const tn_pickled *s) {
    return elements_of(s) * ELEMENT[s->of].bytes;
}

static int by_key(const void *a, const void *b) {
    const tn_pickled *x = key_of(((const storage *)a)->is), *y = key_of(((const storage *)b)->is);
    int order = memcmp(x->text, y->text, (size_t)(x->n < y->n ? x->n : y->n));
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static storage *find_storage(const tn_pth *p, const tn_pickled *is) {
    return bsearch(&(storage){.is = is}, p->storage, (size_t)p->n_storages, sizeof *p->storage, by_key);
}

/* List each storage once. */
static tn_status list_storages(tn_pth *p) {
    int n = 0, kept = 0;
    while (tn_pickle_storage(p->pickle, n)) n++;
    p->storage = calloc((size_t)n + 1, sizeof *p->storage);
    if (!p->storage) return tn_fail_memory((size_t)n * sizeof *p->storage, p->path);
    for (int i = 0; i < n; i++) p->storage[i].is = tn_pickle_storage(p->pickle, i);
    qsort(p->storage, (size_t)n, sizeof *p->storage, by_key);
    for (int i = 0; i < n; i++) {
        const tn_pickled *last = kept ? p->storage[kept - 1].is : NULL, *now = p->storage[i].is;
        if (!last || by_key(&p->storage[kept - 1], &p->storage[i]) != 0)
            p->storage[kept++] = p->storage[i];
        else if (last->of != now->of || elements_of(last) != elements_of(now))
            return damaged(p, "two tensors disagree about their storage");
    }
    p->n_storages = kept;
    return TN_OK;
}

static tn_status bytes_at(tn_pth *p, const tn_pickled *is, const char **out) {
    storage *s = find_storage(p, is);
    TN_ASSERT(s);
    if (!s->bytes && !p->zip) return damaged(p, "the values of a tensor are missing");
    if (!s->bytes) {
        TN_TRY(tn_pth_zip_read(p->zip, key_of(is)->n, key_of(is)->text, bytes_of(is), &s->own));
        s->bytes = s->own;
    }
    *out = s->bytes;
    return TN_OK;
}

/* --- the stream of PyTorch before 1.6 --------------------------------------------------------------------------------- */

/* The pickle of torch.save's magic number. */
static const unsigned char MAGIC[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static tn_status next_pickle(const tn_pth *p, size_t *at, tn_pickle **out) {
    size_t n_used = 0;
    TN_TRY(tn_pickle_read(p->path, p->bytes + *at, p->n_bytes - *at, out, &n_used));
    *at += n_used;
    return TN_OK;
}

/* Behind the magic number: the protocol, which is 1001, and facts about the system. */
static tn_status check_system(const tn_pth *p, size_t *at) {
    tn_pickle *protocol = NULL, *system = NULL;
    tn_status st = next_pickle(p, at, &protocol);
    if (st == TN_OK) st = next_pickle(p, at, &system);
    if (st == TN_OK) {
        const tn_pickled *x = tn_pickle_root(protocol), *facts = tn_pickle_root(system);
        const tn_pickled *little = facts->kind == TN_PICKLED_DICT ? tn_pickled_find(facts, "little_endian") : NULL;
        if (x->kind != TN_PICKLED_INT || x->whole != 1001 || !little || little->kind != TN_PICKLED_INT)
            st = damaged(p, "its beginning is of no known version");
        else if (!little->whole)
            st = tn_fail(TN_EFORMAT, "%s: its numbers are not little-endian: load it in PyTorch, and save it again",
                         p->path);
    }
    tn_pickle_free(&protocol);
    tn_pickle_free(&system);
    return st;
}

/* For each key in the list: the number of elements, as 64 bits, and their bytes, up to the end of the stream. */
static tn_status place_storages(tn_pth *p, const tn_pickled *keys, size_t at) {
    if (keys->kind != TN_PICKLED_LIST) return damaged(p, "its list of storages is missing");
    for (int i = 0; i < keys->n; i++) {
        tn_pickled of = {.item = (const tn_pickled *[]){NULL, NULL, keys->item[i]}};
        storage *s = keys->item[i]->kind == TN_PICKLED_TEXT ? find_storage(p, &of) : NULL;
        int64_t n;
        if (!s || s->bytes) return damaged(p, "its list of storages is not that of its tensors");
        if (p->n_bytes - at < sizeof n) return damaged(p, "it ends too early");
        memcpy(&n, p->bytes + at, sizeof n);
        at += sizeof n;
        if (n != elements_of(s->is)) return damaged(p, "a storage has another length than its tensors");
        if ((uint64_t)bytes_of(s->is) > p->n_bytes - at) return damaged(p, "it ends too early");
        s->bytes = p->bytes + at;
        at += (size_t)bytes_of(s->is);
    }
    return at == p->n_bytes ? TN_OK : damaged(p, "it has bytes that belong to no tensor");
}

static tn_status open_stream(tn_pth *p) {
    size_t at = sizeof MAGIC;
    tn_pickle *keys = NULL;
    TN_TRY(tn_file_read(p->path, &p->bytes, &p->n_bytes));
    if (p->n_bytes < at) return damaged(p, "it ends too early");
    TN_TRY(check_system(p, &at));
    TN_TRY(next_pickle(p, &at, &p->pickle));
    TN_TRY(list_storages(p));
    TN_TRY(next_pickle(p, &at, &keys));
    tn_status st = place_storages(p, tn_pickle_root(keys), at);
    tn_pickle_free(&keys);
    return st;
}

static tn_status open_zip(tn_pth *p) {
    size_t n_used = 0;
    TN_TRY(tn_pth_zip_open(p->path, &p->zip, &p->bytes, &p->n_bytes));
    TN_TRY(tn_pickle_read(p->path, p->bytes, p->n_bytes, &p->pickle, &n_used));
    if (n_used != p->n_bytes) return damaged(p, "its pickle has bytes behind its end");
    return list_storages(p);
}

/* --- the dictionary --------------------------------------------------------------------------------------------------- */

static const char *const AVERAGED[] = {"state_dict_ema", "model_ema", "ema_state_dict", "ema"};
static const char *const TRAINED[] = {"state_dict", "model", "model_state_dict", "net"};
enum { N_KEYS = 4, DEPTH = 4, MOST_TENSORS = 65536 }; /* EfficientNet-B7 has 1,700 */

/* Is a tensor in a dictionary, or in one that it holds? A dictionary may hold itself: no more than n_left entries are looked at. */
static bool has_tensor(const tn_pickled *dict, int depth, int *n_left) {
    for (int i = 0; i < dict->n && (*n_left)-- > 0; i++) {
        const tn_pickled *x = dict->item[2 * i + 1];
        if (x->kind == TN_PICKLED_TENSOR) return true;
        if (x->kind == TN_PICKLED_DICT && depth > 1 && has_tensor(x, depth - 1, n_left)) return true;
    }
    return false;
}

/* The first of these keys that holds a dictionary; NULL: none. Some programs save only settings of the average under a key of AVERAGED,
 * and then the trained weights are meant. */
static const tn_pickled *held(const tn_pickled *dict, const char *const *key, const char **key_out) {
    for (int i = 0; i < N_KEYS; i++) {
        int n_left = MOST_TENSORS;
        const tn_pickled *x = tn_pickled_find(dict, key[i]);
        if (!x || x->kind != TN_PICKLED_DICT) continue;
        if (key == AVERAGED && !has_tensor(x, DEPTH, &n_left)) continue;
        *key_out = key[i];
        return x;
    }
    return NULL;
}

/* The keys of a dictionary without tensors: what was saved? */
static tn_status no_tensors(const tn_pth *p, const tn_pickled *dict) {
    char keys[400] = "", where[128] = "";
    size_t at = 0;
    if (dict->n == 0)
        return tn_fail(TN_EFORMAT, "%s: its state dictionary%s%s is empty", p->path, *p->part ? " " : "", p->part);
    if (*p->part) snprintf(where, sizeof where, " in `%s`", p->part);
    for (int i = 0; i < dict->n && i < 12 && at < sizeof keys - 60; i++) {
        const tn_pickled *k = dict->item[2 * i];
        bool text = k->kind == TN_PICKLED_TEXT;
        at += (size_t)snprintf(keys + at, sizeof keys - at, "%s%.*s", i ? ", " : "", text ? (k->n < 40 ? k->n : 40) : 1,
                               text ? k->text : "?");
    }
    return tn_fail(
        TN_EFORMAT,
        "%s: has no state dictionary%s under state_dict, model, model_state_dict or net, nor an averaged one "
        "that was asked for; its keys are %s. %sSave it alone: torch.save(net.state_dict(), \"new.pth\")",
        p->path, where, keys, p->averaged ? "Give --ema no to read weights that are not averaged. " : "");
}

static tn_status choose(tn_pth *p, tn_ema ema, const tn_pickled **out) {
    const tn_pickled *d = tn_pickle_root(p->pickle);
    if (d->kind != TN_PICKLED_DICT)
        return tn_fail(TN_EFORMAT, "%s: holds no dictionary: save one with torch.save(net.state_dict(), \"new.pth\")",
                       p->path);
    for (int depth = 0; depth < DEPTH; depth++) {
        const char *key = NULL;
        const tn_pickled *next = ema == TN_EMA_NO ? NULL : held(d, AVERAGED, &key);
        if (next) p->averaged = true;
        if (!next) next = held(d, TRAINED, &key);
        if (!next) break;
        size_t at = strlen(p->part);
        snprintf(p->part + at, sizeof p->part - at, "%s%s", at ? "." : "", key);
        d = next;
    }
    for (int i = 0; i < d->n; i++)
        if (d->item[2 * i + 1]->kind == TN_PICKLED_TENSOR) {
            *out = d;
            return TN_OK;
        }
    return no_tensors(p, d);
}

/* --- tensors ---------------------------------------------------------------------------------------------------------- */

/* Sizes and strides; false: they do not describe a part of the storage. */
static bool shape(const tn_pickled *x, tn_pth_tensor *out) {
    const tn_pickled *size = x->item[2], *stride = x->item[3];
    int64_t count = 1, last = x->item[1]->whole, more;
    out->storage = x->item[0];
    out->offset = last;
    out->n_dims = size->n;
    if (size->n > 4 || stride->n != size->n || last < 0) return false;
    for (int d = 0; d < size->n; d++) {
        if (size->item[d]->kind != TN_PICKLED_INT || stride->item[d]->kind != TN_PICKLED_INT) return false;
        out->dim[d] = size->item[d]->whole;
        out->stride[d] = stride->item[d]->whole;
        if (out->dim[d] < 0 || out->stride[d] < 0 || __builtin_mul_overflow(count, out->dim[d], &count)) return false;
        if (out->dim[d] == 0) continue;
        if (__builtin_mul_overflow(out->dim[d] - 1, out->stride[d], &more) || __builtin_add_overflow(last, more, &last))
            return false;
    }
    return count == 0 || last < elements_of(out->storage);
}

static tn_status add_tensor(tn_pth *p, const tn_pickled *key, const tn_pickled *x) {
    tn_pth_tensor *t = &p->tensor[p->n];
    if (key->kind != TN_PICKLED_TEXT || key->n >= (int)sizeof t->name || memchr(key->text, 0, (size_t)key->n))
        return damaged(p, "a name in its state dictionary is no name of a tensor");
    memcpy(t->name, key->text, (size_t)key->n);
    t->name[key->n] = 0;
    if (x->kind != TN_PICKLED_TENSOR)
        return tn_fail(TN_EFORMAT,
                       "%s: `%s` in its state dictionary is no tensor: remove it, and save the rest with "
                       "torch.save",
                       p->path, t->name);
    if (tn_ckpt_is_counter(t->name)) return TN_OK;
    if (!shape(x, t))
        return tn_fail(TN_EFORMAT,
                       "%s: is a damaged file of torch.save: tensor %s is no part of its storage, or has "
                       "more than 4 dimensions",
                       p->path, t->name);
    p->n++;
    return TN_OK;
}

static tn_status list_tensors(tn_pth *p, const tn_pickled *dict) {
    if (dict->n > MOST_TENSORS) return damaged(p, "its state dictionary has more than 65536 entries");
    p->tensor = calloc((size_t)dict->n + 1, sizeof *p->tensor);
    if (!p->tensor) return tn_fail_memory((size_t)dict->n * sizeof *p->tensor, p->path);
    for (int i = 0; i < dict->n; i++) TN_TRY(add_tensor(p, dict->item[2 * i], dict->item[2 * i + 1]));
    return TN_OK;
}

static float element(const char *bytes, int of, int64_t i) {
    uint16_t h;
    float f;
    double x;
    switch (of) {
    case TN_ELEMENT_F64:
        memcpy(&x, bytes + i * 8, sizeof x);
        return (float)x;
    case TN_ELEMENT_F32:
        memcpy(&f, bytes + i * 4, sizeof f);
        return f;
    default:
        memcpy(&h, bytes + i * 2, sizeof h);
        return of == TN_ELEMENT_F16 ? tn_from_half(h) : tn_from_bfloat(h);
    }
}

tn_status tn_pth_values(tn_pth *p, const tn_pth_tensor *t, float *out) {
    const char *bytes = NULL;
    int of = t->storage->of;
    int64_t dim[4] = {1, 1, 1, 1}, stride[4] = {0};
    if (of > TN_ELEMENT_F64)
        return tn_fail(TN_EFORMAT, "%s: tensor %s is of type %s: F32, F16, BF16 and F64 are read", p->path, t->name,
                       ELEMENT[of].name);
    TN_TRY(bytes_at(p, t->storage, &bytes));
    for (int d = 0; d < t->n_dims; d++) {
        dim[4 - t->n_dims + d] = t->dim[d];
        stride[4 - t->n_dims + d] = t->stride[d];
    }
    for (int64_t a = 0; a < dim[0]; a++)
        for (int64_t b = 0; b < dim[1]; b++)
            for (int64_t c = 0; c < dim[2]; c++)
                for (int64_t d = 0; d < dim[3]; d++)
                    *out++ =
                        element(bytes, of, t->offset + a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3]);
    return TN_OK;
}

/* --- the file --------------------------------------------------------------------------------------------------------- */

typedef enum { OTHER, ARCHIVE, STREAM } container;

static container container_of(const char *path) {
    unsigned char begin[sizeof MAGIC] = {0};
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(begin, 1, sizeof begin, f) : 0;
    if (f) fclose(f);
    if (n >= 4 && (memcmp(begin, "PK\3\4", 4) == 0 || memcmp(begin, "PK\5\6", 4) == 0)) return ARCHIVE;
    return n == sizeof MAGIC && memcmp(begin, MAGIC, n) == 0 ? STREAM : OTHER;
}

bool tn_pth_is(const char *path) {
    return container_of(path) != OTHER;
}

tn_status tn_pth_open(const char *path, tn_ema ema, tn_pth **out) {
    const tn_pickled *dict = NULL;
    tn_pth *p = calloc(1, sizeof *p);
    if (!p) return tn_fail_memory(sizeof *p, path);
    tn_status st = tn_path(p->path, "%s", path);
    if (st == TN_OK) st = container_of(path) == ARCHIVE ? open_zip(p) : open_stream(p);
    if (st == TN_OK) st = choose(p, ema, &dict);
    if (st == TN_OK) st = list_tensors(p, dict);
    if (st == TN_OK)
        *out = p;
    else
        tn_pth_close(&p);
    return st;
}

void tn_pth_close(tn_pth **p) {
    if (!*p) return;
    for (int i = 0; i < (*p)->n_storages; i++) free((*p)->storage[i].own);
    free((*p)->storage);
    free((*p)->tensor);
    tn_pth_zip_close(&(*p)->zip);
    tn_pickle_free(&(*p)->pickle);
    free((*p)->bytes);
    free(*p);
    *p = NULL;
}

int tn_pth_count(const tn_pth *p) {
    return p->n;
}

const tn_pth_tensor *tn_pth_at(const tn_pth *p, int i) {
    return &p->tensor[i];
}

const char *tn_pth_part(const tn_pth *p, bool *averaged_out) {
    *averaged_out = p->averaged;
    return p->part;
}
