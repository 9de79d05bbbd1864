/*
 * weights.h - pretrained weights: imports files of other programs, and exports files for them.
 *
 *   tn_weights *w = NULL;
 *   TN_TRY(tn_weights_read("model.safetensors", &(tn_weights_ask){.padding = TN_PADDING_SYMMETRIC}, stdout, &w));
 *   TN_TRY(tn_weights_write(w, "b0.safetensors"));          our format, for model.pretrained of a job file
 *   tn_weights_free(&w);
 *
 * Read   safetensors and state dictionaries of torch.save with the names of timm, of torchvision, of lukemelas'
 *        EfficientNet-PyTorch, or of this program; Keras HDF5. The file must have every tensor
 *        of the net with its shape, and no others, and all values must be finite. docs/weights.md and weights_names.c say how
 *        names and layouts correspond, and which padding, batch norm and input normalisation each program uses.
 * Names  prefixes `model.` `module.` `_orig_mod.` `ema.` `backbone.`, in any combination, are removed. If the net is in the
 *        file twice, the averaged copy is read (ema.*, state_dict_ema, ...), unless ask->ema says otherwise.
 * Head   the classifier is kept with the file's number of classes; a file without classifier is accepted. Training always
 *        begins with a new head.
 * All functions are local. Nothing is written before the whole file was read and checked.
 */
#ifndef TN_MODEL_WEIGHTS_H
#define TN_MODEL_WEIGHTS_H

#include "model/ckpt.h"

typedef enum { TN_PADDING_GUESS, TN_PADDING_SYMMETRIC, TN_PADDING_SAME } tn_padding;
typedef enum { TN_EMA_IF_THERE, TN_EMA_YES, TN_EMA_NO } tn_ema; /* are averaged weights read, where a file has both? */

/* What the caller knows about the file. All zero: everything is taken from the file. */
typedef struct {
    const char *net;     /* NULL: the net in the table that fits */
    double width, depth; /* 0: the net's default */
    tn_padding padding;
    tn_ema ema;
} tn_weights_ask;

typedef struct {
    tn_ckpt_model model;               /* net.n_classes 0: the file has no classifier */
    const char *origin;                /* "keras", "timm", "torchvision", "lukemelas", "tenfold" */
    char prefix[TN_TENSOR_NAME_BYTES]; /* removed from all names of another program's file */
    bool had_single;                   /* the file had a classifier of one class, which was left out */
    char part[96];                     /* keys of the dictionary of torch.save that was read: "state_dict_ema" */
    bool averaged;                     /* averaged weights were read */
    bool has_copy;                     /* the file had the net twice, by prefixes, and one was ignored */
    tn_net *net;                       /* if the file has no classifier: with one of two classes, all zero */
    float *params, *state;             /* host memory */
} tn_weights;

/* Read a file of weights. The caller frees *out.
 * list    NULL, or gets all tensors that do not match
 * Errors  TN_EFORMAT tensors are missing, unknown or of another shape (the message has the first of each), values are not
 *         finite; TN_EARG the padding cannot be told from the file (give ask->padding), or the file contradicts ask. */
tn_status tn_weights_read(const char *path, const tn_weights_ask *ask, FILE *list, tn_weights **out);
void tn_weights_free(tn_weights **w);
/* Write our format: "model." + timm's names, words as in a checkpoint, and `origin`. Equal weights give equal bytes. */
tn_status tn_weights_write(const tn_weights *w, const char *path);
/* Write timm's names and the same words, readable by timm. */
tn_status tn_weights_export(const tn_weights *w, const char *path);

/* --- model.pretrained of a job file ------------------------------------------------------------------------------ */

/* Open the file, and take its padding and batch norm (the momentum only where spec's is 0) into spec and its input normalisation
 * into norm_out; the rest of spec comes from the job file. The caller frees *out with tn_ckpt_free.
 * Errors  TN_EARG the file is of another net, width or depth; TN_EFORMAT not a file in our format. */
tn_status tn_pretrained_open(const char *path, tn_net_spec *spec, tn_input_norm *norm_out, tn_ckpt **out);
/* tn_pretrained_open for a file that was read (tn_ckpt_read_all, foreign); path: for messages. */
tn_status tn_pretrained_fit(const char *path, const tn_ckpt *ck, tn_net_spec *spec, tn_input_norm *norm_out);
/* Copy all tensors except the head's, which stay as they are. */
tn_status tn_pretrained_load(const tn_ckpt *ck, const tn_net *net, float *params, float *state);

bool tn_is_head(const tn_tensor *t); /* head_dense.*, classifier.*: never taken from pretrained weights */

#endif
