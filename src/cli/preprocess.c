/* preprocess.c - tenfold preprocess: makes shards/ and folds/ from images and a table, or shards/ from new images. */
#include "cli/common.h"

#include "base/utf8.h"
#include "preprocess/preprocess.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/* DONE records absolute paths, so that they do not depend on the working folder. */
static tn_status whole_path(const char *path, char out[TN_PATH_BYTES]) {
    char *whole = *path ? realpath(path, NULL) : NULL;
    if (*path && !whole) return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    tn_status st = tn_path(out, "%s", whole ? whole : "");
    free(whole);
    return st;
}

static bool sets(const tn_args *args, const char *key) {
    size_t n = strlen(key);
    for (int i = 0; i < args->n_set; i++)
        if (strncmp(args->set[i], key, n) == 0 && args->set[i][n] == '=') return true;
    return false;
}

/* The settings of the models' run, but with the new table and folder. The truth column is dropped: labels of new images, if any,
 * are used for scoring. */
static tn_status settings_for(const tn_args *args, tn_cfg *cfg) {
    char copy[TN_PATH_BYTES];
    bool images = sets(args, "data.images");
    if (!sets(args, "data.metadata"))
        return tn_fail(TN_EARG, "--data names the folder for new images: give their table, too (--set "
                                "data.metadata=FILE)");
    if (!tn_is_utf8(cfg->data.metadata, strlen(cfg->data.metadata)) ||
        !tn_is_utf8(cfg->data.images, strlen(cfg->data.images)))
        return tn_fail(TN_EARG, "%s: the path is not UTF-8 and cannot be recorded in DONE: rename it",
                       cfg->data.metadata);
    TN_TRY(whole_path(cfg->data.metadata, cfg->data.metadata_given));
    TN_TRY(whole_path(images ? cfg->data.images : "", cfg->data.images_given));
    TN_TRY(tn_path(copy, "%s", cfg->data.metadata));
    if (!images) TN_TRY(tn_path(cfg->data.images, "%s", dirname(copy)));
    cfg->data.truth_column[0] = 0;
    return tn_path(cfg->run_dir, "%s", args->data);
}

static tn_status new_data(tn_job *job, const tn_args *args) {
    tn_status st = tn_data_folder(job->cfg, args->data);
    TN_TRY(tn_agree(&job->run, st == TN_OK ? settings_for(args, job->cfg) : st));
    return tn_preprocess_new(&job->run, job->cfg);
}

static tn_status verb_preprocess(const tn_args *args) {
    tn_job job;
    TN_TRY(tn_job_begin(args, &job));
    tn_status st = args->data ? new_data(&job, args) : tn_preprocess(&job.run, job.cfg);
    tn_job_end(&job, st);
    return st;
}

const tn_verb tn_verb_preprocess = {
    .name = "preprocess",
    .words = "JOB.cfg|RUN",
    .least_words = 1,
    .most_words = 1,
    .options = TN_OPT_SET | TN_OPT_DATA,
    .mpi = true,
    .summary = "images and metadata.csv -> sharded HDF5 and the fold map   (MPI)",
    .help =
        "Decodes every image of data.metadata, scales it down, stores it in shards, and assigns the rows to folds.\n"
        "reads   data.metadata, data.images\n"
        "writes  RUN/shards (dataset.h5, shard-NNNNN.h5, quarantine.csv), RUN/folds (folds.h5, certificate.txt)\n\n"
        "With --data and --set data.metadata=FILE: stores new images, with or without labels, in DIR/shards, with the\n"
        "settings that this run's models were trained with. The run folder is not changed.\n\n"
        "A bad image is listed in quarantine.csv with the reason; more than data.max_bad_fraction of them is an\n"
        "error. The files are bitwise the same for any number of ranks.\n\n"
        "example: mpirun -n 4 tenfold preprocess jobs/baseline.cfg\n"
        "         tenfold preprocess results/baseline --data results/new --set data.metadata=new/metadata.csv",
    .run = verb_preprocess,
};
