/* preprocess.c - the collective part: distributes shards to ranks, gathers the index. */
#include "preprocess/preprocess.h"

#include "base/build.h"
#include "base/progress.h"
#include "base/stop_broadcast.h"
#include "data/fold.h"
#include "data/meta.h"
#include "data/shard.h"
#include "preprocess/columns.h"
#include "preprocess/decoder.h"
#include "preprocess/folds.h"
#include "store/done.h"
#include "store/libraries.h"
#include "store/visible.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The quarantined rows of this rank, as lines of quarantine.csv. */
typedef struct {
    char *text;
    size_t n_bytes;
    FILE *lines;
    int64_t n;
} quarantine;

typedef struct {
    const tn_cfg *cfg;
    const tn_meta *meta;
    tn_index *index;
    char folder[TN_PATH_BYTES], made_from[TN_HEX_BYTES];
    char (*reason)[TN_REASON_BYTES]; /* for the rows of one shard; "" for good rows */
    quarantine bad;
    tn_stop_broadcast halt;
    tn_decoder *decoder;
    int n_shards, n_kept; /* kept: made by an interrupted preprocess (on this rank) */
    tn_progress bar;
    int64_t n_done;
    bool shown;
} work;

/* --- one shard ---------------------------------------------------------------------------------------------------- */

static void note_bad(work *w, int64_t row, const char *reason) {
    char number[24];
    w->index->state[row] = 1;
    w->bad.n++;
    snprintf(number, sizeof number, "%" PRId64, row);
    tn_csv_put(w->bad.lines, "", number);
    tn_csv_put(w->bad.lines, ",", w->meta->path[row]);
    tn_csv_put(w->bad.lines, ",", reason);
    fwrite("\n", 1, 2, w->bad.lines); /* with a 0 byte, because records are gathered and sorted as strings */
}

static tn_status add_found(work *w, tn_shard_writer *writer, int64_t row, const tn_found *found) {
    tn_index *ix = w->index;
    if (*found->reason) {
        note_bad(w, row, found->reason);
        return tn_shard_writer_add(writer, NULL, 0, &ix->offset[row]);
    }
    if (found->n_bytes > INT32_MAX)
        return tn_fail(TN_EARG, "%s is larger than 2 GiB as it is stored", w->meta->path[row]);
    ix->width[row] = (uint16_t)found->w;
    ix->height[row] = (uint16_t)found->h;
    ix->content_hash[row] = found->content_hash;
    ix->perceptual_hash[row] = found->perceptual_hash;
    ix->length[row] = (int32_t)found->n_bytes;
    ix->checksum[row] = tn_hash64(found->bytes, found->n_bytes);
    return tn_shard_writer_add(writer, found->bytes, (int32_t)found->n_bytes, &ix->offset[row]);
}

static tn_status read_row(const work *w, int64_t row, tn_found *out) {
    char path[TN_PATH_BYTES];
    TN_TRY(tn_path(path, "%s/%s", w->cfg->data.images, w->meta->path[row]));
    return tn_decoder_read(w->decoder, path, out);
}

static void show(work *w, int64_t n_more) {
    w->n_done += n_more;
    if (w->shown) tn_progress_at(&w->bar, w->n_done, NULL);
}

/* Add a row to the shard; *n_rows rises by one, unless decoding was stopped. */
static tn_status add_row(work *w, tn_shard_writer *writer, int64_t row, int64_t *n_rows) {
    tn_found found;
    TN_TRY(read_row(w, row, &found));
    if (found.halted) return TN_OK;
    memcpy(w->reason[(*n_rows)++], found.reason, TN_REASON_BYTES);
    tn_status st = add_found(w, writer, row, &found);
    free(found.bytes);
    show(w, 1);
    return st;
}

