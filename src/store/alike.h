/*
 * alike.h - finds a word of a list that looks like a given word, but has other bytes.
 *
 * A letter with marks, or a syllable, may be one character or several (macOS and Linux differ), blanks and Latin letters have wide
 * forms, and some characters are invisible. Only alike.c includes GLib, which libvips depends on.
 *
 * Source  Unicode Standard Annex 15: words look alike if they are equal after NFKC, without format characters (general category Cf)
 *         and without blanks at the ends
 */
#ifndef TN_STORE_ALIKE_H
#define TN_STORE_ALIKE_H

#include <stdbool.h>

/* The first word of the list (n) that looks like `word` but is not equal; NULL: there is none. All are UTF-8. Local. */
const char *tn_alike(const char *word, int n, const char *const *list);

/* Find two words of the list (n) that look alike but are not equal. Local. Cost: n log n comparisons. */
bool tn_alike_pair(int n, const char *const *list, const char *pair_out[2]);

#endif
