/* settings.c - the first argument of a verb is a job file or a run folder: reads the settings from either. */
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

/* With --data, a run folder accepts --set of the new images' table and folder, and of no other key. */
static bool names_new_data(const tn_args *args) {
    bool all = args->data && !args->run_dir;
    for (int i = 0; i < args->n_set; i++)
        all =
            all && (strncmp(args->set[i], "data.metadata=", 14) == 0 || strncmp(args->set[i], "data.images=", 12) == 0);
    return all;
}

static tn_status refuse_settings(const tn_args *args) {
    if ((args->n_set == 0 && !args->run_dir) || names_new_data(args)) return TN_OK;
    return tn_fail(TN_EARG,
                   "%s is a run folder, which keeps the settings it was started with: to use --set or --run, give the "
                   "job file instead",
                   args->word[0]);
}

/* Paths of new images are relative to the present working folder; other paths of a run to the folder where it was started. */
static tn_status derive(const tn_args *args, const char *here, const tn_cfg *cfg, tn_cfg **out) {
    char text[2][TN_PATH_BYTES + 16], *set[2];
    if (args->n_set > 2) return tn_fail(TN_EARG, "give data.metadata and data.images once each");
    for (int i = 0; i < args->n_set; i++) {
        const char *value = strchr(args->set[i], '=') + 1;
        snprintf(text[i], sizeof text[i], "%.*s\"%s%s%s\"", (int)(value - args->set[i]), args->set[i],
                 *value == '/' ? "" : here, *value == '/' ? "" : "/", value);
        set[i] = text[i];
    }
    return tn_cfg_derive(cfg, args->n_set, set, out);
}

tn_status tn_args_cfg(const tn_args *args, tn_cfg **out) {
    const char *word = args->word[0];
    tn_plan *plan = NULL;
    tn_cfg *cfg = NULL;
    char here[TN_PATH_BYTES];
    if (!is_folder(word)) return tn_cfg_read(word, args->n_set, (char **)args->set, args->run_dir, out);
    TN_TRY(refuse_settings(args));
    if (!getcwd(here, sizeof here)) return tn_fail(TN_EIO, "the working folder: %s", strerror(errno));
    TN_TRY(tn_plan_read(word, false, &cfg, &plan));
    tn_plan_free(&plan);
    tn_status st = args->n_set ? derive(args, here, cfg, out) : TN_OK;
    if (args->n_set)
        tn_cfg_free(&cfg);
    else
        *out = cfg;
    return st;
}

tn_status tn_args_plan(const tn_args *args, tn_status (*check)(const tn_cfg *cfg), bool make_folder, tn_cfg **cfg_out,
                       tn_plan **out) {
    tn_start start = {.n_set = 0};
    if (is_folder(args->word[0])) {
        TN_TRY(refuse_settings(args));
        TN_TRY(tn_plan_read(args->word[0], true, cfg_out, out));
        return check(*cfg_out);
    }
    TN_TRY(tn_cfg_read(args->word[0], args->n_set, (char **)args->set, args->run_dir, cfg_out));
    TN_TRY(check(*cfg_out));
    TN_TRY(tn_args_start(args, *cfg_out, make_folder, &start));
    TN_TRY(tn_plan_make(*cfg_out, &start, out));
    return tn_plan_recall(*out);
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
            return tn_fail(TN_EARG, "%s: the path is not UTF-8 and cannot be recorded in plan.json: rename it",
                           path[i]);
    out->n_set = args->n_set;
    out->set = (char **)args->set;
    return tn_path(cfg->run_dir, "%s", out->run_dir);
}
