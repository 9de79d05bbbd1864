/*
 * apart.c - ranks that come to different collective calls: mpirun -n 3 apart WHAT
 *
 * WHAT: same (all do the same: exit code 0), line (the last rank calls tn_agree on another line), call (the last rank calls tn_sum
 * where the others call tn_bcast), length (the last rank receives another number of bytes).
 */
#undef TN_CHECK_COLLECTIVES
#define TN_CHECK_COLLECTIVES 1 /* whatever the build */
#include "base/run.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "same";
    tn_run run;
    char data[64] = "";
    int64_t count[8] = {0};
    if (tn_run_begin(&run) != TN_OK) return 1;
    bool last = run.rank == run.n_ranks - 1;
    tn_status st = tn_agree(&run, TN_OK);
    tn_sum(&run, 8, count);
    if (strcmp(what, "line") == 0 && last)
        st = tn_agree(&run, st); /* line 24 */
    else
        st = tn_agree(&run, st); /* line 26 */
    if (strcmp(what, "call") == 0 && last)
        tn_sum(&run, 8, count); /* line 28 */
    else
        tn_bcast(&run, 1, data, strcmp(what, "length") == 0 && last ? 16 : 32); /* line 30 */
    if (run.rank == 0) puts("together");
    tn_run_end(&run, st, false);
    return (int)st;
}
