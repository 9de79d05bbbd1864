/*
 * shard.h - writes and reads shards: HDF5 files of encoded images.
 *
 * File shards/shard-NNNNN.h5, version 2: rows [first_row, first_row + n) of the table; quarantined rows have length 0.
 *   Datasets: payload u8 (bytes, contiguous, unfiltered); columns of index.h for these rows: state, width, height, content_hash,
 *   perceptual_hash, length, offset, checksum (n); reason (strings, "" for good rows).
 *   Attributes: first_row, store (jpeg | original | raw), size_px, made_from. raw = (H,W,3) uint8.
 * Invariants 1. The bytes depend only on rows and settings, not on ranks.
 *            2. One writer per file, no locks.
 *            3. Loader threads pread() the payload; HDF5 is only called by the main thread.
 */
#ifndef TN_DATA_SHARD_H
#define TN_DATA_SHARD_H

#include "data/index.h"

typedef struct {
    int64_t first_row, n_rows;
    const char *store;
    int size_px;
    const char *made_from; /* hash of settings, table and library versions, which determine the bytes */
} tn_shard_spec;

typedef struct tn_shard_writer tn_shard_writer;
tn_status tn_shard_writer_open(const char *path, const tn_shard_spec *spec, tn_shard_writer **out); /* local */
/* Add the next row; n_bytes 0 = quarantined. offset_out: offset in the payload, which is collected in memory and written at close (a
 * shard has a few hundred MiB at most, by preprocess.shard_rows). Local. */
tn_status tn_shard_writer_add(tn_shard_writer *w, const void *data, int32_t n_bytes, int64_t *offset_out);
/* Write, publish (fs.h) and free; after an error nothing is published. ix: has the columns of the shard's rows. reason (n_rows): why a
 * row is quarantined, "" for good rows. Local. */
tn_status tn_shard_writer_close(tn_shard_writer **w, const tn_index *ix, const char *const *reason);
void tn_shard_writer_drop(tn_shard_writer **w);

/* Take over a shard of an interrupted preprocess: if path is complete and made by spec, set its rows of ix and *reason_out (one block,
 * which the caller frees); every stored byte is checked. Otherwise *reason_out is NULL, and the shard must be made again. Local. */
tn_status tn_shard_recall(const char *path, const tn_shard_spec *spec, tn_index *ix, char ***reason_out);

/* Open all shards of a data set for reading. Only rank 0 inspects the files, by HDF5 in the main thread; a process opens a shard at the
 * first read. Collective; with run NULL for this process alone. Errors TN_EARG too many shards for the limit of open files; TN_EIO,
 * TN_EFORMAT. */
typedef struct tn_shards tn_shards;
tn_status tn_shards_open(tn_run *run, const tn_index *ix, tn_shards **out);
void tn_shards_close(tn_shards **s);
bool tn_shards_raw(const tn_shards *s);    /* payloads are raw pixels, not JPEG */
int tn_shards_size_px(const tn_shards *s); /* short side that larger images were scaled down to */
/* Read the stored bytes of a row into *buf (grown by realloc, *capacity updated); check length and checksum. Any thread. Local.
 * Errors TN_EFORMAT damaged: names row, path and shard; TN_EIO the shard cannot be read. */
tn_status tn_shards_read(const tn_shards *s, int64_t id, unsigned char **buf, size_t *capacity, int32_t *n_bytes_out);

#endif
