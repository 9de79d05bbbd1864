/* cfg_options.c - options of a site or user for sbatch; those that tenfold depends on are refused. */
#include "cfg/cfg_priv.h"

#include <string.h>

/* Options that tenfold gives itself, and why. Abbreviations count, too, because getopt accepts them. */
static const struct {
    const char *name, *why;
} OURS[] = {
    {"array", "the tasks of an array are the cells that are missing"},
    {"output", "`status` and the batch script read the logs in RUN/log"},
    {"error", "the batch script looks for Slurm's words in the job's log"},
    {"open-mode", "a job that starts again appends to its log"},
    {"dependency", "the stages wait for each other"},
    {"kill-on-invalid-dep", "the stages wait for each other"},
    {"wrap", "every job is stage.sh"},
    {"requeue", "stage.sh decides what is queued again, and by --requeue Slurm does the same for a lost node"},
    {"no-requeue", "stage.sh decides what is queued again, and by --requeue Slurm does the same for a lost node"},
    {"job-name", "`status` finds the run's jobs by their names"},
    {"chdir", "paths in --set are relative to the folder where the run was submitted"},
    {"signal", "ranks publish a checkpoint when the batch script is told of the time limit"},
    {"parsable", "`submit` reads the job's number"},
    {"quiet", "`submit` reads the job's number"},
    {"help", "`submit` reads the job's number"},
    {"usage", "`submit` reads the job's number"},
    {"version", "`submit` reads the job's number"},
    {"test-only", "nothing would be submitted: `tenfold submit --dry-run` prints the commands"},
    {"wait", "`submit` would wait for the end of each job: `tenfold status RUN --watch` waits for the run"},
    {"clusters", "`status` would not find the jobs: set SLURM_CLUSTERS"},
    {"partition", "set slurm.partition, or that of a stage: slurm: { preprocess: { partition = \"cpu\"; }; };"},
    {"time", "the signal before the limit depends on it: set slurm: { train: { minutes = 600; }; };"},
    {"mem", "a job that runs out of memory is queued again with more: set slurm.memory_gib, or that of a stage"},
    {"mem-per-cpu",
     "a job that runs out of memory is queued again with more: set slurm.memory_gib, or that of a stage"},
    {"mem-per-gpu",
     "a job that runs out of memory is queued again with more: set slurm.memory_gib, or that of a stage"},
    {"nodes", "set slurm.nodes"},
    {"ntasks", "set slurm.ranks_per_node"},
    {"ntasks-per-node", "set slurm.ranks_per_node"},
    {"tasks-per-node", "set slurm.ranks_per_node"},
    {"cpus-per-task", "set slurm.cpus_per_rank"},
};

/* Why this option is refused; NULL: it is accepted. */
static const char *refusal(const char *word) {
    size_t n = strcspn(word, "=");
    if (word[0] != '-') return "it is no option: write an option and its value as one word, \"--name=value\"";
    if (word[1] != '-') return "write the long name, \"--name=value\"";
    if (n == 2) return "it has no name: write \"--name=value\"";
    for (size_t i = 0; i < sizeof OURS / sizeof *OURS; i++)
        if (strncmp(OURS[i].name, word + 2, n - 2) == 0) return OURS[i].why;
    return NULL;
}

static void add(tn_sbatch_options *out, const tn_key *key, const char *word, size_t n, int line,
                tn_problems *problems) {
    bool bad = n >= TN_OPTION_BYTES;
    for (size_t i = 0; i < n; i++) bad |= (unsigned char)word[i] < ' ';
    if (bad || out->n == TN_MAX_OPTIONS) {
        tn_problem(problems, line, "%s.%s: \"%.*s\" %s: give at most %d options of at most %d bytes", key->group,
                   key->name, (int)n, word, bad ? "is too long or has control characters" : "is one too many",
                   TN_MAX_OPTIONS, TN_OPTION_BYTES - 1);
        return;
    }
    char *to = out->at[out->n];
    snprintf(to, TN_OPTION_BYTES, "%.*s", (int)n, word);
    const char *why = refusal(to);
    if (why)
        tn_problem(problems, line, "%s.%s: \"%s\": %s", key->group, key->name, to, why);
    else
        out->n++;
}

void tn_sbatch_options_set(tn_sbatch_options *out, const tn_key *key, const config_setting_t *v, int line,
                           tn_problems *problems) {
    const char *text = config_setting_get_string(v);
    int n = 0;
    out->n = 0;
    if (!text && !tn_list_length(key, v, line, &n, problems)) return;
    for (int i = 0; i < n; i++) {
        const config_setting_t *member = config_setting_get_elem(v, (unsigned)i);
        const char *word = config_setting_get_string(member);
        int at = line > 0 ? (int)config_setting_source_line(member) : line;
        if (word)
            add(out, key, word, strlen(word), at, problems);
        else
            tn_problem(problems, at, "%s.%s: every member is text, \"--name=value\"", key->group, key->name);
    }
    for (size_t end; text && *(text += strspn(text, " ")); text += end) {
        end = strcspn(text, " ");
        add(out, key, text, end, line, problems);
    }
}

void tn_sbatch_options_print(const tn_sbatch_options *options, FILE *out) {
    fputs("[ ", out);
    for (int i = 0; i < options->n; i++) {
        if (i) fputs(", ", out);
        tn_print_text(options->at[i], out);
    }
    fputs(" ]", out);
}
