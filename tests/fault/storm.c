/*
 * storm.c - many signals to a process and to each of its threads, one every millisecond.
 *
 *   tn_storm stop|other PID N
 *
 * stop   those that ask to stop: SIGTERM, SIGUSR1, SIGINT, SIGUSR2, SIGHUP, SIGXCPU
 * other  those that ask for nothing: SIGCHLD, SIGALRM, SIGVTALRM, SIGPROF, SIGURG, SIGWINCH, SIGIO, SIGRTMIN
 * Ends after N signals, or with the process. Prints how many it sent; exit code 1 where it could not send one.
 */
#define _GNU_SOURCE /* tgkill */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int to_threads(int pid, int number) {
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (atoi(e->d_name) > 0) n += syscall(SYS_tgkill, pid, atoi(e->d_name), number) == 0;
    if (d) closedir(d);
    return n;
}

int main(int argc, char **argv) {
    static const int STOP[] = {SIGTERM, SIGUSR1, SIGINT, SIGUSR2, SIGHUP, SIGXCPU};
    const int other[] = {SIGCHLD, SIGALRM, SIGVTALRM, SIGPROF, SIGURG, SIGWINCH, SIGIO, SIGRTMIN};
    if (argc != 4) return 2;
    const int *list = strcmp(argv[1], "stop") == 0 ? STOP : other;
    size_t n_list = list == STOP ? sizeof STOP / sizeof *STOP : sizeof other / sizeof *other;
    int pid = atoi(argv[2]), n = atoi(argv[3]), n_sent = 0;
    for (int i = 0; pid > 0 && i < n && kill(pid, list[(size_t)i % n_list]) == 0; i++) {
        n_sent += 1 + to_threads(pid, list[(size_t)i % n_list]);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    printf("%d signals sent\n", n_sent);
    return n_sent > 0 ? 0 : 1;
}
