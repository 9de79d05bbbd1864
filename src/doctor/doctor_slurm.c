/* doctor_slurm.c - what scontrol, sbatch and srun say of a cluster. */
#include "doctor/doctor.h"

#include "base/progress.h"
#include "process/command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A command of words; said is empty where it cannot be run. */
static tn_status ask(tn_output *output, ...) {
    tn_argv w = {0};
    va_list args;
    tn_status st = TN_OK;
    *output = (tn_output){.exit_code = -1};
    va_start(args, output);
    for (const char *one; st == TN_OK && (one = va_arg(args, const char *));) st = tn_argv_add(&w, "%s", one);
    va_end(args);
    if (st == TN_OK) st = tn_command(&w, output);
    tn_argv_free(&w);
    return st;
}

/* "JobRequeue              = 1", "PartitionName=batch ... MaxTime=1-00:00:00": the word behind `key` and an equals sign. */
static bool value_of(const char *text, const char *key, char *out, size_t room) {
    size_t n = strlen(key);
    out[0] = 0;
    for (const char *at = text; (at = strstr(at, key)); at += n) {
        if (at > text && !strchr(" \n\t", at[-1])) continue;
        const char *rest = at + n + strspn(at + n, " ");
        if (*rest != '=') continue;
        rest += 1 + strspn(rest + 1, " ");
        snprintf(out, room, "%.*s", (int)strcspn(rest, " \n\t"), rest);
        return true;
    }
    return false;
}

