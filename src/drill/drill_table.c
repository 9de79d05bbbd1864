/* drill_table.c - shared by both drills: digests of results, and publishing the table. */
#include "drill/drill_priv.h"

#include "cfg/cell.h"
#include "model/ckpt.h"
#include "store/done.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 256 };
static const char *const STAGE[] = {"preprocess", "train", "predict"};

const char *tn_drill_stage_name(tn_drill_stage s) {
    return STAGE[s];
}

/* --- digests ------------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Hash names and bytes of the files of a folder, except DONE, which records the build, and texts for people. */
static tn_status add_files(tn_hash *h, const char *folder) {
    char *name[MOST_FILES];
    int n = 0;
    DIR *dir = opendir(folder);
    if (!dir) return tn_fail(TN_EIO, "%s: %s", folder, strerror(errno));
    for (struct dirent *e; n < MOST_FILES && (e = readdir(dir));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "DONE") != 0 && !strstr(e->d_name, ".safetensors") &&
            strcmp(e->d_name, "journal.jsonl") != 0)
            name[n++] = strdup(e->d_name);
    closedir(dir);
    qsort(name, (size_t)n, sizeof *name, by_name);
    tn_status st = TN_OK;
    for (int i = 0; i < n; i++) {
        char path[TN_PATH_BYTES], hex[TN_HEX_BYTES];
        if (st == TN_OK) st = tn_path(path, "%s/%s", folder, name[i]);
        if (st == TN_OK) st = tn_hash_file(path, hex);
        if (st == TN_OK) tn_hash_text(h, name[i]);
        if (st == TN_OK) tn_hash_text(h, hex);
        free(name[i]);
    }
    return st;
}

/* Hash only the tensors of a checkpoint. */
static tn_status add_tensors(tn_hash *h, const char *folder, const char *name) {
    char path[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    tn_ckpt *ck = NULL;
    TN_TRY(tn_path(path, "%s/%s", folder, name));
    TN_TRY(tn_ckpt_read(path, &ck));
    tn_ckpt_digest(ck, "", hex);
    tn_ckpt_free(&ck);
    tn_hash_text(h, hex);
    return TN_OK;
}

/* Hash the journal without times. Its losses cover every step, so they show different weights even if an earlier evaluation is kept. */
static tn_status add_journal(tn_hash *h, const char *folder) {
    char path[TN_PATH_BYTES], *text = NULL, *rest;
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/journal.jsonl", folder));
    TN_TRY(tn_file_read(path, &text, &n));
    rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *seconds = strstr(line, "\"training_seconds\"");
        if (seconds) *seconds = 0;
        tn_hash_text(h, line);
    }
    free(text);
    return TN_OK;
}

static tn_status cell_folder(const tn_cfg *cfg, tn_drill_stage s, int fold, const char *run_folder,
                             char out[TN_PATH_BYTES]) {
    tn_cell cell = {.fold = fold, .size_px = cfg->train.sizes_px[0], .seed = cfg->train.seeds[0]};
    char name[TN_CELL_NAME_BYTES];
    tn_cell_name(&cell, name);
    return tn_path(out, "%s/%s/%s", run_folder, STAGE[s], name);
}

tn_status tn_drill_digest(const tn_cfg *cfg, tn_drill_stage s, int fold, const char *folder,
                          char hex_out[TN_HEX_BYTES]) {
    char path[TN_PATH_BYTES], hex[TN_HEX_BYTES];
    tn_hash *h = tn_hash_new();
    tn_status st;
    if (s == TN_DRILL_PREPROCESS) {
        st = tn_path(path, "%s/shards", folder);
        if (st == TN_OK) st = tn_done_digest(path, STAGE[s], hex);
        if (st == TN_OK) st = add_files(h, path);
        if (st == TN_OK) st = tn_path(path, "%s/folds", folder);
    } else {
        st = cell_folder(cfg, s, fold, folder, path);
    }
    if (st == TN_OK) st = tn_done_digest(path, STAGE[s], hex);
    if (st == TN_OK) st = add_files(h, path);
    if (st == TN_OK && s == TN_DRILL_TRAIN) st = add_tensors(h, path, "best.safetensors");
    if (st == TN_OK && s == TN_DRILL_TRAIN) st = add_journal(h, path);
    tn_hash_text(h, hex);
    tn_hash_hex(h, hex_out);
    tn_hash_free(&h);
    return st;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const char *tn_drill_says(bool ended, bool equal) {
    return equal ? "yes" : ended ? "NO" : "did not end";
}

tn_status tn_drill_publish(const tn_cfg *cfg, const char *name, void (*print)(const void *, FILE *),
                           const void *context) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n_bytes = 0;
    TN_TRY(tn_path(path, "%s/%s", cfg->run_dir, name));
    FILE *f = open_memstream(&text, &n_bytes);
    if (f) print(context, f);
    tn_status st = tn_text_end(f, TN_OK, name);
    if (st == TN_OK) st = tn_file_publish(path, text, n_bytes);
    free(text);
    return st;
}

tn_status tn_drill_verdict(const tn_cfg *cfg, int n_equal, int n_runs) {
    if (n_equal == n_runs) return TN_OK;
    return tn_fail(TN_EBUG,
                   "drill: %d of %d runs did not end in the bits of the undisturbed one: do not trust this "
                   "installation; see %s/drill.md and the folders of those runs beside it",
                   n_runs - n_equal, n_runs, cfg->run_dir);
}
