/*
 * weights.h - pretrained weights: files of other programs in, files for other programs out.   layer: learn, uses: net
 *
 *   tn_weights *w = NULL;
 *   TN_TRY(tn_weights_read("model.safetensors", &(tn_weights_ask){.padding = TN_PADDING_SYMMETRIC}, stdout, &w));
 *   TN_TRY(tn_weights_write(w, "b0.safetensors"));          our format: what model.pretrained of a job file names
 *   tn_weights_free(&w);
 *
 * Read   safetensors with the names of timm, of torchvision, or of this program; Keras HDF5. Every tensor of the net
 *        must be there with its shape, no other may be, and all values must be finite. How names and layouts
 *        correspond, and which padding, batch norm and input follow from whom: docs/weights.md, weights_names.c.
 * Names  Another program's may stand behind any row of `model.` `module.` `_orig_mod.` `ema.` `backbone.`, which is taken
 *        off; where the net is there twice, the copy behind `ema.` is read.
 * Head   The classifier is kept with the file's number of classes; a file without one is fine. Training begins with a
 *        new head in any case.
 * All local. Nothing is written before everything was read and found good.
 */
#ifndef TN_LEARN_WEIGHTS_H
#define TN_LEARN_WEIGHTS_H

#include "learn/ckpt.h"

typedef enum { TN_PADDING_GUESS, TN_PADDING_SYMMETRIC, TN_PADDING_SAME } tn_padding;

/* What the caller knows. All zero: everything follows from the file. */
typedef struct {
    const char *net;     /* NULL: the net of the table that fits */
    double width, depth; /* 0: the net's own */
    tn_padding padding;
} tn_weights_ask;

typedef struct {
    tn_ckpt_model model;               /* net.n_classes 0: the file has no classifier */
    const char *origin;                /* "keras", "timm", "torchvision", "tenfold" */
    char prefix[TN_TENSOR_NAME_BYTES]; /* taken off in front of all names; of another program's file */
    bool had_single;                   /* a classifier of one class was there, and left out */
    bool has_copy;                     /* the net was there twice, and its average was read */
    tn_net *net;                       /* without a classifier in the file: one of two classes, all zero */
    float *params, *state;             /* host */
} tn_weights;

/* Errors  TN_EFORMAT tensors that are missing, unknown or of another shape: the message has the first of each, `list`
 *         (may be NULL) gets all; values that are not finite; TN_EARG the file does not tell its padding (give it), or
 *         contradicts what was asked. */
tn_status tn_weights_read(const char *path, const tn_weights_ask *ask, FILE *list, tn_weights **out);
void tn_weights_free(tn_weights **w);
/* Our format: "model." + timm's names, words as a checkpoint has them, and `origin`. Equal weights: equal bytes. */
tn_status tn_weights_write(const tn_weights *w, const char *path);
/* timm's names and the same words: readable by timm. */
tn_status tn_weights_export(const tn_weights *w, const char *path);

/* --- model.pretrained of a job file ------------------------------------------------------------------------------ */

/* The file, and its padding, batch norm and input into spec and norm_out; spec is otherwise the job file's.
 * Errors  TN_EARG the file is of another net, width or depth; TN_EFORMAT not a file of ours. Caller frees with
 *         tn_ckpt_free. */
tn_status tn_pretrained_open(const char *path, tn_net_spec *spec, tn_input_norm *norm_out, tn_ckpt **out);
/* tn_pretrained_open for a file that was read (tn_ckpt_read_all, foreign); path: for messages. */
tn_status tn_pretrained_fit(const char *path, const tn_ckpt *ck, tn_net_spec *spec, tn_input_norm *norm_out);
/* All tensors but the head's, which stay as they are. */
tn_status tn_pretrained_load(const tn_ckpt *ck, const tn_net *net, float *params, float *state);

bool tn_is_head(const tn_tensor *t); /* head_dense.*, classifier.*: never taken from pretrained weights */

#endif
