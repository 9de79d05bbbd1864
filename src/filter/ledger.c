/* ledger.c - writes and reads the ledger's files. */
#include "filter/ledger.h"

#include "cfg/cell.h"
#include "filter/confident.h"
#include "score/prow.h"
#include "store/csv.h"
#include "store/done.h"
#include "store/h5.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int count_votes(const tn_ledger *l, int64_t i, uint8_t vote) {
    int n = 0;
    for (int f = 0; f < l->n_folds; f++) n += l->votes[i * l->n_folds + f] == vote;
    return n;
}

static float p_label(const tn_ledger *l, int64_t i) {
    int K = l->ix->n_classes;
    return tn_prow_at(K, l->z + i * tn_prow_width(K), l->ix->label[i]);
}

/* 0 for a row that is not judged. t (K): tn_confident_thresholds. */
static double log_odds(const tn_ledger *l, const double *t, int64_t i) {
    if (!l->judged[i]) return 0;
    int K = l->ix->n_classes;
    return log(tn_confident_odds(K, l->z + i * tn_prow_width(K), l->ix->label[i], t));
}

/* --- CSV ---------------------------------------------------------------------------------------------------------- */

static void put_row(const tn_ledger *l, const double *t, int64_t i, FILE *f) {
    const tn_index *ix = l->ix;
    const tn_judgement *j = l->judgement;
    tn_csv_put(f, "", ix->path[i]);
    tn_csv_put(f, ",", ix->class_name[ix->label[i]]);
    tn_csv_put(f, ",", ix->class_name[j->suggested[i]]);
    fprintf(f, ",%.6f,%s,%d,%d,", (double)j->margin[i], tn_verdict_words[j->verdict[i]],
            count_votes(l, i, TN_VOTE_DROP), count_votes(l, i, TN_VOTE_KEEP));
    for (int k = 0; k < l->n_folds; k++) fputc("-kd"[l->votes[i * l->n_folds + k]], f);
    fprintf(f, ",%s,%.6f,%.6f,%" PRId64 ",%d", tn_reason_words[j->reason[i]], (double)p_label(l, i), log_odds(l, t, i),
            i, l->round);
    if (l->with_truth) tn_csv_put(f, ",", ix->truth[i] >= 0 ? ix->class_name[ix->truth[i]] : "");
    fputc('\n', f);
}

static tn_status write_csv(const tn_ledger *l, const double *t, const char *folder) {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/ledger.csv", folder));
    TN_TRY(tn_publish_name(path, tmp));
    FILE *f = tn_file_create(tmp);
    if (!f) return tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(errno));
    fprintf(f, "path,label,suggested,margin,verdict,votes_drop,votes_keep,votes,reason,p_label,log_odds,id,round%s\n",
            l->with_truth ? ",truth" : "");
    for (int64_t i = 0; i < l->ix->n; i++)
        if (l->ix->fold[i] >= 0) put_row(l, t, i, f);
    bool failed = ferror(f) != 0;
    failed = fclose(f) != 0 || failed;
    if (!failed) return tn_publish_end(path);
    tn_status st = tn_fail(TN_EIO, "%s: cannot be written: %s", tmp, strerror(errno));
    tn_publish_drop(path);
    return st;
}

/* --- HDF5 --------------------------------------------------------------------------------------------------------- */

/* Columns of ledger.h5: the n rows with a fold, gathered from arrays of all rows. */
typedef struct {
    int64_t n, *id;
    const char **path;
    int32_t *number; /* (n), used for one column after another */
    float *real;
    uint8_t *byte; /* (n, n_folds) */
} columns;

static tn_status columns_new(const tn_ledger *l, columns *c) {
    size_t N = (size_t)l->ix->n + 1;
    c->id = malloc(N * sizeof *c->id);
    c->path = malloc(N * sizeof *c->path);
    c->number = malloc(N * sizeof *c->number);
    c->real = malloc(N * sizeof *c->real);
    c->byte = malloc(N * (size_t)l->n_folds);
    if (!c->id || !c->path || !c->number || !c->real || !c->byte)
        return tn_fail_memory(N * (24 + (size_t)l->n_folds), "the ledger");
    for (int64_t i = 0; i < l->ix->n; i++) {
        if (l->ix->fold[i] < 0) continue;
        c->path[c->n] = l->ix->path[i];
        c->id[c->n++] = i;
    }
    return TN_OK;
}

