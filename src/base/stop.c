/* stop.c - the thread that waits for signals, and the handler of crashes. */
#define _GNU_SOURCE /* sigabbrev_np */
#include "base/stop.h"

#include "base/thread.h"
#include "base/watch.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51 /* what the kernel writes when a signal arrives, vector and tile registers included */
#endif

static const int STOPS[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};
static const int CRASHES[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
/* Signals that are not blocked: those that cannot wait, and those of terminal and shell with default actions. */
static const int UNBLOCKED[] = {SIGTRAP, SIGSYS, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
enum { HANDLER_BYTES = 64 << 10, MOST_FRAMES = 48 };
#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool begun;
static sigset_t mask_before, waited;
static sigset_t stops; /* the signals of STOPS that were not ignored at the start */
static atomic_int n_asked;
static atomic_llong start_ends_s; /* end of the limit on the monotonic clock; 0: no library is starting */
static int start_limit_s;
static pthread_key_t crash_stack;

bool tn_stop_wanted(void) {
    tn_watch_go();
    return atomic_load(&n_asked) > 0;
}
int tn_stop_count(void) {
    return atomic_load(&n_asked);
}

/* --- a start that does not end ------------------------------------------------------------------------------------ */

static long long seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void tn_stop_starting(int limit_s) {
    start_limit_s = limit_s;
    atomic_store(&start_ends_s, limit_s > 0 ? seconds() + limit_s : 0);
}

/* After a stop request a start that works gets enough time to end: then all ranks stop as usual, with one message. */
static void look_at_start(bool stop) {
    enum { GRACE_S = 10 };
    long long ends_s = atomic_load(&start_ends_s), now_s = seconds();
    if (ends_s == 0) return;
    if (stop && now_s + GRACE_S < ends_s) atomic_compare_exchange_strong(&start_ends_s, &ends_s, now_s + GRACE_S);
    if (now_s < ends_s || atomic_load(&start_ends_s) != ends_s) return;
    if (atomic_load(&n_asked) > 0)
        fprintf(stderr, "tenfold: error: stopped on request before MPI was up\n");
    else
        fprintf(stderr,
                "tenfold: error: MPI did not start within %d s: does mpirun -n 2 hostname work here, and is there "
                "room below TMPDIR, in /tmp and in /dev/shm?\n",
                start_limit_s);
    _exit(TN_EUNFINISHED);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static void *wait_for_signals(void *unused) {
    (void)unused;
    for (;;) {
        int number = sigtimedwait(&waited, NULL, &(struct timespec){.tv_nsec = TN_WATCH_EVERY_MS * 1000000L});
        bool stop = number > 0 && sigismember(&stops, number), quiet = number < 0 && errno == EAGAIN;
        if (stop) atomic_fetch_add(&n_asked, 1);
        look_at_start(stop);
        if (quiet) tn_watch_look();
    }
    return NULL;
}

static void list_signals(void) {
    sigfillset(&waited);
    for (size_t i = 0; i < COUNT(CRASHES); i++) sigdelset(&waited, CRASHES[i]);
    for (size_t i = 0; i < COUNT(UNBLOCKED); i++) sigdelset(&waited, UNBLOCKED[i]);
    sigemptyset(&stops);
    for (size_t i = 0; i < COUNT(STOPS); i++) {
        struct sigaction now;
        if (sigaction(STOPS[i], NULL, &now) != 0 || now.sa_handler != SIG_IGN) sigaddset(&stops, STOPS[i]);
    }
}

static tn_status start_thread(void) {
    pthread_t thread;
    tn_status st = tn_thread_start(wait_for_signals, NULL, &thread);
    if (st == TN_OK) pthread_detach(thread);
    return st == TN_OK ? TN_OK : tn_fail(st, "waiting for signals: %s", tn_msg);
}

/* --- crashes ------------------------------------------------------------------------------------------------------ */

static void on_crash(int number, siginfo_t *info, void *context) {
    (void)context;
    char text[1024], where[TN_WATCH_TEXT_BYTES];
    void *frame[MOST_FRAMES];
    tn_watch_text(where);
    int n =
        snprintf(text, sizeof text,
                 "tenfold: bug: crashed with signal %d (%s) at address %p, %s; please report this with the command, "
                 "the job file and these frames:\n",
                 number, sigabbrev_np(number), info->si_addr, where);
    if (write(STDERR_FILENO, text, (size_t)n) == n)
        backtrace_symbols_fd(frame, backtrace(frame, MOST_FRAMES), STDERR_FILENO);
    raise(
        number); /* arrives when this handler returns, and ends the process as it would have ended without a handler */
}

/* Existing handlers are those of a sanitizer and are kept. */
static void install_crash_handlers(void) {
    struct sigaction crash = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND}, now;
    void *frame[1];
    backtrace(frame, 1); /* loads its library now, because a handler must not */
    for (size_t i = 0; i < COUNT(CRASHES); i++)
        if (sigaction(CRASHES[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) sigaction(CRASHES[i], &crash, NULL);
}

static size_t crash_stack_bytes(void) {
    return HANDLER_BYTES + (size_t)getauxval(AT_MINSIGSTKSZ);
}

static void free_crash_stack(void *stack) {
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(stack, crash_stack_bytes());
}

void tn_stop_thread(void) {
    stack_t now, own = {.ss_size = crash_stack_bytes()};
    if (!begun || sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return;
    own.ss_sp = mmap(NULL, own.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own.ss_sp == MAP_FAILED) return;
    if (sigaltstack(&own, NULL) != 0 || pthread_setspecific(crash_stack, own.ss_sp) != 0) free_crash_stack(own.ss_sp);
}

/* --- begin and children ------------------------------------------------------------------------------------------- */

tn_status tn_stop_begin(void) {
    if (begun) return TN_OK;
    list_signals();
    if (pthread_key_create(&crash_stack, free_crash_stack) != 0)
        return tn_fail(TN_ENOMEM, "no key for the stacks of crash handlers");
    begun = true;
    tn_stop_thread();
    install_crash_handlers();
    pthread_sigmask(SIG_BLOCK, &waited, &mask_before);
    return start_thread();
}

void tn_stop_child(void) {
    if (!begun) return;
    for (size_t i = 0; i < COUNT(CRASHES); i++) signal(CRASHES[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}
