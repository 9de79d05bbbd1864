/* show_priv.h - shared by show.c (which kind), show_json.c, show_tensors.c, show_h5.c. */
#ifndef TN_SHOW_SHOW_PRIV_H
#define TN_SHOW_SHOW_PRIV_H

#include "base/fs.h"
#include "show/show.h"

#include <jansson.h>

/* The file's name without its folders. */
const char *tn_show_name(const char *path);
/* Is the DONE of the file's folder, or of reduce/ below it, one that vouches for this file? Then out is how that is output, else "".
 * Errors  TN_EFORMAT other bytes than were published */
tn_status tn_show_vouched(const char *path, char out[64]);
/* "group.key = value" lines, a group to a paragraph. */
void tn_show_settings(const char *text, FILE *out);

tn_status tn_show_json(const char *path, const char *text, size_t n_bytes, FILE *out); /* show_json.c */
tn_status tn_show_journal(const char *path, char *text, FILE *out);
tn_status tn_show_tensors(const char *path, FILE *out); /* show_tensors.c */
tn_status tn_show_weights(const char *path, FILE *out); /* of other programs, safetensors or Keras */
tn_status tn_show_h5(const char *path, FILE *out);      /* show_h5.c */

#endif