/* Make a shard. After a stop request an incomplete shard is dropped. */
static tn_status fill_shard(work *w, const char *path, const tn_shard_spec *spec) {
    tn_shard_writer *writer = NULL;
    const char **reason = calloc((size_t)spec->n_rows, sizeof *reason);
    tn_status st = reason ? tn_shard_writer_open(path, spec, &writer) : tn_fail_memory((size_t)spec->n_rows * 8, path);
    int64_t n = 0;
    for (int64_t i = 0; reason && i < spec->n_rows; i++) reason[i] = w->reason[i];
    while (st == TN_OK && n < spec->n_rows && !tn_stop_broadcast_wanted(&w->halt))
        st = add_row(w, writer, spec->first_row + n, &n);
    if (st == TN_OK && n == spec->n_rows)
        st = tn_shard_writer_close(&writer, w->index, reason);
    else
        tn_shard_writer_drop(&writer);
    if (st == TN_OK && n == spec->n_rows) tn_run_got_further();
    free(reason);
    return st;
}

/* Try rows without an image again: missing or half-copied files may be complete now. *out: all of them fail as before. */
static tn_status fail_again(const work *w, const tn_shard_spec *spec, char *const *reason, bool *out) {
    *out = true;
    for (int64_t i = 0; *out && i < spec->n_rows; i++) {
        tn_found found;
        if (!w->index->state[spec->first_row + i]) continue;
        TN_TRY(read_row(w, spec->first_row + i, &found));
        *out = !found.halted && strcmp(found.reason, reason[i]) == 0;
        free(found.bytes);
    }
    return TN_OK;
}

static void keep_shard(work *w, const tn_shard_spec *spec, char *const *reason) {
    for (int64_t i = 0; i < spec->n_rows; i++)
        if (w->index->state[spec->first_row + i]) note_bad(w, spec->first_row + i, reason[i]);
    w->n_kept++;
    show(w, spec->n_rows);
}

/* Make a shard, unless an interrupted preprocess left it complete. */
static tn_status make_shard(work *w, int shard) {
    static const char *const STORE[] = {"jpeg", "original", "raw"};
    int64_t per = w->cfg->preprocess.shard_rows, first = shard * per;
    tn_shard_spec spec = {.first_row = first,
                          .n_rows = w->meta->n - first < per ? w->meta->n - first : per,
                          .store = STORE[w->cfg->preprocess.store],
                          .size_px = w->cfg->preprocess.size_px,
                          .made_from = w->made_from};
    char path[TN_PATH_BYTES], **reason = NULL;
    bool keep = false;
    TN_TRY(tn_path(path, "%s/shard-%05d.h5", w->folder, shard));
    for (int64_t row = first; row < first + spec.n_rows; row++) w->index->shard[row] = shard;
    tn_status st = tn_shard_recall(path, &spec, w->index, &reason);
    if (st == TN_OK && reason) st = fail_again(w, &spec, reason, &keep);
    if (st == TN_OK && keep) keep_shard(w, &spec, reason);
    free(reason);
    if (st != TN_OK || keep) return st;
    tn_index_clear_found(w->index, first, spec.n_rows);
    return fill_shard(w, path, &spec);
}

static tn_status stopped(void) {
    return tn_fail(TN_EUNFINISHED,
                   "preprocess: stopped on request; the shards that are finished are kept: run the same command again");
}

/* Make the shards s with s % R == rank. Returns this rank's status. */
static tn_status make_shards_here(tn_run *run, work *w) {
    int64_t per = w->cfg->preprocess.shard_rows, n_here = 0;
    tn_status st = tn_decoder_open(w->cfg, &w->halt, &w->decoder);
    w->shown = run->rank == 0;
    for (int64_t shard = run->rank; shard < w->n_shards; shard += run->n_ranks)
        n_here += w->meta->n - shard * per < per ? w->meta->n - shard * per : per;
    if (w->shown) tn_progress_begin(&w->bar, run->n_ranks > 1 ? "preprocess (rank 0)" : "preprocess", n_here, "images");
    show(w, 0);
    for (int shard = run->rank; st == TN_OK && shard < w->n_shards && !tn_stop_broadcast_wanted(&w->halt);
         shard += run->n_ranks)
        st = make_shard(w, shard);
    if (st == TN_OK && w->halt.called) st = stopped();
    if (w->shown) tn_progress_end(&w->bar, w->n_done == n_here ? "decoded and stored" : "stopped");
    tn_decoder_close(&w->decoder);
    return st;
}

