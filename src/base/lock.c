/* lock.c - flock with a time limit. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const double WAIT_S = 10, LOOK_EVERY_S = 0.1;

tn_status tn_lock_take(const char *path, const char *what, int *lock_out) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    bool busy = fd >= 0;
    for (double waited = 0; busy; waited += LOOK_EVERY_S) {
        busy = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (busy && waited >= WAIT_S) {
            close(fd);
            return tn_fail(TN_EIO, "%s: another tenfold is working on it: let it end, or stop it, then run again",
                           what);
        }
        if (busy) nanosleep(&(struct timespec){.tv_nsec = (long)(LOOK_EVERY_S * 1e9)}, NULL);
    }
    *lock_out = fd;
    return TN_OK;
}

void tn_lock_drop(int *lock) {
    if (*lock >= 0) close(*lock);
    *lock = -1;
}
