/* filter.c - the filter: reads posteriors of a round, writes overlays and ledger of the next round. */
#include "filter/filter.h"

#include "base/progress.h"
#include "cfg/shown.h"
#include "data/fold.h"
#include "filter/inputs.h"
#include "filter/posteriors.h"
#include "filter/tally.h"
#include "score/metric.h"
#include "score/true_class.h"
#include "store/done.h"
#include "train/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    int round;              /* the round whose models judge */
    const char *posteriors; /* file of models trained elsewhere; NULL = use the round's cells */
    char folder[TN_PATH_BYTES];
    char *inputs;          /* digests of all inputs */
    bool previous_skipped; /* the round was skipped, because rounds ended before it */
    float *z, *slab;       /* N rows (prow.h): posteriors of one fold; sum of slabs, later their mean */
    float *q;              /* (N,K): for soft targets: posteriors of unseen rows, then the targets; else NULL */
    uint8_t *judged, *any; /* (N): is the row judged in this overlay; in any */
    uint8_t *heard; /* (N): rows that the slab's model was not trained on, and whose labels it may be compared with */
    tn_tally tally;
    tn_noise_class *class; /* (K) what is estimated of each class */
    int32_t *n_slabs;      /* (N): slabs in the sum */
    int32_t *category;     /* (N) value of cat1; NULL without categories */
    uint8_t *votes;        /* (N,F) */
    tn_judgement out;
    tn_hash *overlays; /* digest of the overlays, without the ledger, which holds the truth column */
} filter;

bool tn_self_uses_fold(const tn_cfg *cfg, int fold) {
    if (cfg->self.method != TN_SELF_SELF || cfg->self.view != TN_VIEW_SHARED || cfg->self.n_folds == 0) return true;
    for (int i = 0; i < cfg->self.n_folds; i++)
        if (cfg->self.folds[i] == fold) return true;
    return false;
}

/* --- the ledger's sums -------------------------------------------------------------------------------------------- */

/* Set judged to the rows that model f was trained on, and heard to its validation slice. */
static tn_status training_rows(filter *s, int f) {
    TN_TRY(tn_validation_draw(s->cfg, s->ix, f, s->heard));
    for (int64_t i = 0; i < s->ix->n; i++) s->judged[i] = s->ix->fold[i] >= 0 && s->ix->fold[i] != f && !s->heard[i];
    return TN_OK;
}

static void rows_with_fold(filter *s) {
    for (int64_t i = 0; i < s->ix->n; i++) s->judged[i] = s->any[i] = s->ix->fold[i] >= 0;
}

static void vote(filter *s, int64_t i, int f, const float *z) {
    bool keep = tn_prow_argmax(s->ix->n_classes, z) == s->ix->label[i];
    s->votes[i * s->cfg->folds.count + f] = keep ? TN_VOTE_KEEP : TN_VOTE_DROP;
}

/* Add the slab of fold f in s->z to the ledger's sums, for the rows in s->judged. */
static void add_to_ledger(filter *s, int f) {
    int K = s->ix->n_classes, W = tn_prow_width(K);
    for (int64_t i = 0; i < s->ix->n; i++) {
        if (!s->judged[i]) continue;
        s->any[i] = 1;
        tn_prow_add(K, s->n_slabs[i]++, s->z + i * W, s->slab + i * W);
        vote(s, i, f, s->z + i * W);
    }
}

static void mean_of_slabs(filter *s) {
    int K = s->ix->n_classes;
    for (int64_t i = 0; i < s->ix->n; i++)
        if (s->n_slabs[i] > 0) tn_prow_end(K, s->n_slabs[i], s->slab + i * tn_prow_width(K));
}

/* What judges for fold f: z of its models, and the probe. */
static tn_status read_slab(filter *s, int f) {
    TN_TRY(tn_posteriors_fold(s->cfg, s->ix, s->round, f, "z", s->z));
    return s->cfg->self.probe && s->round >= 0 ? tn_posteriors_with_probe(s->cfg, s->ix, f, s->z) : TN_OK;
}

/* --- judgement ---------------------------------------------------------------------------------------------------- */

