/* sizes.c - a table of the sizes of stored images. */
#include "explore/explore_priv.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Print minimum, quartiles and maximum of n > 0 values, which are sorted here. Quartiles are existing values, without interpolation. */
static void put_spread(FILE *out, const char *name, double *value, int64_t n, int digits) {
    qsort(value, (size_t)n, sizeof *value, ascending);
    fprintf(out, "| %s ", name);
    for (int q = 0; q <= 4; q++) fprintf(out, "| %.*f ", digits, value[q * (n - 1) / 4]);
    fputs("|\n", out);
}

typedef struct {
    int64_t n, below, wide, high;
    double *shorter, *longer, *aspect; /* (n) */
} sizes;

static void count_sizes(const tn_cfg *cfg, const tn_index *ix, sizes *s) {
    for (int64_t i = 0; i < ix->n; i++) {
        if (tn_row_kind_of(ix, i) == TN_ROW_QUARANTINED) continue;
        int w = ix->width[i], h = ix->height[i], shorter = w < h ? w : h, longer = w < h ? h : w;
        s->shorter[s->n] = shorter;
        s->longer[s->n] = longer;
        s->aspect[s->n++] = shorter > 0 ? (double)longer / shorter : 0;
        s->below += shorter < cfg->preprocess.size_px;
        s->wide += w > h;
        s->high += w < h;
    }
}

tn_status tn_explore_sizes(const tn_cfg *cfg, const tn_index *ix, FILE *out) {
    double *all = calloc((size_t)ix->n * 3 + 1, sizeof *all);
    if (!all) return tn_fail_memory((size_t)ix->n * 3 * sizeof *all, "the image sizes");
    sizes s = {.shorter = all, .longer = all + ix->n, .aspect = all + 2 * ix->n};
    count_sizes(cfg, ix, &s);
    fprintf(out,
            "\n## Image sizes\n\n%lld images as they are stored: %lld wider than high, %lld higher than wide, %lld "
            "square.\n",
            (long long)s.n, (long long)s.wide, (long long)s.high, (long long)(s.n - s.wide - s.high));
    fprintf(out, "%lld have a short side below preprocess.size_px = %d px.\n", (long long)s.below,
            cfg->preprocess.size_px);
    if (s.n > 0) {
        fputs(
            "\n| | minimum | first quartile | median | third quartile | maximum |\n| --- | ---: | ---: | ---: | ---: | "
            "---: |\n",
            out);
        put_spread(out, "short side, px", s.shorter, s.n, 0);
        put_spread(out, "long side, px", s.longer, s.n, 0);
        put_spread(out, "long / short", s.aspect, s.n, 2);
    }
    free(all);
    return TN_OK;
}
