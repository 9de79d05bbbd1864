/* batch_words.c - the options of an sbatch command. */
#include "suite/batch.h"

#include "suite/outer.h"
#include "suite/queue.h"

#include <stdlib.h>
#include <string.h>

/* Nodes and ranks of a cell; the other jobs are one rank. */
static bool is_wide(const tn_batch *b) {
    return b->kind == TN_STEP_PREPROCESS || b->kind == TN_STEP_TRAIN || b->kind == TN_STEP_TRIAL;
}

/* The stage that gives it partition, memory and options. */
static const tn_slurm_stage *stage_of(const tn_cfg *cfg, const tn_batch *b) {
    switch (b->kind) {
    case TN_STEP_PREPROCESS:
        return &cfg->slurm.preprocess;
    case TN_STEP_TRAIN:
    case TN_STEP_TRIAL:
        return &cfg->slurm.train;
    case TN_STEP_RANK:
        return &cfg->slurm.filter;
    default:
        return &cfg->slurm.reduce;
    }
}

/* What is not finished goes on in the next start. */
static int minutes_of(const tn_cfg *cfg, const tn_batch *b) {
    int minutes = stage_of(cfg, b)->minutes;
    return minutes && !b->pilot_nodes && b->kind == TN_STEP_TRAIN ? minutes + cfg->slurm.predict_minutes : minutes;
}

/* How many nodes a job asks for: fewest and most. */
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

/* Room for a step, a checkpoint, and Slurm, which looks at limits every half minute and may be a minute early. Of a
 * limit that is the partition's only this is known: one that is shorter than the signal is ahead would be signalled at
 * once. */
static int stop_ahead_s(int minutes) {
    if (minutes == 0) return 120;
    return minutes >= 10 ? 300 : minutes * 30;
}

/* Slurm replaces %: a % of ours is doubled. */
static tn_status add_log(const tn_batch_about *about, const tn_batch *b, tn_words *out) {
    char folder[2 * TN_PATH_BYTES], *to = folder;
    for (const char *c = about->plan->start.run_dir; *c; c++) {
        if (*c == '%') *to++ = '%';
        *to++ = *c;
    }
    *to = 0;
    return tn_words_add(out, "--output=%s/log/%s-%s.log", folder, b->label, b->n_tasks ? "%A_%a" : "%j");
}

/* "0-3,7"; %P behind it */
static tn_status add_tasks(const tn_cfg *cfg, const tn_batch *b, tn_words *out) {
    char *list = NULL;
    size_t n = 0;
    if (b->n_tasks == 0) return TN_OK;
    FILE *f = open_memstream(&list, &n);
    if (!f) return tn_fail_memory(4096, "the tasks of a job");
    for (int i = 0, end; i < b->n_wanted; i = end) {
        for (end = i + 1; end < b->n_wanted && b->wanted[end] == b->wanted[end - 1] + 1;) end++;
        fprintf(f, "%s%d", i ? "," : "", b->wanted[i]);
        if (end > i + 1) fprintf(f, "-%d", b->wanted[end - 1]);
    }
    if (cfg->slurm.max_running) fprintf(f, "%%%d", cfg->slurm.max_running);
    fclose(f);
    tn_status st = tn_words_add(out, "--array=%s", list);
    free(list);
    return st;
}

static tn_status add_dependency(const tn_batches *b, const tn_batch *job, tn_words *out) {
    static const char *const WORD[] = {"afterok", "afterany", "aftercorr"};
    char text[TN_MAX_AFTER * 48] = "";
    for (int i = 0; i < job->n_after; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s:%s", i ? "," : "", WORD[job->after[i].kind],
                 b->at[job->after[i].batch].id);
    }
    return *text ? tn_words_add(out, "--dependency=%s", text) : TN_OK;
}

static tn_status add_named(tn_words *out, const char *option, const char *value) {
    return *value ? tn_words_add(out, "--%s=%s", option, value) : TN_OK;
}

static int ranks_per_node(const tn_cfg *cfg, const tn_batch *b) {
    return is_wide(b) ? cfg->slurm.ranks_per_node : 1;
}

static bool filters(const tn_batch *b) {
    for (int i = 0; i < b->n_commands; i++)
        if (strncmp(b->command[i], "filter", 6) == 0) return true;
    return false;
}

/* A job that ran out of memory before asks for what was enough then, or more than what was not. */
static tn_status add_memory(const tn_batch_about *about, const tn_batch *b, tn_words *out) {
    const tn_memory *m = about->memory;
    int own_gib = stage_of(about->cfg, b)->memory_gib, set_gib = own_gib ? own_gib : about->cfg->slurm.memory_gib;
    int mib = b->kind == TN_STEP_PREPROCESS ? m->preprocess_mib : is_wide(b) ? m->train_mib : m->one_mib;
    if (b->pilot_nodes) return set_gib < 0 ? TN_OK : tn_words_add(out, "--mem=0"); /* all that a node has */
    if (filters(b) && m->one_mib > mib) mib = m->one_mib;
    if (set_gib < 0) return TN_OK;
    if (set_gib > 0) mib = set_gib * 1024;
    return tn_words_add(out, "--mem=%dM", b->learned_mib > mib ? b->learned_mib : mib);
}

