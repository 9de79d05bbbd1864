/* batch_argv.c - the options of an sbatch command. */
#include "slurm/batch.h"

#include "process/outer.h"
#include "run/queue.h"
#include "search/rung.h"

#include <stdlib.h>
#include <string.h>

/* May the job have several nodes and ranks? All other jobs have one rank. */
static bool is_wide(const tn_batch *b) {
    return b->stage->ranks > TN_RANKS_ONE;
}

/* The time limit of a job in minutes. Work that is not finished by then goes on in the next start. */
static int minutes_of(const tn_cfg *cfg, const tn_batch *b) {
    int minutes = b->stage->slurm(cfg)->minutes;
    return minutes && !b->pilot_nodes && b->stage->per == TN_PER_CELL ? minutes + cfg->slurm.predict_minutes : minutes;
}

/* The smallest and the largest number of nodes that a job accepts. */
static void nodes_of(const tn_cfg *cfg, const tn_batch *b, int out[2]) {
    if (b->pilot_nodes) {
        out[0] = out[1] = b->pilot_nodes;
        return;
    }
    out[0] = is_wide(b) ? cfg->slurm.nodes[0] : 1;
    out[1] = is_wide(b) ? cfg->slurm.nodes[1] : 1;
    for (int s = 0; b->size_px && s < cfg->train.n_sizes; s++)
        if (cfg->train.sizes_px[s] == b->size_px) out[1] = cfg->slurm.size_nodes[s];
    if (out[0] > out[1]) out[0] = out[1];
}

/* Seconds from the stop signal to the time limit: enough for an optimiser step and a checkpoint; Slurm checks limits every half
 * minute and may signal a minute early. minutes 0: the partition's limit applies, which is not known here; if it were shorter than
 * the result, the signal would come at once. */
static int stop_ahead_s(int minutes) {
    if (minutes == 0) return 120;
    return minutes >= 10 ? 300 : minutes * 30;
}

/* Slurm expands % in file names: a % in the path is doubled. */
static tn_status add_log(const tn_batch_about *about, const tn_batch *b, tn_argv *out) {
    char folder[2 * TN_PATH_BYTES], *to = folder;
    for (const char *c = about->plan->start.run_dir; *c; c++) {
        if (*c == '%') *to++ = '%';
        *to++ = *c;
    }
    *to = 0;
    return tn_argv_add(out, "--output=%s/log/%s-%s.log", folder, b->label, b->n_tasks ? "%A_%a" : "%j");
}

/* --array=0-3,7%P, where P is the number of tasks that may run at a time */
static tn_status add_tasks(const tn_cfg *cfg, const tn_batch *b, tn_argv *out) {
    char *list = NULL;
    size_t n = 0;
    if (b->n_tasks == 0) return TN_OK;
    FILE *f = open_memstream(&list, &n);
    for (int i = 0, end; f && i < b->n_wanted; i = end) {
        for (end = i + 1; end < b->n_wanted && b->wanted[end] == b->wanted[end - 1] + 1;) end++;
        fprintf(f, "%s%d", i ? "," : "", b->wanted[i]);
        if (end > i + 1) fprintf(f, "-%d", b->wanted[end - 1]);
    }
    if (f && cfg->slurm.max_running) fprintf(f, "%%%d", cfg->slurm.max_running);
    tn_status st = tn_text_end(f, TN_OK, "the tasks of a job");
    if (st == TN_OK) st = tn_argv_add(out, "--array=%s", list);
    free(list);
    return st;
}

static tn_status add_dependency(const tn_batches *b, const tn_batch *job, tn_argv *out) {
    static const char *const WORD[] = {"afterok", "afterany"};
    char text[TN_MAX_DEPENDENCIES * 48] = "";
    for (int i = 0; i < job->n_after; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s:%s", i ? "," : "", WORD[job->after[i].kind],
                 b->at[job->after[i].batch].id);
    }
    return *text ? tn_argv_add(out, "--dependency=%s", text) : TN_OK;
}

static tn_status add_named(tn_argv *out, const char *option, const char *value) {
    return *value ? tn_argv_add(out, "--%s=%s", option, value) : TN_OK;
}

static int ranks_per_node(const tn_cfg *cfg, const tn_batch *b) {
    return is_wide(b) ? cfg->slurm.ranks_per_node : 1;
}

/* The predicted memory of the stage in this job that needs most. */
static int predicted_mib(const tn_batch_about *about, const tn_batch *b) {
    const tn_memory *m = about->memory;
    int most = 0;
    for (int i = 0; i < b->n_does; i++) {
        tn_ranks ranks = about->plan->step[b->does[i].step].stage->ranks;
        int mib = ranks == TN_RANKS_OF_CORES  ? m->preprocess_mib
                  : ranks == TN_RANKS_OF_CELL ? m->train_mib
                                              : m->one_mib;
        if (mib > most) most = mib;
    }
    return most;
}

/* A job that ran out of memory before requests what was enough in the end, or more than what was not enough. */
static tn_status add_memory(const tn_batch_about *about, const tn_batch *b, tn_argv *out) {
    int own_gib = b->stage->slurm(about->cfg)->memory_gib, set_gib = own_gib ? own_gib : about->cfg->slurm.memory_gib;
    int mib = predicted_mib(about, b);
    if (b->pilot_nodes) return set_gib < 0 ? TN_OK : tn_argv_add(out, "--mem=0"); /* 0 = all memory of a node */
    if (set_gib < 0) return TN_OK;
    if (set_gib > 0) mib = set_gib * 1024;
    return tn_argv_add(out, "--mem=%dM", b->learned_mib > mib ? b->learned_mib : mib);
}

