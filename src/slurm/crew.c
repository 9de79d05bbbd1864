/* crew.c - nodes, their cores, memory and GPUs, and the argv of the launcher. */
#include "slurm/crew.h"

#include "slurm/gpus.h"
#include "slurm/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    char name[64];
    int cores, mib, gpus; /* free */
} node;

struct tn_crew {
    int n;
    node *at;
    const char *launcher; /* as in slurm/stage.sh: a program name, then options of the site */
    bool by_srun;
    int most_cores, most_mib; /* cores and memory of the smallest node when nothing runs there */
    tn_memory memory;
};

/* --- reading Slurm's variables ------------------------------------------------------------------------------------ */

tn_status tn_crew_cores(const char *text, int n, int *out) {
    int at = 0;
    while (text && *text) {
        char *end;
        long cores = strtol(text, &end, 10), times = 1;
        bool ok = end != text && cores > 0;
        if (ok && strncmp(end, "(x", 2) == 0) {
            times = strtol(end + 2, &end, 10);
            ok = *end++ == ')';
        }
        ok = ok && (*end == ',' || !*end);
        if (!ok || at + times > n) break;
        for (long i = 0; i < times; i++) out[at++] = (int)cores;
        text = *end ? end + 1 : end;
    }
    return text && !*text && at == n
               ? TN_OK
               : tn_fail(TN_EIO, "SLURM_JOB_CPUS_PER_NODE does not list the %d nodes of this job: %s", n,
                         text ? text : "empty");
}

