/* filter.c - SELF on files: posteriors of a round in, overlays and ledger of the next round out. */
#include "learn/self.h"

#include "base/csv.h"
#include "base/done.h"
#include "base/h5.h"
#include "base/progress.h"
#include "data/fold.h"
#include "learn/metric.h"
#include "learn/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const VERDICT[] = {"keep", "drop", "not_judged"};

typedef struct {
    const tn_cfg *cfg;
    const tn_index *ix;
    int round; /* the one that is judged */
    char folder[TN_PATH_BYTES];
    char *inputs;                               /* digests of the cells used */
    tn_cell *cell;                              /* (tn_cell_count) of the round */
    float *z, *slab, *read;                     /* (N,K): of a fold; sum for the ledger; one file */
    uint8_t *judged, *any;                      /* (N): by this overlay; by any */
    uint8_t *verdict;                           /* (N) */
    float *margin;                              /* (N) */
    int32_t *suggested;                         /* (N) */
    int32_t *n_slabs, *votes_drop, *votes_keep; /* (N) */
    tn_hash *overlays;                          /* what the next round trains with; not the ledger, which holds truth */
} filter;

static bool uses_fold(const tn_cfg *cfg, int f) {
    if (cfg->self.view == TN_VIEW_OWN || cfg->self.n_folds == 0) return true;
    for (int i = 0; i < cfg->self.n_folds; i++)
        if (cfg->self.folds[i] == f) return true;
    return false;
}

/* --- posteriors --------------------------------------------------------------------------------------------------- */

static tn_status read_z(const filter *s, const tn_cell *cell, float *out) {
    char path[TN_PATH_BYTES];
    tn_h5 *f = NULL;
    int64_t shape[2];
    TN_TRY(tn_cell_folder(s->cfg, "train", cell, path));
    TN_TRY(tn_done_file(path, "posteriors.h5", "train", path));
    TN_TRY(tn_h5_open(path, &f));
    tn_status st = tn_h5_check_stamp(f, path, "posteriors", 1);
    if (st == TN_OK) st = tn_h5_shape(f, "z", 2, shape);
    if (st == TN_OK && (shape[0] != s->ix->n || shape[1] != s->ix->n_classes))
        st = tn_fail(TN_EFORMAT, "%s: is of another data set: %lld x %lld, not %lld x %d", path, (long long)shape[0],
                     (long long)shape[1], (long long)s->ix->n, s->ix->n_classes);
    if (st == TN_OK) st = tn_h5_read_rows(f, "z", TN_H5_F32, 0, s->ix->n, out);
    tn_h5_close(&f);
    return st;
}

/* Mean over the sizes and seeds of fold f, in list order. */
static tn_status read_fold(filter *s, int f) {
    int64_t floats = s->ix->n * s->ix->n_classes;
    int n = 0;
    memset(s->z, 0, (size_t)floats * sizeof *s->z);
    for (int i = 0; i < tn_cell_count(s->cfg); i++) {
        if (s->cell[i].fold != f) continue;
        TN_TRY(read_z(s, &s->cell[i], s->read));
        for (int64_t j = 0; j < floats; j++) s->z[j] += s->read[j];
        n++;
    }
    for (int64_t j = 0; j < floats; j++) s->z[j] /= (float)n;
    return TN_OK;
}

/* Rows that model f trained on: those its overlay may judge. */
static tn_status training_rows(filter *s, int f) {
    TN_TRY(tn_validation_draw(s->cfg, s->ix, f, s->judged));
    for (int64_t i = 0; i < s->ix->n; i++) s->judged[i] = s->ix->fold[i] >= 0 && s->ix->fold[i] != f && !s->judged[i];
    return TN_OK;
}

/* Adds the slab in s->z to the ledger's sums, for the rows in s->judged. */
static void add_to_ledger(filter *s) {
    int K = s->ix->n_classes;
    for (int64_t i = 0; i < s->ix->n; i++) {
        if (!s->judged[i]) continue;
        s->any[i] = 1;
        s->n_slabs[i]++;
        for (int k = 0; k < K; k++) s->slab[i * K + k] += s->z[i * K + k];
        if (tn_argmax(K, s->z + i * K) == s->ix->label[i])
            s->votes_keep[i]++;
        else
            s->votes_drop[i]++;
    }
}

