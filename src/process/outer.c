/* outer.c - the names of these variables. */
#define _GNU_SOURCE /* environ */
#include "process/outer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A name with * stands for all names that begin so. */
static const char *const OUTER[] = {"SLURM_*",
                                    "SLURMD_*", /* Slurm */
                                    "PBS_*",    /* PBS, Torque */
                                    "PE_HOSTFILE",
                                    "JOB_ID", /* Grid Engine */
                                    "LSB_*",  /* LSF */
                                    "LOADL_*",
                                    "BASIL_*",
                                    "ALPS_*",
                                    "FLUX_JOB_*",
                                    "FLUX_TASK_*", /* LoadLeveler, Cray, Flux */
                                    "PMI_*",
                                    "PMI2_*",
                                    "PMIX_*",
                                    "MPI_LOCALRANKID",
                                    "MPI_LOCALNRANKS", /* any launcher */
                                    "HYDI_*",
                                    "MPIR_CVAR_CH3_INTERFACE_HOSTNAME", /* MPICH's mpirun */
                                    "PALS_*",                           /* Cray's mpiexec */
                                    "OMPI_COMM_WORLD_*",
                                    "OMPI_UNIVERSE_*",
                                    "OMPI_WORLD_*",
                                    "OMPI_ARGV",
                                    "OMPI_LIBDIR_LOC",
                                    "OMPI_TOOL_NAME",
                                    "OMPI_VERSION",
                                    "OMPI_APP_CTX*",
                                    "OMPI_NUM_APP_CTX*", /* mpirun */
                                    "OMPI_FIRST_RANKS",
                                    "OMPI_COMMAND",
                                    "OMPI_FILE_LOCATION",
                                    "OMPI_MCA_orte_*",
                                    "OMPI_MCA_ess_*",
                                    "OMPI_MCA_pmix*",
                                    "OMPI_MCA_initial_wdir",
                                    "OMPI_MCA_num_procs",
                                    "OMPI_MCA_cpu_type",
                                    "OMPI_MCA_PREFIXES",
                                    "OMPI_MCA_mca_base_component_path",
                                    "OMPI_MCA_shmem_RUNTIME_QUERY_hint",
                                    "ORTE_*",
                                    "PRTE_*"};

static const char *const USERS[] = {
    "SLURM_CONF",       "SLURM_CLUSTERS", "SLURM_JWT",  "SLURM_TIME_FORMAT",       "SLURM_DEBUG_FLAGS",
    "SLURM_EXIT_ERROR", "PMIX_MCA_*",     "PRTE_MCA_*", "PRTE_ALLOW_RUN_AS_ROOT*", "OMPI_MCA_orte_tmpdir_base"};

static bool is_one_of(const char *name, const char *const *list, size_t n) {
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        size_t length = strcspn(list[i], "*");
        found = strncmp(name, list[i], length) == 0 && (list[i][length] || !name[length]);
    }
    return found;
}

bool tn_outer_is(const char *name) {
    return is_one_of(name, OUTER, sizeof OUTER / sizeof *OUTER) &&
           !is_one_of(name, USERS, sizeof USERS / sizeof *USERS);
}

/* The name of entry i of the environment. False: it is none of these variables. */
static bool outer_at(int i, char name[256]) {
    size_t n = strcspn(environ[i], "=");
    if (n >= 256) return false;
    memcpy(name, environ[i], n);
    name[n] = 0;
    return tn_outer_is(name);
}

void tn_outer_forget(void) {
    char name[256];
    for (int i = 0; environ[i];)
        if (!outer_at(i, name) || unsetenv(name) != 0) i++; /* unsetenv moves the next entry to index i */
}

void tn_outer_print(FILE *out) {
    char name[256];
    int n = 0;
    for (int i = 0; environ[i]; i++)
        if (outer_at(i, name)) fprintf(out, "%s%s", n++ ? " " : "unset ", name);
    if (n) fputc('\n', out);
}
