/* vocabulary.c - translates categories by name. */
#include "data/vocabulary.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    int32_t value;
} entry;

static int by_name(const void *a, const void *b) {
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

tn_status tn_vocabulary_map(int32_t n_from, char *const *from, int32_t n_to, char *const *to, int32_t **map_out) {
    int32_t *map = calloc((size_t)n_from + 1, sizeof *map);
    entry *sorted = malloc((size_t)n_to * sizeof *sorted + 1);
    if (!map || !sorted) {
        free(map);
        free(sorted);
        return tn_fail_memory((size_t)(n_from + n_to) * sizeof *sorted, "the categories");
    }
    size_t n = 0;
    for (int32_t v = 1; v < n_to; v++) sorted[n++] = (entry){to[v], v};
    qsort(sorted, n, sizeof *sorted, by_name);
    for (int32_t v = 1; v < n_from; v++) {
        const entry *e = bsearch(&(entry){.name = from[v]}, sorted, n, sizeof *sorted, by_name);
        map[v] = e ? e->value : 0;
    }
    free(sorted);
    *map_out = map;
    return TN_OK;
}

tn_status tn_index_translate(tn_index *ix, int level, int32_t n_to, char *const *to, int64_t *n_unknown_out) {
    int32_t *map = NULL;
    int64_t n_unknown = 0;
    TN_TRY(tn_vocabulary_map(ix->n_values[level], ix->value_name[level], n_to, to, &map));
    for (int64_t i = 0; i < ix->n; i++) {
        int32_t *value = &ix->cat[i * ix->n_levels + level], given = *value;
        *value = map[given];
        n_unknown += ix->state[i] == 0 && given > 0 && *value == 0;
    }
    free(map);
    free(ix->value_name[level]);
    ix->value_name[level] = NULL;
    ix->n_values[level] = n_to;
    *n_unknown_out = n_unknown;
    return TN_OK;
}