static void columns_free(columns *c) {
    free(c->id);
    free(c->path);
    free(c->number);
    free(c->real);
    free(c->byte);
}

static tn_status put_numbers(tn_h5 *f, columns *c, const char *name, const int32_t *from) {
    for (int64_t i = 0; i < c->n; i++) c->number[i] = from[c->id[i]];
    return tn_h5_write(f, name, TN_H5_I32, 1, &c->n, c->number);
}

static tn_status put_bytes(tn_h5 *f, columns *c, const char *name, const uint8_t *from) {
    for (int64_t i = 0; i < c->n; i++) c->byte[i] = from[c->id[i]];
    return tn_h5_write(f, name, TN_H5_U8, 1, &c->n, c->byte);
}

static tn_status put_reals(const tn_ledger *l, const double *t, tn_h5 *f, columns *c) {
    for (int64_t i = 0; i < c->n; i++) c->real[i] = l->judgement->margin[c->id[i]];
    TN_TRY(tn_h5_write(f, "margin", TN_H5_F32, 1, &c->n, c->real));
    for (int64_t i = 0; i < c->n; i++) c->real[i] = p_label(l, c->id[i]);
    TN_TRY(tn_h5_write(f, "p_label", TN_H5_F32, 1, &c->n, c->real));
    for (int64_t i = 0; i < c->n; i++) c->real[i] = (float)log_odds(l, t, c->id[i]);
    return tn_h5_write(f, "log_odds", TN_H5_F32, 1, &c->n, c->real);
}

static tn_status fill(const tn_ledger *l, const double *t, tn_h5 *f, columns *c) {
    const tn_index *ix = l->ix;
    size_t F = (size_t)l->n_folds;
    TN_TRY(tn_h5_stamp(f, "ledger", 1));
    TN_TRY(tn_h5_set_int(f, "round", l->round));
    TN_TRY(tn_h5_set_text(f, "index_digest", ix->digest));
    TN_TRY(tn_h5_write_strings(f, "classes", ix->n_classes, (const char *const *)ix->class_name));
    TN_TRY(tn_h5_write(f, "id", TN_H5_I64, 1, &c->n, c->id));
    TN_TRY(tn_h5_write_strings(f, "path", c->n, c->path));
    TN_TRY(put_numbers(f, c, "label", ix->label));
    TN_TRY(put_numbers(f, c, "suggested", l->judgement->suggested));
    TN_TRY(put_reals(l, t, f, c));
    TN_TRY(put_bytes(f, c, "verdict", l->judgement->verdict));
    TN_TRY(put_bytes(f, c, "reason", l->judgement->reason));
    for (int64_t i = 0; i < c->n; i++) memcpy(c->byte + (size_t)i * F, l->votes + (size_t)c->id[i] * F, F);
    TN_TRY(tn_h5_write(f, "votes", TN_H5_U8, 2, (int64_t[]){c->n, l->n_folds}, c->byte));
    return l->with_truth ? put_numbers(f, c, "truth", ix->truth) : TN_OK;
}

static tn_status write_h5(const tn_ledger *l, const double *t, const char *folder) {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES];
    columns c = {.n = 0};
    tn_h5 *f = NULL;
    tn_status st = columns_new(l, &c);
    if (st == TN_OK) st = tn_path(path, "%s/ledger.h5", folder);
    if (st == TN_OK) st = tn_publish_name(path, tmp);
    if (st == TN_OK) st = tn_h5_create(tmp, &f);
    if (st == TN_OK) st = fill(l, t, f, &c);
    tn_status closed = tn_h5_close(&f);
    columns_free(&c);
    if (st == TN_OK) st = closed;
    return st == TN_OK ? tn_publish_end(path) : st;
}

