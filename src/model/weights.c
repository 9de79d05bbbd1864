/* weights.c - finds the net that a file of weights belongs to, checks that it fits, and reads its values. */
#include "model/weights_priv.h"

#include "base/progress.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const tn_input_norm IMAGENET = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
static const tn_input_norm HALF = {{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};
static const tn_input_norm BYTES_127 = {{127 / 255.F, 127 / 255.F, 127 / 255.F},
                                        {128 / 255.F, 128 / 255.F, 128 / 255.F}}; /* (x - 127) / 128 */

/* --- does the file fit a net? ------------------------------------------------------------------------------------- */

typedef enum { MISSING, SHAPE, EXTRA, N_KINDS } problem_kind;

typedef struct {
    int n, of[N_KINDS];
    FILE *list;
    char first[N_KINDS][480]; /* text lines of the first few */
} problems;

enum { SHOWN = 4 };

__attribute__((format(printf, 3, 4))) static void problem(problems *p, problem_kind kind, const char *fmt, ...) {
    static const char *const WORD[] = {"missing", "other shape", "not of this net"};
    char text[2 * TN_FOREIGN_NAME_BYTES + 256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (p->list) tn_print(p->list, "%s: %s\n", WORD[kind], text);
    p->n++;
    size_t at = strlen(p->first[kind]);
    if (p->of[kind]++ < SHOWN) snprintf(p->first[kind] + at, sizeof p->first[kind] - at, "\n    %.110s", text);
}

static const tn_foreign *find(const tn_source *s, const int *before, const tn_tensor *t) {
    char name[TN_FOREIGN_NAME_BYTES];
    for (int i = 0; i < 2; i++) {
        if (!tn_names_of(s, before, t, i, name)) continue;
        const tn_foreign *f = tn_source_find(s, name);
        if (f) return f;
    }
    return NULL;
}

/* Compare the tensors of the file with those of a net. with_head false: the file may lack a classifier. */
static tn_status compare(const tn_source *s, const tn_net *net, bool with_head, problems *p) {
    size_t n_known = (size_t)s->n + 1;
    bool *known = calloc(n_known, sizeof *known);
    if (!known) return tn_fail_memory(n_known, s->path);
    int before[TN_MAX_STAGES];
    tn_names_blocks(net, before);
    for (int i = 0; i < tn_net_tensors(net); i++) {
        const tn_tensor *t = tn_net_tensor(net, i);
        const tn_foreign *f = find(s, before, t);
        int64_t dim[4];
        int n_dims = tn_names_shape(s->names, t, dim);
        char have[96], want[96], name[TN_FOREIGN_NAME_BYTES] = "";
        tn_shape_text(n_dims, dim, want);
        if (!f && !with_head && tn_is_head(t)) continue;
        if (!f) {
            if (!tn_names_of(s, before, t, 0, name)) snprintf(name, sizeof name, "%s", t->name);
            problem(p, MISSING, "%s %s", name, want);
            continue;
        }
        known[f - s->tensor] = true;
        if (f->n_dims == n_dims && memcmp(f->dim, dim, (size_t)n_dims * sizeof *dim) == 0) continue;
        tn_shape_text(f->n_dims, f->dim, have);
        problem(p, SHAPE, "%s is %s, wanted %s", f->name, have, want);
    }
    for (int i = 0; i < s->n; i++)
        if (!known[i]) problem(p, EXTRA, "%s", s->tensor[i].name);
    free(known);
    return TN_OK;
}

static tn_status say_problems(const tn_source *s, const tn_net *net, const problems *p) {
    char text[TN_MSG_BYTES];
    int at = snprintf(
        text, sizeof text, "%s: its tensors (names of %s) are not those of %s, width %g, depth %g:", s->path,
        tn_names_word(s->names), tn_net_spec_of(net)->name, tn_net_spec_of(net)->width, tn_net_spec_of(net)->depth);
    static const char *const WORD[] = {"missing", "of another shape", "not of this net"};
    for (int k = 0; k < N_KINDS && at < (int)sizeof text; k++)
        if (p->of[k])
            at += snprintf(text + at, sizeof text - (size_t)at, "\n  %d %s%s%s", p->of[k], WORD[k], p->first[k],
                           p->of[k] > SHOWN ? "\n    ..." : "");
    return tn_fail(TN_EFORMAT, "%s", text);
}

/* --- which net ---------------------------------------------------------------------------------------------------- */

/* The number of classes of the file's classifier; 0: it has none. */
static int64_t classes_of(const tn_source *s) {
    const tn_tensor weight = {.name = "classifier.weight", .kind = TN_TENSOR_DENSE};
    const tn_foreign *f = find(s, NULL, &weight);
    if (!f || f->n_dims != 2) return 0;
    return f->dim[s->names == TN_NAMES_KERAS ? 1 : 0];
}

/* Drop a classifier with a single logit (yes or no): it does not fit here, and training begins with a new head in any case. */
static bool drop_single(tn_source *s) {
    static const tn_tensor HEAD[] = {{.name = "classifier.weight", .kind = TN_TENSOR_DENSE},
                                     {.name = "classifier.bias", .kind = TN_TENSOR_BIAS}};
    if (classes_of(s) != 1) return false;
    for (int i = 0; i < 2; i++) {
        const tn_foreign *f = find(s, NULL, &HEAD[i]);
        if (!f) continue;
        int at = (int)(f - s->tensor);
        memmove(&s->tensor[at], &s->tensor[at + 1], (size_t)(--s->n - at) * sizeof *s->tensor);
    }
    return true;
}

static tn_status net_of(const tn_source *s, const tn_net_spec *base, const char *name, tn_net **out) {
    tn_net_spec spec = *base;
    int64_t K = classes_of(s);
    if (strlen(name) >= sizeof spec.name) return tn_fail(TN_EARG, "%s: not the name of a net", name);
    strcpy(spec.name, name);
    spec.n_classes = K > 1 && K < 1 << 20 ? (int)K : 2;
    return tn_net_new(&spec, out);
}

/* Find the net in the table with the fewest mismatches. */
static tn_status nearest_net(const tn_source *s, const tn_net_spec *base, tn_net **out) {
    int least = -1;
    for (int i = 0; tn_net_name(i); i++) {
        tn_net *net = NULL;
        problems p = {.n = 0};
        tn_status st = net_of(s, base, tn_net_name(i), &net);
        if (st == TN_OK) st = compare(s, net, classes_of(s) > 0, &p);
        if (st == TN_OK && (least < 0 || p.n < least)) {
            least = p.n;
            tn_net_free(out);
            *out = net;
            net = NULL;
        }
        tn_net_free(&net);
        if (st != TN_OK) return st;
    }
    return TN_OK;
}

/* --- words of the file -------------------------------------------------------------------------------------------- */

static const char *word(const tn_source *s, const char *key) {
    return s->ck ? tn_ckpt_word(s->ck, key) : NULL;
}

static tn_status number_word(const tn_source *s, const char *key, double *inout) {
    const char *text = word(s, key);
    char *end;
    if (!text) return TN_OK;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x)) return tn_fail(TN_EFORMAT, "%s: its `%s` is not a number", s->path, key);
    *inout = x;
    return TN_OK;
}

