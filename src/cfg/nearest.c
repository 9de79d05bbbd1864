/* nearest.c - optimal string alignment distance over short words; capital letters count like small ones. */
#include "cfg/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { MOST = 64 };

static int least(int a, int b) {
    return a < b ? a : b;
}

static bool alike(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int distance(const char *a, const char *b) {
    int n = (int)strlen(a), m = (int)strlen(b), d[MOST + 1][MOST + 1];
    if (n > MOST || m > MOST) return MOST;
    for (int i = 0; i <= n; i++) d[i][0] = i;
    for (int j = 0; j <= m; j++) d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + !alike(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && alike(a[i - 1], b[j - 2]) && alike(a[i - 2], b[j - 1]))
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

const char *tn_nearest(const char *word, int n, const char *const *list) {
    const char *best = NULL;
    int best_distance = ((int)strlen(word) + 2) / 3 + 1;
    for (int i = 0; i < n; i++) {
        int d = distance(word, list[i]);
        if (d < best_distance) {
            best_distance = d;
            best = list[i];
        }
    }
    return best;
}
