/* test_stop.c - no thread that computes ever runs a signal handler, and stops are still counted.
 *
 * Each test runs in a child of its own, because tn_stop_begin changes the process for good. */
#define _GNU_SOURCE /* tgkill */
#include "unit.h"

#include "base/stop.h"
#include "base/thread.h"

#include <dirent.h>
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STORM = 1000, STACK_BYTES = 64 << 10, CANARY = 0xA5 };

/* How the child ended that ran body(); body returns its exit code, 0 being good. */
static int in_child(int (*body)(void)) {
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        _exit(body());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_good(int (*body)(void)) {
    int status = in_child(body);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- storms ------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static const int STORM_OF[] = {SIGTERM, SIGINT,    SIGUSR1, SIGUSR2, SIGHUP,   SIGCHLD,
                               SIGALRM, SIGVTALRM, SIGPROF, SIGURG,  SIGWINCH, SIGIO};

static atomic_bool storm_is_over;

/* To the process, and to each of its threads by name. */
static void *storm(void *unused) {
    (void)unused;
    for (int i = 0; i < STORM; i++) {
        int number = STORM_OF[i % (int)(sizeof STORM_OF / sizeof *STORM_OF)];
        kill(getpid(), number);
        DIR *d = i % 10 == 0 ? opendir("/proc/self/task") : NULL;
        for (struct dirent *e; d && (e = readdir(d));)
            if (atoi(e->d_name) > 0) syscall(SYS_tgkill, getpid(), atoi(e->d_name), number);
        if (d) closedir(d);
        pause_ms(1);
    }
    atomic_store(&storm_is_over, true);
    return NULL;
}

/* What oneDNN's float32 product does: the stack pointer stands in a buffer on the heap while it computes. */
static void borrow_stack(char *top, long n_turns) {
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "mov %[top], %%rsp\n"
                     "1:\n\t"
                     "dec %[n]\n\t"
                     "jnz 1b\n\t"
                     "mov %%rbx, %%rsp"
                     : [n] "+r"(n_turns)
                     : [top] "r"(top)
                     : "rbx", "cc", "memory");
}

static bool is_whole(const unsigned char *stack) {
    int n = 0;
    for (int i = 0; i < STACK_BYTES; i++) n += stack[i] != CANARY;
    return n == 0;
}

static int storm_over_borrowed_stacks(void) {
    int n_torn = 0;
    pthread_t thread;
    if (tn_stop_begin() != TN_OK || pthread_create(&thread, NULL, storm, NULL) != 0) return 2;
#pragma omp parallel num_threads(3) reduction(+ : n_torn)
    {
        unsigned char *stack = malloc(STACK_BYTES);
        memset(stack, CANARY, STACK_BYTES);
        while (!atomic_load(&storm_is_over)) borrow_stack((char *)stack + STACK_BYTES / 2, 1000000);
        n_torn += !is_whole(stack);
        free(stack);
    }
    pthread_join(thread, NULL);
    return n_torn ? 3 : tn_stop_wanted() ? 0 : 4;
}

static void test_borrowed_stacks_survive_a_storm(void **state) {
    (void)state;
    assert_good(storm_over_borrowed_stacks);
}

/* A crash while the stack pointer is borrowed still has its message, and its own end. */
static int crash_on_borrowed_stack(void) {
    int ends[2];
    char text[4096] = "";
    if (pipe(ends) != 0) return 2;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* cmocka's own handler */
        char *stack = malloc(STACK_BYTES);
        if (tn_stop_begin() != TN_OK || !stack) _exit(2);
        __asm__ volatile("mov %0, %%rsp\n\tmovl $1, 0\n" ::"r"(stack + 64) : "memory"); /* no room for a frame */
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < sizeof text - 1 && (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV) return 3;
    return strstr(text, "crashed with signal 11 (SEGV) at address (nil)") ? 0 : 4;
}

static void test_crash_has_a_message(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the sanitizer reports crashes itself */
#endif
    assert_good(crash_on_borrowed_stack);
}
#endif

/* --- who receives what -------------------------------------------------------------------------------------------- */

/* Threads of this process that do not block `number`. */
static int n_open_to(int number) {
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], line[256];
        unsigned long long blocked = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "SigBlk: %llx", &blocked) == 1) n += !(blocked >> (number - 1) & 1);
        if (f) fclose(f);
    }
    if (d) closedir(d);
    return n;
}

