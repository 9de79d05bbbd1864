/* alike.c - Unicode's compatibility forms. */
#include "store/alike.h"

#include <glib.h>
#include <string.h>

/* The normalised form of a word; NULL: it is not UTF-8. The caller frees it. */
static char *look_of(const char *word) {
    char *out = g_utf8_normalize(word, -1, G_NORMALIZE_NFKC), *to = out;
    if (!out) return NULL;
    for (const char *at = out, *next; *at; at = next) {
        next = g_utf8_next_char(at);
        if (g_unichar_type(g_utf8_get_char(at)) == G_UNICODE_FORMAT) continue;
        memmove(to, at, (size_t)(next - at));
        to += next - at;
    }
    *to = 0;
    return g_strstrip(out);
}

const char *tn_alike(const char *word, int n, const char *const *list) {
    char *look = look_of(word);
    const char *found = NULL;
    for (int i = 0; look && i < n && !found; i++) {
        char *other = look_of(list[i]);
        if (other && strcmp(look, other) == 0 && strcmp(word, list[i]) != 0) found = list[i];
        g_free(other);
    }
    g_free(look);
    return found;
}
