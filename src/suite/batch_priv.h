/* batch_priv.h - what batch.c (the pipeline) and batch_search.c share. */
#ifndef TN_SUITE_BATCH_PRIV_H
#define TN_SUITE_BATCH_PRIV_H

#include "suite/batch.h"

typedef struct {
    const tn_cfg *cfg;
    const tn_missing *m;
    tn_batches *b;
    int try; /* how often jobs were laid out more tightly */
} tn_maker;

/* One more job; fmt: its label. */
tn_batch *tn_batch_add(tn_maker *k, tn_step_kind kind, int round, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The task that has its i-th cell is wanted. Without memory the array stays without a list. */
void tn_batch_want(tn_batch *b, int i);
/* before: index of a job, -1 = there is none to wait for. */
void tn_batch_wait(tn_batch *b, int before, tn_after kind);
void tn_batch_command(tn_batch *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Index of the job that was added last. */
int tn_batch_last(const tn_maker *k);

/* batch_search.c: all jobs of a search. */
void tn_batch_search(tn_maker *k);

#endif
