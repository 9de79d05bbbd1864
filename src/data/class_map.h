/*
 * class_map.h - finds a class by its name, in a time that does not grow with the number of classes. All functions are local.
 *
 *   tn_class_map map;
 *   TN_TRY(tn_class_map_new(cfg, &map));
 *   int k = tn_class_map_find(&map, "worn");      // -1: no class has this name
 *   tn_class_map_free(&map);
 */
#ifndef TN_DATA_CLASS_MAP_H
#define TN_DATA_CLASS_MAP_H

#include "cfg/cfg.h"

/* A hash table with open addressing. */
typedef struct {
    const tn_cfg *cfg;
    uint64_t mask; /* number of slots - 1 */
    int32_t *slot; /* class, -1: empty */
} tn_class_map;

/* The map refers to cfg. Errors TN_ENOMEM. */
tn_status tn_class_map_new(const tn_cfg *cfg, tn_class_map *out);
int tn_class_map_find(const tn_class_map *map, const char *name);
void tn_class_map_free(tn_class_map *map);

#endif
