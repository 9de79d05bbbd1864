/*
 * thread.h - threads with stacks of a known size. All functions are local.
 *
 *   TN_TRY(tn_thread_start(work, context, &thread));  ...  pthread_join(thread, NULL);
 *   if (tn_stack_left() < TN_STACK_NEED_BYTES) ...
 *
 * Why  The default size of a thread's stack is `ulimit -s` of the shell, which a site may set to anything. If it is too small, deep calls
 *      overwrite memory below the stack, or end the process without a message.
 */
#ifndef TN_BASE_THREAD_H
#define TN_BASE_THREAD_H

#include "base/status.h"

#include <pthread.h>
#include <stddef.h>

enum {
    TN_STACK_NEED_BYTES =
        256 << 10,           /* required for a computing thread. Measured: at most 43 KiB in training and evaluation,
                                      * all instruction sets, fp32 and bf16; 13 KiB in decoding */
    TN_STACK_BYTES = 1 << 20 /* stack of tn_thread_start; only used pages take memory */
};

/* Start a thread that receives no signals from outside, whether stop.h has begun or not.
 * Errors  TN_ENOMEM it cannot be started: the message has the cause, and the caller adds the purpose. */
tn_status tn_thread_start(void *(*work)(void *), void *context, pthread_t *out);

/* Free bytes of the calling thread's stack; SIZE_MAX if the system does not tell. */
size_t tn_stack_left(void);

#endif
