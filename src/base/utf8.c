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

bool tn_is_utf16(const void *text, size_t n) {
    const unsigned char *s = text;
    return n > 1 && (memcmp(s, "\xFF\xFE", 2) == 0 || memcmp(s, "\xFE\xFF", 2) == 0 || !s[0] || !s[1]);
}

/* The length of the character at text, of which n bytes are left; 0: not valid UTF-8. */
static size_t character(const char *text, size_t n) {
    for (size_t length = 1; length <= 4 && length <= n; length++)
        if (tn_is_utf8(text, length)) return length;
    return 0;
}

void tn_utf8_mend(char *text) {
    size_t n = strlen(text);
    for (size_t i = 0, length; i < n; i += length ? length : 1) {
        length = character(text + i, n - i);
        if (length == 0) text[i] = '?';
    }
}

static bool is_control(const unsigned char *c, size_t length) {
    if (length == 1) return (*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7F;
    return length == 2 && c[0] == 0xC2 && c[1] < 0xA0;
}

void tn_utf8_printable(const char *text, char *out, size_t room) {
    static const char DIGIT[] = "0123456789abcdef";
    size_t n = strlen(text), at = 0;
    for (size_t i = 0, length; i < n; i += length) {
        const unsigned char *c = (const unsigned char *)text + i;
        length = character(text + i, n - i);
        bool plain = length > 0 && !is_control(c, length);
        if (length == 0) length = 1;
        if (at + (plain ? length : 4 * length) >= room) break;
        if (plain) {
            memcpy(out + at, c, length);
            at += length;
        }
        for (size_t k = 0; !plain && k < length; k++) {
            memcpy(out + at, (char[]){'\\', 'x', DIGIT[c[k] >> 4], DIGIT[c[k] & 15]}, 4);
            at += 4;
        }
    }
    out[at] = 0;
}

char *tn_trim(char *text) {
    static const char WHITE[] = " \t\r\n";
    char *begin = text + strspn(text, WHITE), *end = begin + strlen(begin);
    while (end > begin && strchr(WHITE, end[-1])) end--;
    *end = 0;
    return begin;
}
