/*
 * fs.h - paths, whole files, atomic publication.
 *
 *   char path[TN_PATH_BYTES];
 *   TN_TRY(tn_path(path, "%s/metrics.json", run_dir));
 *   TN_TRY(tn_file_publish(path, text, n_bytes));
 *
 * Invariant  A published file is complete: it was written as `<path>.tmp`, fsynced, renamed, and its folder
 *            fsynced. A reader never sees half of it; a dead writer leaves at most a `.tmp`.
 * All local: rank 0 (or the one owner of the file) calls them.
 */
#ifndef TN_BASE_FS_H
#define TN_BASE_FS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TN_PATH_BYTES = 4096 };

/* printf into out; TN_EARG when it does not fit. */
tn_status tn_path(char out[TN_PATH_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Create a folder and its parents; existing ones are fine. Checks that it can be written to. TN_EIO. */
tn_status tn_folder_make(const char *path);
/* Remove a folder and everything in it; absent is fine. The file that says that it is whole (DONE, COPIED) goes first, and
 * the folder is fsynced before anything else goes. Links in it, and a link at path, are removed and never followed, whoever
 * exchanges them meanwhile. TN_EIO. */
tn_status tn_folder_remove(const char *path);
/* The same for an entry `name` of an open folder; path: for the message. */
tn_status tn_folder_remove_at(int parent, const char *name, const char *path);
/* Remove what dead writers left in a folder that nobody else writes to: files that end with .tmp. Absent is fine. */
void tn_folder_clean(const char *path);
/* True, too, where nobody can tell (an I/O error, a folder that may not be searched): whoever opens the file says why. A
 * checkpoint that cannot be seen for a moment must not look like none. */
bool tn_file_exists(const char *path);

/* Whole file into malloc'd memory, with a 0 byte after it that n_bytes_out does not count. Caller frees. */
tn_status tn_file_read(const char *path, char **text_out, size_t *n_bytes_out);

/* Take back a published file: it is removed and its folder fsynced; absent is fine. TN_EIO. */
tn_status tn_file_remove(const char *path);

/* Publish a copy, whatever its size. TN_EIO. */
tn_status tn_file_copy(const char *from, const char *to);

/* Publish n_bytes at path. TN_EIO names path and errno ("No space left on device"), and removes the .tmp. */
tn_status tn_file_publish(const char *path, const void *data, size_t n_bytes);

/* may_publish is asked before anything is published or a .tmp removed, from now on (store/done.c: whether the folder is still
 * ours). Local. */
void tn_publish_guard(tn_status (*may_publish)(void));

/* For writers that write by themselves: write to tn_publish_name (tn_file_create, tn_h5_create), close it, then
 * tn_publish_end; where that cannot be, tn_publish_drop removes what was written, and tn_msg stays.
 * Errors  TN_EBUSY the folder that this process began has been taken over (done.h): the .tmp there is another's, and is
 *         neither written, published nor removed. Only the rank that began the folder knows; the others hear it at
 *         the next tn_agree. */
tn_status tn_publish_name(const char *path, char tmp_out[TN_PATH_BYTES]);
tn_status tn_publish_end(const char *path);
void tn_publish_drop(const char *path);
/* A new file for writing; what a dead writer left at path is removed first, a link there is not followed. NULL: errno. */
FILE *tn_file_create(const char *path);

#endif
