/* alike.c - Unicode's compatibility forms. */
#include "store/alike.h"

#include <glib.h>
#include <stdlib.h>
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

typedef struct {
    char *look;
    int i; /* in the list */
} seen;

static int by_look(const void *a, const void *b) {
    const seen *x = a, *y = b;
    int d = strcmp(x->look, y->look);
    return d ? d : (x->i > y->i) - (x->i < y->i);
}

bool tn_alike_pair(int n, const char *const *list, const char *pair_out[2]) {
    seen *s = g_new(seen, (gsize)n + 1);
    bool found = false;
    int n_looks = 0;
    for (int i = 0; i < n; i++) {
        s[n_looks] = (seen){look_of(list[i]), i};
        n_looks += s[n_looks].look != NULL;
    }
    qsort(s, (size_t)n_looks, sizeof *s, by_look);
    for (int i = 1; i < n_looks && !found; i++) {
        found = strcmp(s[i].look, s[i - 1].look) == 0 && strcmp(list[s[i].i], list[s[i - 1].i]) != 0;
        pair_out[0] = list[s[i - 1].i];
        pair_out[1] = list[s[i].i];
    }
    for (int i = 0; i < n_looks; i++) g_free(s[i].look);
    g_free(s);
    return found;
}
