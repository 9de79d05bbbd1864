/* thread.c - see thread.h. */
#define _GNU_SOURCE /* pthread_getattr_np */
#include "base/thread.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

/* All signals except those that a thread causes itself, such as SIGSEGV. */
static sigset_t all_from_outside(void) {
    static const int OWN[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++) sigdelset(&set, OWN[i]);
    return set;
}

tn_status tn_thread_start(void *(*work)(void *), void *context, pthread_t *out) {
    pthread_attr_t attr;
    sigset_t blocked = all_from_outside(), before;
    int failed = pthread_attr_init(&attr);
    pthread_sigmask(SIG_BLOCK, &blocked, &before); /* the new thread keeps this */
    if (!failed) {
        failed = pthread_attr_setstacksize(&attr, TN_STACK_BYTES);
        if (!failed) failed = pthread_create(out, &attr, work, context);
        pthread_attr_destroy(&attr);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
