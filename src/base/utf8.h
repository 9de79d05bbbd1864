/*
 * utf8.h - is it UTF-8? What goes into JSON must be.                    layer: base, uses: nothing
 *
 * Source  RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF
 */
#ifndef TN_BASE_UTF8_H
#define TN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool tn_is_utf8(const void *text, size_t n_bytes);

/* Puts `?` for every byte that is no part of UTF-8, for instance of a character that was cut in two. */
void tn_utf8_mend(char *text);

#endif