static int count_lines(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static tn_status add_nodes(const char *names, tn_crew *c) {
    const char *cores = getenv("SLURM_JOB_CPUS_PER_NODE"), *mib = getenv("SLURM_MEM_PER_NODE");
    c->at = calloc((size_t)count_lines(names) + 1, sizeof *c->at);
    int *of = calloc((size_t)count_lines(names) + 1, sizeof *of);
    tn_status st = c->at && of ? TN_OK : tn_fail_memory(4096, "the nodes");
    for (const char *at = names; st == TN_OK && *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (*at != '\n') snprintf(c->at[c->n++].name, sizeof c->at->name, "%.*s", (int)strcspn(at, "\n"), at);
    if (st == TN_OK) st = tn_crew_cores(cores, c->n, of);
    c->most_mib = mib && atoi(mib) > 0 ? atoi(mib) : INT32_MAX; /* not set: the site does not limit memory */
    c->most_cores = INT32_MAX;
    for (int i = 0; st == TN_OK && i < c->n; i++) {
        c->at[i].cores = of[i];
        c->at[i].mib = c->most_mib;
        if (of[i] < c->most_cores) c->most_cores = of[i];
    }
    free(of);
    return st;
}

static tn_status ask(tn_crew *c) {
    const char *list = getenv("SLURM_JOB_NODELIST"), *launcher = getenv("TENFOLD_LAUNCHER");
    tn_argv w = {0};
    tn_output output;
    if (!list) return tn_fail(TN_EARG, "not inside a Slurm job: `tenfold submit --pilot N` submits one");
    c->launcher = launcher && *launcher ? launcher : "mpirun";
    const char *name = c->launcher;
    for (const char *at = name; *at && *at != ' '; at++)
        if (*at == '/') name = at + 1;
    c->by_srun = strncmp(name, "srun", 4) == 0;
    static const char *const WORD[] = {"scontrol", "show", "hostnames"};
    tn_status st = TN_OK;
    for (int i = 0; st == TN_OK && i < 3; i++) st = tn_argv_add(&w, "%s", WORD[i]);
    if (st == TN_OK) st = tn_argv_add(&w, "%s", list);
    if (st == TN_OK) st = tn_command(&w, &output);
    tn_argv_free(&w);
    if (st != TN_OK) return st;
    st = output.exit_code == 0 && *output.text
             ? add_nodes(output.text, c)
             : tn_fail(TN_EIO, "scontrol does not know the nodes %s: %s", list, output.errs);
    tn_output_free(&output);
    return st;
}

tn_status tn_crew_open(const tn_cfg *cfg, tn_crew **out) {
    tn_crew *c = calloc(1, sizeof *c);
    tn_status st = c ? ask(c) : tn_fail_memory(sizeof *c, "the nodes");
    for (int i = 0; st == TN_OK && i < c->n; i++) c->at[i].gpus = tn_gpus_of_node(cfg);
    if (st == TN_OK) st = tn_memory_of(cfg, &c->memory);
    if (st == TN_OK)
        *out = c;
    else
        tn_crew_close(&c);
    return st;
}

void tn_crew_close(tn_crew **crew) {
    if (*crew) free((*crew)->at);
    free(*crew);
    *crew = NULL;
}

int tn_crew_nodes(const tn_crew *crew) {
    return crew->n;
}

/* --- seats -------------------------------------------------------------------------------------------------------- */

static int least(int a, int b) {
    return a < b ? a : b;
}

static int nodes_of(const tn_cfg *cfg, const tn_step *s) {
    for (int i = 0; s->stage->per == TN_PER_CELL && i < cfg->slurm.n_size_nodes; i++)
        if (cfg->train.sizes_px[i] == s->cell.size_px) return cfg->slurm.size_nodes[i];
    return cfg->slurm.nodes[1];
}

tn_want tn_crew_want(const tn_crew *c, const tn_cfg *cfg, const tn_step *s) {
    int per_node = cfg->slurm.ranks_per_node, mib = least(c->memory.train_mib, c->most_mib);
    int cores = least(tn_cfg_cpus_per_rank(cfg) * per_node, c->most_cores);
    tn_want all = {least(c->n, TN_MOST_SEATS), 1, c->most_cores, c->most_mib, 0};
    if (s->stage->ranks == TN_RANKS_OF_CELL)
        return (tn_want){least(nodes_of(cfg, s), all.n_nodes), per_node, cores, mib, tn_gpus_of_node(cfg)};
    if (s->stage->ranks == TN_RANKS_OF_CORES)
        all.ranks = least(c->most_cores, c->most_mib / (c->memory.preprocess_mib > 0 ? c->memory.preprocess_mib : 1));
    else
        all.n_nodes = 1;
    if (all.ranks < 1) all.ranks = 1;
    return all;
}

bool tn_crew_take(tn_crew *c, tn_want want, tn_seats *out) {
    bool taken[4096] = {false};
    *out = (tn_seats){.want = want};
    for (int k = 0; k < want.n_nodes; k++) {
        int best = -1;
        for (int i = 0; i < c->n && i < 4096; i++)
            if (!taken[i] && c->at[i].cores >= want.cores && c->at[i].mib >= want.mib && c->at[i].gpus >= want.gpus &&
                (best < 0 || c->at[i].cores < c->at[best].cores))
                best = i;
        if (best < 0) return false;
        taken[best] = true;
        out->node[k] = best;
    }
    for (int k = 0; k < want.n_nodes; k++) {
        c->at[out->node[k]].cores -= want.cores;
        c->at[out->node[k]].mib -= want.mib;
        c->at[out->node[k]].gpus -= want.gpus;
    }
    return true;
}

void tn_crew_give(tn_crew *c, const tn_seats *seats) {
    for (int k = 0; k < seats->want.n_nodes; k++) {
        c->at[seats->node[k]].cores += seats->want.cores;
        c->at[seats->node[k]].mib += seats->want.mib;
        c->at[seats->node[k]].gpus += seats->want.gpus;
    }
}

/* --- the launcher ------------------------------------------------------------------------------------------------- */

static tn_status add_all(tn_argv *out, int n, const char *const *word) {
    for (int i = 0; i < n; i++) TN_TRY(tn_argv_add(out, "%s", word[i]));
    return TN_OK;
}

/* The site's launcher and its options. If it has no options, those that slurm/stage.sh would give. */
static tn_status add_launcher(const tn_crew *c, tn_argv *out) {
    for (const char *at = c->launcher; *at; at += strcspn(at, " "), at += strspn(at, " "))
        TN_TRY(tn_argv_add(out, "%.*s", (int)strcspn(at, " "), at));
    if (c->by_srun) return strstr(c->launcher, " --mpi") ? TN_OK : tn_argv_add(out, "--mpi=pmix");
    return out->n > 1 ? TN_OK : add_all(out, 2, (const char *[]){"--bind-to", "none"});
}

/* Memory is counted here and not by Slurm: with --mem=0 each srun step may use all memory of the job, and no step waits for
 * another. */
tn_status tn_crew_argv(const tn_crew *c, const tn_seats *seats, tn_argv *out) {
    char *list = NULL;
    size_t n = 0;
    const tn_want *w = &seats->want;
    FILE *f = open_memstream(&list, &n);
    for (int k = 0; f && k < w->n_nodes; k++) {
        fprintf(f, "%s%s", k ? "," : "", c->at[seats->node[k]].name);
        if (!c->by_srun) fprintf(f, ":%d", w->ranks);
    }
    tn_status st = tn_text_end(f, TN_OK, "the nodes of a step");
    if (st == TN_OK) st = add_launcher(c, out);
    if (st == TN_OK && c->by_srun)
        st = add_all(out, 6,
                     (const char *[]){"--exact", "--kill-on-bad-exit=1", "--mem=0", "--nodelist", list, "--nodes"});
    if (st == TN_OK && c->by_srun) st = tn_argv_add(out, "%d", w->n_nodes);
    if (st == TN_OK && c->by_srun) st = tn_argv_add(out, "--ntasks-per-node=%d", w->ranks);
    if (st == TN_OK && c->by_srun)
        st = tn_argv_add(out, "--cpus-per-task=%d", w->cores / w->ranks > 1 ? w->cores / w->ranks : 1);
    if (st == TN_OK && !c->by_srun) st = add_all(out, 2, (const char *[]){"--host", list});
    if (st == TN_OK) st = tn_argv_add(out, "-n");
    if (st == TN_OK) st = tn_argv_add(out, "%d", w->n_nodes * w->ranks);
    free(list);
    return st;
}