/* To Slurm the share of a node is one task with the CPUs of all its ranks: given --ntasks-per-node=1, Slurm 22.05 hands
 * out the fewest nodes of --nodes=1-4, however many are free. stage.sh starts the ranks. */
static tn_status add_resources(const tn_batch_about *about, const tn_batch *b, tn_words *out) {
    const tn_cfg *cfg = about->cfg;
    int nodes[2];
    nodes_of(cfg, b, nodes);
    int minutes = minutes_of(cfg, b), cpus = cfg->slurm.cpus_per_rank;
    int gpus = b->kind == TN_STEP_PREPROCESS || !is_wide(b) ? 0 : cfg->slurm.gpus_per_node;
    if (cpus == 0) cpus = cfg->train.lane_threads + cfg->train.loader_threads;
    if (minutes) TN_TRY(tn_words_add(out, "--time=%d", minutes));
    TN_TRY(tn_words_add(out, "--signal=B:USR1@%d", stop_ahead_s(minutes)));
    if (nodes[0] != nodes[1])
        TN_TRY(tn_words_add(out, "--nodes=%d-%d", nodes[0], nodes[1]));
    else
        TN_TRY(tn_words_add(out, "--nodes=%d", nodes[1]));
    if (b->pilot_nodes)
        TN_TRY(tn_words_add(out, "--exclusive"));
    else
        TN_TRY(tn_words_add(out, "--cpus-per-task=%d", cpus * ranks_per_node(cfg, b)));
    TN_TRY(add_memory(about, b, out));
    if (gpus) TN_TRY(tn_words_add(out, "--gres=%s:%d", about->site->gres, gpus));
    const char *own = stage_of(cfg, b)->partition;
    TN_TRY(add_named(out, "partition", *own ? own : cfg->slurm.partition));
    TN_TRY(add_named(out, "account", cfg->slurm.account));
    return add_named(out, "qos", cfg->slurm.qos);
}

/* One that lacks its value would take the next word for it: that shall be none of ours. */
static tn_status add_options(const tn_cfg *cfg, const tn_batch *b, tn_words *out) {
    const tn_sbatch_options *list[] = {&cfg->slurm.options, &stage_of(cfg, b)->options};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < list[k]->n; i++) TN_TRY(tn_words_add(out, "%s", list[k]->at[i]));
    return list[0]->n + list[1]->n ? tn_words_add(out, "--") : TN_OK;
}

/* See the head of stage.sh. */
static tn_status add_script(const tn_batch_about *about, const tn_batch *b, tn_words *out) {
    TN_TRY(tn_words_add(out, "%s", about->site->stage));
    TN_TRY(tn_words_add(out, "%s", about->program));
    TN_TRY(tn_words_add(out, "%s", about->site->env));
    TN_TRY(tn_words_add(out, "%s", about->plan->start.run_dir));
    TN_TRY(tn_words_add(out, "%s", b->label));
    const tn_cfg *cfg = about->cfg;
    if (b->kind == TN_STEP_TRIAL)
        TN_TRY(tn_words_add(out, "p%d/%d", tn_rung_places(cfg, b->round), tn_rung_list(cfg, b->round, NULL)));
    else
        TN_TRY(tn_words_add(out, "f%d/%d", cfg->folds.count, cfg->folds.count * cfg->train.n_seeds));
    TN_TRY(tn_words_add(out, "%d", ranks_per_node(cfg, b)));
    for (int i = 0; i < b->n_commands; i++) TN_TRY(tn_words_add(out, "%s", b->command[i]));
    return TN_OK;
}

tn_status tn_batch_words(const tn_batch_about *about, const tn_batches *b, int i, tn_words *out) {
    static const char *const ALWAYS[] = {"sbatch", "--parsable", "--requeue", "--open-mode=append",
                                         "--kill-on-invalid-dep=yes"};
    const tn_batch *job = &b->at[i];
    for (size_t k = 0; k < sizeof ALWAYS / sizeof *ALWAYS; k++) TN_TRY(tn_words_add(out, "%s", ALWAYS[k]));
    TN_TRY(tn_words_add(out, "--job-name=%s.%s", tn_run_name(about->plan), job->label));
    TN_TRY(tn_words_add(out, "--chdir=%s", about->plan->start.folder));
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
        tn_words w = {0};
        char name[32];
        variable_of(b->at[i].label, name);
        snprintf(b->at[i].id, sizeof b->at[i].id, "$%.30s", name);
        st = tn_batch_words(about, b, i, &w);
        if (st == TN_OK) {
            fprintf(out, "%s=$(", name);
            tn_words_print(&w, out);
            fputs(")\n", out);
        }
        tn_words_free(&w);
    }
    return st;
}
