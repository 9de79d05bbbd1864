/* reduce_write.c - ensemble.h5, submission.csv, ledger.csv: rank 0 writes block after block, in the order of rows. */
#include "reduce/reduce_priv.h"

#include "base/progress.h"
#include "store/csv.h"
#include "store/h5.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A text file that rank 0 writes; every rank makes the lines of its block. */
typedef struct {
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES];
    FILE *file;
    char *text; /* lines of this rank's block */
    size_t n_bytes, room;
} table_file;

struct tn_outputs {
    const tn_reduction *r;
    char path[TN_PATH_BYTES], tmp[TN_PATH_BYTES]; /* ensemble.h5 */
    tn_h5 *ensemble;
    int64_t n_written, n_unread;
    tn_hash *hash;
    table_file submission, ledger;
    char ledger_made[TN_PATH_BYTES]; /* on rank 0: the ledger of the last filter; "" none */
    bool makes_ledger; /* no filter ran: the ledger is made from out-of-fold predictions, and nothing was dropped */
    float shares[TN_PROW_MOST]; /* a row (score/prow.h) */
    int64_t n_here, room;       /* rows with fold -1 of this rank's block, or of the block that rank 0 received */
    int64_t *row;
    int32_t *label; /* as decided */
    float *p;       /* rows */
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* The shares of the classes among the training rows: the prediction for an image that could not be read. */
static void class_shares(const tn_reduction *r, float *out) {
    int64_t n = 0;
    float share[TN_MAX_CLASSES];
    int K = r->table->n_classes;
    for (int k = 0; k < K; k++) n += r->counts.trainable[k];
    for (int k = 0; k < K; k++) share[k] = n ? (float)((double)r->counts.trainable[k] / (double)n) : 1.0F / (float)K;
    tn_prow_keep(K, -1, share, out);
}

static tn_status open_table(const tn_cfg *cfg, const char *name, table_file *t) {
    TN_TRY(tn_path(t->path, "%s/%s", cfg->run_dir, name));
    TN_TRY(tn_publish_name(t->path, t->tmp));
    t->file = tn_file_create(t->tmp);
    return t->file ? TN_OK : tn_fail(TN_EIO, "%s: cannot be written: %s", t->tmp, strerror(errno));
}

static tn_status open_ensemble(tn_outputs *o) {
    const tn_reduction *r = o->r;
    int64_t n = r->counts.predicted;
    TN_TRY(tn_path(o->path, "%s/ensemble.h5", r->cfg->run_dir));
    TN_TRY(tn_publish_name(o->path, o->tmp));
    TN_TRY(tn_h5_create(o->tmp, &o->ensemble));
    TN_TRY(tn_h5_stamp(o->ensemble, "ensemble", 1));
    TN_TRY(tn_h5_set_text(o->ensemble, "index_digest", r->table->digest));
    TN_TRY(tn_h5_reserve(o->ensemble, "row", TN_H5_I64, 1, &n));
    TN_TRY(tn_h5_reserve(o->ensemble, "label", TN_H5_I32, 1, &n));
    return tn_h5_reserve(o->ensemble, "p", TN_H5_F32, 2, (int64_t[]){n, tn_prow_width(r->table->n_classes)});
}

/* With many classes, a line of submission.csv names the RANKS most probable classes; ensemble.h5 has the rows as they are kept. */
enum { RANKS = 5 };
static bool ranks_only(const tn_outputs *o) {
    return o->r->table->n_classes > TN_MOST_COLUMNS;
}

static void write_head(tn_outputs *o) {
    FILE *f = o->submission.file;
    fputs("path,label", f);
    for (int k = 0; k < o->r->table->n_classes && !ranks_only(o); k++) {
        char column[TN_NAME_BYTES + 2];
        snprintf(column, sizeof column, "p_%s", o->r->table->class_name[k]);
        tn_csv_put(f, ",", column);
    }
    if (ranks_only(o)) fputs(",p", f);
    for (int rank = 2; ranks_only(o) && rank <= RANKS; rank++) fprintf(f, ",label_%d,p_%d", rank, rank);
    fputc('\n', f);
    if (o->makes_ledger) fputs("path,label,suggested,margin,verdict\n", o->ledger.file);
}

static tn_status open_here(tn_outputs *o) {
    TN_TRY(open_ensemble(o));
    TN_TRY(open_table(o->r->cfg, "submission.csv", &o->submission));
    if (o->makes_ledger) TN_TRY(open_table(o->r->cfg, "ledger.csv", &o->ledger));
    write_head(o);
    return TN_OK;
}

tn_status tn_outputs_open(tn_run *run, const tn_reduction *r, tn_outputs **out) {
    tn_outputs *o = calloc(1, sizeof *o);
    tn_status st = o ? TN_OK : tn_fail_memory(sizeof *o, "the outputs");
    if (st == TN_OK && run->rank == 0 && !r->given) st = tn_ledger_last(r->cfg, o->ledger_made);
    st = tn_agree(run, st);
    if (st != TN_OK) free(o);
    TN_TRY(st);
    *out = o;
    int makes = run->rank == 0 && !*o->ledger_made && !r->given; /* new images have no ledger */
    MPI_Bcast(&makes, 1, MPI_INT, 0, run->comm);
    o->r = r;
    o->makes_ledger = makes != 0;
    o->hash = tn_hash_new();
    class_shares(r, o->shares);
    return tn_agree(run, run->rank == 0 ? open_here(o) : TN_OK);
}

/* --- this rank's block -------------------------------------------------------------------------------------------- */

/* Most bytes of a line, without the path. */
enum { MOST_LINE_BYTES = (RANKS + 1) * (2 * TN_NAME_BYTES + 3) + TN_MOST_COLUMNS * (TN_CSV_NUMBER_BYTES + 1) };

/* Write the line of row i to `to`, which has room for it. p NULL: the row has no prediction; decided: its class. Returns the end of the
 * line; `to` if the row gets no line. */
typedef char *put_row(tn_outputs *o, const tn_rows *rows, int64_t i, const float *p, int decided, char *to);

/* The most probable listed class that follows `last` (-1: the first): with a smaller value, or an equal one and a higher class. */
static int next_best(int K, const float *p, int last) {
    float most = last < 0 ? 2 : tn_prow_at(K, p, last), value = -1;
    int next = -1;
    for (int j = 0, n = tn_prow_listed(K, p); j < n; j++) {
        int k = tn_prow_class(K, p, j);
        float here = tn_prow_value(K, p, j);
        bool follows = here < most || (here == most && k > last);
        if (follows && (here > value || (here == value && k < next))) {
            next = k;
            value = here;
        }
    }
    return next;
}

/* Write ",p,label_2,p_2,..." behind the label: the class that was decided, then the others by their probability. */
static char *put_ranks(const tn_outputs *o, const float *p, int decided, char *to) {
    int K = o->r->table->n_classes, k = decided, last = -1;
    for (int rank = 1; rank <= RANKS; rank++) {
        *to++ = ',';
        to = tn_csv_probability(to, tn_prow_at(K, p, k));
        if (rank == RANKS) break;
        last = next_best(K, p, last);
        if (last == decided) last = next_best(K, p, last);
        k = last;
        *to++ = ',';
        to = tn_csv_field(to, o->r->table->class_name[k]);
    }
    return to;
}

static char *put_submission(tn_outputs *o, const tn_rows *rows, int64_t i, const float *p, int decided, char *to) {
    int K = o->r->table->n_classes;
    if (!rows->is_test[i] && rows->label[i] >= 0) return to;
    if (!p) { /* quarantined images get a line, too */
        p = o->shares;
        decided = tn_prow_argmax(K, p);
        o->n_unread++;
    }
    to = tn_csv_field(to, rows->text + rows->path_at[i]);
    *to++ = ',';
    to = tn_csv_field(to, o->r->table->class_name[decided]);
    if (ranks_only(o)) to = put_ranks(o, p, decided, to);
    for (int k = 0; k < K && !ranks_only(o); k++) {
        *to++ = ',';
        to = tn_csv_probability(to, p[k]);
    }
    *to++ = '\n';
    return to;
}

static char *put_ledger(tn_outputs *o, const tn_rows *rows, int64_t i, const float *p, int decided, char *to) {
    static const char END[] = ",keep\n";
    const tn_table *t = o->r->table;
    int label = rows->label[i];
    (void)decided; /* suggested is the most probable class, as the margin is */
    if (rows->fold[i] < 0 || !p) return to;
    to = tn_csv_field(to, rows->text + rows->path_at[i]);
    *to++ = ',';
    to = tn_csv_field(to, t->class_name[label]);
    *to++ = ',';
    to = tn_csv_field(to, t->class_name[tn_prow_argmax(t->n_classes, p)]);
    *to++ = ',';
    to = tn_csv_difference(to, tn_prow_other(t->n_classes, p, label) - tn_prow_at(t->n_classes, p, label));
    memcpy(to, END, sizeof END - 1);
    return to + sizeof END - 1;
}

static tn_status reserve(table_file *t, size_t n_more) {
    if (t->n_bytes + n_more <= t->room) return TN_OK;
    size_t room = 2 * (t->n_bytes + n_more);
    char *text = realloc(t->text, room);
    if (!text) return tn_fail_memory(room, "the lines of a block");
    t->text = text;
    t->room = room;
    return TN_OK;
}

static tn_status format(tn_outputs *o, table_file *t, const tn_rows *rows, const float *p, const int32_t *decided,
                        put_row *put) {
    int W = tn_prow_width(o->r->table->n_classes);
    t->n_bytes = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        TN_TRY(reserve(t, 2 * (size_t)(rows->path_at[i + 1] - rows->path_at[i]) + MOST_LINE_BYTES));
        char *end = put(o, rows, i, decided[i] >= 0 ? p + i * W : NULL, decided[i], t->text + t->n_bytes);
        t->n_bytes = (size_t)(end - t->text);
    }
    return TN_OK;
}

