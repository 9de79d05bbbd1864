/* shown.c - see shown.h. */
#include "cfg/shown.h"

int tn_shown(int K, const double *key, int out[TN_MOST_SHOWN]) {
    int n = 0;
    for (int k = 0; k < K; k++) {
        int at = n;
        while (K > TN_MOST_SHOWN && at > 0 && key[k] > key[out[at - 1]]) at--;
        if (at == TN_MOST_SHOWN) continue;
        for (int i = n < TN_MOST_SHOWN ? n++ : TN_MOST_SHOWN - 1; i > at; i--) out[i] = out[i - 1];
        out[at] = k;
    }
    return n;
}
