/*
 * utf8.h - checks and repairs UTF-8, makes text safe to print, trims blanks. JSON requires UTF-8. All functions are local.
 *
 * Source  RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF
 */
#ifndef TN_BASE_UTF8_H
#define TN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The byte order mark, which some editors write at the beginning of a text. */
#define TN_UTF8_BOM "\xEF\xBB\xBF"

bool tn_is_utf8(const void *text, size_t n_bytes);

/* Does the text begin like UTF-16, with its byte order mark or an ASCII character? */
bool tn_is_utf16(const void *text, size_t n_bytes);

/* Replace every byte that is not part of valid UTF-8, for instance of a character that was cut in two, by `?`. */
void tn_utf8_mend(char *text);

/* Copy text so that no file name or label in it can command a terminal: control characters (U+0000 to U+001F, U+007F to U+009F) and bytes
 * that are not valid UTF-8 become \xNN, one for each byte. Line feeds and tabs are kept, because messages have them. Text that does not
 * fit into room, with its 0 byte, is cut; 4 strlen(text) + 1 is always enough. */
void tn_utf8_printable(const char *text, char *out, size_t room);

/* Remove blanks, tabs and line breaks at both ends of text: the end is cut off, and the new beginning returned. */
char *tn_trim(char *text);

#endif
