/* show_priv.h - shared by show.c (finds the kind), show_json.c, show_tensors.c, show_h5.c. */
#ifndef TN_SHOW_SHOW_PRIV_H
#define TN_SHOW_SHOW_PRIV_H

#include "base/fs.h"
#include "show/show.h"

#include <jansson.h>

/* The file's name without its folders. */
const char *tn_show_name(const char *path);
/* If the DONE of the file's folder, or of reduce/ below it, has the hash of this file, compare it. out: a text that says so, or "".
 * Errors  TN_EFORMAT the hash differs */
tn_status tn_show_vouched(const char *path, char out[64]);
/* Print lines "group.key = value", with a paragraph for each group. */
void tn_show_settings(const char *text, FILE *out);

tn_status tn_show_json(const char *path, const char *text, size_t n_bytes, FILE *out); /* show_json.c */
tn_status tn_show_journal(const char *path, char *text, FILE *out);
tn_status tn_show_tensors(const char *path, FILE *out); /* show_tensors.c */
tn_status tn_show_weights(const char *path, FILE *out); /* of other programs, safetensors or Keras */
tn_status tn_show_h5(const char *path, FILE *out);      /* show_h5.c */

#endif