static void mean_of_slabs(filter *s) {
    int K = s->ix->n_classes;
    for (int64_t i = 0; i < s->ix->n; i++)
        for (int k = 0; k < K && s->n_slabs[i] > 0; k++) s->slab[i * K + k] /= (float)s->n_slabs[i];
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static tn_status fill_overlay(const filter *s, tn_h5 *f) {
    TN_TRY(tn_h5_stamp(f, "overlay", 1));
    TN_TRY(tn_h5_set_int(f, "round", s->round + 1));
    TN_TRY(tn_h5_write(f, "verdict", TN_H5_U8, 1, &s->ix->n, s->verdict));
    TN_TRY(tn_h5_write(f, "margin", TN_H5_F32, 1, &s->ix->n, s->margin));
    return tn_h5_write(f, "suggested", TN_H5_I32, 1, &s->ix->n, s->suggested);
}

enum { TN_OVERLAY_NAME_BYTES = 24 };
static void overlay_name(int f, char out[TN_OVERLAY_NAME_BYTES]) {
    snprintf(out, TN_OVERLAY_NAME_BYTES, "overlay-f%d.h5", f);
}

static tn_status write_overlay(const filter *s, int f) {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    tn_h5 *file = NULL;
    overlay_name(f, name);
    TN_TRY(tn_path(path, "%s/%s", s->folder, name));
    TN_TRY(tn_publish_name(path, tmp));
    TN_TRY(tn_h5_create(tmp, &file));
    tn_status st = fill_overlay(s, file), closed = tn_h5_close(&file);
    if (st == TN_OK) st = closed;
    if (st != TN_OK) {
        remove(tmp);
        return st;
    }
    tn_hash_add(s->overlays, s->verdict, (size_t)s->ix->n * sizeof *s->verdict);
    tn_hash_add(s->overlays, s->margin, (size_t)s->ix->n * sizeof *s->margin);
    tn_hash_add(s->overlays, s->suggested, (size_t)s->ix->n * sizeof *s->suggested);
    return tn_publish_end(path);
}

static void put_ledger_row(const filter *s, int64_t i, FILE *f) {
    const tn_index *ix = s->ix;
    tn_csv_put(f, "", ix->path[i]);
    tn_csv_put(f, ",", ix->class_name[ix->label[i]]);
    tn_csv_put(f, ",", ix->class_name[s->suggested[i]]);
    fprintf(f, ",%.6f,%s,%d,%d", (double)s->margin[i], VERDICT[s->verdict[i]], s->votes_drop[i], s->votes_keep[i]);
    if (*s->cfg->data.truth_column) tn_csv_put(f, ",", ix->truth[i] >= 0 ? ix->class_name[ix->truth[i]] : "");
    fputc('\n', f);
}

static tn_status write_ledger(const filter *s) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return tn_fail_memory((size_t)s->ix->n * 64, "the ledger");
    fprintf(f, "path,label,suggested,margin,verdict,votes_drop,votes_keep%s\n",
            *s->cfg->data.truth_column ? ",truth" : "");
    for (int64_t i = 0; i < s->ix->n; i++)
        if (s->ix->fold[i] >= 0) put_ledger_row(s, i, f);
    fclose(f);
    tn_status st = tn_path(path, "%s/ledger.csv", s->folder);
    if (st == TN_OK) st = tn_file_publish(path, text, n);
    free(text);
    return st;
}

static tn_status say_result(const filter *s) {
    int64_t judged[TN_MAX_CLASSES] = {0}, dropped[TN_MAX_CLASSES] = {0}, n_judged = 0, n_dropped = 0;
    for (int64_t i = 0; i < s->ix->n; i++) {
        if (s->verdict[i] == TN_VERDICT_NOT_JUDGED) continue;
        judged[s->ix->label[i]]++;
        dropped[s->ix->label[i]] += s->verdict[i] == TN_VERDICT_DROP;
    }
    char text[1024] = "";
    for (int k = 0; k < s->ix->n_classes; k++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s %" PRId64 " of %" PRId64, k ? ", " : "", s->ix->class_name[k],
                 dropped[k], judged[k]);
        n_judged += judged[k];
        n_dropped += dropped[k];
    }
    tn_say("filter r%d: %" PRId64 " of %" PRId64 " labels found suspicious (%s)", s->round + 1, n_dropped, n_judged,
           text);
    if (!*s->cfg->data.truth_column) return TN_OK;
    tn_filter_score score;
    TN_TRY(tn_filter_judge(s->cfg, s->round + 1, &score));
    tn_say("filter r%d: %" PRId64 " of %" PRId64 " wrong labels found; as many drops by chance would have found %.0f",
           s->round + 1, score.found, score.wrong,
           score.judged ? (double)score.dropped * (double)score.wrong / (double)score.judged : 0.0);
    return TN_OK;
}