static tn_status make_shards(tn_run *run, work *w) {
    size_t n_bytes = (size_t)w->cfg->preprocess.shard_rows * sizeof *w->reason;
    tn_stop_broadcast_begin(run, &w->halt);
    w->reason = malloc(n_bytes);
    tn_status st = w->reason ? make_shards_here(run, w) : tn_fail_memory(n_bytes, "a shard");
    tn_stop_broadcast_end(run, &w->halt, st);
    free(w->reason);
    TN_TRY(tn_agree(run, st));
    int n_kept = w->n_kept;
    MPI_Allreduce(MPI_IN_PLACE, &n_kept, 1, MPI_INT, MPI_SUM, run->comm);
    if (n_kept > 0 && run->rank == 0) tn_say("preprocess: %d of %d shards were there already", n_kept, w->n_shards);
    return TN_OK;
}

/* Remove shards after the last one, which an interrupted preprocess with a smaller preprocess.shard_rows left. On rank 0. */
static tn_status remove_leftovers(const work *w) {
    DIR *d = opendir(w->folder);
    if (!d) return tn_fail(TN_EIO, "%s: %s", w->folder, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        int shard = -1, end = 0;
        size_t n = strlen(e->d_name);
        bool is_shard = sscanf(e->d_name, "shard-%d.h5%n", &shard, &end) == 1 && (size_t)end == n;
        if (is_shard && shard >= w->n_shards) unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return TN_OK;
}

/* --- gathering ---------------------------------------------------------------------------------------------------- */

/* Sum a column over ranks: each row was set by one rank and is zero on the others. */
static void gather(tn_run *run, void *column, int64_t n, size_t size) {
    char *at = column;
    for (size_t left = (size_t)n * size; left > 0;) {
        size_t piece = left < (1U << 30) ? left : (1U << 30);
        MPI_Allreduce(MPI_IN_PLACE, at, (int)piece, MPI_BYTE, MPI_BOR, run->comm);
        at += piece;
        left -= piece;
    }
}

static void gather_index(tn_run *run, tn_index *ix) {
    gather(run, ix->state, ix->n, sizeof *ix->state);
    gather(run, ix->width, ix->n, sizeof *ix->width);
    gather(run, ix->height, ix->n, sizeof *ix->height);
    gather(run, ix->content_hash, ix->n, sizeof *ix->content_hash);
    gather(run, ix->perceptual_hash, ix->n, sizeof *ix->perceptual_hash);
    gather(run, ix->shard, ix->n, sizeof *ix->shard);
    gather(run, ix->length, ix->n, sizeof *ix->length);
    gather(run, ix->offset, ix->n, sizeof *ix->offset);
    gather(run, ix->checksum, ix->n, sizeof *ix->checksum);
}

static int by_row(const void *a, const void *b) {
    long long x = atoll(*(char *const *)a), y = atoll(*(char *const *)b);
    return (x > y) - (x < y);
}

/* On rank 0: write the lines of all ranks in the order of rows. Records are sorted and not lines, because a path may contain line
 * breaks; every record begins with its row. */
static tn_status write_quarantine(const char *folder, char *text, int64_t n) {
    char path[TN_PATH_BYTES], **record = malloc((size_t)n * sizeof *record + 1);
    char *out = NULL;
    size_t n_out = 0;
    FILE *f = open_memstream(&out, &n_out);
    tn_status st =
        record && f ? tn_path(path, "%s/quarantine.csv", folder) : tn_fail_memory((size_t)n * 8, "quarantine.csv");
    if (st == TN_OK) {
        char *at = text;
        for (int64_t i = 0; i < n; i++, at += strlen(at) + 1) record[i] = at;
        qsort(record, (size_t)n, sizeof *record, by_row);
        fputs("row,path,reason\n", f);
        for (int64_t i = 0; i < n; i++) fputs(record[i], f);
    }
    st = tn_text_end(f, st, "quarantine.csv");
    if (st == TN_OK) st = tn_file_publish(path, out, n_out);
    free(out);
    free(record);
    return st;
}

/* Concatenate the texts of all ranks on rank 0; NULL elsewhere. They are sent in pieces, because MPI counts are int, and the text may be
 * longer if all images are missing. */
static tn_status gather_text(tn_run *run, const char *mine, int64_t n_mine, char **all_out) {
    enum { PIECE = 1 << 30, TAG = 72 };
    int64_t total = 0;
    MPI_Reduce(&n_mine, &total, 1, MPI_INT64_T, MPI_SUM, 0, run->comm);
    bool first = run->rank == 0;
    char *all = first ? malloc((size_t)total + 1) : NULL, *at = all;
    tn_status st = tn_agree(run, all || !first ? TN_OK : tn_fail_memory((size_t)total, "quarantine.csv"));
    if (st != TN_OK) {
        free(all);
        return st;
    }
    for (int r = 0; r < run->n_ranks; r++) {
        int64_t n = n_mine;
        if (r > 0 && first) MPI_Recv(&n, 1, MPI_INT64_T, r, TAG, run->comm, MPI_STATUS_IGNORE);
        if (r > 0 && run->rank == r) MPI_Send(&n, 1, MPI_INT64_T, 0, TAG, run->comm);
        for (int64_t done = 0; done < n && (first || run->rank == r); done += PIECE) {
            int piece = (int)(n - done < PIECE ? n - done : PIECE);
            if (!first)
                MPI_Send(mine + done, piece, MPI_CHAR, 0, TAG, run->comm);
            else if (r > 0)
                MPI_Recv(at + done, piece, MPI_CHAR, r, TAG, run->comm, MPI_STATUS_IGNORE);
            else
                memcpy(at + done, mine + done, (size_t)piece);
        }
        if (at) at += n;
    }
    *all_out = all;
    return TN_OK;
}

/* Count the bad images of all ranks, and write quarantine.csv. first_out: the first reasons, for a message. Collective. */
static tn_status gather_quarantine(tn_run *run, work *w, int64_t *n_bad, char first_out[512]) {
    char *all = NULL;
    MPI_Allreduce(&w->bad.n, n_bad, 1, MPI_INT64_T, MPI_SUM, run->comm);
    TN_TRY(gather_text(run, w->bad.text, (int64_t)w->bad.n_bytes, &all));
    first_out[0] = 0;
    const char *record = all;
    for (int64_t i = 0; record && i < *n_bad && i < 3; i++, record += strlen(record) + 1) {
        size_t used = strlen(first_out);
        snprintf(first_out + used, 512 - used, "\n  %.*s", (int)strcspn(record, "\n"), record);
    }
    tn_status st = tn_agree(run, run->rank == 0 ? write_quarantine(w->folder, all, *n_bad) : TN_OK);
    free(all);
    return st;
}

/* --- the two artefacts -------------------------------------------------------------------------------------------- */

static tn_status judge_quarantine(const tn_cfg *cfg, int64_t n, int64_t n_bad, const char *folder, const char *first) {
    if (n_bad > 0 && (double)n_bad > cfg->data.max_bad_fraction * (double)n)
        return tn_fail(
            TN_EFORMAT,
            "%" PRId64 " of %" PRId64 " images cannot be used, more than data.max_bad_fraction = %g allows:%s\n"
            "all are listed in %s/quarantine.csv: repair them, or raise data.max_bad_fraction to go on without "
            "them, and run the same command again, which tries them again",
            n_bad, n, cfg->data.max_bad_fraction, first, folder);
    if (n_bad > 0)
        tn_warn("%" PRId64 " of %" PRId64
                " images cannot be used and are left out, see %s/quarantine.csv; to include them later, repair them, "
                "delete that folder and preprocess again",
                n_bad, n, folder);
    return TN_OK;
}

static tn_status publish_shards(const work *w, const tn_done *done) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    TN_TRY(tn_path(path, "%s/dataset.h5", w->folder));
    TN_TRY(tn_index_write(w->index, path));
    tn_index_columns_digest(w->index, digest);
    return tn_done_publish(w->folder, done, digest, (const char *[]){"dataset.h5", NULL});
}

