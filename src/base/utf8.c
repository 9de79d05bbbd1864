/* utf8.c - RFC 3629. */
#include "base/utf8.h"

#include <string.h>

bool tn_is_utf8(const void *text, size_t n) {
    const unsigned char *s = text;
    for (size_t i = 0; i < n;) {
        unsigned char c = s[i];
        size_t more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : (c & 0xF0) == 0xE0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : 9;
        if (more > n - i - 1) return false;
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xC0) != 0x80) return false;
        if ((c == 0xE0 && s[i + 1] < 0xA0) || (c == 0xED && s[i + 1] > 0x9F) || (c == 0xF0 && s[i + 1] < 0x90) ||
            (c == 0xF4 && s[i + 1] > 0x8F))
            return false; /* overlong, surrogate, beyond U+10FFFF */
        i += more + 1;
    }
    return true;
}

void tn_utf8_mend(char *text) {
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t length = 1; /* of the sequence that begins here: the shortest that is UTF-8 */
        while (length <= 4 && i + length <= n && !tn_is_utf8(text + i, length)) length++;
        if (length > 4 || i + length > n) {
            text[i] = '?';
            length = 1;
        }
        i += length;
    }
}