static tn_status judge(filter *s, const float *z, const uint8_t *judged) {
    const tn_cfg *c = s->cfg;
    tn_judge_rows rows = {.N = s->ix->n,
                          .K = s->ix->n_classes,
                          .z = z,
                          .label = s->ix->label,
                          .judged = judged,
                          .category = s->category,
                          .n_categories = s->category ? s->ix->n_values[0] : 0};
    tn_judge_rules rules = {.method = c->self.method,
                            .prune = c->self.prune,
                            .ratio = c->self.verdict_ratio,
                            .noise = c->self.method == TN_SELF_SELF ? s->class : NULL,
                            .class_floor = c->self.class_floor,
                            .category_floor = c->self.category_floor,
                            .dropped = c->self.dropped,
                            .relabel_margin = c->self.relabel_margin};
    return tn_judge(&rows, &rules, &s->out);
}

/* Check that model f keeps some rows of every class, and without a floor that it believes some. s->judged: its training rows. */
static tn_status check_classes(const filter *s, int f) {
    int64_t before[TN_MAX_CLASSES] = {0}, after[TN_MAX_CLASSES] = {0}, suspicious[TN_MAX_CLASSES] = {0};
    for (int64_t i = 0; i < s->ix->n; i++) {
        if (!s->judged[i] || s->out.verdict[i] == TN_VERDICT_NOT_JUDGED) continue;
        int32_t label = tn_label_after(s->out.verdict[i], s->ix->label[i], s->out.suggested[i]);
        before[s->ix->label[i]]++;
        suspicious[s->ix->label[i]] += s->out.reason[i] == TN_REASON_SUSPICIOUS;
        if (label >= 0) after[label]++;
    }
    for (int k = 0; k < s->ix->n_classes; k++) {
        if (before[k] > 0 && suspicious[k] == before[k] && s->cfg->self.class_floor <= 0)
            return tn_fail(TN_EARG,
                           "filter r%d: all %" PRId64
                           " labels of class %s that the model of fold %d may train on are found suspicious, and "
                           "self.class_floor = 0 keeps none of them: raise self.class_floor%s",
                           s->round + 1, before[k], s->ix->class_name[k], f,
                           s->cfg->self.method == TN_SELF_SELF ? " or self.verdict_ratio" : "");
        if (before[k] > 0 && after[k] == 0)
            return tn_fail(TN_EARG,
                           "filter r%d: of the %" PRId64
                           " rows of class %s that the model of fold %d may train on, none would keep its label: raise "
                           "self.class_floor = %g, or train longer before filtering",
                           s->round + 1, before[k], s->ix->class_name[k], f, s->cfg->self.class_floor);
    }
    return TN_OK;
}

static tn_status check_stop(const filter *s) {
    return tn_stop_wanted()
               ? tn_fail(TN_EUNFINISHED, "filter r%d: stopped on request: run the same command again", s->round + 1)
               : TN_OK;
}

/* Make the targets s->q of the judged rows from z. unseen (N,K): predictions of the rows in `use`, by models that have not learned from
 * them. */
static tn_status make_targets(filter *s, const float *unseen, const uint8_t *use, const float *z,
                              const uint8_t *judged) {
    tn_true_class m;
    if (!s->q) return TN_OK;
    TN_TRY(tn_true_class_fit(s->ix->n, s->ix->n_classes, unseen, s->ix->label, NULL, use, &m));
    tn_true_class_of(&m, s->ix->n, z, s->ix->label, judged, s->q);
    tn_true_class_free(&m);
    return TN_OK;
}

static tn_status write_overlay(filter *s, int f) {
    tn_soft soft = {.n = 0};
    TN_TRY(check_stop(s));
    if (s->q) TN_TRY(tn_soft_make(s->ix->n, s->ix->n_classes, s->out.verdict, s->q, &soft));
    tn_status st = tn_overlay_write(s->folder, f, s->round + 1, s->ix->n, &s->out, &soft, s->overlays);
    tn_soft_free(&soft);
    return st;
}

/* Estimate the noise matrix from what model f says of the rows in s->heard, and add it to that of all models. */
static tn_status estimate_from_slice(filter *s) {
    tn_noise_matrix m = {.K = s->ix->n_classes};
    tn_status st = tn_noise_matrix_add(s->ix->n, s->z, s->ix->label, s->heard, &m);
    if (st == TN_OK) tn_noise_classes(&m, s->class);
    tn_noise_matrix_free(&m);
    return st == TN_OK ? tn_noise_matrix_add(s->ix->n, s->z, s->ix->label, s->heard, &s->tally.noise) : st;
}

