/* explore_priv.h - a function for each table of explore.md, and shared helpers. All are local. */
#ifndef TN_EXPLORE_PRIV_H
#define TN_EXPLORE_PRIV_H

#include "explore/explore.h"

/* The kinds of rows; each row is of one kind. */
typedef enum { TN_ROW_TRAIN, TN_ROW_TEST, TN_ROW_UNLABELLED, TN_ROW_QUARANTINED, TN_ROW_KINDS } tn_row_kind;

static inline tn_row_kind tn_row_kind_of(const tn_index *ix, int64_t row) {
    if (ix->state[row]) return TN_ROW_QUARANTINED;
    if (ix->is_test[row]) return TN_ROW_TEST;
    return ix->label[row] < 0 ? TN_ROW_UNLABELLED : TN_ROW_TRAIN;
}

/* Print a cell "| text ", with characters escaped that would end the cell or the line. */
void tn_explore_cell(FILE *out, const char *text);
/* Print a cell "| 12.5 % "; "| - " if all is 0. */
void tn_explore_share(FILE *out, int64_t part, int64_t all);

tn_status tn_explore_classes(const tn_index *ix, FILE *out);
tn_status tn_explore_sizes(const tn_cfg *cfg, const tn_index *ix, FILE *out);
tn_status tn_explore_categories(const tn_cfg *cfg, const tn_index *ix, FILE *out);
tn_status tn_explore_duplicates(const tn_cfg *cfg, const tn_index *ix, FILE *out);
tn_status tn_explore_quarantine(const tn_index *ix, const char *path, FILE *out);

#endif
