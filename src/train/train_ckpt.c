/* train_ckpt.c - publishes the checkpoint of a cell and reads it back. */
#include "train/train_priv.h"

#include "score/probability.h"
#include "store/done.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- checkpoint --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *prefix;
    const float *params, *state; /* device; state NULL for optimiser moments */
} part;

enum { MOST_PARTS = 4 };
static int parts_of(const tn_train *t, part out[MOST_PARTS]) {
    int n = 0;
    out[n++] = (part){"model.", t->vec.params, t->vec.state};
    out[n++] = (part){"ema.", t->vec.ema_params, t->vec.ema_state};
    out[n++] = (part){"m.", t->vec.m, NULL};
    if (t->vec.v) out[n++] = (part){"v.", t->vec.v, NULL};
    return n;
}

static json_t *clock_json(const tn_train_clock *c, int K) {
    json_t *exposure = json_array();
    for (int k = 0; k < K; k++) json_array_append_new(exposure, json_integer(c->exposure[k]));
    return json_pack("{s:I,s:I,s:i,s:i,s:I,s:f,s:f,s:f,s:s,s:f,s:I,s:o,s:I,s:f,s:f,s:f}", "step", (json_int_t)c->step,
                     "images_seen", (json_int_t)c->images_seen, "evaluations_done", c->evaluations_done,
                     "best_evaluation", c->best_evaluation, "best_n", (json_int_t)c->best.N, "best_gmean",
                     c->best.gmean, "best_macro", c->best.macro, "best_accuracy", c->best.accuracy, "best_digest",
                     c->best_digest, "loss_sum", c->loss_sum, "loss_steps", (json_int_t)c->loss_steps, "exposure",
                     exposure, "journal_bytes", (json_int_t)c->journal_bytes, "seconds", c->seconds, "small_sq",
                     c->small_sq, "big_sq", c->big_sq);
}

static tn_status clock_from(const char *text, int K, tn_train_clock *c) {
    json_t *j = text ? json_loads(text, 0, NULL) : NULL, *exposure = NULL;
    const char *digest = NULL;
    json_int_t step, seen, best_n, loss_steps, journal;
    int ok = j ? json_unpack(j, "{s:I,s:I,s:i,s:i,s:I,s:F,s:F,s:F,s:s,s:F,s:I,s:o,s:I,s:F,s?F,s?F}", "step", &step,
                             "images_seen", &seen, "evaluations_done", &c->evaluations_done, "best_evaluation",
                             &c->best_evaluation, "best_n", &best_n, "best_gmean", &c->best.gmean, "best_macro",
                             &c->best.macro, "best_accuracy", &c->best.accuracy, "best_digest", &digest, "loss_sum",
                             &c->loss_sum, "loss_steps", &loss_steps, "exposure", &exposure, "journal_bytes", &journal,
                             "seconds", &c->seconds, "small_sq", &c->small_sq, "big_sq", &c->big_sq)
               : -1;
    if (ok == 0) {
        c->step = step;
        c->images_seen = seen;
        c->best.N = best_n;
        c->loss_steps = loss_steps;
        c->journal_bytes = journal;
        for (int k = 0; k < K; k++) c->exposure[k] = json_integer_value(json_array_get(exposure, (size_t)k));
        snprintf(c->best_digest, sizeof c->best_digest, "%s", digest);
    }
    json_decref(j);
    return ok == 0 ? TN_OK : tn_fail(TN_EFORMAT, "the checkpoint has no readable `clock`");
}

