/*
 * site.h - what belongs to a cluster and not to a job: the batch script and the site's settings.
 *                                                                                   layer: suite, uses: base
 *   tn_site site;
 *   TN_TRY(tn_site_find(&site));
 *   TN_TRY(tn_site_read(&site, cfg));          // fills what the job file's slurm group leaves open
 *
 * Where     stage.sh: <prefix>/share/tenfold beside an installed <prefix>/bin/tenfold, else slurm/ of the source tree.
 *           site.env: the file that $TENFOLD_SITE_ENV names, else the first that is there of tenfold/site.env in
 *           $XDG_CONFIG_HOME, ~/.config/tenfold/site.env, site.env beside stage.sh, /etc/tenfold/site.env; or none.
 * site.env  a bash file that stage.sh reads on the node (`module load ...`, `export OMPI_MCA_...`). `tenfold submit`
 *           reads no bash: of this file it takes the lines TENFOLD_NAME=value alone, in which value is plain or in
 *           quotes, without $, `, \ and quotes inside. NAME is a key of the slurm group in capitals, with _ for its dot
 *           (TENFOLD_TRAIN_MINUTES=600 is slurm.train.minutes), GRES (how the site calls a GPU, "gpu:a100"; default "gpu"),
 *           LAUNCHER (mpirun, mpiexec or srun, and options in quotes), BIND (none, core) or EXEC ("apptainer exec tenfold.sif": what each rank starts in); the
 *           last three are for stage.sh.
 */
#ifndef TN_SUITE_SITE_H
#define TN_SUITE_SITE_H

#include "base/cfg.h"

typedef struct {
    char stage[TN_PATH_BYTES], env[TN_PATH_BYTES]; /* stage.sh; site.env, "" = none */
    char gres[TN_NAME_BYTES];
} tn_site;

/* Errors TN_EIO no stage.sh; TN_EARG the file that $TENFOLD_SITE_ENV names is not there. */
tn_status tn_site_find(tn_site *out);

/* Errors TN_EARG a line that cannot be taken as it stands, an unknown name, a value that the key does not accept: each
 * with file and line. */
tn_status tn_site_read(tn_site *site, tn_cfg *cfg);

#endif
