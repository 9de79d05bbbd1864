/*
 * fs.h - paths, whole files, atomic publication of files.
 *
 *   char path[TN_PATH_BYTES];
 *   TN_TRY(tn_path(path, "%s/metrics.json", run_dir));
 *   TN_TRY(tn_file_publish(path, text, n_bytes));
 *
 * Invariant  A published file is complete: it was written as `<path>.tmp`, fsynced, renamed, and its folder
 *            fsynced. A reader never sees half of it; a dead writer leaves at most a `.tmp`.
 * All functions are local: rank 0, or the only writer of the file, calls them.
 */
#ifndef TN_BASE_FS_H
#define TN_BASE_FS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TN_PATH_BYTES = 4096 };

/* printf into out. Errors TN_EARG it does not fit. */
tn_status tn_path(char out[TN_PATH_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Create a folder and its parents, unless they exist, and check that it can be written to. Errors TN_EIO. */
tn_status tn_folder_make(const char *path);
/* Remove a folder and everything in it; it may be absent. The file that marks it as complete (DONE, COPIED) is removed first, and the
 * folder is fsynced before anything else is removed. Links are removed and never followed, even if somebody replaces a folder by a link
 * meanwhile. Errors TN_EIO. */
tn_status tn_folder_remove(const char *path);
/* The same for an entry `name` of an open folder; path: for the message. */
tn_status tn_folder_remove_at(int parent, const char *name, const char *path);
/* Remove the files *.tmp that dead writers left in a folder. No other process may write there. The folder may be absent. */
void tn_folder_clean(const char *path);
/* Does the file exist? True also if that cannot be found out (an I/O error, no permission); then opening it reports why. A checkpoint
 * that is not accessible for a moment must not count as absent. */
bool tn_file_exists(const char *path);

/* Read a whole file into malloc'd memory, which the caller frees. A 0 byte follows, which n_bytes_out does not count. Errors TN_EIO,
 * TN_ENOMEM. */
tn_status tn_file_read(const char *path, char **text_out, size_t *n_bytes_out);

/* Close a text of open_memstream; f: NULL if that failed. st: how writing it went, which is returned unless it is TN_OK.
 * Errors TN_ENOMEM the text is not whole. */
tn_status tn_text_end(FILE *f, tn_status st, const char *what);

/* Remove a published file, and fsync its folder; the file may be absent. Errors TN_EIO. */
tn_status tn_file_remove(const char *path);

/* Publish a copy of a file of any size. Errors TN_EIO. */
tn_status tn_file_copy(const char *from, const char *to);

/* Publish n_bytes at path. Errors TN_EIO names path and errno ("No space left on device"); the .tmp is removed. */
tn_status tn_file_publish(const char *path, const void *data, size_t n_bytes);

/* Set a function that is called before anything is published or a .tmp removed (store/done.c: does the folder still belong to this
 * process?). */
void tn_publish_guard(tn_status (*may_publish)(void));

/* For writers that write the file themselves: write to the path from tn_publish_name (tn_file_create, tn_h5_create), close it, then
 * call tn_publish_end. After a failure call tn_publish_drop, which removes the .tmp; tn_msg is kept.
 * Errors  TN_EBUSY another process took over the folder that this process began (done.h): the .tmp belongs to that process and is not
 *         written, published or removed. Only the rank that began the folder gets this error; the others at the next tn_agree. */
tn_status tn_publish_name(const char *path, char tmp_out[TN_PATH_BYTES]);
tn_status tn_publish_end(const char *path);
void tn_publish_drop(const char *path);
/* Create a file for writing. An existing file of a dead writer is removed first; a link is not followed. NULL: see errno. */
FILE *tn_file_create(const char *path);

#endif
