/*
 * utf8.h - is it UTF-8? What goes into JSON must be. What is safe to print? Blanks.
 *
 * Source  RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF
 */
#ifndef TN_BASE_UTF8_H
#define TN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* What some editors put in front of a text: the byte order mark. */
#define TN_UTF8_BOM "\xEF\xBB\xBF"

bool tn_is_utf8(const void *text, size_t n_bytes);

/* Does the text begin as UTF-16 does, with its byte order mark or an ASCII character? */
bool tn_is_utf16(const void *text, size_t n_bytes);

/* Puts `?` for every byte that is no part of UTF-8, for instance of a character that was cut in two. */
void tn_utf8_mend(char *text);

/* Copies text so that no file name or label in it commands the terminal: control characters (U+0000 to U+001F, U+007F to
 * U+009F) and bytes that are no part of UTF-8 become \xNN, one for each byte. Line feeds and tabs stay: messages have
 * them. What does not fit into room, with its 0 byte, is left out; 4 strlen(text) + 1 is always enough. */
void tn_utf8_printable(const char *text, char *out, size_t room);

/* Takes blanks, tabs and line breaks at both ends of text away: cuts the end off, returns the begin. */
char *tn_trim(char *text);

#endif
