/*
 * shard.h - one HDF5 file of encoded images.                                 layer: data, uses: base (h5)
 *
 * File shards/shard-NNNNN.h5, version 1: rows [first_row, first_row + n_rows) of the metadata, quarantined ones
 *   included with length 0. Datasets: payload u8 (bytes, contiguous, unfiltered), offset i64 (n), length i32 (n).
 *   Attributes: first_row, store (jpeg | original | raw), size_px. raw = (H,W,3) uint8.
 * Invariants 1. The bytes depend on the rows and settings alone, not on ranks. 2. One writer per file, no locks.
 *            3. Loader threads pread() the payload; HDF5 is only called here, by the main thread.
 */
#ifndef TN_DATA_SHARD_H
#define TN_DATA_SHARD_H

#include "data/index.h"

typedef struct tn_shard_writer tn_shard_writer;
tn_status tn_shard_writer_open(const char *path, int64_t first_row, int64_t n_rows, const char *store, int size_px,
                               tn_shard_writer **out);
/* Rows in order; n_bytes 0 = quarantined. offset_out: place in the payload. The payload is collected in memory and
 * written at close (a shard is a few hundred MiB at most by preprocess.shard_rows). */
tn_status tn_shard_writer_add(tn_shard_writer *w, const void *data, int32_t n_bytes, int64_t *offset_out);
/* Writes, publishes (fs.h) and frees; on failure nothing is published. */
tn_status tn_shard_writer_close(tn_shard_writer **w);
void tn_shard_writer_drop(tn_shard_writer **w);

/* All shards of a data set, opened for pread. Thread-safe reads. */
typedef struct tn_shards tn_shards;
tn_status tn_shards_open(const tn_index *ix, tn_shards **out); /* local, main thread: uses HDF5 to find the payloads */
void tn_shards_close(tn_shards **s);
bool tn_shards_raw(const tn_shards *s); /* payloads are raw pixels, not JPEG */
/* Stored bytes of row id into buf (grown by realloc, *capacity updated). Checks length and checksum.
 * TN_EFORMAT "damaged: row ID path P in shard S". Any thread. */
tn_status tn_shards_read(const tn_shards *s, int64_t id, unsigned char **buf, size_t *capacity, int32_t *n_bytes_out);

#endif
