/*
 * beside.h - which test rows resemble a row that models are trained on: rows of one component (fold.h) share content, look or group.
 *
 *   tn_beside b;
 *   TN_TRY(tn_beside_find(run, table, &b));
 *   if (tn_is_beside(&b, rows.component[i])) ...            // of a test row: a model may know its answer
 *   tn_beside_free(&b);
 */
#ifndef TN_DATA_BESIDE_H
#define TN_DATA_BESIDE_H

#include "data/table.h"

typedef struct {
    uint64_t *trained; /* a bit for each component: has it a row with a fold? NULL: the table has no fold map */
    int64_t n;         /* rows with a fold whose component has a labelled test row */
} tn_beside;

/* Reads the table twice. Memory: N / 4 bytes, N / 8 of them until tn_beside_free; call it also after an error. Collective.
 * Errors TN_EFORMAT a component is out of range; TN_ENOMEM; those of tn_table_read. */
tn_status tn_beside_find(tn_run *run, tn_table *t, tn_beside *out);
void tn_beside_free(tn_beside *b);
/* Is a training row in this component? Local. */
bool tn_is_beside(const tn_beside *b, int32_t component);

#endif