static tn_status triple_word(const tn_source *s, const char *key, float inout[3]) {
    const char *text = word(s, key);
    float x[3];
    if (!text) return TN_OK;
    bool ok = sscanf(text, "%f %f %f", &x[0], &x[1], &x[2]) == 3;
    for (int c = 0; ok && c < 3; c++) ok = isfinite(x[c]) && (x[c] > 0 || strcmp(key, "input_std") != 0);
    if (!ok) return tn_fail(TN_EFORMAT, "%s: its `%s` is not three numbers", s->path, key);
    memcpy(inout, x, sizeof x);
    return TN_OK;
}

/* Padding, batch norm and input normalisation follow from the program that wrote the file; words in the file take precedence. */
static tn_status conventions(const tn_source *s, const tn_weights_ask *ask, tn_ckpt_model *m) {
    double pad = -1;
    bool lite = strstr(m->net.name, "lite") != NULL;
    TN_TRY(number_word(s, "pad_same", &pad));
    bool tensorflow = s->names == TN_NAMES_KERAS || s->names == TN_NAMES_LUKEMELAS; /* nets as TensorFlow has them */
    if (pad < 0 && tensorflow) pad = 1;
    if (pad < 0 && s->names == TN_NAMES_TORCHVISION) pad = 0;
    if (pad < 0 && ask->padding == TN_PADDING_GUESS)
        return tn_fail(TN_EARG,
                       "%s: timm has the same names for efficientnet_* (symmetric padding) and for tf_efficientnet_* "
                       "(TensorFlow's padding): say which, with --padding symmetric or --padding same",
                       s->path);
    if (pad >= 0 && ask->padding != TN_PADDING_GUESS && (ask->padding == TN_PADDING_SAME) != (pad != 0))
        return tn_fail(TN_EARG, "%s: its padding is `%s`, and --padding contradicts it: omit --padding", s->path,
                       pad != 0 ? "same" : "symmetric");
    m->net.pad_same = pad < 0 ? ask->padding == TN_PADDING_SAME : pad != 0;
    if (tensorflow) {
        m->net.bn_eps = 1e-3;
        m->net.bn_momentum = 0.01;
    } else if (s->names == TN_NAMES_TIMM) {
        m->net.bn_eps = m->net.pad_same ? 1e-3 : 1e-5;
        m->net.bn_momentum = 0.1;
    }
    m->norm = s->names == TN_NAMES_KERAS               ? s->norm
              : lite && s->names == TN_NAMES_LUKEMELAS ? BYTES_127
              : lite && m->net.pad_same                ? HALF
                                                       : IMAGENET;
    TN_TRY(number_word(s, "bn_eps", &m->net.bn_eps));
    TN_TRY(number_word(s, "bn_momentum", &m->net.bn_momentum));
    TN_TRY(triple_word(s, "input_mean", m->norm.mean));
    return triple_word(s, "input_std", m->norm.std);
}