static void add_to_tally(filter *s) {
    tn_tally_add(&s->tally, s->ix->n, s->ix->label, &s->out, s->cfg->self.method == TN_SELF_SELF ? s->class : NULL);
}

/* Overlay f must not depend on a label of fold f: so model f is tried on its validation slice alone. */
static tn_status own_view(filter *s) {
    for (int f = 0; f < s->cfg->folds.count; f++) {
        TN_TRY(read_slab(s, f));
        TN_TRY(training_rows(s, f));
        for (int64_t i = 0; s->round == TN_ROUND_OF_PROBE && i < s->ix->n; i++) s->heard[i] |= s->judged[i];
        TN_TRY(estimate_from_slice(s));
        TN_TRY(judge(s, s->z, s->judged));
        add_to_tally(s);
        TN_TRY(check_classes(s, f));
        TN_TRY(make_targets(s, s->z, s->heard, s->z, s->judged));
        TN_TRY(write_overlay(s, f));
        rows_with_fold(s); /* the ledger may use all models, because no model is trained from it */
        add_to_ledger(s, f);
    }
    mean_of_slabs(s);
    tn_noise_classes(&s->tally.noise, s->class);
    return judge(s, s->slab, s->any);
}

/* Judge s->slab once, and write the same overlay for every fold. */
static tn_status same_for_all(filter *s) {
    tn_noise_classes(&s->tally.noise, s->class);
    TN_TRY(judge(s, s->slab, s->any));
    add_to_tally(s);
    for (int f = 0; f < s->cfg->folds.count; f++) {
        TN_TRY(training_rows(s, f));
        TN_TRY(check_classes(s, f));
    }
    for (int f = 0; f < s->cfg->folds.count; f++) TN_TRY(write_overlay(s, f));
    return TN_OK;
}

/* For soft targets: keep what the slab says of the rows that its model has not learned from. */
static void keep_unseen(filter *s) {
    size_t K = (size_t)s->ix->n_classes;
    for (size_t i = 0; s->q && i < (size_t)s->ix->n; i++)
        if (s->heard[i]) memcpy(s->q + i * K, s->z + i * K, K * sizeof *s->q);
}

static tn_status shared_view(filter *s) {
    rows_with_fold(s);
    for (int f = 0; f < s->cfg->folds.count; f++) {
        if (!tn_self_uses_fold(s->cfg, f)) continue;
        TN_TRY(check_stop(s));
        TN_TRY(read_slab(s, f));
        add_to_ledger(s, f);
        for (int64_t i = 0; i < s->ix->n; i++) s->heard[i] = s->ix->fold[i] == f;
        keep_unseen(s);
        TN_TRY(tn_noise_matrix_add(s->ix->n, s->z, s->ix->label, s->heard, &s->tally.noise));
    }
    mean_of_slabs(s);
    for (int64_t i = 0; i < s->ix->n; i++)
        s->heard[i] = s->ix->fold[i] >= 0 && tn_self_uses_fold(s->cfg, s->ix->fold[i]);
    TN_TRY(make_targets(s, s->q, s->heard, s->slab, s->any));
    return same_for_all(s);
}

/* Set s->slab to what judges each row by its own fold. */
static tn_status read_unseen(filter *s) {
    size_t W = (size_t)tn_prow_width(s->ix->n_classes);
    if (s->posteriors) return tn_posteriors_foreign(s->posteriors, s->ix, s->slab);
    if (s->cfg->self.method != TN_SELF_SELF) return tn_posteriors_out_of_fold(s->cfg, s->ix, s->round, s->slab);
    for (int f = 0; f < s->cfg->folds.count; f++) {
        TN_TRY(read_slab(s, f));
        for (int64_t i = 0; i < s->ix->n; i++)
            if (s->ix->fold[i] == f) memcpy(s->slab + (size_t)i * W, s->z + (size_t)i * W, W * sizeof *s->z);
    }
    return TN_OK;
}