tn_status tn_ledger_write(const tn_ledger *l, const char *folder) {
    double t[TN_MAX_CLASSES];
    tn_confident_thresholds(l->ix->n, l->ix->n_classes, l->z, l->ix->label, l->judged, t);
    TN_TRY(write_h5(l, t, folder));
    return write_csv(l, t, folder);
}

/* --- finding a ledger --------------------------------------------------------------------------------------------- */

tn_status tn_ledger_file(const tn_cfg *cfg, int round, const char *name, char path_out[TN_PATH_BYTES]) {
    char folder[TN_PATH_BYTES];
    bool skipped = false;
    TN_TRY(tn_filter_folder(cfg, round, folder));
    TN_TRY(tn_done_skipped(folder, &skipped));
    if (tn_done_exists(folder) && !skipped) return tn_done_file(folder, name, tn_filter_verb(round), path_out);
    *path_out = 0;
    return TN_OK;
}

tn_status tn_ledger_last(const tn_cfg *cfg, char path_out[TN_PATH_BYTES]) {
    *path_out = 0;
    for (int round = cfg->self.max_rounds; !*path_out && round >= (tn_is_filtered(cfg, 0) ? 0 : 1); round--)
        TN_TRY(tn_ledger_file(cfg, round, "ledger.csv", path_out));
    return TN_OK;
}

/* --- scoring with the truth column -------------------------------------------------------------------------------- */

void tn_filter_score_add(tn_filter_score *s, uint8_t verdict, int32_t label, int32_t truth) {
    if (verdict == TN_VERDICT_NOT_JUDGED) return;
    bool wrong = truth != label, suspicious = verdict != TN_VERDICT_KEEP;
    s->labels++;
    s->flagged += suspicious;
    if (truth < 0) return;
    s->judged++;
    s->wrong += wrong;
    s->dropped += suspicious;
    s->found += wrong && suspicious;
}

static tn_status check_digest(tn_h5 *f, const char *path, const char *wanted) {
    char *digest = NULL;
    TN_TRY(tn_h5_check_stamp(f, path, "ledger", 1));
    TN_TRY(tn_h5_get_text(f, "index_digest", &digest));
    bool same = strcmp(digest, wanted) == 0;
    free(digest);
    return same ? TN_OK
                : tn_fail(TN_EARG, "%s: was made with another data set or fold map: run `tenfold filter` again", path);
}

/* Score a block of the table. *at: index of its first row among the rows with a fold; on return, that of the next block. */
static tn_status judge_block(tn_h5 *f, const tn_rows *rows, uint8_t *verdict, int64_t *at, tn_filter_score *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; i++) n += rows->fold[i] >= 0;
    TN_TRY(tn_h5_read_rows(f, "verdict", TN_H5_U8, *at, n, verdict));
    for (int64_t i = 0; i < rows->n; i++)
        if (rows->fold[i] >= 0) tn_filter_score_add(out, *verdict++, rows->label[i], rows->truth[i]);
    *at += n;
    return TN_OK;
}

tn_status tn_filter_judge(const char *path, tn_table *t, tn_filter_score *out) {
    enum { BLOCK = 65536 };
    tn_h5 *f = NULL;
    tn_rows rows = {.room = 0};
    uint8_t *verdict = malloc(BLOCK);
    int64_t at = 0;
    *out = (tn_filter_score){.judged = 0};
    tn_status st = verdict ? tn_h5_open(path, &f) : tn_fail_memory(BLOCK, "the ledger");
    if (st == TN_OK) st = check_digest(f, path, t->digest);
    if (st == TN_OK) st = tn_rows_new(t, BLOCK, &rows);
    for (int64_t first = 0; st == TN_OK && first < t->n; first += BLOCK) {
        int64_t n = t->n - first < BLOCK ? t->n - first : BLOCK;
        st = tn_table_read(t, TN_COLUMN_LABEL | TN_COLUMN_TRUTH, first, n, &rows);
        if (st == TN_OK) st = judge_block(f, &rows, verdict, &at, out);
    }
    tn_h5_close(&f);
    tn_rows_free(&rows);
    free(verdict);
    return st;
}