/* --- the work of rank 0 ------------------------------------------------------------------------------------------- */

static tn_status judge(filter *s, const float *z, const uint8_t *judged) {
    return tn_self_judge(s->ix->n, s->ix->n_classes, z, s->ix->label, judged, s->cfg->self.class_floor, s->verdict,
                         s->margin, s->suggested);
}

static tn_status own_view(filter *s) {
    for (int f = 0; f < s->cfg->folds.count; f++) {
        TN_TRY(read_fold(s, f));
        TN_TRY(training_rows(s, f));
        TN_TRY(judge(s, s->z, s->judged));
        TN_TRY(write_overlay(s, f));
        add_to_ledger(s);
    }
    mean_of_slabs(s);
    return judge(s, s->slab, s->any);
}

static tn_status shared_view(filter *s) {
    for (int64_t i = 0; i < s->ix->n; i++) s->judged[i] = s->ix->fold[i] >= 0;
    for (int f = 0; f < s->cfg->folds.count; f++) {
        if (!uses_fold(s->cfg, f)) continue;
        TN_TRY(read_fold(s, f));
        add_to_ledger(s);
    }
    mean_of_slabs(s);
    TN_TRY(judge(s, s->slab, s->any));
    for (int f = 0; f < s->cfg->folds.count; f++) TN_TRY(write_overlay(s, f));
    return TN_OK;
}

static tn_status allocate(filter *s) {
    size_t n = (size_t)s->ix->n, floats = n * (size_t)s->ix->n_classes;
    s->z = calloc(floats + 1, sizeof *s->z);
    s->slab = calloc(floats + 1, sizeof *s->slab);
    s->read = calloc(floats + 1, sizeof *s->read);
    s->judged = calloc(n + 1, 1);
    s->any = calloc(n + 1, 1);
    s->verdict = calloc(n + 1, 1);
    s->margin = calloc(n + 1, sizeof *s->margin);
    s->suggested = calloc(n + 1, sizeof *s->suggested);
    s->n_slabs = calloc(n + 1, sizeof *s->n_slabs);
    s->votes_drop = calloc(n + 1, sizeof *s->votes_drop);
    s->votes_keep = calloc(n + 1, sizeof *s->votes_keep);
    bool ok = s->z && s->slab && s->read && s->judged && s->any && s->verdict && s->margin && s->suggested &&
              s->n_slabs && s->votes_drop && s->votes_keep;
    return ok ? TN_OK : tn_fail_memory(3 * floats * sizeof(float), "the filter");
}

static void release(filter *s) {
    void *all[] = {s->z,         s->slab,    s->read,       s->judged,     s->any,    s->verdict, s->margin,
                   s->suggested, s->n_slabs, s->votes_drop, s->votes_keep, s->inputs, s->cell};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    tn_hash_free(&s->overlays);
}

/* One line "cell digest" per cell used; fails where one is not done. */
static tn_status find_inputs(filter *s) {
    size_t n_bytes = 0;
    FILE *f = open_memstream(&s->inputs, &n_bytes);
    s->cell = calloc((size_t)tn_cell_count(s->cfg), sizeof *s->cell);
    if (!f || !s->cell) {
        if (f) fclose(f);
        return tn_fail_memory(4096, "the filter");
    }
    tn_cell_list(s->cfg, s->round, s->cell);
    tn_status st = TN_OK;
    for (int i = 0; st == TN_OK && i < tn_cell_count(s->cfg); i++) {
        char name[TN_CELL_NAME_BYTES], digest[TN_HEX_BYTES];
        if (!uses_fold(s->cfg, s->cell[i].fold)) continue;
        tn_cell_name(&s->cell[i], name);
        st = tn_train_digest(s->cfg, &s->cell[i], digest);
        if (st == TN_OK) fprintf(f, "%s %s\n", name, digest);
    }
    char truth[TN_HEX_BYTES];
    tn_truth_digest(s->ix, truth);
    fprintf(f, "index %s\ntruth %s\n", s->ix->digest, truth);
    fclose(f);
    return st;
}

/* DONE vouches for the ledger and the overlay of every fold. */
static tn_status publish_done(const filter *s, const tn_done *done, const char *digest) {
    char name[TN_MAX_FOLDS][TN_OVERLAY_NAME_BYTES];
    const char *file[TN_MAX_FOLDS + 2] = {"ledger.csv"};
    for (int f = 0; f < s->cfg->folds.count; f++) {
        overlay_name(f, name[f]);
        file[f + 1] = name[f];
    }
    return tn_done_publish(s->folder, done, digest, file);
}

