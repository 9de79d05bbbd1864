/*
 * pth_priv.h - the state dictionary in a file of torch.save, .pth or .pt.
 *
 *   tn_pth *p = NULL;
 *   TN_TRY(tn_pth_open(path, TN_EMA_IF_THERE, &p));
 *   for (i ...) tn_pth_values(p, tn_pth_at(p, i), out);
 *   tn_pth_close(&p);
 *
 * Files  since PyTorch 1.6 a zip archive, uncompressed: NAME/data.pkl, the pickle of what was saved; NAME/data/KEY, the bytes of
 *        each storage; NAME/byteorder. Before, one stream: magic number, protocol, system, the pickle, the list of keys, then
 *        for each its number of elements and its bytes. Both are read; code is never run (pickle_priv.h).
 * Which  the value itself, or what it holds as state_dict, model, model_state_dict or net; averaged weights as state_dict_ema,
 *        model_ema, ema_state_dict or ema, unless there is no tensor in them. Each entry must be a tensor; PyTorch's counters are
 *        skipped.
 * Cost   an archive's storages are read when asked for, a stream at once. All functions are local.
 * Source PyTorch torch/serialization.py (_save, _legacy_save), caffe2/serialize/inline_container.cc
 */
#ifndef TN_MODEL_PTH_PRIV_H
#define TN_MODEL_PTH_PRIV_H

#include "model/pickle_priv.h"
#include "model/weights_priv.h"

struct tn_pth_tensor {
    char name[TN_FOREIGN_NAME_BYTES];
    int n_dims;
    int64_t dim[4], stride[4], offset; /* in elements; checked against the storage */
    const tn_pickled *storage;
};

/* Does the file begin as an archive or as the older stream of torch.save? */
bool tn_pth_is(const char *path);
/* Errors TN_EFORMAT; TN_EARG ema asks for what is not there; TN_EIO; TN_ENOMEM */
tn_status tn_pth_open(const char *path, tn_ema ema, tn_pth **out);
void tn_pth_close(tn_pth **p);
int tn_pth_count(const tn_pth *p);
const tn_pth_tensor *tn_pth_at(const tn_pth *p, int i);
/* The keys on the way to the dictionary: "state_dict_ema"; "": the value itself. */
const char *tn_pth_part(const tn_pth *p, bool *averaged_out);
/* Convert a tensor to float, in the order of its dimensions. Errors TN_EFORMAT it is of whole numbers, its storage is damaged. */
tn_status tn_pth_values(tn_pth *p, const tn_pth_tensor *t, float *out);

/* --- pth_zip.c: the archive ---------------------------------------------------------------------------------------- */

typedef struct tn_pth_zip tn_pth_zip;
/* Open an archive, and read its pickle. *pickle_out: the caller frees. */
tn_status tn_pth_zip_open(const char *path, tn_pth_zip **out, char **pickle_out, size_t *n_pickle_out);
void tn_pth_zip_close(tn_pth_zip **z);
/* Read the storage of a key, which must have n_bytes. *bytes_out: the caller frees. */
tn_status tn_pth_zip_read(tn_pth_zip *z, int n_key, const char *key, int64_t n_bytes, char **bytes_out);

#endif
