/*
 * thread.h - threads and their stacks.
 *
 *   TN_TRY(tn_thread_start(work, context, &thread));  ...  pthread_join(thread, NULL);
 *   if (tn_stack_left() < TN_STACK_NEED_BYTES) ...
 *
 * Why  The size that a thread gets by itself is `ulimit -s` of whoever starts the program: a site may set it to anything.
 *      Where it is too small, deep calls write over what lies below the stack, or end the process without a word.
 */
#ifndef TN_BASE_THREAD_H
#define TN_BASE_THREAD_H

#include "base/status.h"

#include <pthread.h>
#include <stddef.h>

enum {
    TN_STACK_NEED_BYTES = 256 << 10, /* of a thread that computes. Measured: at most 43 KiB in training and evaluation,
                                      * all instruction sets, fp32 and bf16; 13 KiB in decoding */
    TN_STACK_BYTES = 1 << 20         /* what tn_thread_start gives; memory only where it is touched */
};

/* The thread receives no signal from outside, whether stop.h has begun or not.
 * Errors  TN_ENOMEM it cannot be started: the message says why, the caller says what it was for. */
tn_status tn_thread_start(void *(*work)(void *), void *context, pthread_t *out);

/* Bytes of stack that the calling thread has left; SIZE_MAX where the system does not tell. */
size_t tn_stack_left(void);

#endif
