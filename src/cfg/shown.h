/*
 * shown.h - chooses the classes that a table for people shows.
 *
 *   int class[TN_MOST_SHOWN], n = tn_shown(K, key, class);
 *   for (int i = 0; i < n; i++) ... class[i] ...
 */
#ifndef TN_CFG_SHOWN_H
#define TN_CFG_SHOWN_H

#include "cfg/cfg.h"

/* All K classes in their order, or, of more than TN_MOST_SHOWN, those with the largest key, largest first (ties: the lower class). key (K).
 * Returns how many. Pure. */
int tn_shown(int K, const double *key, int out[TN_MOST_SHOWN]);

#endif
