/* gpus.c - see gpus.h. */
#include "slurm/gpus.h"

#include "base/progress.h"

#include <string.h>

/* Does an sbatch option ask for GPUs, whatever the site calls them? */
static bool names_gpus(const char *option) {
    static const struct {
        const char *begin;
        bool means_gpus; /* whatever follows */
    } WORD[] = {{"--exclusive", true}, {"--gpus", true}, {"--gres=", false}, {"--tres-per-", false}};
    for (size_t i = 0; i < sizeof WORD / sizeof *WORD; i++)
        if (strncmp(option, WORD[i].begin, strlen(WORD[i].begin)) == 0)
            return WORD[i].means_gpus || strstr(option, "gpu");
    return false;
}

int tn_gpus_of_node(const tn_cfg *cfg) {
    bool own = cfg->train.device == TN_DEVICE_CUDA && cfg->slurm.gpus_per_node == 0;
    return own ? 1 : cfg->slurm.gpus_per_node;
}

static bool has_own_words(const tn_cfg *cfg) {
    const tn_sbatch_options *list[] = {&cfg->slurm.options, &cfg->slurm.train.options};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < list[k]->n; i++)
            if (names_gpus(list[k]->at[i])) return true;
    return false;
}

tn_status tn_gpus_check(const tn_cfg *cfg) {
    int gpus = cfg->slurm.gpus_per_node, ranks = cfg->slurm.ranks_per_node;
    bool cuda = cfg->train.device == TN_DEVICE_CUDA;
    if (cuda && gpus == 0 && !has_own_words(cfg))
        return tn_fail(
            TN_EARG,
            "train.device = \"cuda\", and the jobs ask for no GPU: set slurm.gpus_per_node = %d, one for each "
            "of slurm.ranks_per_node (or TENFOLD_GPUS_PER_NODE in site.env)",
            ranks);
    if (!cuda && gpus > 0)
        tn_warn("slurm.gpus_per_node = %d: train.device is not \"cuda\", and nothing will use these GPUs", gpus);
    if (cuda && gpus > ranks)
        tn_warn("slurm.gpus_per_node = %d, but slurm.ranks_per_node = %d: a rank uses one GPU, the others are idle",
                gpus, ranks);
    if (cuda && gpus > 0 && gpus < ranks)
        tn_warn("slurm.gpus_per_node = %d, but slurm.ranks_per_node = %d: ranks share a GPU, which is slower", gpus,
                ranks);
    return TN_OK;
}
