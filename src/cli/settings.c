/* settings.c - what the first word of a verb means: a job file, or the folder of a run. */
#include "cli/args.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

tn_status tn_args_cfg(const tn_args *args, tn_cfg **out) {
    const char *word = args->word[0];
    if (!is_folder(word)) return tn_cfg_read(word, args->n_set, (char **)args->set, args->run_dir, out);
    if (args->n_set || args->run_dir)
        return tn_fail(TN_EARG,
                       "%s is a run folder, whose settings are those it was started with: give the job file "
                       "where --set or --run shall count",
                       word);
    tn_plan *plan = NULL;
    TN_TRY(tn_plan_read(word, false, out, &plan));
    tn_plan_free(&plan);
    return TN_OK;
}

static tn_status absolute_run(const tn_cfg *cfg, bool make_folder, tn_start *out) {
    if (make_folder) TN_TRY(tn_folder_make(cfg->run_dir));
    if (realpath(cfg->run_dir, out->run_dir)) return TN_OK;
    if (make_folder) return tn_fail(TN_EIO, "%s: %s", cfg->run_dir, strerror(errno));
    bool whole = cfg->run_dir[0] == '/';
    return tn_path(out->run_dir, "%s%s%s", whole ? "" : out->folder, whole ? "" : "/", cfg->run_dir);
}

tn_status tn_args_start(const tn_args *args, tn_cfg *cfg, bool make_folder, tn_start *out) {
    if (!realpath(args->word[0], out->job_file))
        return tn_fail(TN_EARG, "%s: cannot be read: %s", args->word[0], strerror(errno));
    if (!getcwd(out->folder, sizeof out->folder)) return tn_fail(TN_EIO, "the working folder: %s", strerror(errno));
    TN_TRY(absolute_run(cfg, make_folder, out));
    const char *path[] = {out->job_file, out->run_dir, out->folder};
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        if (!tn_is_utf8(path[i], strlen(path[i])))
            return tn_fail(TN_EARG, "%s: the path is not UTF-8, and could not be kept in plan.json: rename it",
                           path[i]);
    out->n_set = args->n_set;
    out->set = (char **)args->set;
    return tn_path(cfg->run_dir, "%s", out->run_dir);
}