/* Use one posterior per row: from its own fold's models, or from the given file, which counts as the vote of that fold. */
static tn_status out_of_fold(filter *s) {
    rows_with_fold(s);
    TN_TRY(read_unseen(s));
    for (int64_t i = 0; i < s->ix->n; i++)
        if (s->any[i]) vote(s, i, s->ix->fold[i], s->slab + i * tn_prow_width(s->ix->n_classes));
    TN_TRY(tn_noise_matrix_add(s->ix->n, s->slab, s->ix->label, s->any, &s->tally.noise));
    TN_TRY(make_targets(s, s->slab, s->any, s->slab, s->any));
    return same_for_all(s);
}

/* --- summary ------------------------------------------------------------------------------------------------------ */

/* "worn 3 of 40, cooked 2 of 30": of many classes, those with the most suspicious rows. */
static void list_classes(const filter *s, const int64_t *suspicious, const int64_t *judged, char out[1024]) {
    double key[TN_MAX_CLASSES];
    int class[TN_MOST_SHOWN], K = s->ix->n_classes;
    for (int k = 0; k < K; k++) key[k] = (double)suspicious[k];
    int n = tn_shown(K, key, class);
    size_t at = 0;
    for (int i = 0; i < n && at < 1024; i++)
        at += (size_t)snprintf(out + at, 1024 - at, "%s%s %" PRId64 " of %" PRId64, i ? ", " : "",
                               s->ix->class_name[class[i]], suspicious[class[i]], judged[class[i]]);
    if (K > n && at < 1024) snprintf(out + at, 1024 - at, ", and %d more classes", K - n);
}

static void say_result(const filter *s) {
    int64_t judged[TN_MAX_CLASSES] = {0}, suspicious[TN_MAX_CLASSES] = {0}, n_judged = 0, n_suspicious = 0;
    tn_filter_score score = {.judged = 0};
    for (int64_t i = 0; i < s->ix->n; i++) {
        if (s->out.verdict[i] == TN_VERDICT_NOT_JUDGED) continue;
        judged[s->ix->label[i]]++;
        suspicious[s->ix->label[i]] += s->out.verdict[i] != TN_VERDICT_KEEP;
        tn_filter_score_add(&score, s->out.verdict[i], s->ix->label[i], s->ix->truth[i]);
    }
    char text[1024];
    list_classes(s, suspicious, judged, text);
    for (int k = 0; k < s->ix->n_classes; k++) {
        n_judged += judged[k];
        n_suspicious += suspicious[k];
    }
    tn_say("filter r%d: %" PRId64 " of %" PRId64 " labels flagged (%s)", s->round + 1, n_suspicious, n_judged, text);
    tn_result("%" PRId64 " of %" PRId64 " labels flagged", n_suspicious, n_judged);
    if (*s->cfg->data.truth_column)
        tn_say("filter r%d: %" PRId64 " of %" PRId64
               " wrong labels found; random selection of as many rows would have found %.0f",
               s->round + 1, score.found, score.wrong, tn_share(score.dropped, score.judged) * (double)score.wrong);
}

/* --- the work of rank 0 ------------------------------------------------------------------------------------------- */

static tn_status allocate(filter *s) {
    size_t n = (size_t)s->ix->n, floats = n * (size_t)tn_prow_width(s->ix->n_classes), F = (size_t)s->cfg->folds.count;
    s->z = calloc(floats + 1, sizeof *s->z);
    s->slab = calloc(floats + 1, sizeof *s->slab);
    s->q = s->cfg->self.dropped == TN_DROPPED_SOFT ? calloc(floats + 1, sizeof *s->q) : NULL;
    s->judged = calloc(n + 1, 1);
    s->any = calloc(n + 1, 1);
    s->heard = calloc(n + 1, 1);
    s->class = calloc((size_t)s->ix->n_classes, sizeof *s->class);
    s->n_slabs = calloc(n + 1, sizeof *s->n_slabs);
    s->votes = calloc(n * F + 1, 1);
    s->out.verdict = calloc(n + 1, 1);
    s->out.reason = calloc(n + 1, 1);
    s->out.margin = calloc(n + 1, sizeof *s->out.margin);
    s->out.suggested = calloc(n + 1, sizeof *s->out.suggested);
    s->category = s->ix->n_levels ? malloc((n + 1) * sizeof *s->category) : NULL;
    if (!s->z || !s->slab || !s->judged || !s->any || !s->heard || !s->class || !s->n_slabs || !s->votes ||
        !s->out.verdict || !s->out.reason || !s->out.margin || !s->out.suggested || (s->ix->n_levels && !s->category) ||
        (s->cfg->self.dropped == TN_DROPPED_SOFT && !s->q))
        return tn_fail_memory(2 * floats * sizeof(float) + n * (25 + F), "the filter");
    for (size_t i = 0; s->category && i < n; i++) s->category[i] = s->ix->cat[i * (size_t)s->ix->n_levels];
    return tn_tally_new(s->ix->n_classes, &s->tally);
}

