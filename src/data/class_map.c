/* class_map.c - see class_map.h. */
#include "data/class_map.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* The slot of a name: where its class is, or the empty one where it would be. */
static int32_t *slot_of(const tn_class_map *map, const char *name) {
    uint64_t at = tn_hash64(name, strlen(name)) & map->mask;
    while (map->slot[at] >= 0 && strcmp(map->cfg->data.classes[map->slot[at]], name) != 0) at = (at + 1) & map->mask;
    return &map->slot[at];
}

tn_status tn_class_map_new(const tn_cfg *cfg, tn_class_map *out) {
    size_t n = 16;
    while (n < 2 * (size_t)cfg->data.n_classes) n *= 2; /* at most half full, so that there is an empty slot */
    *out = (tn_class_map){.cfg = cfg, .mask = n - 1, .slot = malloc(n * sizeof *out->slot)};
    if (!out->slot) return tn_fail_memory(n * sizeof *out->slot, "the classes");
    for (size_t i = 0; i < n; i++) out->slot[i] = -1;
    for (int32_t k = 0; k < cfg->data.n_classes; k++) *slot_of(out, cfg->data.classes[k]) = k;
    return TN_OK;
}

int tn_class_map_find(const tn_class_map *map, const char *name) {
    return *slot_of(map, name);
}

void tn_class_map_free(tn_class_map *map) {
    free(map->slot);
    map->slot = NULL;
}