static tn_status int_word(const tn_source *s, const char *key, int *inout) {
    double x = *inout;
    TN_TRY(number_word(s, key, &x));
    if (!(x >= -1 && x <= 1e6)) return tn_fail(TN_EFORMAT, "%s: its `%s` is %g", s->path, key, x);
    *inout = (int)x;
    return TN_OK;
}

/* The description of the net, from ask and from words in the file; a file of this program describes it completely. */
static tn_status base_spec(const tn_source *s, const tn_weights_ask *ask, tn_net_spec *out, const char **name_out) {
    const char *said = word(s, "net");
    *out =
        (tn_net_spec){.width = ask->width, .depth = ask->depth, .stem_stride = 2, .dropout = -1, .drop_connect = 0.2};
    *name_out = said ? said : ask->net;
    if (ask->net && said && strcmp(ask->net, said) != 0)
        return tn_fail(TN_EARG, "%s: is of %s, not of %s", s->path, said, ask->net);
    TN_TRY(number_word(s, "width", &out->width));
    TN_TRY(number_word(s, "depth", &out->depth));
    TN_TRY(int_word(s, "stem_stride", &out->stem_stride));
    TN_TRY(int_word(s, "extra_units", &out->extra_units));
    TN_TRY(int_word(s, "head_units", &out->head_units));
    TN_TRY(number_word(s, "dropout", &out->dropout));
    return number_word(s, "drop_connect", &out->drop_connect);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static tn_status check_values(const tn_source *s, const tn_tensor *t, const tn_foreign *f, const float *x) {
    for (int64_t i = 0; i < t->n; i++) {
        if (!isfinite(x[i]))
            return tn_fail(TN_EFORMAT, "%s: %s has a value that is not finite (%g, number %lld of %lld): damaged?",
                           s->path, f->name, (double)x[i], (long long)i, (long long)t->n);
        if (t->kind == TN_TENSOR_VAR && x[i] < 0)
            return tn_fail(TN_EFORMAT, "%s: %s has the variance %g (number %lld): damaged?", s->path, f->name,
                           (double)x[i], (long long)i);
    }
    return TN_OK;
}

static tn_status load_values(const tn_source *s, tn_weights *w) {
    int64_t most = 1, n_params = tn_net_params(w->net), n_state = tn_net_state(w->net);
    int before[TN_MAX_STAGES];
    tn_names_blocks(w->net, before);
    for (int i = 0; i < tn_net_tensors(w->net); i++)
        if (tn_net_tensor(w->net, i)->n > most) most = tn_net_tensor(w->net, i)->n;
    w->params = calloc((size_t)n_params, sizeof *w->params);
    w->state = calloc((size_t)n_state, sizeof *w->state);
    float *scratch = malloc((size_t)most * sizeof *scratch);
    tn_status st = w->params && w->state && scratch
                       ? TN_OK
                       : tn_fail_memory((size_t)(n_params + n_state) * sizeof(float), "the weights");
    for (int i = 0; st == TN_OK && i < tn_net_tensors(w->net); i++) {
        const tn_tensor *t = tn_net_tensor(w->net, i);
        const tn_foreign *f = find(s, before, t);
        if (!f) continue; /* the file has no head */
        float *x = (tn_tensor_is_state(t) ? w->state : w->params) + t->offset;
        st = tn_source_values(s, f, t, scratch, x);
        if (st == TN_OK) st = check_values(s, t, f, x);
    }
    free(scratch);
    return st;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static tn_status find_net(const tn_source *s, const tn_weights_ask *ask, FILE *list, tn_weights *w) {
    const char *name = NULL;
    tn_net_spec base;
    tn_net *net = NULL;
    problems p = {.list = list};
    TN_TRY(base_spec(s, ask, &base, &name));
    tn_status found = name ? net_of(s, &base, name, &net) : nearest_net(s, &base, &net);
    if (found == TN_EARG && !ask->net) return tn_fail(TN_EFORMAT, "%s: %s", s->path, tn_msg); /* a word of the file */
    TN_TRY(found);
    bool with_head = classes_of(s) > 0;
    tn_status st = compare(s, net, with_head, &p);
    if (st == TN_OK && p.n > 0) st = say_problems(s, net, &p);
    w->model.net = *tn_net_spec_of(net);
    w->model.size_px = tn_net_table_px(net);
    if (st == TN_OK) st = int_word(s, "size_px", &w->model.size_px);
    if (st == TN_OK && (w->model.size_px < 1 || w->model.size_px > 4096))
        st = tn_fail(TN_EFORMAT, "%s: its `size_px` is %d", s->path, w->model.size_px);
    tn_net_free(&net);
    if (st == TN_OK) st = conventions(s, ask, &w->model);
    if (st == TN_OK && tn_net_new(&w->model.net, &w->net) != TN_OK) st = tn_fail(TN_EFORMAT, "%s: %s", s->path, tn_msg);
    if (st == TN_OK) st = load_values(s, w);
    if (!with_head) w->model.net.n_classes = 0;
    return st;
}

tn_status tn_weights_read(const char *path, const tn_weights_ask *ask, FILE *list, tn_weights **out) {
    tn_source s;
    TN_TRY(tn_source_open(path, ask->ema, &s));
    bool single = drop_single(&s);
    tn_weights *w = calloc(1, sizeof *w);
    tn_status st = w ? find_net(&s, ask, list, w) : tn_fail_memory(sizeof *w, path);
    if (st == TN_OK) {
        w->origin = tn_names_word(s.names);
        w->has_copy = s.has_copy;
        w->averaged = s.averaged;
        if (s.part) snprintf(w->part, sizeof w->part, "%s", s.part);
        w->had_single = single;
        if (s.names != TN_NAMES_TENFOLD) snprintf(w->prefix, sizeof w->prefix, "%s", s.prefix);
    }
    tn_source_close(&s);
    if (st == TN_OK)
        *out = w;
    else
        tn_weights_free(&w);
    return st;
}

void tn_weights_free(tn_weights **w) {
    if (!*w) return;
    tn_net_free(&(*w)->net);
    free((*w)->params);
    free((*w)->state);
    free(*w);
    *w = NULL;
}

static tn_status write_with(const tn_weights *w, const char *prefix, const char *path) {
    int n = tn_net_tensors(w->net);
    tn_ckpt_entry *entry = calloc((size_t)n, sizeof *entry);
    json_t *meta = json_object();
    tn_status st = entry && meta ? TN_OK : tn_fail_memory((size_t)n * sizeof *entry, path);
    if (st == TN_OK) {
        tn_ckpt_net_entries(w->net, prefix, w->params, w->state, entry);
        tn_ckpt_set_model(meta, &w->model);
        json_object_set_new(meta, "origin", json_string(w->origin));
        if (w->model.net.n_classes == 0) n -= 2; /* classifier.weight and .bias, the last */
        st = tn_ckpt_write(path, n, entry, meta);
    }
    json_decref(meta);
    free(entry);
    return st;
}

tn_status tn_weights_write(const tn_weights *w, const char *path) {
    return write_with(w, "model.", path);
}

tn_status tn_weights_export(const tn_weights *w, const char *path) {
    return write_with(w, "", path);
}