static void *sleep_on(void *unused) {
    pause_ms(60000);
    return unused;
}

static int look_at_masks(void) {
    pthread_t early; /* as that of a lock which is taken first */
    if (tn_thread_start(sleep_on, NULL, &early) != TN_OK || tn_stop_begin() != TN_OK) return 2;
    int n_threads = 0, worst = 0;
#pragma omp parallel num_threads(3)
#pragma omp single
    {
        n_threads = omp_get_num_threads();
        for (int i = 1; i <= SIGRTMAX; i++) {
            bool waits = i != SIGSEGV && i != SIGBUS && i != SIGFPE && i != SIGILL && i != SIGABRT && i != SIGTRAP &&
                         i != SIGSYS && i != SIGQUIT && i != SIGPIPE && i != SIGTSTP && i != SIGTTIN && i != SIGTTOU &&
                         i != SIGCONT && i != SIGKILL && i != SIGSTOP && (i < 32 || i >= SIGRTMIN);
            if (waits && n_open_to(i) > 1) worst = i; /* the waiting thread may be seen between two waits */
        }
    }
    return n_threads == 3 && worst == 0 ? 0 : 3;
}

static void test_all_threads_block_signals(void **state) {
    (void)state;
    assert_good(look_at_masks);
}

static int count_stops(void) {
    static const int EACH[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGXCPU};
    signal(SIGHUP, SIG_IGN); /* nohup */
    if (tn_stop_begin() != TN_OK || tn_stop_wanted()) return 2;
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGCHLD);
    kill(getpid(), SIGALRM);
    pause_ms(50);
    if (tn_stop_wanted()) return 3;
    for (int i = 0; i < 5; i++) {
        kill(getpid(), EACH[i]);
        for (int ms = 0; tn_stop_count() <= i && ms < 5000; ms++) pause_ms(1);
        if (tn_stop_count() != i + 1) return 4;
    }
    return 0;
}

static void test_stops_are_counted_others_swallowed(void **state) {
    (void)state;
    assert_good(count_stops);
}

static int child_gets_signals_back(void) {
    int status = 0;
    if (tn_stop_begin() != TN_OK) return 2;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t now;
        tn_stop_child();
        sigprocmask(SIG_BLOCK, NULL, &now);
        if (sigismember(&now, SIGTERM) || sigismember(&now, SIGCHLD)) _exit(5);
        kill(getpid(), SIGTERM);
        _exit(6);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 3;
}

static void test_children_get_signals_back(void **state) {
    (void)state;
    assert_good(child_gets_signals_back);
}

/* --- a start that does not end ------------------------------------------------------------------------------------ */

static int start_for_ever(void) {
    if (tn_stop_begin() != TN_OK) return 1;
    tn_stop_starting(60);
    kill(getpid(), SIGTERM);
    pause_ms(20000);
    return 2;
}

static int start_too_long(void) {
    if (tn_stop_begin() != TN_OK) return 1;
    tn_stop_starting(1);
    pause_ms(20000);
    return 2;
}

static int start_that_ends(void) {
    if (tn_stop_begin() != TN_OK) return 1;
    tn_stop_starting(1);
    tn_stop_starting(0);
    pause_ms(2500);
    kill(getpid(), SIGTERM);
    for (int i = 0; i < 1000 && tn_stop_count() == 0; i++) pause_ms(10);
    return tn_stop_count() == 1 ? 0 : 2;
}

static void test_start_can_be_stopped_and_has_a_limit(void **state) {
    (void)state;
    static int (*const BODY[])(void) = {start_for_ever, start_too_long};
    for (int i = 0; i < 2; i++) {
        int status = in_child(BODY[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), TN_EUNFINISHED);
    }
    assert_good(start_that_ends);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
        cmocka_unit_test(test_borrowed_stacks_survive_a_storm),
        cmocka_unit_test(test_crash_has_a_message),
#endif
        cmocka_unit_test(test_all_threads_block_signals),
        cmocka_unit_test(test_stops_are_counted_others_swallowed),
        cmocka_unit_test(test_children_get_signals_back),
        cmocka_unit_test(test_start_can_be_stopped_and_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