static tn_status fill_shards(tn_run *run, work *w, const tn_done *done) {
    w->bad.lines = open_memstream(&w->bad.text, &w->bad.n_bytes);
    TN_TRY(tn_agree(run, w->bad.lines ? TN_OK : tn_fail_memory(4096, "quarantine.csv")));
    tn_status st = tn_agree(run, run->rank == 0 ? remove_leftovers(w) : TN_OK);
    if (st == TN_OK) st = make_shards(run, w);
    TN_TRY(tn_agree(run, tn_text_end(w->bad.lines, st, "quarantine.csv")));
    gather_index(run, w->index);
    int64_t n_bad = 0;
    char first[512] = "";
    TN_TRY(gather_quarantine(run, w, &n_bad, first));
    if (run->rank == 0) {
        st = judge_quarantine(w->cfg, w->meta->n, n_bad, w->folder, first);
        if (st == TN_OK) st = publish_shards(w, done);
        if (st == TN_OK) tn_say("preprocess: %" PRId64 " images in %s", w->meta->n - n_bad, w->folder);
        if (st == TN_OK) tn_result("%" PRId64 " images, %d folds", w->meta->n - n_bad, w->cfg->folds.count);
    }
    return tn_agree(run, st);
}

/* The hash of everything known that determines a shard's bytes. */
static void hash_origin(const tn_done *done, char hex_out[TN_HEX_BYTES]) {
    tn_hash *h = tn_hash_new();
    tn_hash_text(h, done->settings);
    tn_hash_text(h, done->inputs);
    tn_hash_text(h, tn_libraries());
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
}