static json_t *checkpoint_words(const tn_train *t) {
    json_t *meta = json_object(), *clock = clock_json(&t->clock, t->index->n_classes);
    char *text = json_dumps(clock, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(clock);
    tn_ckpt_set_model(meta, &t->model);
    json_object_set_new(meta, "cell", json_string(t->name));
    json_object_set_new(meta, "settings", json_string(t->settings));
    json_object_set_new(meta, "inputs", json_string(t->inputs));
    tn_ckpt_set_isa(meta, t->isa);
    json_object_set_new(meta, "library", json_string(t->dev->library));
    bool ok = text && json_object_set_new(meta, "clock", json_string(text)) == 0;
    free(text);
    if (!ok) json_decref(meta);
    return ok ? meta : NULL;
}

static tn_status write_checkpoint(tn_train *t) {
    part parts[MOST_PARTS];
    int n_parts = parts_of(t, parts), n_tensors = tn_net_tensors(t->net), n = 0;
    int64_t n_vector = t->vec.n_params + t->vec.n_state;
    tn_ckpt_entry *entry = calloc((size_t)n_parts * (size_t)n_tensors + 2, sizeof *entry);
    float *host = malloc((size_t)(n_parts * n_vector) * sizeof *host);
    json_t *meta = checkpoint_words(t);
    tn_status st = TN_OK;
    if (!entry || !host || !meta) {
        st = tn_fail_memory((size_t)(n_parts * n_vector) * sizeof *host, "a checkpoint");
    } else {
        for (int i = 0; i < n_parts; i++) {
            float *params = host + i * n_vector, *state = params + t->vec.n_params;
            t->dev->op->download(t->dev, t->vec.n_params, parts[i].params, params);
            if (parts[i].state) t->dev->op->download(t->dev, t->vec.n_state, parts[i].state, state);
            tn_ckpt_net_entries(t->net, parts[i].prefix, params, state, entry + n);
            int kept = n; /* entries of optimiser moments: they have no batch-norm state */
            for (int j = 0; j < n_tensors; j++)
                if (parts[i].state || !tn_tensor_is_state(tn_net_tensor(t->net, j))) entry[kept++] = entry[n + j];
            n = kept;
        }
        entry[n++] = (tn_ckpt_entry){.name = "z",
                                     .n_dims = 2,
                                     .dim = {t->rows.n_evaluated, tn_prow_width(t->index->n_classes)},
                                     .data = t->rows.z};
        entry[n++] = (tn_ckpt_entry){.name = "top", .n_dims = 1, .dim = {t->rows.n_validation}, .data = t->rows.top};
        st = tn_ckpt_write(t->files.checkpoint, n, entry, meta);
    }
    json_decref(meta);
    free(entry);
    free(host);
    return st;
}

tn_status tn_train_checkpoint(tn_run *run, tn_train *t) {
    t->checkpoint_at_s = tn_now_s();
    tn_status st = run->rank == 0 ? write_checkpoint(t) : TN_OK;
    if (st == TN_OK && run->rank == 0) tn_run_got_further();
    return tn_agree(run, st);
}

/* --- resume ------------------------------------------------------------------------------------------------------- */

static tn_status load_moments(const tn_train *t, const tn_ckpt *ck, const char *prefix, float *host, float *device) {
    for (int i = 0; i < tn_net_tensors(t->net); i++) {
        const tn_tensor *x = tn_net_tensor(t->net, i);
        if (tn_tensor_is_state(x)) continue;
        char name[TN_TENSOR_NAME_BYTES + 8];
        snprintf(name, sizeof name, "%s%s", prefix, x->name);
        TN_TRY(tn_ckpt_copy(ck, name, x->n_dims, x->dim, host + x->offset));
    }
    t->dev->op->upload(t->dev, t->vec.n_params, host, device);
    return TN_OK;
}

/* Check z and p, which the filter will read, and the classes in top, which the next evaluation is compared with. */
static tn_status check_judged(const tn_train *t) {
    int K = t->index->n_classes;
    for (int64_t i = 0; t->clock.evaluations_done > 0 && i < t->rows.n_evaluated; i++)
        TN_TRY(tn_probability_check(t->files.checkpoint, t->index, t->rows.evaluated[i],
                                    t->rows.z + i * tn_prow_width(K), "delete it; the cell starts anew"));
    for (int64_t i = 0; i < t->rows.n_validation; i++)
        if (!(t->rows.top[i] >= 0 && t->rows.top[i] < (float)K && t->rows.top[i] == floorf(t->rows.top[i])))
            return tn_fail(TN_EFORMAT, "%s: top %lld: %g is not a class from 0 to %d: delete it; the cell starts anew",
                           t->files.checkpoint, (long long)i, (double)t->rows.top[i], K - 1);
    return TN_OK;
}

static tn_status load_vectors(tn_train *t, const tn_ckpt *ck) {
    float *params = malloc((size_t)t->vec.n_params * sizeof *params),
          *state = malloc((size_t)t->vec.n_state * sizeof *state);
    tn_status st = params && state ? TN_OK : tn_fail_memory((size_t)t->vec.n_params * sizeof *params, "the weights");
    if (st == TN_OK) st = tn_ckpt_net_load(ck, t->net, "model.", params, state);
    if (st == TN_OK) {
        t->dev->op->upload(t->dev, t->vec.n_params, params, t->vec.params);
        t->dev->op->upload(t->dev, t->vec.n_state, state, t->vec.state);
        st = tn_ckpt_net_load(ck, t->net, "ema.", params, state);
    }
    if (st == TN_OK) {
        t->dev->op->upload(t->dev, t->vec.n_params, params, t->vec.ema_params);
        t->dev->op->upload(t->dev, t->vec.n_state, state, t->vec.ema_state);
        st = load_moments(t, ck, "m.", params, t->vec.m);
    }
    if (st == TN_OK && t->vec.v) st = load_moments(t, ck, "v.", params, t->vec.v);
    int64_t dim[2] = {t->rows.n_evaluated, tn_prow_width(t->index->n_classes)};
    if (st == TN_OK) st = tn_ckpt_copy(ck, "z", 2, dim, t->rows.z);
    if (st == TN_OK && tn_ckpt_copy(ck, "top", 1, &t->rows.n_validation, t->rows.top) != TN_OK)
        st = tn_fail(
            TN_EFORMAT,
            "%s: was made by an earlier version, which kept models by another rule: delete %s and run again; the "
            "cell starts anew",
            t->files.checkpoint, t->files.folder);
    if (st == TN_OK) st = check_judged(t);
    free(params);
    free(state);
    return st;
}

static tn_status check_bits(const tn_train *t, const tn_ckpt *ck, bool allow_other_bits) {
    const char *isa = tn_ckpt_word(ck, "isa"), *library = tn_ckpt_word(ck, "library");
    bool same = isa && library && strcmp(isa, tn_isa_words[t->isa]) == 0 && strcmp(library, t->dev->library) == 0;
    if (allow_other_bits || same) return TN_OK;
    return tn_fail(TN_EARG,
                   "%s: began with instruction set %s and %s, but this node has %s and %s: the results would differ in "
                   "their last bits. Continue on a node like the first, or give --allow-other-bits",
                   t->files.checkpoint, isa ? isa : "?", library ? library : "?", tn_isa_words[t->isa],
                   t->dev->library);
}

tn_status tn_train_resume(tn_train *t, const tn_ckpt *ck, bool allow_other_bits, bool *resumed_out) {
    const char *settings = tn_ckpt_word(ck, "settings"), *inputs = tn_ckpt_word(ck, "inputs");
    if (!settings || !inputs)
        return tn_fail(TN_EFORMAT, "%s: has no `settings` and `inputs`: delete it", t->files.checkpoint);
    TN_TRY(tn_settings_same(t->files.folder, settings, t->settings));
    *resumed_out = strcmp(inputs, t->inputs) == 0;
    if (!*resumed_out) return TN_OK;
    TN_TRY(check_bits(t, ck, allow_other_bits));
    TN_TRY(clock_from(tn_ckpt_word(ck, "clock"), t->index->n_classes, &t->clock));
    return load_vectors(t, ck);
}