static void release(filter *s) {
    void *all[] = {s->z,      s->slab,        s->judged,     s->any,        s->n_slabs,
                   s->votes,  s->out.verdict, s->out.reason, s->out.margin, s->out.suggested,
                   s->inputs, s->category,    s->heard,      s->class,      s->q};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    tn_tally_free(&s->tally);
    tn_hash_free(&s->overlays);
}

/* DONE has the hashes of the ledger and of the overlay of every fold. */
static tn_status publish_done(const filter *s, const tn_done *done, const char *digest) {
    char name[TN_MAX_FOLDS][TN_OVERLAY_NAME_BYTES];
    const char *file[TN_MAX_FOLDS + 4] = {"ledger.csv", "ledger.h5", "filter.json"};
    for (int f = 0; f < s->cfg->folds.count; f++) {
        tn_overlay_name(f, name[f]);
        file[f + 3] = name[f];
    }
    return tn_done_publish(s->folder, done, digest, file);
}

/* The probe judges a row by classifiers that have seen neither it nor the model's fold: for it the own view is out-of-fold. */
static tn_status judge_all(filter *s) {
    const tn_cfg *c = s->cfg;
    if (s->posteriors || c->self.method != TN_SELF_SELF) return out_of_fold(s);
    if (c->self.view == TN_VIEW_SHARED) return shared_view(s);
    return c->self.view == TN_VIEW_OWN || s->round == TN_ROUND_OF_PROBE ? own_view(s) : out_of_fold(s);
}

static tn_status make_all(filter *s, const tn_done *done) {
    char digest[TN_HEX_BYTES];
    TN_TRY(allocate(s));
    s->overlays = tn_hash_new();
    TN_TRY(judge_all(s));
    tn_ledger ledger = {.ix = s->ix,
                        .round = s->round + 1,
                        .n_folds = s->cfg->folds.count,
                        .with_truth = *s->cfg->data.truth_column != 0,
                        .judgement = &s->out,
                        .z = s->slab,
                        .judged = s->any,
                        .votes = s->votes};
    TN_TRY(tn_ledger_write(&ledger, s->folder));
    TN_TRY(tn_tally_write(&s->tally, s->cfg, s->round + 1, s->folder));
    if (!s->posteriors && s->round >= 0) TN_TRY(tn_posteriors_join(s->cfg, s->ix, s->round, s->folder));
    say_result(s);
    tn_tally_say(&s->tally, s->cfg, s->round + 1);
    tn_hash_hex(s->overlays, digest);
    return publish_done(s, done, digest);
}

/* The reason why the rounds end here; "" = the next round is needed. */
static tn_status why_stop(const filter *s, char out[256]) {
    bool improved = true;
    *out = 0;
    if (s->posteriors || s->round <= 0) return TN_OK;
    if (s->previous_skipped) {
        snprintf(out, 256, "round %d was skipped", s->round);
        return TN_OK;
    }
    TN_TRY(tn_round_improved(s->cfg, s->ix, s->round, &improved, out));
    tn_say("filter r%d: %s", s->round + 1, out);
    if (improved) *out = 0;
    return TN_OK;
}

static tn_status skip(const filter *s, const tn_done *done, const char *why) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/skipped.txt", s->folder));
    TN_TRY(tn_file_publish(path, why, strlen(why)));
    tn_say("filter r%d: skipped, so there is no round %d: %s", s->round + 1, s->round + 1, why);
    return tn_done_publish(s->folder, done, TN_SKIPPED, (const char *[]){"skipped.txt", NULL});
}