static void advise(tn_findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void advise(tn_findings *f, const char *fmt, ...) {
    va_list args;
    if (f->n_site == TN_MAX_SITE_LINES) return;
    va_start(args, fmt);
    vsnprintf(f->site[f->n_site++], sizeof f->site[0], fmt, args);
    va_end(args);
}

/* The first line of what a command said of its failure. */
static const char *first_line(tn_output *output) {
    char *text = output->errs && *output->errs ? output->errs : output->text ? output->text : "";
    static char line[240];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    return line;
}

/* --- the cluster -------------------------------------------------------------------------------------------------- */

static void look_at_config(const char *text, tn_findings *f) {
    char value[128], what[320];
    value_of(text, "SLURM_VERSION", value, sizeof value);
    snprintf(what, sizeof what, "Slurm %s answers", value);
    tn_finding_add(f, TN_GOOD, "Slurm", what, "");
    value_of(text, "JobRequeue", value, sizeof value);
    tn_finding_add(f, TN_GOOD, "requeue",
                   strcmp(value, "0") == 0 ? "JobRequeue = 0, which the jobs' own --requeue overrides"
                                           : "jobs may be queued again",
                   "");
    value_of(text, "MaxArraySize", value, sizeof value);
    snprintf(what, sizeof what, "MaxArraySize %s: arrays of at most %ld cells", value, atol(value) - 1);
    tn_finding_add(f, atol(value) > 100 ? TN_GOOD : TN_DOUBTFUL, "array size", what,
                   "slurm.max_jobs packs several cells into a task");
    value_of(text, "TaskPlugin", value, sizeof value);
    snprintf(what, sizeof what, "TaskPlugin %s", value);
    bool limits = strstr(value, "cgroup") || strstr(value, "affinity");
    tn_finding_add(f, limits ? TN_GOOD : TN_DOUBTFUL, "binding by Slurm", what,
                   "nothing binds ranks to cores: jobs of one node may share them");
    if (value_of(text, "JobSubmitPlugins", value, sizeof value) && *value && strcmp(value, "(null)") != 0) {
        snprintf(what, sizeof what, "JobSubmitPlugins %s may change or refuse jobs", value);
        tn_finding_add(f, TN_GOOD, "site's rules", what, "");
    }
}

/* "1-02:30:00", "04:00:00", "30:00" -> minutes; 0: no limit, or none that is told. */
static long minutes_of(const char *text) {
    long day = 0, part[3] = {0};
    const char *rest = strchr(text, '-');
    if (rest) day = atol(text);
    int n = sscanf(rest ? rest + 1 : text, "%ld:%ld:%ld", &part[0], &part[1], &part[2]);
    if (n < 1) return 0;
    return n == 3           ? day * 1440 + part[0] * 60 + part[1]
           : n == 2 && rest ? day * 1440 + part[0] * 60 + part[1]
                            : part[0];
}

/* One partition: a line of `scontrol --oneliner show partition`. */
static void look_at_partition(const char *line, tn_findings *f) {
    char name[64], limit[32], state[24], nodes[16], memory[24], is_default[8], grace[24], what[320], title[24];
    value_of(line, "PartitionName", name, sizeof name);
    value_of(line, "MaxTime", limit, sizeof limit);
    value_of(line, "State", state, sizeof state);
    value_of(line, "TotalNodes", nodes, sizeof nodes);
    value_of(line, "MaxMemPerNode", memory, sizeof memory);
    value_of(line, "GraceTime", grace, sizeof grace);
    value_of(line, "Default", is_default, sizeof is_default);
    bool first = strcmp(is_default, "YES") == 0, up = strcmp(state, "UP") == 0;
    snprintf(title, sizeof title, "partition %.13s", name);
    snprintf(what, sizeof what, "%s, %s nodes, time limit %s, memory a node %s, grace time %s%s", state, nodes, limit,
             memory, grace, first ? ", default" : "");
    tn_finding_add(f, up ? TN_GOOD : TN_DOUBTFUL, title, what, "it takes or starts no jobs: name another");
    if (!first || !up) return;
    long minutes = minutes_of(limit);
    advise(f, "TENFOLD_PARTITION=%.63s", name);
    if (minutes > 0) advise(f, "TENFOLD_TRAIN_MINUTES=%ld", minutes < 1440 ? minutes : 1440);
}

static void look_at_partitions(char *text, tn_findings *f) {
    for (char *line; (line = strsep(&text, "\n"));)
        if (strncmp(line, "PartitionName=", 14) == 0) look_at_partition(line, f);
}

/* Would a job be taken, as the run's jobs are: to be queued again, of an array? Nothing is submitted. */
static void try_sbatch(tn_findings *f) {
    tn_output output;
    char what[320];
    tn_status st = ask(&output, "sbatch", "--test-only", "--requeue", "--open-mode=append", "--nodes=1", "--array=0-1",
                       "--time=5", "--wrap=true", NULL);
    bool taken = st == TN_OK && output.exit_code == 0;
    snprintf(what, sizeof what, "%s",
             taken         ? "sbatch would take a job that may be queued again"
             : st == TN_OK ? first_line(&output)
                           : tn_msg);
    tn_finding_add(f, taken ? TN_GOOD : TN_BAD, "sbatch", what,
                   "what it asks for belongs into site.env: TENFOLD_ACCOUNT, TENFOLD_PARTITION, TENFOLD_QOS");
    if (st == TN_OK) tn_output_free(&output);
}

/* --- ranks by srun ------------------------------------------------------------------------------------------------ */

static bool has_pmix(void) {
    tn_output output;
    if (ask(&output, "srun", "--mpi=list", NULL) != TN_OK) return false;
    bool has = strstr(output.text, "pmix") || strstr(output.errs, "pmix");
    tn_output_free(&output);
    return has;
}

static void try_srun(const char *folder, int n_nodes, int n_ranks, tn_findings *f) {
    char program[TN_PATH_BYTES], nodes[32], per_node[32], what[320];
    tn_output output;
    if (!realpath("/proc/self/exe", program)) return;
    snprintf(nodes, sizeof nodes, "--nodes=%d", n_nodes);
    snprintf(per_node, sizeof per_node, "--ntasks-per-node=%d", n_ranks);
    double begin_s = tn_now_s();
    tn_status st = ask(&output, "srun", "--mpi=pmix", "--immediate=60", "--time=5", nodes, per_node,
                       "--kill-on-bad-exit=1", program, "doctor", folder, "--probe", NULL);
    bool ran = st == TN_OK && output.exit_code == 0;
    if (ran && tn_doctor_read_probe(folder, "srun", tn_now_s() - begin_s, f) == TN_OK) {
        advise(f, "TENFOLD_LAUNCHER=srun");
    } else {
        snprintf(what, sizeof what, "%d nodes of %d ranks did not start: %s", n_nodes, n_ranks,
                 st == TN_OK && !ran ? first_line(&output) : tn_msg);
        tn_finding_add(f, TN_DOUBTFUL, "MPI by srun", what,
                       "jobs start ranks by mpirun (TENFOLD_LAUNCHER), which needs an MPI with Slurm's support; where "
                       "no node was free, try later");
    }
    if (st == TN_OK) tn_output_free(&output);
}

tn_status tn_doctor_slurm(const char *folder, int n_nodes, int n_ranks, tn_findings *f) {
    tn_output output;
    if (ask(&output, "scontrol", "show", "config", NULL) != TN_OK) {
        tn_finding_add(f, TN_BAD, "Slurm", tn_msg, "run this on a login node");
        return TN_OK;
    }
    if (output.exit_code != 0) {
        tn_finding_add(f, TN_BAD, "Slurm", first_line(&output), "does slurmctld run? Ask the administrators");
        tn_output_free(&output);
        return TN_OK;
    }
    look_at_config(output.text, f);
    tn_output_free(&output);
    if (ask(&output, "scontrol", "--oneliner", "show", "partition", NULL) == TN_OK) {
        look_at_partitions(output.text, f);
        tn_output_free(&output);
    }
    try_sbatch(f);
    bool pmix = has_pmix();
    tn_finding_add(f, pmix ? TN_GOOD : TN_DOUBTFUL, "PMIx", pmix ? "srun has it" : "srun --mpi=list does not show pmix",
                   "ranks are started by mpirun, which needs an Open MPI with Slurm's support");
    if (pmix) try_srun(folder, n_nodes, n_ranks, f);
    return TN_OK;
}
