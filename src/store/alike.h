/*
 * alike.h - the word of a list that looks like another one, but has other bytes.
 *
 * Letters with marks and syllables are one character or several (macOS and Linux differ), blanks and Latin letters have wide
 * forms, and some characters are not seen at all. Only alike.c includes GLib, which libvips brings along.
 *
 * Source  Unicode Standard Annex 15: equal after NFKC, without format characters (general category Cf) and without
 *         blanks at the ends
 */
#ifndef TN_STORE_ALIKE_H
#define TN_STORE_ALIKE_H

/* The first word of the list that looks like `word` and is not the same; NULL: there is none. All are UTF-8. */
const char *tn_alike(const char *word, int n, const char *const *list);

#endif
