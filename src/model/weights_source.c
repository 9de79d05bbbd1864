/* weights_source.c - opens a weights file, finds out which program's names it has, and returns tensors in our layout. */
#include "model/pth_priv.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(((const tn_foreign *)a)->name, ((const tn_foreign *)b)->name);
}

const tn_foreign *tn_source_find(const tn_source *s, const char *name) {
    tn_foreign key = {.n_dims = 0};
    snprintf(key.name, sizeof key.name, "%s", name);
    return bsearch(&key, s->tensor, (size_t)s->n, sizeof key, by_name);
}

/* --- whose names -------------------------------------------------------------------------------------------------- */

/* Prefixes of names, alone or nested: of Lightning, DistributedDataParallel, torch.compile, averaged weights, and a module around
 * the net. */
static const char *const WRAPPER[] = {"model.", "module.", "_orig_mod.", "ema.", "backbone."};
enum { N_WRAPPERS = sizeof WRAPPER / sizeof *WRAPPER };

/* The length of all such prefixes of a name. */
static size_t wrapped(const char *name) {
    size_t n = 0;
    for (int i = 0; i < N_WRAPPERS; i++) {
        size_t m = strlen(WRAPPER[i]);
        if (strncmp(name + n, WRAPPER[i], m) != 0) continue;
        n += m;
        i = -1;
    }
    return n;
}

static bool has_prefix(const tn_foreign *f, const char *prefix) {
    size_t n = wrapped(f->name);
    return n == strlen(prefix) && memcmp(f->name, prefix, n) == 0;
}

static bool is_average(const char *prefix) {
    return strncmp(prefix, "ema.", 4) == 0 || strstr(prefix, ".ema.");
}

/* The name of the first convolution tells which program wrote the file; what precedes it is the prefix. */
static bool is_first(const char *name, tn_names *out) {
    static const struct {
        const char *name;
        tn_names names;
    } FIRST[] = {{"conv_stem.weight", TN_NAMES_TIMM},
                 {"features.0.0.weight", TN_NAMES_TORCHVISION},
                 {"_conv_stem.weight", TN_NAMES_LUKEMELAS}};
    for (size_t i = 0; i < sizeof FIRST / sizeof *FIRST; i++) {
        if (strcmp(name, FIRST[i].name) != 0) continue;
        *out = FIRST[i].names;
        return true;
    }
    return false;
}

static tn_status no_first(const tn_source *s) {
    return tn_fail(TN_EFORMAT,
                   "%s: has no known name of the first convolution: conv_stem.weight (timm), features.0.0.weight "
                   "(torchvision) or _conv_stem.weight (lukemelas), with or without prefixes model. module. _orig_mod. "
                   "ema. backbone.; its first tensor is %s. docs/weights.md says how to convert it",
                   s->path, s->n ? s->tensor[0].name : "nothing");
}

/* A file may hold the net twice, as trained and averaged. The averaged copy is read, because it is the one that was evaluated,
 * unless the other was asked for. */
static tn_status find_prefix(tn_source *s) {
    int n_nets = 0;
    for (int i = 0; i < s->n; i++) {
        tn_names names;
        char prefix[TN_FOREIGN_NAME_BYTES];
        size_t n = wrapped(s->tensor[i].name);
        if (!is_first(s->tensor[i].name + n, &names)) continue;
        snprintf(prefix, sizeof prefix, "%.*s", (int)n, s->tensor[i].name);
        bool better = n_nets == 0 || is_average(prefix) == (s->ema != TN_EMA_NO);
        if (n_nets == 2 || (n_nets == 1 && is_average(prefix) == is_average(s->prefix)))
            return tn_fail(
                TN_EFORMAT,
                "%s: holds more than one net, with prefix `%s` and with `%s`: write one of them into a file of "
                "its own",
                s->path, s->prefix, prefix);
        if (n_nets++ == 1) snprintf(s->passed_over, sizeof s->passed_over, "%s", better ? s->prefix : prefix);
        if (!better) continue;
        s->names = names;
        memcpy(s->prefix, prefix, sizeof prefix);
    }
    s->has_copy = n_nets == 2;
    if (n_nets == 0) return no_first(s);
    bool average = is_average(s->prefix);
    if (average && s->ema == TN_EMA_NO)
        return tn_fail(TN_EARG, "%s: holds only averaged weights (prefix `%s`): omit --ema no", s->path, s->prefix);
    s->averaged |= average;
    return TN_OK;
}