static tn_status make_room(tn_outputs *o, int64_t n) {
    if (n <= o->room) return TN_OK;
    free(o->row);
    free(o->label);
    free(o->p);
    o->label = malloc((size_t)n * sizeof *o->label);
    o->row = malloc((size_t)n * sizeof *o->row);
    o->p = malloc((size_t)(n * tn_prow_width(o->r->table->n_classes)) * sizeof *o->p);
    o->room = o->row && o->label && o->p ? n : 0;
    return o->room ? TN_OK : tn_fail_memory((size_t)n * 28, "the outputs");
}

static tn_status collect(tn_outputs *o, const tn_rows *rows, const float *p, const int32_t *decided) {
    int W = tn_prow_width(o->r->table->n_classes);
    TN_TRY(make_room(o, rows->n));
    o->n_here = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        if (rows->fold[i] != TN_FOLD_NONE) continue;
        memcpy(o->p + o->n_here * W, p + i * W, (size_t)W * sizeof *p);
        o->label[o->n_here] = decided[i];
        o->row[o->n_here++] = rows->first + i;
    }
    TN_TRY(format(o, &o->submission, rows, p, decided, put_submission));
    return o->makes_ledger ? format(o, &o->ledger, rows, p, decided, put_ledger) : TN_OK;
}

