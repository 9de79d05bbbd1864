/* weights_source.c - opens a weights file, finds out which program's names it has, and returns tensors in our layout. */
#include "model/weights_priv.h"

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

/* --- safetensors -------------------------------------------------------------------------------------------------- */

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
    *out = strcmp(name, "conv_stem.weight") == 0 ? TN_NAMES_TIMM : TN_NAMES_TORCHVISION;
    return *out == TN_NAMES_TIMM || strcmp(name, "features.0.0.weight") == 0;
}

static tn_status no_first(const tn_source *s) {
    return tn_fail(TN_EFORMAT,
                   "%s: has no known name of the first convolution: conv_stem.weight (timm) or features.0.0.weight "
                   "(torchvision), with or without prefixes model. module. _orig_mod. ema. backbone.; its first tensor "
                   "is %s. docs/weights.md says how to convert it",
                   s->path, s->n ? s->tensor[0].name : "nothing");
}

/* A file may hold the net twice, as trained and averaged. The averaged copy is read, because it is the one that was evaluated. */
static tn_status find_prefix(tn_source *s) {
    int n_nets = 0;
    for (int i = 0; i < s->n; i++) {
        tn_names names;
        char prefix[TN_FOREIGN_NAME_BYTES];
        size_t n = wrapped(s->tensor[i].name);
        if (!is_first(s->tensor[i].name + n, &names)) continue;
        snprintf(prefix, sizeof prefix, "%.*s", (int)n, s->tensor[i].name);
        bool better = n_nets == 0 || is_average(prefix);
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
    return n_nets > 0 ? TN_OK : no_first(s);
}

/* Is the file in our own format? Its hash shows that no other program wrote it, so its words can be trusted. */
static bool is_ours(const tn_source *s) {
    return tn_ckpt_word(s->ck, "xxh3") && tn_ckpt_word(s->ck, "bn_eps");
}

static tn_status whose_names(tn_source *s) {
    int kept = 0;
    if (is_ours(s) && (tn_source_find(s, "ema.conv_stem.weight") || tn_source_find(s, "model.conv_stem.weight"))) {
        s->names = TN_NAMES_TENFOLD;
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

/* Called for a file that is not safetensors: tell from its first bytes what it is. */
static tn_status name_kind(const char *path, tn_status st) {
    unsigned char begin[4] = {0};
    FILE *f = st == TN_EFORMAT ? fopen(path, "rb") : NULL;
    size_t n = f ? fread(begin, 1, sizeof begin, f) : 0;
    if (f) fclose(f);
    if (n == 4 && memcmp(begin, "PK\3\4", 4) == 0)
        return tn_fail(
            st, "%s: is a zip archive of torch.save or Keras 3 (.keras): convert it, as docs/weights.md shows", path);
    if (n == 4 && begin[0] == 0x80 && begin[1] >= 2 && begin[1] <= 5)
        return tn_fail(st, "%s: is a pickle, which is unsafe to read: convert it, as docs/weights.md shows", path);
    return st;
}

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

/* --- both kinds of files ------------------------------------------------------------------------------------------ */

static tn_status open_keras(tn_source *s) {
    s->names = TN_NAMES_KERAS;
    TN_TRY(tn_h5_open(s->path, &s->h5));
    TN_TRY(tn_source_keras(s));
    qsort(s->tensor, (size_t)s->n, sizeof *s->tensor, by_name);
    for (int i = 1; i < s->n; i++)
        if (strcmp(s->tensor[i].name, s->tensor[i - 1].name) == 0)
            return tn_fail(TN_EFORMAT, "%s: has two tensors %s", s->path, s->tensor[i].name);
    return TN_OK;
}

tn_status tn_source_open(const char *path, tn_source *out) {
    *out = (tn_source){.n = 0};
    TN_TRY(tn_path(out->path, "%s", path));
    tn_status st = tn_h5_is(path) ? open_keras(out) : open_safetensors(out);
    if (st != TN_OK) tn_source_close(out);
    return st;
}

void tn_source_close(tn_source *s) {
    for (int i = 0; i < s->n_h5_paths; i++) free(s->h5_paths[i]);
    free(s->h5_paths);
    free(s->tensor);
    tn_ckpt_free(&s->ck);
    tn_h5_close(&s->h5);
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
