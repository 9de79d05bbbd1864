/* nearest.h - the word of a list that a misspelt one probably meant. */
#ifndef TN_CFG_NEAREST_H
#define TN_CFG_NEAREST_H

/* The word with the least edit distance (insert, delete, replace, swap neighbours), NULL when none is near: more than a
 * third of the letters differ. */
const char *tn_nearest(const char *word, int n, const char *const *list);

#endif