/* Slurm is asked for one task per node, with the CPUs of all ranks there; stage.sh starts the ranks. With --ntasks-per-node=1 and
 * --nodes=1-4, Slurm 22.05 would grant the fewest nodes, however many are free. */
static tn_status add_resources(const tn_batch_about *about, const tn_batch *b, tn_argv *out) {
    const tn_cfg *cfg = about->cfg;
    int nodes[2];
    nodes_of(cfg, b, nodes);
    int minutes = minutes_of(cfg, b), cpus = tn_cfg_cpus_per_rank(cfg);
    int gpus = b->stage->ranks == TN_RANKS_OF_CELL ? cfg->slurm.gpus_per_node : 0;
    if (minutes) TN_TRY(tn_argv_add(out, "--time=%d", minutes));
    TN_TRY(tn_argv_add(out, "--signal=B:USR1@%d", stop_ahead_s(minutes)));
    if (nodes[0] != nodes[1])
        TN_TRY(tn_argv_add(out, "--nodes=%d-%d", nodes[0], nodes[1]));
    else
        TN_TRY(tn_argv_add(out, "--nodes=%d", nodes[1]));
    if (b->pilot_nodes)
        TN_TRY(tn_argv_add(out, "--exclusive"));
    else
        TN_TRY(tn_argv_add(out, "--cpus-per-task=%d", cpus * ranks_per_node(cfg, b)));
    TN_TRY(add_memory(about, b, out));
    if (gpus) TN_TRY(tn_argv_add(out, "--gres=%s:%d", about->site->gres, gpus));
    const char *own = b->stage->slurm(cfg)->partition;
    TN_TRY(add_named(out, "partition", *own ? own : cfg->slurm.partition));
    TN_TRY(add_named(out, "account", cfg->slurm.account));
    return add_named(out, "qos", cfg->slurm.qos);
}

/* The job file's own sbatch options, followed by `--`: an option that lacks its value takes that word, and none of tenfold's
 * arguments. */
static tn_status add_options(const tn_cfg *cfg, const tn_batch *b, tn_argv *out) {
    const tn_sbatch_options *list[] = {&cfg->slurm.options, &b->stage->slurm(cfg)->options};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < list[k]->n; i++) TN_TRY(tn_argv_add(out, "%s", list[k]->at[i]));
    return list[0]->n + list[1]->n ? tn_argv_add(out, "--") : TN_OK;
}

/* The script and its arguments, which the head of stage.sh explains. */
static tn_status add_script(const tn_batch_about *about, const tn_batch *b, tn_argv *out) {
    TN_TRY(tn_argv_add(out, "%s", about->site->stage));
    TN_TRY(tn_argv_add(out, "%s", about->program));
    TN_TRY(tn_argv_add(out, "%s", about->site->env));
    TN_TRY(tn_argv_add(out, "%s", about->plan->start.run_dir));
    TN_TRY(tn_argv_add(out, "%s", b->label));
    const tn_cfg *cfg = about->cfg;
    if (b->stage->per == TN_PER_SLOT)
        TN_TRY(tn_argv_add(out, "p%d/%d", tn_rung_slots(cfg, b->turn), tn_rung_count(cfg, b->turn)));
    else
        TN_TRY(tn_argv_add(out, "f%d/%d", cfg->folds.count, cfg->folds.count * cfg->train.n_seeds));
    TN_TRY(tn_argv_add(out, "%d", ranks_per_node(cfg, b)));
    for (int i = 0; i < b->n_commands; i++) TN_TRY(tn_argv_add(out, "%s", b->command[i]));
    return TN_OK;
}

tn_status tn_batch_argv(const tn_batch_about *about, const tn_batches *b, int i, tn_argv *out) {
    static const char *const ALWAYS[] = {"sbatch", "--parsable", "--requeue", "--open-mode=append",
                                         "--kill-on-invalid-dep=yes"};
    const tn_batch *job = &b->at[i];
    for (size_t k = 0; k < sizeof ALWAYS / sizeof *ALWAYS; k++) TN_TRY(tn_argv_add(out, "%s", ALWAYS[k]));
    TN_TRY(tn_argv_add(out, "--job-name=%s.%s", tn_run_name(about->plan), job->label));
    TN_TRY(tn_argv_add(out, "--chdir=%s", about->plan->start.folder));
    TN_TRY(add_log(about, job, out));
    TN_TRY(add_tasks(about->cfg, job, out));
    TN_TRY(add_resources(about, job, out));
    TN_TRY(add_dependency(b, job, out));
    TN_TRY(add_options(about->cfg, job, out));
    return add_script(about, job, out);
}

/* --- as a script -------------------------------------------------------------------------------------------------- */

static void variable_of(const char *label, char out[32]) {
    snprintf(out, 32, "%s", label);
    for (char *c = out; *c; c++)
        if (*c == '.' || *c == '-') *c = '_';
}

tn_status tn_batches_print(const tn_batch_about *about, tn_batches *b, FILE *out) {
    tn_status st = TN_OK;
    tn_outer_print(out);
    for (int i = 0; st == TN_OK && i < b->n; i++) {
        tn_argv w = {0};
        char name[32];
        variable_of(b->at[i].label, name);
        snprintf(b->at[i].id, sizeof b->at[i].id, "$%.30s", name);
        st = tn_batch_argv(about, b, i, &w);
        if (st == TN_OK) {
            fprintf(out, "%s=$(", name);
            tn_argv_print(&w, out);
            fputs(")\n", out);
        }
        tn_argv_free(&w);
    }
    return st;
}
