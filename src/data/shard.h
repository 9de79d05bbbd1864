/*
 * shard.h - one HDF5 file of encoded images.                                 layer: data, uses: base (h5)
 *
 * File shards/shard-NNNNN.h5, version 2: rows [first_row, first_row + n) of the metadata, quarantined ones included
 *   with length 0. Datasets: payload u8 (bytes, contiguous, unfiltered); what index.h knows of the rows: state, width,
 *   height, content_hash, perceptual_hash, length, offset, checksum (n); reason (strings, "" for good ones).
 *   Attributes: first_row, store (jpeg | original | raw), size_px, made_from. raw = (H,W,3) uint8.
 * Invariants 1. The bytes depend on the rows and settings alone, not on ranks.
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
    const char *made_from; /* hash of what decides the bytes: settings, table, libraries */
} tn_shard_spec;

typedef struct tn_shard_writer tn_shard_writer;
tn_status tn_shard_writer_open(const char *path, const tn_shard_spec *spec, tn_shard_writer **out);
/* Rows in order; n_bytes 0 = quarantined. offset_out: place in the payload. The payload is collected in memory and
 * written at close (a shard is a few hundred MiB at most by preprocess.shard_rows). */
tn_status tn_shard_writer_add(tn_shard_writer *w, const void *data, int32_t n_bytes, int64_t *offset_out);
/* Writes, publishes (fs.h) and frees; on failure nothing is published. ix: its rows of the shard are filled.
 * reason (n_rows): why a row is quarantined, "" for good ones. */
tn_status tn_shard_writer_close(tn_shard_writer **w, const tn_index *ix, const char *const *reason);
void tn_shard_writer_drop(tn_shard_writer **w);

/* Is path a whole shard as spec wants it, left by an interrupted preprocess? Then its rows of ix are filled and
 * reason_out (one block, caller frees) is set; every stored byte was checked. Else NULL: make it anew. Local. */
tn_status tn_shard_recall(const char *path, const tn_shard_spec *spec, tn_index *ix, char ***reason_out);

/* All shards of a data set, for pread. Thread-safe reads. Rank 0 alone looks into each file, by HDF5 and in the main thread; a
 * process opens a shard when it first reads of it. Collective; run NULL: this process alone. */
typedef struct tn_shards tn_shards;
tn_status tn_shards_open(tn_run *run, const tn_index *ix, tn_shards **out);
void tn_shards_close(tn_shards **s);
bool tn_shards_raw(const tn_shards *s);    /* payloads are raw pixels, not JPEG */
int tn_shards_size_px(const tn_shards *s); /* short side that larger pictures were scaled down to */
/* Stored bytes of row id into buf (grown by realloc, *capacity updated). Checks length and checksum.
 * TN_EFORMAT "damaged: row ID path P in shard S"; TN_EIO the shard is not to be seen here. Any thread. */
tn_status tn_shards_read(const tn_shards *s, int64_t id, unsigned char **buf, size_t *capacity, int32_t *n_bytes_out);

#endif
