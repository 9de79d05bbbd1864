/* weights_priv.h - a weights file of any program as a list of named tensors. */
#ifndef TN_MODEL_WEIGHTS_PRIV_H
#define TN_MODEL_WEIGHTS_PRIV_H

#include "model/weights.h"
#include "store/h5.h"

typedef enum { TN_NAMES_TENFOLD, TN_NAMES_TIMM, TN_NAMES_TORCHVISION, TN_NAMES_LUKEMELAS, TN_NAMES_KERAS } tn_names;

enum { TN_FOREIGN_NAME_BYTES = 192 };

typedef struct tn_pth tn_pth;
typedef struct tn_pth_tensor tn_pth_tensor;

typedef struct {
    char name[TN_FOREIGN_NAME_BYTES]; /* Keras: layer/variable */
    int n_dims;
    int64_t dim[4];
    const float *data;        /* safetensors */
    const char *h5_path;      /* HDF5: read on demand */
    const tn_pth_tensor *pth; /* torch.save: converted on demand */
} tn_foreign;

typedef struct {
    char path[TN_PATH_BYTES];
    tn_names names;
    char prefix[TN_FOREIGN_NAME_BYTES];      /* in front of all names: of our checkpoint, or of a wrapper of the net */
    tn_ema ema;                              /* which copy is wanted */
    bool averaged;                           /* averaged weights are read */
    bool has_copy;                           /* the net is there twice: one copy is read, ... */
    char passed_over[TN_FOREIGN_NAME_BYTES]; /* ... and the one with this prefix is ignored */
    const char *part;                        /* keys of the dictionary of torch.save that was read; "" */
    int n;
    tn_foreign *tensor; /* (n) in ascending order of name */
    tn_ckpt *ck;        /* safetensors */
    tn_h5 *h5;          /* HDF5 */
    tn_pth *pth;        /* torch.save */
    char **h5_paths;    /* (n) each malloc'd */
    int n_h5_paths;
    tn_input_norm norm; /* Keras: from the graph */
} tn_source;

/* weights_source.c */
tn_status tn_source_open(const char *path, tn_ema ema, tn_source *out);
void tn_source_close(tn_source *s);
const tn_foreign *tn_source_find(const tn_source *s, const char *name); /* NULL when absent */
/* Copy the values of f, whose shape is checked, to out in our layout. scratch: room for f's values. */
tn_status tn_source_values(const tn_source *s, const tn_foreign *f, const tn_tensor *t, float *scratch, float *out);

/* weights_keras.c: set tensor, h5_paths and norm from an open HDF5 file. */
tn_status tn_source_keras(tn_source *s);

/* weights_names.c */
const char *tn_names_word(tn_names names);
/* How many blocks of a net are before those of each of its groups. */
void tn_names_blocks(const tn_net *net, int before_out[TN_MAX_STAGES]);
/* The name of our tensor in a file of this origin; alternative i = 0, 1; false when there is none.
 * before  of its net; may be NULL for a tensor of the head */
bool tn_names_of(const tn_source *s, const int *before, const tn_tensor *t, int i, char out[TN_FOREIGN_NAME_BYTES]);
/* The shape of our tensor in a file of this origin. */
int tn_names_shape(tn_names names, const tn_tensor *t, int64_t out[4]);

#endif