static tn_status shards_anew(tn_run *run, const tn_cfg *cfg, const tn_meta *meta, const char *folder,
                             const tn_done *done) {
    bool all_values = strcmp(done->stage, TN_NEW_DATA) == 0;
    int64_t per = cfg->preprocess.shard_rows;
    work w = {.cfg = cfg, .meta = meta, .n_shards = (int)((meta->n + per - 1) / per)};
    hash_origin(done, w.made_from);
    tn_status st = tn_path(w.folder, "%s", folder);
    if (st == TN_OK) st = tn_index_new(meta->n, meta->n_levels, &w.index);
    if (st == TN_OK) st = tn_index_fill_columns(cfg, meta, all_values, w.index);
    st = tn_agree(run, st);
    if (st == TN_OK) st = fill_shards(run, &w, done);
    free(w.bad.text);
    tn_index_free(&w.index);
    return st;
}

/* Report missing images that exist now. The folder is not made again, because everything trained on it would be lost. */
static void tell_restored(const tn_cfg *cfg, const char *folder) {
    char path[TN_PATH_BYTES];
    tn_csv *t = NULL;
    int64_t n = 0;
    if (tn_path(path, "%s/quarantine.csv", folder) != TN_OK || tn_csv_read(path, &t) != TN_OK) return;
    int name = tn_csv_column(t, "path"), reason = tn_csv_column(t, "reason");
    for (int64_t i = 0; name >= 0 && reason >= 0 && i < tn_csv_rows(t); i++)
        n += strncmp(tn_csv_at(t, i, reason), TN_REASON_UNREAD, strlen(TN_REASON_UNREAD)) == 0 &&
             tn_path(path, "%s/%s", cfg->data.images, tn_csv_at(t, i, name)) == TN_OK && tn_file_exists(path);
    if (n > 0)
        tn_warn("%s: %" PRId64
                " images that were missing exist now, but are still left out: to include them, delete that folder and "
                "preprocess again",
                folder, n);
    tn_csv_free(&t);
}

