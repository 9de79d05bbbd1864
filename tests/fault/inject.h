/*
 * inject.h - the system calls that tn_inject knows: which filter asks for them, which file they are about.
 */
#ifndef TN_INJECT_H
#define TN_INJECT_H

#include <stdbool.h>
#include <stdint.h>

struct seccomp_notif;
enum { IN_PATH_BYTES = 8192 };

bool in_kind_exists(const char *kind);

/* Install the filter for calls of this kind. Returns the descriptor by which they are handed over; < 0: not possible here. */
int in_filter(const char *kind);

/* The kind of the waiting call, and the path that it is about; "(memory)" of memory without a file. NULL: it is of another kind or
 * about no file, or the process is gone. */
const char *in_call_path(const struct seccomp_notif *call, const char *kind, char path_out[IN_PATH_BYTES]);

/* Do the first half of a write in place of the process. Returns how many bytes; -1: the call is no write of two bytes or more. */
int64_t in_write_half(const struct seccomp_notif *call);

#endif
