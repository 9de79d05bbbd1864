/* folds.c - makes folds/: the fold map and its certificate. */
#include "preprocess/folds.h"

#include "base/progress.h"
#include "data/fold.h"
#include "store/done.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_fold(const tn_index *ix, int f, const int64_t *count, FILE *out) {
    int K = ix->n_classes;
    int64_t least = count[0], most = 0;
    fprintf(out, "%4d", f);
    for (int k = 0; k < K; k++) {
        least = count[k] < least ? count[k] : least;
        most = count[k] > most ? count[k] : most;
        if (K <= TN_MOST_SHOWN) fprintf(out, " %*lld", (int)strlen(ix->class_name[k]), (long long)count[k]);
    }
    if (K > TN_MOST_SHOWN) fprintf(out, " %lld to %lld", (long long)least, (long long)most);
    fputc('\n', out);
}

/* Print rows by fold and class (of more than TN_MOST_SHOWN classes the fewest and the most), and what the certificate says; the last
 * line is "leakage: 0 groups, 0 duplicate pairs across folds". */
static tn_status print_certificate(const tn_index *ix, const tn_fold_certificate *c, FILE *out) {
    int K = ix->n_classes;
    int64_t *count = calloc((size_t)ix->n_folds * (size_t)K, sizeof *count); /* (F,K) */
    if (!count) return tn_fail_memory((size_t)ix->n_folds * (size_t)K * sizeof *count, "the certificate");
    for (int64_t i = 0; i < ix->n; i++)
        if (ix->fold[i] >= 0) count[(int64_t)ix->fold[i] * K + ix->label[i]]++;
    fprintf(out, "fold");
    for (int k = 0; k < K && K <= TN_MOST_SHOWN; k++) fprintf(out, " %s", ix->class_name[k]);
    fputs(K > TN_MOST_SHOWN ? " rows of a class\n" : "\n", out);
    for (int f = 0; f < ix->n_folds; f++) print_fold(ix, f, count + f * K, out);
    free(count);
    fprintf(out, "components: %lld, the largest has %lld rows\n", (long long)c->n_components,
            (long long)c->largest_component);
    fprintf(out, "training rows that share content, look or group with a test row: %lld\n",
            (long long)c->test_duplicates);
    fprintf(out, "leakage: %lld groups, %lld duplicate pairs across folds\n", (long long)c->groups_across,
            (long long)c->duplicates_across);
    return TN_OK;
}

static tn_status write_folds(const tn_cfg *cfg, tn_index *ix, const char *folder, const tn_done *done) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES], *text = NULL;
    size_t n = 0;
    tn_fold_certificate certificate;
    TN_TRY(tn_fold_assign(cfg, ix, &certificate));
    TN_TRY(tn_path(path, "%s/folds.h5", folder));
    TN_TRY(tn_index_write_folds(ix, path));
    FILE *f = open_memstream(&text, &n);
    tn_status st = tn_text_end(f, f ? print_certificate(ix, &certificate, f) : TN_OK, "the certificate");
    if (st == TN_OK) st = tn_path(path, "%s/certificate.txt", folder);
    if (st == TN_OK) st = tn_file_publish(path, text, n);
    if (st == TN_OK) fputs(text, stdout);
    fflush(stdout);
    if (certificate.n_large > 0)
        tn_warn(
            "%lld groups have more than 1 %% of the rows each, and each stays in one fold; the largest has %lld rows, "
            "for example %s",
            (long long)certificate.n_large, (long long)certificate.largest_component,
            ix->path[certificate.largest_row]);
    if (certificate.test_duplicates > 0)
        tn_warn("%lld training images duplicate, resemble or share a group with test images",
                (long long)certificate.test_duplicates);
    free(text);
    if (st != TN_OK) return st;
    TN_ASSERT(certificate.groups_across == 0 && certificate.duplicates_across == 0); /* counted from the finished map */
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