static tn_status make(filter *s, const tn_done *done) {
    char why[256];
    tn_status st = why_stop(s, why);
    if (st == TN_OK) st = *why ? skip(s, done, why) : make_all(s, done);
    if (st != TN_OK) tn_done_undo(s->folder);
    return st;
}

static tn_status filter_here(const tn_cfg *cfg, const tn_index *index, int round, const char *posteriors) {
    filter s = {.cfg = cfg, .ix = index, .round = round, .posteriors = posteriors};
    char *settings = tn_cfg_canonical(cfg, TN_KEYS_FILTER);
    tn_status st = settings ? TN_OK : tn_fail_memory(4096, "the settings");
    if (st == TN_OK && !posteriors) st = tn_filter_own(cfg, round);
    if (st == TN_OK) st = tn_filter_inputs(cfg, index, round, posteriors, &s.inputs, &s.previous_skipped);
    if (st == TN_OK) st = tn_filter_folder(cfg, round + 1, s.folder);
    if (st == TN_OK) {
        tn_done want = {.stage = "filter", .settings = settings, .inputs = s.inputs};
        char name[32];
        bool valid = false;
        snprintf(name, sizeof name, "filter r%d", round + 1);
        st = tn_done_begin(s.folder, name, &want, &valid);
        if (st == TN_OK && !valid) st = make(&s, &want);
    }
    free(settings);
    release(&s);
    return st;
}

tn_status tn_filter_foreign(const tn_cfg *cfg, int round, bool *out) {
    char folder[TN_PATH_BYTES];
    TN_TRY(tn_filter_folder(cfg, round, folder));
    return tn_done_made_from(folder, TN_INPUT_FOREIGN, out);
}

tn_status tn_filter_own(const tn_cfg *cfg, int round) {
    char folder[TN_PATH_BYTES];
    bool foreign = false;
    TN_TRY(tn_filter_folder(cfg, round + 1, folder));
    TN_TRY(tn_filter_foreign(cfg, round + 1, &foreign));
    return !foreign
               ? TN_OK
               : tn_fail(
                     TN_EARG,
                     "%s was made with --posteriors, and would be replaced by a filter with the models of round %d. To "
                     "replace it, delete that folder. To keep it, call train, predict and reduce, and not run or "
                     "submit; filter --posteriors makes it again",
                     folder, round);
}

tn_status tn_filter(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round, const char *posteriors) {
    return tn_agree(run, run->rank == 0 ? filter_here(cfg, index, round, posteriors) : TN_OK);
}

/* Are all cells that the filter needs done? Only rank 0 asks, because other hosts may see a new DONE later. */
static tn_status find_complete(const tn_cfg *cfg, int round, bool *out) {
    int n = tn_cell_count(cfg);
    tn_cell *cell = calloc((size_t)n, sizeof *cell);
    tn_status st = cell ? TN_OK : tn_fail_memory((size_t)n * sizeof *cell, "the cells");
    *out = true;
    for (int r = round > 0 ? round - 1 : 0; st == TN_OK && r <= round; r++) {
        tn_cell_list(cfg, r, cell);
        for (int i = 0; i < n && *out && st == TN_OK; i++)
            if (tn_self_uses_fold(cfg, cell[i].fold)) st = tn_train_done(cfg, &cell[i], out);
    }
    free(cell);
    return st;
}

tn_status tn_filter_if_complete(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round) {
    int complete = 0;
    bool here = false;
    TN_TRY(tn_agree(run, run->rank == 0 ? find_complete(cfg, round, &here) : TN_OK));
    complete = here;
    tn_bcast(run, 0, &complete, sizeof complete);
    if (!complete && run->rank == 0) tn_say("filter r%d: not yet, other cells of the round are not trained", round + 1);
    tn_status st = complete ? tn_filter(run, cfg, index, round, NULL) : TN_OK;
    if (st != TN_EBUSY) return st;
    if (run->rank == 0) tn_say("filter r%d: nothing to do, another process makes it", round + 1);
    return TN_OK;
}

void tn_truth_digest(const tn_index *index, char hex_out[TN_HEX_BYTES]) {
    tn_hash_once(index->truth, (size_t)index->n * sizeof *index->truth, hex_out);
}