static tn_status make_all(filter *s, const tn_done *done) {
    char digest[TN_HEX_BYTES];
    TN_TRY(allocate(s));
    s->overlays = tn_hash_new();
    TN_TRY(s->cfg->self.view == TN_VIEW_OWN ? own_view(s) : shared_view(s));
    TN_TRY(write_ledger(s));
    TN_TRY(say_result(s));
    tn_hash_hex(s->overlays, digest);
    return publish_done(s, done, digest);
}

static tn_status filter_here(const tn_cfg *cfg, const tn_index *index, int round) {
    filter s = {.cfg = cfg, .ix = index, .round = round};
    char *settings = tn_cfg_canonical(cfg, TN_STAGE_FILTER);
    tn_status st = settings ? find_inputs(&s) : tn_fail_memory(4096, "the settings");
    if (st == TN_OK) st = tn_filter_folder(cfg, round + 1, s.folder);
    if (st == TN_OK) {
        tn_done want = {.stage = "filter", .settings = settings, .inputs = s.inputs};
        char name[32];
        bool valid = false;
        snprintf(name, sizeof name, "filter r%d", round + 1);
        st = tn_done_begin(s.folder, name, &want, &valid);
        if (st == TN_OK && !valid) st = make_all(&s, &want);
    }
    free(settings);
    release(&s);
    return st;
}

tn_status tn_filter(tn_run *run, const tn_cfg *cfg, const tn_index *index, int round) {
    return tn_agree(run, run->rank == 0 ? filter_here(cfg, index, round) : TN_OK);
}

void tn_truth_digest(const tn_index *index, char hex_out[TN_HEX_BYTES]) {
    tn_hash_once(index->truth, (size_t)index->n * sizeof *index->truth, hex_out);
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

tn_status tn_overlay_read(const tn_cfg *cfg, const tn_cell *cell, int64_t N, uint8_t *verdict_out) {
    memset(verdict_out, TN_VERDICT_KEEP, (size_t)N);
    if (cell->round == 0) return TN_OK;
    char path[TN_PATH_BYTES], name[TN_OVERLAY_NAME_BYTES];
    tn_h5 *f = NULL;
    int64_t n = 0;
    overlay_name(cell->fold, name);
    TN_TRY(tn_filter_folder(cfg, cell->round, path));
    TN_TRY(tn_done_file(path, name, "filter", path));
    TN_TRY(tn_h5_open(path, &f));
    tn_status st = tn_h5_check_stamp(f, path, "overlay", 1);
    if (st == TN_OK) st = tn_h5_shape(f, "verdict", 1, &n);
    if (st == TN_OK && n != N)
        st = tn_fail(TN_EFORMAT, "%s: is of another data set: %lld rows, not %lld", path, (long long)n, (long long)N);
    if (st == TN_OK) st = tn_h5_read_rows(f, "verdict", TN_H5_U8, 0, N, verdict_out);
    tn_h5_close(&f);
    return st;
}

tn_status tn_filter_judge(const tn_cfg *cfg, int round, tn_filter_score *out) {
    char path[TN_PATH_BYTES];
    tn_csv *t = NULL;
    TN_TRY(tn_filter_folder(cfg, round, path));
    TN_TRY(tn_path(path, "%s/ledger.csv", path));
    TN_TRY(tn_csv_read(path, &t));
    int label = tn_csv_column(t, "label"), verdict = tn_csv_column(t, "verdict"), truth = tn_csv_column(t, "truth");
    tn_status st =
        label < 0 || verdict < 0 || truth < 0 ? tn_fail(TN_EARG, "%s: has no truth column to judge by", path) : TN_OK;
    *out = (tn_filter_score){.judged = 0};
    for (int64_t i = 0; st == TN_OK && i < tn_csv_rows(t); i++) {
        const char *v = tn_csv_at(t, i, verdict), *known = tn_csv_at(t, i, truth);
        if (strcmp(v, VERDICT[TN_VERDICT_NOT_JUDGED]) == 0 || !*known) continue;
        bool wrong = strcmp(known, tn_csv_at(t, i, label)) != 0, drop = strcmp(v, VERDICT[TN_VERDICT_DROP]) == 0;
        out->judged++;
        out->wrong += wrong;
        out->dropped += drop;
        out->found += wrong && drop;
    }
    tn_csv_free(&t);
    return st;
}
