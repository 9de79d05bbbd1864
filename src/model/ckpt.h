/*
 * ckpt.h - writes and reads checkpoints: named tensors and strings in one safetensors file.
 *
 *   tn_ckpt_entry e[] = { {"model.conv_stem.weight", 4, {32,3,3,3}, w}, ... };
 *   TN_TRY(tn_ckpt_write(path, n, e, meta));                  // meta: json object of strings
 *   TN_TRY(tn_ckpt_read(path, &ck));
 *   TN_TRY(tn_ckpt_copy(ck, "model.conv_stem.weight", 4, dim, x));
 *
 * File   safetensors: 8-byte little-endian header length, JSON header, raw little-endian float32; readable by timm and
 *        the safetensors library. Names are timm's with a prefix: "model." weights and running moments, "ema." their
 *        EMA, "m." and "v." optimiser moments; "z" posteriors, "top" predicted classes. __metadata__ holds words (strings):
 *        net, settings, counters; `xxh3`, the hash of the data part, and `xxh3_header`, of the header. Every read checks both.
 *        Decision: docs/decisions/checkpoint-format.md
 * All functions are local, except tn_ckpt_read_all. Rank 0 writes; every rank may read.
 * Errors TN_EFORMAT truncated, impossible header length, offsets outside, overlapping or with gaps, a name twice, wrong
 *        type, hash differs: "PATH: ... " and what to do (delete it: the cell starts from its last published checkpoint or
 *        from the beginning).
 */
#ifndef TN_MODEL_CKPT_H
#define TN_MODEL_CKPT_H

#include "augment/augment.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/run.h"
#include "net/net.h"

struct json_t; /* of the library jansson */

typedef struct {
    char name[TN_TENSOR_NAME_BYTES + 8];
    int n_dims;
    int64_t dim[4];
    const float *data;
} tn_ckpt_entry;

/* Write and publish a file. entry (n): data in host memory. meta: an object of strings; gets the hashes. Errors TN_EIO, TN_ENOMEM. */
tn_status tn_ckpt_write(const char *path, int n, const tn_ckpt_entry *entry, struct json_t *meta);

typedef struct tn_ckpt tn_ckpt;
tn_status tn_ckpt_read(const char *path, tn_ckpt **out); /* the caller frees *out with tn_ckpt_free */
/* The same for files of other programs: F16 and BF16 are converted, PyTorch's num_batches_tracked are skipped. */
tn_status tn_ckpt_read_foreign(const char *path, tn_ckpt **out);
/* Read a file on every rank: only rank 0 reads it and sends its bytes; each rank checks them. Collective.
 * foreign  as tn_ckpt_read_foreign, else as tn_ckpt_read
 * hex_out  the hash of the file (tn_hash_file), on every rank; may be NULL
 * Cost     one read of the file, one broadcast, its bytes in memory on every rank */
tn_status tn_ckpt_read_all(tn_run *run, const char *path, bool foreign, char hex_out[TN_HEX_BYTES], tn_ckpt **out);
void tn_ckpt_free(tn_ckpt **ck);
const char *tn_ckpt_word(const tn_ckpt *ck, const char *key); /* a string of __metadata__; NULL: absent */
/* Copy a tensor to out. Errors TN_EFORMAT it is absent, or its shape differs (both shapes named). */
tn_status tn_ckpt_copy(const tn_ckpt *ck, const char *name, int n_dims, const int64_t *dim, float *out);
int tn_ckpt_count(const tn_ckpt *ck);
const tn_ckpt_entry *tn_ckpt_at(const tn_ckpt *ck, int i); /* by name in ascending order */

void tn_shape_text(int n_dims, const int64_t *dim, char out[96]); /* "(32,3,3,3)" */

/* One hash of all tensors whose name begins with prefix ("" = all): of names, shapes and data in order of name. It does not depend on
 * the order in the file or on the metadata. `tenfold weights digest` prints it. */
void tn_ckpt_digest(const tn_ckpt *ck, const char *prefix, char hex_out[TN_HEX_BYTES]);

/* Entries with a prefix that point into the vectors of a net (host). entry_out (tn_net_tensors(net)). */
void tn_ckpt_net_entries(const tn_net *net, const char *prefix, const float *params, const float *state,
                         tn_ckpt_entry *entry_out);
/* Copy the tensors with a prefix into the vectors of a net (host). Errors TN_EFORMAT tensors are missing or have another shape (lists
 * the first few). */
tn_status tn_ckpt_net_load(const tn_ckpt *ck, const tn_net *net, const char *prefix, float *params, float *state);

/* The instruction set that the checkpoint was computed with; TN_ISA_BEST: it does not say. */
tn_isa tn_ckpt_isa(const tn_ckpt *ck);
void tn_ckpt_set_isa(struct json_t *meta, tn_isa isa);

/* The net and its input (size, normalisation), which a checkpoint describes by words: net, width, ..., size_px, input_mean,
 * input_std. */
typedef struct {
    tn_net_spec net;
    int size_px;
    tn_input_norm norm;
} tn_ckpt_model;
tn_status tn_ckpt_model_of(const tn_ckpt *ck, tn_ckpt_model *out); /* TN_EFORMAT a word is missing */
void tn_ckpt_set_model(struct json_t *meta, const tn_ckpt_model *model);

#endif
