/* doctor.c - tenfold doctor: is the installation fit for a run? */
#include "cli/args.h"

#include "doctor/doctor.h"

#include <stdlib.h>
#include <string.h>

/* Make a temporary folder for this check. */
static tn_status make_folder(const char *where, char out[TN_PATH_BYTES]) {
    TN_TRY(tn_folder_make(where));
    char *whole = realpath(where, NULL);
    tn_status st = whole ? tn_path(out, "%s/doctor.XXXXXX", whole) : tn_fail(TN_EIO, "%s: cannot be read", where);
    free(whole);
    if (st == TN_OK && !mkdtemp(out)) st = tn_fail(TN_EIO, "%s: no folder can be made in it", where);
    return st;
}

static tn_status examine(const tn_args *args, tn_findings *f) {
    char folder[TN_PATH_BYTES];
    int ranks = args->ranks ? args->ranks : 2;
    TN_TRY(make_folder(args->n_words ? args->word[0] : ".", folder));
    tn_status st = tn_doctor_here(folder, ranks, f);
    if (st == TN_OK && args->slurm) st = tn_doctor_slurm(folder, args->nodes ? args->nodes : 1, ranks, f);
    char why[TN_MSG_BYTES];
    memcpy(why, tn_msg, sizeof why);
    tn_folder_remove(folder);
    memcpy(tn_msg, why, sizeof why);
    return st;
}

static tn_status verb_doctor(const tn_args *args) {
    tn_findings f = {.n = 0};
    if (args->probe) return tn_doctor_probe(args->n_words ? args->word[0] : ".");
    if ((args->nodes || args->write) && !args->slurm)
        return tn_fail(TN_EARG, "--nodes and --write need a cluster: give --slurm, too");
    TN_TRY(examine(args, &f));
    tn_findings_print(&f, stdout);
    if (args->write) TN_TRY(tn_doctor_write_site(&f));
    int bad = tn_findings_bad(&f);
    if (bad == 0) return TN_OK;
    return tn_fail(TN_EIO, "%d finding%s bad: a run would fail; the lines with arrows say what to do", bad,
                   bad == 1 ? " is" : "s are");
}

const tn_verb tn_verb_doctor = {
    .name = "doctor",
    .words = "[FOLDER]",
    .least_words = 0,
    .most_words = 1,
    .options = TN_OPT_RANKS | TN_OPT_SLURM | TN_OPT_DOCTOR,
    .mpi = true, /* the ranks that it starts run it with --probe */
    .summary = "check machine, folder and cluster before a run, and advise",
    .help =
        "Starts two ranks (--ranks) by mpirun, which check cores, instruction set, /dev/shm, and FOLDER (default: the\n"
        "current one; give one on the file system of your runs): locks, fsync, HDF5, and whether all ranks see the\n"
        "same files. --slurm also calls scontrol, sbatch --test-only and srun, starts ranks on --nodes nodes if they\n"
        "are granted within a minute, and prints the lines that it advises for site.env. --write writes them to the\n"
        "user's own site.env, if there is none. Exit code 3 if a finding is bad; doubtful findings are only "
        "printed.\n\n"
        "example: tenfold doctor results --slurm --nodes 2",
    .run = verb_doctor,
};
