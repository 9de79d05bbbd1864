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

/* The path that the waiting call is about; "(memory)" of memory without a file. False: it is about none, or the process is gone. */
bool in_call_path(const struct seccomp_notif *call, char path_out[IN_PATH_BYTES]);

/* Do the first half of a write in place of the process. Returns how many bytes; -1: the call is no write of two bytes or more. */
int64_t in_write_half(const struct seccomp_notif *call);

#endif
