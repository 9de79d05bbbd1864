/* seen.c - bounded waits for what another host has published. */
#include "base/seen.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/watch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Attribute caches of NFS live for 60 s at most unless an administrator set them longer. */
static const double WAIT_S = 90, SAY_AFTER_S = 2;

/* wanted NULL: any bytes will do. why_out: what is wrong with a file that is there. */
static bool is_here(const char *path, const char *wanted, char why_out[TN_MSG_BYTES]) {
    char hex[TN_HEX_BYTES];
    *why_out = 0;
    if (!tn_file_exists(path)) return false;
    if (!wanted) return true;
    bool read = tn_hash_file(path, hex) == TN_OK;
    if (read && strcmp(hex, wanted) == 0) return true;
    snprintf(why_out, TN_MSG_BYTES, "%s", read ? "an older one is there" : tn_msg);
    return false;
}

static tn_status wait_for(const char *path, const char *wanted) {
    char host[256] = "this host", why[TN_MSG_BYTES];
    bool said = false;
    gethostname(host, sizeof host - 1);
    for (double begin = tn_now_s(); !is_here(path, wanted, why);) {
        double waited = tn_now_s() - begin;
        if (waited > WAIT_S)
            return tn_fail(TN_EIO,
                           "%s: another process published it, but %s does not see it after %.0f s%s%s%s: look at the "
                           "file system of that host, then run again",
                           path, host, waited, *why ? " (" : "", why, *why ? ")" : "");
        if (waited > SAY_AFTER_S && !said) {
            tn_say("%s: %s does not see yet what another process published; waits up to %.0f s", path, host, WAIT_S);
            said = true;
        }
        tn_watch_go(); /* no hang: this wait has an end */
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    }
    return TN_OK;
}

tn_status tn_seen_here(const char *path) {
    return wait_for(path, NULL);
}

tn_status tn_seen_by_all(tn_run *run, const char *path) {
    char hex[TN_HEX_BYTES] = "";
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_hash_file(path, hex) : TN_OK));
    MPI_Bcast(hex, sizeof hex, MPI_CHAR, 0, run->comm);
    return tn_agree(run, run->rank == 0 ? TN_OK : wait_for(path, hex));
}