/* --- to rank 0 ---------------------------------------------------------------------------------------------------- */

static tn_status write_text(table_file *t) {
    if (!t->file || t->n_bytes == 0 || fwrite(t->text, 1, t->n_bytes, t->file) == t->n_bytes) return TN_OK;
    return tn_fail(TN_EIO, "%s: cannot be written: %s", t->tmp, strerror(errno));
}

static tn_status write_block(tn_outputs *o) {
    int W = tn_prow_width(o->r->table->n_classes);
    TN_TRY(tn_h5_write_rows(o->ensemble, "row", TN_H5_I64, o->n_written, o->n_here, o->row));
    TN_TRY(tn_h5_write_rows(o->ensemble, "label", TN_H5_I32, o->n_written, o->n_here, o->label));
    TN_TRY(tn_h5_write_rows(o->ensemble, "p", TN_H5_F32, o->n_written, o->n_here, o->p));
    for (int64_t i = 0; i < o->n_here; i++) { /* hashed row by row, so that the digest does not depend on the blocks */
        tn_hash_add(o->hash, o->row + i, sizeof *o->row);
        tn_hash_add(o->hash, o->label + i, sizeof *o->label);
        tn_hash_add(o->hash, o->p + i * W, (size_t)W * sizeof *o->p);
    }
    o->n_written += o->n_here;
    TN_TRY(write_text(&o->submission));
    return write_text(&o->ledger);
}

/* Send this rank's block to rank 0: sizes first, so that rank 0 can allocate. A block is far below 2 GiB. */
static void send(tn_run *run, const tn_outputs *o) {
    int64_t size[3] = {o->n_here, (int64_t)o->submission.n_bytes, (int64_t)o->ledger.n_bytes};
    MPI_Send(size, 3, MPI_INT64_T, 0, 0, run->comm);
    MPI_Send(o->row, (int)o->n_here, MPI_INT64_T, 0, 0, run->comm);
    MPI_Send(o->label, (int)o->n_here, MPI_INT32_T, 0, 0, run->comm);
    MPI_Send(o->p, (int)o->n_here * tn_prow_width(o->r->table->n_classes), MPI_FLOAT, 0, 0, run->comm);
    MPI_Send(o->submission.text, (int)size[1], MPI_BYTE, 0, 0, run->comm);
    MPI_Send(o->ledger.text, (int)size[2], MPI_BYTE, 0, 0, run->comm);
}

static void receive_text(tn_run *run, int from, int64_t n_bytes, table_file *t) {
    t->n_bytes = 0;
    if (reserve(t, (size_t)n_bytes) != TN_OK) tn_die(TN_ENOMEM, "%s", tn_msg);
    t->n_bytes = (size_t)n_bytes;
    MPI_Recv(t->text, (int)n_bytes, MPI_BYTE, from, 0, run->comm, MPI_STATUS_IGNORE);
}

