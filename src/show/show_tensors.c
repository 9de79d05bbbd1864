/* show_tensors.c - describes checkpoints, and weights of other programs. */
#include "show/show_priv.h"

#include "base/progress.h"
#include "model/weights.h"

#include <inttypes.h>
#include <string.h>

static int64_t values_of(const tn_ckpt_entry *e) {
    int64_t n = 1;
    for (int d = 0; d < e->n_dims; d++) n *= e->dim[d];
    return n;
}

/* Print the tensors by prefix: "model.  158 tensors, 61203 values"; tensors without prefix one by one. Entries are in order of name. */
static void put_prefixes(const tn_ckpt *ck, FILE *out) {
    int n = tn_ckpt_count(ck);
    for (int i = 0, end; i < n; i = end) {
        const tn_ckpt_entry *e = tn_ckpt_at(ck, i);
        size_t dot = strcspn(e->name, ".");
        int64_t values = 0;
        char shape[96];
        for (end = i; end < n && strncmp(tn_ckpt_at(ck, end)->name, e->name, dot + (e->name[dot] == '.')) == 0 &&
                      (e->name[dot] == '.' || end == i);
             end++)
            values += values_of(tn_ckpt_at(ck, end));
        tn_shape_text(e->n_dims, e->dim, shape);
        if (e->name[dot] == '.')
            tn_print(out, "    %.*s.  %d tensors, %" PRId64 " values\n", (int)dot, e->name, end - i, values);
        else
            tn_print(out, "    %s %s\n", e->name, shape);
    }
}

static void put_clock(const tn_ckpt *ck, FILE *out) {
    const char *text = tn_ckpt_word(ck, "clock");
    json_int_t step = 0, images = 0;
    int evaluations = 0, best = 0;
    double score = 0, seconds = 0;
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    if (j && json_unpack(j, "{s:I,s:I,s:i,s:i,s:F,s:F}", "step", &step, "images_seen", &images, "evaluations_done",
                         &evaluations, "best_evaluation", &best, "best_gmean", &score, "seconds", &seconds) == 0) {
        fprintf(out, "  after %lld images, step %lld, %.0f s of training; %d evaluations", (long long)images,
                (long long)step, seconds, evaluations);
        if (best >= 0) fprintf(out, ", evaluation %d is kept, geometric mean %.4f", best + 1, score);
        fputc('\n', out);
    }
    json_decref(j);
}

static void put_model(const tn_ckpt_model *m, FILE *out) {
    tn_print(out, "  %s, width %g, depth %g, %d classes", m->net.name, m->net.width, m->net.depth, m->net.n_classes);
    if (m->net.extra_units) fprintf(out, ", %d units of metadata", m->net.extra_units);
    fprintf(out, ", padding %s; input %d px\n", m->net.pad_same ? "same" : "symmetric", m->size_px);
}

static void put_words(const tn_ckpt *ck, FILE *out) {
    static const char *const WORD[] = {"cell", "isa", "library", "origin"};
    for (size_t i = 0; i < sizeof WORD / sizeof *WORD; i++)
        if (tn_ckpt_word(ck, WORD[i])) tn_print(out, "  %s %s\n", WORD[i], tn_ckpt_word(ck, WORD[i]));
    const char *inputs = tn_ckpt_word(ck, "inputs"), *settings = tn_ckpt_word(ck, "settings");
    for (; inputs && *inputs; inputs += strcspn(inputs, "\n"), inputs += *inputs == '\n')
        tn_print(out, "  made from %.*s\n", (int)strcspn(inputs, "\n"), inputs);
    if (!settings) return;
    fputs("  settings\n", out);
    tn_show_settings(settings, out);
}

static tn_status show_ours(const char *path, const tn_ckpt *ck, FILE *out) {
    char vouched[64], hex[TN_HEX_BYTES];
    tn_ckpt_model model;
    tn_status st = tn_ckpt_model_of(ck, &model);
    if (st != TN_OK) return tn_fail(st, "%s: %.1900s", path, tn_msg);
    TN_TRY(tn_show_vouched(path, vouched));
    tn_ckpt_digest(ck, "", hex);
    const char *what = tn_ckpt_word(ck, "clock")  ? "a checkpoint, to go on from"
                       : tn_ckpt_word(ck, "cell") ? "the kept model of a cell"
                                                  : "weights, for model.pretrained";
    tn_print(out, "%s: %s; its bytes have the hash it names%s\n", path, what, vouched);
    put_model(&model, out);
    put_clock(ck, out);
    fprintf(out, "  %d tensors, digest %s\n", tn_ckpt_count(ck), hex);
    put_prefixes(ck, out);
    put_words(ck, out);
    return TN_OK;
}

/* Describe weights of another program; those without known padding are described, too. */
tn_status tn_show_weights(const char *path, FILE *out) {
    tn_weights *w = NULL;
    tn_status st = tn_weights_read(path, &(tn_weights_ask){.padding = TN_PADDING_GUESS}, NULL, &w);
    if (st == TN_EARG) {
        tn_print(out, "%s: weights of another program; `tenfold weights import` needs to know more:\n  %s\n", path,
                 tn_msg);
        return TN_OK;
    }
    char *list = st == TN_EFORMAT ? strchr(tn_msg, '\n') : NULL; /* the list of mismatches */
    if (list) {
        snprintf(list, sizeof tn_msg - (size_t)(list - tn_msg), " `tenfold weights import` lists what does not fit");
        return st;
    }
    TN_TRY(st);
    tn_print(out, "%s: weights by names of %s, which `tenfold weights import` reads\n", path, w->origin);
    put_model(&w->model, out);
    fprintf(out, "  %d tensors, %" PRId64 " parameters%s\n", tn_net_tensors(w->net), tn_net_params(w->net),
            w->model.net.n_classes ? "" : ", no classifier");
    if (*w->prefix) tn_print(out, "  their names have the prefix `%s`\n", w->prefix);
    tn_weights_free(&w);
    return TN_OK;
}

tn_status tn_show_tensors(const char *path, FILE *out) {
    tn_ckpt *ck = NULL;
    if (tn_ckpt_read_foreign(path, &ck) != TN_OK)
        return tn_show_weights(path, out); /* explains pickles and pieces of split models */
    bool ours = tn_ckpt_word(ck, "xxh3") && tn_ckpt_word(ck, "bn_eps");
    tn_status st = ours ? show_ours(path, ck, out) : TN_OK;
    tn_ckpt_free(&ck);
    return ours ? st : tn_show_weights(path, out);
}
