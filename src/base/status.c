/* status.c - the last failure's text. */
#include "base/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

_Thread_local char tn_msg[TN_MSG_BYTES];

tn_status(tn_fail)(tn_status st, const char *fmt, ...) {
    char text[TN_MSG_BYTES]; /* the arguments may point into tn_msg */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tn_utf8_printable(text, tn_msg, sizeof tn_msg);
    return st;
}

tn_status(tn_fail_memory)(unsigned long long n_bytes, const char *what) {
    return tn_fail(TN_ENOMEM,
                   "no memory for %s (%llu bytes): use fewer ranks per node, smaller lanes or a larger allocation",
                   what, n_bytes);
}

void tn_fail_print(void) {
    static bool printed;
    fflush(stdout); /* so that the error is the last line of a log with both streams */
    if (!printed) fprintf(stderr, "tenfold: error: %s\n", tn_msg);
    fflush(stderr);
    printed = true;
}

void tn_assert_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "tenfold: bug: %s:%d: %s does not hold; please report it with the command and the job file\n", file,
            line, condition);
    fflush(stderr);
    _Exit(TN_EBUG); /* under mpirun the launcher ends the other ranks */
}
