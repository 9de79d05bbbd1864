/* judge.c - see judge.h. */
#include "parity/judge.h"

#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MOST_RATIO = 1.25;
enum { MOST_FAMILIES = 32 };

typedef struct {
    const char *name;
    double bound;
    int n, n_beyond, n_failed;
    double ours_peer, ours_exact, peer_exact; /* the worst */
    double sum_ours, sum_peer;                /* of squares, against exact */
} family;

struct judge {
    bool bf16;
    int n;
    family family[MOST_FAMILIES];
};

judge *judge_new(bool bf16) {
    judge *j = calloc(1, sizeof *j);
    TN_ASSERT(j != NULL);
    j->bf16 = bf16;
    return j;
}

void judge_free(judge **j) {
    free(*j);
    *j = NULL;
}

double judge_norm(int64_t n, const float *x) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static double error(int64_t n, const float *x, const float *y, double scale) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sqrt(sum) / (scale > 0 ? scale : judge_norm(n, y));
}

static family *find(judge *j, const char *name, double bound) {
    int i = 0;
    while (i < j->n && strcmp(j->family[i].name, name) != 0) i++;
    if (i == j->n) {
        TN_ASSERT(j->n < MOST_FAMILIES);
        j->family[j->n++] = (family){.name = name, .bound = bound};
    }
    return &j->family[i];
}

/* A NaN is the worst. */
static double worst(double a, double b) {
    return b <= a ? a : b;
}

void judge_add(judge *j, const char *name, double bound, int64_t n, const float *ours, const float *peer,
               const float *exact, double scale) {
    family *f = find(j, name, bound);
    double ours_peer = error(n, ours, peer, scale), ours_exact = error(n, ours, exact, scale);
    double peer_exact = error(n, peer, exact, scale);
    bool beyond = !(ours_peer <= bound);
    f->n++;
    f->n_beyond += beyond;
    f->n_failed += beyond && !(ours_exact <= MOST_RATIO * peer_exact);
    f->ours_peer = worst(f->ours_peer, ours_peer);
    f->ours_exact = worst(f->ours_exact, ours_exact);
    f->peer_exact = worst(f->peer_exact, peer_exact);
    f->sum_ours += ours_exact * ours_exact;
    f->sum_peer += peer_exact * peer_exact;
}

int judge_print(const judge *j, FILE *out) {
    int n_failed = 0;
    fprintf(out,
            "| tensors | number | worst against PyTorch | worst against fp64 | PyTorch's worst against fp64 | ratio of "
            "the root mean squares against fp64 | bound | beyond it | verdict |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n");
    for (int i = 0; i < j->n; i++) {
        const family *f = &j->family[i];
        double ratio = f->sum_peer > 0 ? sqrt(f->sum_ours / f->sum_peer) : 0;
        bool failed = j->bf16 ? !(ratio <= MOST_RATIO) : f->n_failed > 0;
        fprintf(out, "| %s | %d | %.1e | %.1e | %.1e | %.2f | ", f->name, f->n, f->ours_peer, f->ours_exact,
                f->peer_exact, ratio);
        if (j->bf16)
            fprintf(out, "ratio %g | - |", MOST_RATIO);
        else
            fprintf(out, "%.0e | %d |", f->bound, f->n_beyond);
        fprintf(out, " %s |\n", failed ? "**fails**" : !j->bf16 && f->n_beyond ? "fine by ratio" : "fine");
        n_failed += failed;
    }
    return n_failed;
}
