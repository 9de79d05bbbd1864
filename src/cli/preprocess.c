/* preprocess.c - tenfold preprocess: images and metadata.csv -> shards/ and folds/; new pictures -> shards/. */
#include "cli/common.h"

#include "base/utf8.h"
#include "preprocess/preprocess.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/* How DONE names a path: the same from wherever it is typed. */
static tn_status whole_path(const char *path, char out[TN_PATH_BYTES]) {
    char *whole = *path ? realpath(path, NULL) : NULL;
    if (*path && !whole) return tn_fail(TN_EIO, "%s: cannot be read: %s", path, strerror(errno));
    tn_status st = tn_path(out, "%s", whole ? whole : "");
    free(whole);
    return st;
}

/* The settings of the models' run, with another table, for another folder. The truth column stays behind: labels of new
 * pictures, where there are any, are what judges. */
static tn_status settings_for(const tn_args *args, tn_cfg *cfg) {
    char copy[TN_PATH_BYTES];
    const char *images = args->images ? args->images : "";
    if (!args->table)
        return tn_fail(TN_EARG, "--data names the folder for new pictures: give their table, too (--table FILE)");
    if (!tn_is_utf8(args->table, strlen(args->table)) || !tn_is_utf8(images, strlen(images)))
        return tn_fail(TN_EARG, "%s: the path is not UTF-8, and could not be kept in DONE: rename it", args->table);
    TN_TRY(tn_path(cfg->data.metadata, "%s", args->table));
    TN_TRY(whole_path(args->table, cfg->data.metadata_given));
    TN_TRY(whole_path(images, cfg->data.images_given));
    TN_TRY(tn_path(copy, "%s", args->table));
    TN_TRY(tn_path(cfg->data.images, "%s", *images ? images : dirname(copy)));
    cfg->data.truth_column[0] = 0;
    return tn_path(cfg->run_dir, "%s", args->data);
}

static tn_status new_data(tn_job *job, const tn_args *args) {
    tn_status st = tn_data_folder(job->cfg, args->data);
    TN_TRY(tn_agree(&job->run, st == TN_OK ? settings_for(args, job->cfg) : st));
    return tn_preprocess_new(&job->run, job->cfg);
}

static tn_status run(const tn_args *args) {
    tn_job job;
    if (!args->data && (args->table || args->images))
        return tn_fail(TN_EARG, "--table and --images are of new pictures: give the folder for them, too (--data DIR)");
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
    .options = TN_OPT_SET | TN_OPT_DATA | TN_OPT_TABLE,
    .mpi = true,
    .summary = "images and metadata.csv -> sharded HDF5 and the fold map   (MPI)",
    .help =
        "Decodes every image of data.metadata, scales it down, stores it in shards, and deals the rows into folds.\n"
        "reads   data.metadata, data.images\n"
        "writes  RUN/shards (dataset.h5, shard-NNNNN.h5, quarantine.csv), RUN/folds (folds.h5, certificate.txt)\n\n"
        "With --data and --table: the new pictures that this run's models shall predict, with or without labels,\n"
        "stored as the models know them, into DIR/shards. Nothing of the run is touched.\n\n"
        "A bad image is quarantined with its reason; more than data.max_bad_fraction of them is an error. The files\n"
        "are the same for any number of ranks.\n\n"
        "example: mpirun -n 4 tenfold preprocess jobs/baseline.cfg\n"
        "         tenfold preprocess results/baseline --data results/new --table new/metadata.csv",
    .run = run,
};
