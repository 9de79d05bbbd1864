/*
 * status.h - error codes and messages. All functions are local.
 *
 *   if (n < 1) return tn_fail(TN_EARG, "%s:%d: folds.count is %d: give 3 or more", file, line, n);
 *   TN_TRY(tn_file_read(path, &text, &n_bytes));
 *
 * Three classes, no fourth:
 *   1. expected local failure: the function returns a tn_status. The function that detects it writes the message (file, line or
 *      sample; cause; what to do); callers pass it on. At the next collective boundary tn_agree (run.h) gives all ranks the same
 *      status.
 *   2. failure while peers may already be inside a collective: tn_die (run.h).
 *   3. a bug: TN_ASSERT, kept in release builds, no side effects in its argument.
 */
#ifndef TN_BASE_STATUS_H
#define TN_BASE_STATUS_H

/* The values are the process exit codes; only main turns one into the other. */
typedef enum {
    TN_OK = 0,
    TN_EARG = 2,        /* settings or input tables: never requeue                      */
    TN_EIO = 3,         /* files, disks, file systems                                   */
    TN_EFORMAT = 4,     /* a file is not what it should be                              */
    TN_ENOMEM = 5,      /* memory                                                       */
    TN_EUNFINISHED = 6, /* stopped on request with a checkpoint, or cells failed: rerun */
    TN_EBUSY = 7,       /* another process is making it: leave it alone, never requeue  */
    TN_ENODE = 8,       /* this node or process cannot run it, another can: requeue     */
    TN_EDIVERGED = 9,   /* a loss, gradient or prediction is not finite: never requeue  */
    TN_EBUG = 70        /* a bug in tenfold                                             */
} tn_status;

enum { TN_MSG_BYTES = 2048 };

/* The message of this thread's last failure; empty if there was none. */
extern _Thread_local char tn_msg[TN_MSG_BYTES];

/* Write tn_msg and return st, for use as `return tn_fail(...)`. Control characters become \xNN (utf8.h), also in tn_say, tn_warn and
 * tn_print, so that file names and labels cannot command a terminal. */
tn_status tn_fail(tn_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* TN_ENOMEM with the size and purpose in the message. */
tn_status tn_fail_memory(unsigned long long n_bytes, const char *what);

#define TN_TRY(expression)                                                                                             \
    do {                                                                                                               \
        tn_status tn_status_ = (expression);                                                                           \
        if (tn_status_ != TN_OK) return tn_status_;                                                                    \
    } while (0)

#ifdef __clang_analyzer__ /* it does not look into other files: a failure is never TN_OK */
#define tn_fail(st, ...)           ((void)tn_fail(st, __VA_ARGS__), st)
#define tn_fail_memory(n_bytes, w) ((void)tn_fail_memory(n_bytes, w), TN_ENOMEM)
#endif

/* Print tn_msg on stderr as this process's error. Only the first call prints. */
void tn_fail_print(void);

_Noreturn void tn_assert_failed(const char *condition, const char *file, int line);
#define TN_ASSERT(condition) ((condition) ? (void)0 : tn_assert_failed(#condition, __FILE__, __LINE__))

#endif