/* Is the file in our own format? Its hash shows that no other program wrote it, so its words can be trusted. */
static bool is_ours(const tn_source *s) {
    return s->ck && tn_ckpt_word(s->ck, "xxh3") && tn_ckpt_word(s->ck, "bn_eps");
}

static tn_status whose_names(tn_source *s) {
    int kept = 0;
    if (is_ours(s) && (tn_source_find(s, "ema.conv_stem.weight") || tn_source_find(s, "model.conv_stem.weight"))) {
        s->names = TN_NAMES_TENFOLD;
        if (s->ema != TN_EMA_IF_THERE)
            return tn_fail(TN_EARG, "%s: is a file of tenfold, of which averaged weights are read: omit --ema",
                           s->path);
        strcpy(s->prefix, tn_source_find(s, "ema.conv_stem.weight") ? "ema." : "model.");
    } else {
        TN_TRY(find_prefix(s));
    }
    for (int i = 0; i < s->n; i++) {
        bool ours = s->names == TN_NAMES_TENFOLD; /* optimiser moments and posteriors are skipped */
        bool drop =
            ours ? !has_prefix(&s->tensor[i], s->prefix) : s->has_copy && has_prefix(&s->tensor[i], s->passed_over);
        if (!drop) s->tensor[kept++] = s->tensor[i];
    }
    s->n = kept;
    if (s->ema == TN_EMA_YES && !s->averaged)
        return tn_fail(TN_EARG,
                       "%s: holds no averaged weights (names with the prefix ema., or a dictionary state_dict_ema, "
                       "model_ema, ema_state_dict or ema): omit --ema yes",
                       s->path);
    return TN_OK;
}

/* --- files that are something else -------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The safetensors library splits large models into model-00001-of-00003.safetensors, ... and an index. */
static tn_status refuse_piece(const char *path) {
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path, *of = strstr(name, "-of-");
    int n_pieces = 0, end = 0;
    if (of) sscanf(of, "-of-%5d.safetensors%n", &n_pieces, &end);
    bool piece = end > 0 && of[end] == 0 && n_pieces > 1;
    if (!piece && !ends_with(name, ".safetensors.index.json")) return TN_OK;
    return tn_fail(TN_EFORMAT,
                   "%s: is %s of a model that was split into several files: join them, as docs/weights.md shows", path,
                   piece ? "a piece" : "the index");
}

/* Called for a file that is not safetensors: a pickle that did not begin as one of torch.save? */
static tn_status name_kind(const char *path, tn_status st) {
    unsigned char begin[2] = {0};
    FILE *f = st == TN_EFORMAT ? fopen(path, "rb") : NULL;
    size_t n = f ? fread(begin, 1, sizeof begin, f) : 0;
    if (f) fclose(f);
    if (n == 2 && begin[0] == 0x80 && begin[1] >= 2 && begin[1] <= 5)
        return tn_fail(
            st, "%s: is a pickle, but not one of torch.save: write the weights with torch.save or safetensors", path);
    return st;
}

/* --- safetensors -------------------------------------------------------------------------------------------------- */

static tn_status open_safetensors(tn_source *s) {
    TN_TRY(refuse_piece(s->path));
    tn_status st = tn_ckpt_read_foreign(s->path, &s->ck);
    if (st != TN_OK) return name_kind(s->path, st);
    s->n = tn_ckpt_count(s->ck);
    s->tensor = calloc((size_t)s->n + 1, sizeof *s->tensor);
    if (!s->tensor) return tn_fail_memory((size_t)s->n * sizeof *s->tensor, s->path);
    for (int i = 0; i < s->n; i++) {
        const tn_ckpt_entry *e = tn_ckpt_at(s->ck, i);
        tn_foreign *f = &s->tensor[i];
        snprintf(f->name, sizeof f->name, "%s", e->name);
        f->n_dims = e->n_dims;
        memcpy(f->dim, e->dim, sizeof f->dim);
        f->data = e->data;
    }
    return whose_names(s);
}

