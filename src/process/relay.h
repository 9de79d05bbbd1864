/*
 * relay.h - what mpirun and its ranks print, on its way into a log and to the terminal.
 *
 *   tn_relay r;
 *   tn_relay_begin(&r, log, STDERR_FILENO);
 *   tn_relay_bytes(&r, data, n);  ...  tn_relay_end(&r);       r.last: the line that says why it failed
 *
 * Open MPI's mpirun sets what it has to say between two rules of dashes. Two of these blocks only say that a rank ended with another exit
 * code than 0, which we know: they are dropped. The others say why a start failed, and go on with the rest. What MPICH's mpirun says
 * is shown, and is never the line that says why.
 */
#ifndef TN_PROCESS_RELAY_H
#define TN_PROCESS_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct {
    FILE *log;
    int terminal;   /* descriptor; -1: none */
    bool sparse;    /* to the terminal only progress, warnings, errors, and what is not of tenfold */
    char seen[600]; /* sparse: a line that has not ended */
    size_t n_seen;
    char result[128]; /* what the last "tenfold: result: ..." says */
    char line[512];   /* begun, without its end */
    size_t n;
    bool in_block;
    char held[8192]; /* not shown yet: a line that may be a rule, or the block so far */
    size_t n_held;
    char last
        [256]; /* the last line of tenfold; without one the first block of mpirun, as one line; else the last line */
    bool ours, block;
    int signal; /* that ended a rank, by MPICH's mpirun; 0: it said nothing of one */
} tn_relay;

void tn_relay_begin(tn_relay *r, FILE *log, int terminal, bool sparse);
/* Whole lines go into the log; what a carriage return overwrites (progress bars) does not. */
void tn_relay_bytes(tn_relay *r, const char *data, size_t n);
void tn_relay_end(tn_relay *r); /* what is held is shown */

#endif
