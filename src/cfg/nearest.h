/* nearest.h - finds the word that a misspelt one probably means. */
#ifndef TN_CFG_NEAREST_H
#define TN_CFG_NEAREST_H

/* The word of a list (n) with the smallest edit distance (insert, delete, replace, swap neighbours). NULL: none is near, that is, more
 * than a third of the letters differ. Pure. */
const char *tn_nearest(const char *word, int n, const char *const *list);

#endif
