/* cfg_print.c - prints settings: for people, for identities, for the reference. */
#include "cfg/cfg_priv.h"

#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

char *tn_cfg_canonical(const tn_cfg *cfg, tn_keys_of stage) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    for (int k = 0; f && k < tn_n_keys; k++) {
        if (!(tn_keys[k].stages & stage)) continue;
        fprintf(f, "%s.%s = ", tn_keys[k].group, tn_keys[k].name);
        tn_key_print(cfg, &tn_keys[k], true, f);
        fputc('\n', f);
    }
    return tn_text_end(f, TN_OK, "the settings") == TN_OK ? text : NULL;
}

static bool begins_group(int k) {
    return k == 0 || strcmp(tn_keys[k].group, tn_keys[k - 1].group) != 0;
}
static bool ends_group(int k) {
    return k + 1 == tn_n_keys || begins_group(k + 1);
}

/* The length of the inner group in a key's name, "train" in "train.minutes"; 0: none. */
static size_t inner_bytes(int k) {
    const char *dot = strchr(tn_keys[k].name, '.');
    return dot ? (size_t)(dot - tn_keys[k].name) : 0;
}
static bool same_inner(int j, int k) {
    size_t n = inner_bytes(k);
    return n == inner_bytes(j) && strncmp(tn_keys[j].name, tn_keys[k].name, n) == 0;
}

static void print_key(const tn_cfg *cfg, int k, FILE *out) {
    size_t n = inner_bytes(k);
    if (n && !same_inner(k - 1, k)) fprintf(out, "  %.*s:\n  {\n", (int)n, tn_keys[k].name);
    fprintf(out, "  %s%s = ", n ? "  " : "", tn_keys[k].name + (n ? n + 1 : 0));
    tn_key_print(cfg, &tn_keys[k], false, out);
    fprintf(out, ";  # %s%s\n", cfg->line[k] == 0 ? "default; " : cfg->line[k] < 0 ? "--set; " : "", tn_keys[k].help);
    if (n && (ends_group(k) || !same_inner(k + 1, k))) fputs("  };\n", out);
}

void tn_cfg_print(const tn_cfg *cfg, FILE *out) {
    tn_print(out, "# %s, run folder %s\n", cfg->file, cfg->run_dir); /* file names may have other bytes than UTF-8 */
    for (int k = 0; k < tn_n_keys; k++) {
        if (begins_group(k)) fprintf(out, "%s:\n{\n", tn_keys[k].group);
        print_key(cfg, k, out);
        if (ends_group(k)) fputs("};\n", out);
    }
}

static void print_escaped(const char *text, FILE *out) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
}

void tn_cfg_print_reference(FILE *out) {
    fputs("# The job file\n\n"
          "A job file is a [libconfig](https://hyperrealm.github.io/libconfig/) file with the groups below. An unknown "
          "key, a\n"
          "missing key, a wrong type or a value out of range is an error that names file and line. `tenfold check "
          "JOB.cfg`\n"
          "prints everything that will be used. `--set group.key=value` overrides a key on the command line. Paths in "
          "a job\n"
          "file are relative to its folder, those in `--set` to the current folder. This page is printed by\n"
          "`tenfold check --reference`.\n",
          out);
    for (int k = 0; k < tn_n_keys; k++) {
        if (begins_group(k))
            fprintf(out, "\n## %s\n\n| key | default | accepted | meaning |\n| --- | --- | --- | --- |\n",
                    tn_keys[k].group);
        fprintf(out, "| `%s` | ", tn_keys[k].name);
        if (tn_keys[k].preset)
            fprintf(out, "`%s`", tn_keys[k].preset);
        else
            fputs("required", out);
        fputs(" | ", out);
        tn_key_accepted(&tn_keys[k], out);
        fputs(" | ", out);
        print_escaped(tn_keys[k].help, out);
        fputs(" |\n", out);
    }
    fputs("\nA dot in the name of a `slurm` key stands for a group inside that group: `slurm: { partition = \"gpu\"; "
          "preprocess: { "
          "partition = \"cpu\"; minutes = 30; }; };`.\n",
          out);
    tn_augment_print_reference(out);
    fputs("\nFor `--set` and `search.space` each parameter in that list has a name of its own, such as "
          "`train.augment.cutmix.probability`.\n"
          "\n`search.space` is a list of groups `{ key = \"group.key\"; <values>; }`. The keys are those of `model`, "
          "`train` and `self` that\n"
          "training depends on, and `train.sizes_px`; not `train.images` (`search.rungs` are the budgets), "
          "`train.device`, `train.lanes`,\n"
          "`train.lane_threads` (how the work is distributed) and `model.pretrained`. The values:\n\n"
          "| values | drawn |\n| --- | --- |\n"
          "| `choice = ( ..., ... );` | one of them, in the syntax of the key: `( \"natural\", \"balanced_down\" )`, "
          "`( [ 48 ], [ 64 ] )` |\n"
          "| `uniform = ( a, b );` | a number from a to b |\n"
          "| `log_uniform = ( a, b );` | a number from a to b whose logarithm is uniform; a > 0 |\n"
          "| `integer = ( a, b );` | a whole number from a to b, both included |\n",
          out);
}