static void receive(tn_run *run, int from, tn_outputs *o) {
    int64_t size[3];
    MPI_Recv(size, 3, MPI_INT64_T, from, 0, run->comm, MPI_STATUS_IGNORE);
    if (make_room(o, size[0] + 1) != TN_OK) tn_die(TN_ENOMEM, "%s", tn_msg);
    o->n_here = size[0];
    MPI_Recv(o->row, (int)size[0], MPI_INT64_T, from, 0, run->comm, MPI_STATUS_IGNORE);
    MPI_Recv(o->label, (int)size[0], MPI_INT32_T, from, 0, run->comm, MPI_STATUS_IGNORE);
    MPI_Recv(o->p, (int)size[0] * tn_prow_width(o->r->table->n_classes), MPI_FLOAT, from, 0, run->comm,
             MPI_STATUS_IGNORE);
    receive_text(run, from, size[1], &o->submission);
    receive_text(run, from, size[2], &o->ledger);
}

tn_status tn_outputs_add(tn_run *run, tn_outputs *o, const tn_rows *rows, const float *p, const int32_t *decided) {
    TN_TRY(tn_agree(run, collect(o, rows, p, decided)));
    if (run->rank != 0) send(run, o);
    tn_status st = run->rank == 0 ? write_block(o) : TN_OK;
    for (int from = 1; run->rank == 0 && from < run->n_ranks; from++) {
        receive(run, from, o); /* also after a failure, because the others send */
        if (st == TN_OK) st = write_block(o);
    }
    return tn_agree(run, st);
}

/* --- publishing --------------------------------------------------------------------------------------------------- */

static tn_status close_table(table_file *t) {
    if (!t->file) return TN_OK;
    bool failed = ferror(t->file) != 0;
    failed = fclose(t->file) != 0 || failed;
    t->file = NULL;
    return failed ? tn_fail(TN_EIO, "%s: cannot be written: %s", t->tmp, strerror(errno)) : TN_OK;
}

/* Copy the ledger of the last filter. */
static tn_status copy_ledger(const tn_outputs *o) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/ledger.csv", o->r->cfg->run_dir));
    return tn_file_copy(o->ledger_made, path);
}

/* Say which ensemble the file holds. That is known only now: rows are written before it is decided whether tuned weights are used. */
static tn_status name_ensemble(tn_outputs *o) {
    const tn_candidate *c = tn_written(o->r);
    TN_TRY(tn_h5_set_text(o->ensemble, "what", c->what));
    return tn_h5_set_int(o->ensemble, "members", tn_member_count(o->r, &c->final));
}

/* All files are complete before the first is published. */
static tn_status publish_here(tn_outputs *o) {
    tn_status st = name_ensemble(o);
    if (st == TN_OK) st = tn_h5_close(&o->ensemble);
    if (st == TN_OK) st = close_table(&o->submission);
    if (st == TN_OK) st = close_table(&o->ledger);
    if (st == TN_OK) st = tn_publish_end(o->path);
    if (st == TN_OK) st = tn_publish_end(o->submission.path);
    if (st == TN_OK && *o->ledger_made) st = copy_ledger(o);
    return st == TN_OK && o->makes_ledger ? tn_publish_end(o->ledger.path) : st;
}

tn_status tn_outputs_publish(tn_run *run, tn_outputs *o, char digest_out[TN_HEX_BYTES]) {
    int64_t n_unread = 0;
    MPI_Reduce(&o->n_unread, &n_unread, 1, MPI_INT64_T, MPI_SUM, 0, run->comm);
    tn_status st = run->rank == 0 ? publish_here(o) : TN_OK;
    if (n_unread)
        tn_warn("submission.csv: %" PRId64
                " images could not be read; they get the most frequent class and the class shares",
                n_unread);
    tn_hash_hex(o->hash, digest_out);
    return tn_agree(run, st);
}

static void drop_table(table_file *t) {
    if (t->file) fclose(t->file);
    if (*t->tmp) tn_publish_drop(t->path); /* tmp is empty if the file was published */
    free(t->text);
}

void tn_outputs_drop(tn_outputs **at) {
    tn_outputs *o = *at;
    if (!o) return;
    tn_h5_close(&o->ensemble);
    if (*o->tmp) tn_publish_drop(o->path);
    drop_table(&o->submission);
    drop_table(&o->ledger);
    tn_hash_free(&o->hash);
    free(o->row);
    free(o->label);
    free(o->p);
    free(o);
    *at = NULL;
}
