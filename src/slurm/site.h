/*
 * site.h - the files of a cluster: the batch script stage.sh and the site's settings site.env. All functions are local.
 *
 *   tn_site site;
 *   TN_TRY(tn_site_find(&site));
 *   TN_TRY(tn_site_read(&site, cfg));          // sets the slurm keys that the job file does not set
 *
 * Where     stage.sh: <prefix>/share/tenfold beside an installed <prefix>/bin/tenfold, else slurm/ of the source tree.
 *           site.env: the file in $TENFOLD_SITE_ENV; else the first that exists of $XDG_CONFIG_HOME/tenfold/site.env,
 *           ~/.config/tenfold/site.env, site.env beside stage.sh, /etc/tenfold/site.env; or none.
 * site.env  a bash file that stage.sh sources on the node (`module load ...`, `export OMPI_MCA_...`). `tenfold submit` does not
 *           run bash: it reads only lines TENFOLD_NAME=value, whose value is plain or in quotes, without $, `, \ and quotes
 *           inside. NAME is one of
 *             a key of the slurm group in capitals, with _ for the dot: TENFOLD_TRAIN_MINUTES=600 is slurm.train.minutes
 *             GRES      the site's name of a GPU, "gpu:a100"; default "gpu"
 *             LAUNCHER  mpirun, mpiexec or srun, with options in quotes                           (for stage.sh)
 *             BIND      none or core                                                              (for stage.sh)
 *             EXEC      command that each rank is started in, "apptainer exec tenfold.sif"         (for stage.sh)
 */
#ifndef TN_SLURM_SITE_H
#define TN_SLURM_SITE_H

#include "cfg/cfg.h"

typedef struct {
    char stage[TN_PATH_BYTES], env[TN_PATH_BYTES]; /* stage.sh; site.env, "" = none */
    char gres[TN_NAME_BYTES];
} tn_site;

/* Find both files. Errors TN_EIO there is no stage.sh; TN_EARG the file in $TENFOLD_SITE_ENV does not exist. */
tn_status tn_site_find(tn_site *out);

/* Read site.env into cfg->slurm and site->gres. Keys that the job file sets are kept.
 * Errors TN_EARG, with file and line: a line that only bash could evaluate, an unknown name, a value that the key does not accept. */
tn_status tn_site_read(tn_site *site, tn_cfg *cfg);

#endif