/* --- torch.save, Keras -------------------------------------------------------------------------------------------- */

static tn_status sort_tensors(tn_source *s) {
    qsort(s->tensor, (size_t)s->n, sizeof *s->tensor, by_name);
    for (int i = 1; i < s->n; i++)
        if (strcmp(s->tensor[i].name, s->tensor[i - 1].name) == 0)
            return tn_fail(TN_EFORMAT, "%s: has two tensors %s", s->path, s->tensor[i].name);
    return TN_OK;
}

static tn_status open_pth(tn_source *s) {
    TN_TRY(tn_pth_open(s->path, s->ema, &s->pth));
    s->part = tn_pth_part(s->pth, &s->averaged);
    s->n = tn_pth_count(s->pth);
    s->tensor = calloc((size_t)s->n + 1, sizeof *s->tensor);
    if (!s->tensor) return tn_fail_memory((size_t)s->n * sizeof *s->tensor, s->path);
    for (int i = 0; i < s->n; i++) {
        const tn_pth_tensor *t = tn_pth_at(s->pth, i);
        tn_foreign *f = &s->tensor[i];
        memcpy(f->name, t->name, sizeof f->name);
        f->n_dims = t->n_dims;
        memcpy(f->dim, t->dim, sizeof f->dim);
        f->pth = t;
    }
    TN_TRY(sort_tensors(s));
    return whose_names(s);
}

static tn_status open_keras(tn_source *s) {
    s->names = TN_NAMES_KERAS;
    if (s->ema != TN_EMA_IF_THERE)
        return tn_fail(TN_EARG, "%s: files of Keras have one copy of the weights: omit --ema", s->path);
    TN_TRY(tn_h5_open(s->path, &s->h5));
    TN_TRY(tn_source_keras(s));
    return sort_tensors(s);
}

/* --- all kinds of files ------------------------------------------------------------------------------------------- */

tn_status tn_source_open(const char *path, tn_ema ema, tn_source *out) {
    *out = (tn_source){.ema = ema};
    TN_TRY(tn_path(out->path, "%s", path));
    tn_status st = tn_h5_is(path) ? open_keras(out) : tn_pth_is(path) ? open_pth(out) : open_safetensors(out);
    if (st != TN_OK) tn_source_close(out);
    return st;
}

void tn_source_close(tn_source *s) {
    for (int i = 0; i < s->n_h5_paths; i++) free(s->h5_paths[i]);
    free(s->h5_paths);
    free(s->tensor);
    tn_ckpt_free(&s->ck);
    tn_h5_close(&s->h5);
    tn_pth_close(&s->pth);
    *s = (tn_source){.n = 0};
}

/* (H,W,I,O) -> (O,I,H,W); (H,W,C,1) -> (C,1,H,W); (I,O) -> (O,I). */
static void from_keras(const tn_tensor *t, const float *in, float *out) {
    int64_t taps = t->n_dims == 4 ? t->dim[2] * t->dim[3] : 1, O = t->dim[0], I = t->dim[1];
    bool depthwise = t->kind == TN_TENSOR_DEPTHWISE;
    for (int64_t k = 0; k < taps; k++)
        for (int64_t o = 0; o < O; o++)
            for (int64_t i = 0; i < I; i++)
                out[(o * I + i) * taps + k] = in[depthwise ? (k * O + o) * I + i : (k * I + i) * O + o];
}

tn_status tn_source_values(const tn_source *s, const tn_foreign *f, const tn_tensor *t, float *scratch, float *out) {
    const float *in = f->data;
    if (f->pth) return tn_pth_values(s->pth, f->pth, out);
    if (s->h5) {
        TN_TRY(tn_h5_read_floats(s->h5, f->h5_path, t->n, scratch));
        in = scratch;
    }
    if (s->names == TN_NAMES_KERAS && t->n_dims > 1)
        from_keras(t, in, out);
    else
        memcpy(out, in, (size_t)t->n * sizeof *out);
    return TN_OK;
}
