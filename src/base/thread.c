/* thread.c - see thread.h. */
#define _GNU_SOURCE /* pthread_getattr_np */
#include "base/thread.h"

#include <stdint.h>
#include <string.h>

tn_status tn_thread_start(void *(*work)(void *), void *context, pthread_t *out) {
    pthread_attr_t attr;
    int failed = pthread_attr_init(&attr);
    if (!failed) {
        failed = pthread_attr_setstacksize(&attr, TN_STACK_BYTES);
        if (!failed) failed = pthread_create(out, &attr, work, context);
        pthread_attr_destroy(&attr);
    }
    return failed ? tn_fail(TN_ENOMEM, "no thread can be started: %s", strerror(failed)) : TN_OK;
}

size_t tn_stack_left(void) {
    pthread_attr_t attr;
    void *lowest = NULL;
    size_t n_bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) return SIZE_MAX;
    int failed = pthread_attr_getstack(&attr, &lowest, &n_bytes);
    pthread_attr_destroy(&attr);
    return failed ? SIZE_MAX : (size_t)((char *)__builtin_frame_address(0) - (char *)lowest);
}
