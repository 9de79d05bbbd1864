/* folds.c - makes folds/: the fold map and its certificate. */
#include "preprocess/folds.h"

#include "base/progress.h"
#include "data/fold.h"
#include "store/done.h"

#include <stdio.h>
#include <stdlib.h>

static tn_status write_folds(const tn_cfg *cfg, tn_index *ix, const char *folder, const tn_done *done) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES], *text = NULL;
    size_t n = 0;
    tn_fold_certificate certificate;
    TN_TRY(tn_fold_assign(cfg, ix, &certificate));
    TN_TRY(tn_path(path, "%s/folds.h5", folder));
    TN_TRY(tn_index_write_folds(ix, path));
    FILE *f = open_memstream(&text, &n);
    if (!f) return tn_fail_memory(4096, "the certificate");
    tn_fold_certificate_print(cfg, &certificate, f);
    fclose(f);
    tn_status st = tn_path(path, "%s/certificate.txt", folder);
    if (st == TN_OK) st = tn_file_publish(path, text, n);
    if (st == TN_OK) fputs(text, stdout);
    fflush(stdout);
    if (certificate.test_duplicates > 0)
        tn_warn("%lld training images duplicate, resemble or share a group with test images",
                (long long)certificate.test_duplicates);
    free(text);
    if (st != TN_OK) return st;
    tn_hash *h = tn_hash_new();
    tn_hash_add(h, ix->fold, (size_t)ix->n * sizeof *ix->fold);
    tn_hash_add(h, ix->component, (size_t)ix->n * sizeof *ix->component);
    tn_hash_hex(h, digest);
    tn_hash_free(&h);
    return tn_done_publish(folder, done, digest, (const char *[]){"folds.h5", NULL});
}

tn_status tn_folds_make(tn_run *run, const tn_cfg *cfg, const char *shards) {
    char folder[TN_PATH_BYTES], hex[TN_HEX_BYTES] = "", inputs[128];
    tn_index *ix = NULL;
    char *settings = tn_cfg_canonical(cfg, TN_KEYS_FOLDS);
    tn_status st = settings ? tn_path(folder, "%s/folds", cfg->run_dir) : tn_fail_memory(4096, "the settings");
    if (st == TN_OK && run->rank == 0) st = tn_done_digest(shards, "preprocess", hex);
    st = tn_agree(run, st);
    if (st == TN_OK) {
        snprintf(inputs, sizeof inputs, "shards %s\n", hex);
        tn_done want = {.stage = "folds", .settings = settings, .inputs = inputs};
        bool valid = false;
        st = tn_done_begin_all(run, folder, folder, &want, &valid);
        if (st == TN_OK && !valid) {
            st = tn_index_open(run, shards, NULL, &ix);
            if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? write_folds(cfg, ix, folder, &want) : TN_OK);
        }
    }
    tn_index_free(&ix);
    free(settings);
    return st;
}
