/* journal.c - see journal.h. */
#include "learn/journal.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_journal_read(const tn_cfg *cfg, const tn_cell *cell, json_t **out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(tn_cell_folder(cfg, "train", cell, path));
    TN_TRY(tn_path(path, "%s/journal.jsonl", path));
    if (tn_file_exists(path)) TN_TRY(tn_file_read(path, &text, &n));
    *out = json_array();
    char *rest = text;
    for (char *line; rest && (line = strtok_r(rest, "\n", &rest));) {
        json_t *point = json_loads(line, 0, NULL);
        if (point) json_array_append_new(*out, point);
    }
    free(text);
    return *out ? TN_OK : tn_fail_memory(n, "a journal");
}