static tn_status make_shards_folder(tn_run *run, const tn_cfg *cfg, const char *stage, const char *folder) {
    tn_meta *meta = NULL;
    char hex[TN_HEX_BYTES], inputs[128];
    char *settings = tn_cfg_canonical(cfg, TN_KEYS_PREPROCESS);
    tn_status st = tn_agree(run, settings ? TN_OK : tn_fail_memory(4096, "the settings"));
    if (st == TN_OK) st = tn_wait_visible(run, cfg->data.metadata, hex);
    if (st == TN_OK) st = tn_agree(run, tn_meta_read(cfg, &meta));
    if (st == TN_OK && strcmp(stage, TN_NEW_DATA) != 0) st = tn_agree(run, tn_fold_foresee(cfg, meta));
    if (st == TN_OK) {
        snprintf(inputs, sizeof inputs, "metadata %s\n", hex);
        tn_done want = {.stage = stage, .settings = settings, .inputs = inputs};
        bool valid = false;
        st = tn_done_begin_all(run, folder, folder, &want, &valid);
        if (st == TN_OK && valid && run->rank == 0) tell_restored(cfg, folder);
        if (st == TN_OK && !valid) st = shards_anew(run, cfg, meta, folder, &want);
    }
    free(settings);
    tn_meta_free(&meta);
    return st;
}

tn_status tn_preprocess(tn_run *run, const tn_cfg *cfg) {
    char shards[TN_PATH_BYTES];
    TN_TRY(tn_path(shards, "%s/shards", cfg->run_dir));
    TN_TRY(make_shards_folder(run, cfg, "preprocess", shards));
    return tn_folds_make(run, cfg, shards);
}

tn_status tn_preprocess_new(tn_run *run, const tn_cfg *cfg) {
    char shards[TN_PATH_BYTES];
    TN_TRY(tn_path(shards, "%s/shards", cfg->run_dir));
    return make_shards_folder(run, cfg, TN_NEW_DATA, shards);
}

/* --- is it done? -------------------------------------------------------------------------------------------------- */

static tn_status folder_done(const tn_cfg *cfg, tn_keys_of stage, const char *name, const char *folder,
                             const char *input, const char *digest, bool *out) {
    char inputs[128];
    char *settings = tn_cfg_canonical(cfg, stage);
    tn_done_state state = TN_DONE_ABSENT;
    if (!settings) return tn_fail_memory(4096, "the settings");
    snprintf(inputs, sizeof inputs, "%s %s\n", input, digest);
    tn_status st = tn_done_find(folder, &(tn_done){.stage = name, .settings = settings, .inputs = inputs}, &state);
    free(settings);
    *out = state == TN_DONE_VALID;
    return st;
}

tn_status tn_preprocess_done(const tn_cfg *cfg, bool *out) {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    TN_TRY(tn_path(shards, "%s/shards", cfg->run_dir));
    TN_TRY(tn_path(folds, "%s/folds", cfg->run_dir));
    TN_TRY(tn_hash_file(cfg->data.metadata, hex));
    TN_TRY(folder_done(cfg, TN_KEYS_PREPROCESS, "preprocess", shards, "metadata", hex, out));
    if (!*out) return TN_OK;
    TN_TRY(tn_done_digest(shards, "preprocess", hex));
    return folder_done(cfg, TN_KEYS_FOLDS, "folds", folds, "shards", hex, out);
}
