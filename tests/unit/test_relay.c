/* test_relay.c - mpirun's words between its rules reach log, terminal and message; what we know anyway does not. And which names of
 * the environment are those of a batch system or launcher around us. */
#include "unit.h"

#include "process/outer.h"
#include "process/relay.h"

#define RULE "--------------------------------------------------------------------------\n"
#define ENDED                                                                                                          \
    RULE "Primary job  terminated normally, but 1 process returned\n"                                                  \
         "a non-zero exit code. Per user-direction, the job has been aborted.\n" RULE RULE                             \
         "mpirun detected that one or more processes exited with non-zero status, thus causing\n"                      \
         "the job to be terminated. The first process to do so was:\n\n  Process name: [[1,1],1]\n  Exit code:    "    \
         "2\n" RULE
#define ENDED_5                                                                                                        \
    RULE "prterun detected that one or more processes exited with non-zero status,\n"                                  \
         "thus causing the job to be terminated. The first process to do so was:\n\n"                                  \
         "   Process name: [prterun-vm-3711@1,0]\n   Exit code:    3\n" RULE
/* as MPICH 4.0 says it */
#define BOX "===================================================================================\n"
#define SIGNALLED                                                                                                      \
    "\n" BOX "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   PID 5496 RUNNING AT localhost\n"           \
    "=   EXIT CODE: 9\n=   CLEANING UP REMAINING PROCESSES\n=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES\n" BOX       \
    "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)\n"                                            \
    "This typically refers to a problem with your application.\nPlease see the FAQ page for debugging suggestions\n"
#define UNREACHABLE                                                                                                    \
    RULE "At least one pair of MPI processes are unable to reach\neach other.  It is an error.\n\n  Process 1\n" RULE

static char *log_text, *terminal_text;
static tn_relay r; /* of the last text */
static bool sparse;

/* In pieces of so many bytes; the texts are new. */
static const char *relay(const char *text, size_t piece) {
    size_t n_log = 0, n = strlen(text), n_file = 0;
    free(log_text);
    free(terminal_text);
    FILE *log = open_memstream(&log_text, &n_log), *terminal = fopen(unit_path("terminal"), "w");
    tn_relay_begin(&r, log, fileno(terminal), sparse);
    for (size_t at = 0; at < n; at += piece) tn_relay_bytes(&r, text + at, n - at < piece ? n - at : piece);
    tn_relay_end(&r);
    assert_int_equal(fclose(log), 0);
    assert_int_equal(fclose(terminal), 0);
    assert_int_equal(tn_file_read(unit_path("terminal"), &terminal_text, &n_file), TN_OK);
    return r.last;
}

static void blocks(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *log, *terminal, *last; /* NULL: as text */
    } OF[] = {{"one\ntwo\n", NULL, NULL, "two"},
              {"tenfold: error: x\nthe end\n" ENDED, "tenfold: error: x\nthe end\n", "tenfold: error: x\nthe end\n",
               "tenfold: error: x"},
              {UNREACHABLE "[vm:1] *** An error\n" ENDED, UNREACHABLE "[vm:1] *** An error\n",
               UNREACHABLE "[vm:1] *** An error\n",
               "At least one pair of MPI processes are unable to reach each other. It is an error."},
              {"[vm:1] *** An error occurred in MPI_Init_thread\n[vm:1] *** on a NULL communicator\n", NULL, NULL,
               "[vm:1] *** An error occurred in MPI_Init_thread"},
              {"before\n" RULE "\nfirst\n" RULE RULE "second\n" RULE, NULL, NULL, "first"},
              {RULE "A call was unable to create the folder:\n\n    /tmp/x\n\nIts cause:\n" RULE, NULL, NULL,
               "A call was unable to create the folder: /tmp/x"},
              {UNREACHABLE "tenfold: error: y\n", NULL, NULL, "tenfold: error: y"},
              {"tenfold: says\n" RULE "never closed\nmore\n", NULL, NULL, "tenfold: says"},
              {"--- title\n--\n-\nlast\n", NULL, NULL, "last"},
              {"bar 1\rbar 2\r" ENDED "end\n", "end\n", "bar 1\rbar 2\rend\n", "end"},
              {"tenfold: error: x\nthe end\n" ENDED_5, "tenfold: error: x\nthe end\n", "tenfold: error: x\nthe end\n",
               "tenfold: error: x"},
              {"why\n" SIGNALLED, NULL, NULL, "why"},
              {"no end", "", NULL, ""},
              {"--", "", NULL, ""}};
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++)
        for (size_t piece = 1; piece < 200; piece += piece < 9 ? 1 : 37) {
            const char *last = relay(OF[i].text, piece);
            if (OF[i].last) assert_string_equal(last, OF[i].last);
            assert_int_equal(r.signal, strstr(OF[i].text, "(signal 9)") ? 9 : 0);
            assert_string_equal(log_text, OF[i].log ? OF[i].log : OF[i].text);
            assert_string_equal(terminal_text, OF[i].terminal ? OF[i].terminal : OF[i].text);
        }
}

/* Nothing is lost of what is longer than any buffer, and a message ends with a sentence. */
static void long_ones(void **unused) {
    (void)unused;
    static char text[40000];
    size_t n = (size_t)snprintf(text, sizeof text, RULE);
    while (n < 30000) n += (size_t)snprintf(text + n, sizeof text - n, "Sentence number %zu. ", n);
    snprintf(text + n, sizeof text - n, "\n" RULE "after\n");
    const char *last = relay(text, 1000);
    assert_int_equal(strlen(terminal_text), strlen(text));
    assert_string_equal(terminal_text, text);
    assert_int_equal(strncmp(last, "Sentence number 75. Sentence number 95. ", 40), 0);
    assert_int_equal(last[strlen(last) - 1], '.');
    memset(text, '-', 20000); /* one line */
    strcpy(text + 20000, "x\n");
    relay(text, 999);
    assert_string_equal(terminal_text, text);
}

static void names(void **unused) {
    (void)unused;
    static const char *const OUTER[] = {"SLURM_JOB_ID",
                                        "SLURM_CPU_BIND",
                                        "SLURM_MEM_PER_CPU",
                                        "SLURMD_NODENAME",
                                        "PBS_JOBID",
                                        "PBS_NODEFILE",
                                        "PE_HOSTFILE",
                                        "JOB_ID",
                                        "LSB_JOBID",
                                        "LSB_HOSTS",
                                        "PMI_RANK",
                                        "PMI_FD",
                                        "PMI2_SIZE",
                                        "PMIX_RANK",
                                        "PMIX_SERVER_URI3",
                                        "OMPI_COMM_WORLD_RANK",
                                        "OMPI_MCA_orte_hnp_uri",
                                        "OMPI_MCA_ess_base_jobid",
                                        "OMPI_MCA_pmix",
                                        "PRTE_LAUNCHED",
                                        "OMPI_ARGV",
                                        "OMPI_VERSION",
                                        "OMPI_WORLD_SIZE",
                                        "OMPI_MCA_num_procs",
                                        "HYDI_CONTROL_FD",
                                        "FLUX_JOB_ID"};
    static const char *const USERS[] = {"SBATCH_ACCOUNT",
                                        "SQUEUE_FORMAT",
                                        "SLURM_CONF",
                                        "SLURM_CLUSTERS",
                                        "SLURM_JWT",
                                        "SLURM",
                                        "OMPI_MCA_btl",
                                        "OMPI_MCA_orte_tmpdir_base",
                                        "PMIX_MCA_gds",
                                        "PRTE_MCA_rmaps_default_mapping_policy",
                                        "PRTE_ALLOW_RUN_AS_ROOT",
                                        "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM",
                                        "PATH",
                                        "JOB_IDS",
                                        "LSF_ENVDIR",
                                        "SGE_ROOT",
                                        "OMP_NUM_THREADS",
                                        "PBS",
                                        "HOME",
                                        "MY_SLURM_JOB_ID"};
    for (size_t i = 0; i < sizeof OUTER / sizeof *OUTER; i++)
        if (!tn_outer_is(OUTER[i])) fail_msg("%s is of a batch system", OUTER[i]);
    for (size_t i = 0; i < sizeof USERS / sizeof *USERS; i++)
        if (tn_outer_is(USERS[i])) fail_msg("%s is the user's", USERS[i]);
    setenv("SLURM_JOB_ID", "1", 1);
    setenv("SLURM_CONF", "here", 1);
    setenv("PMIX_RANK", "", 1);
    tn_outer_forget();
    assert_null(getenv("SLURM_JOB_ID"));
    assert_null(getenv("PMIX_RANK"));
    assert_string_equal(getenv("SLURM_CONF"), "here");
}

/* What `tenfold run` shows of a step: progress, warnings, errors, and what is not tenfold's; the log has all. */
static void sparsely(void **unused) {
    (void)unused;
    static const char TEXT[] =
        "tenfold: preprocess: done, 2.0 s\ntenfold: warning: two are bad\nhwloc says\n"
        "tenfold: r0: 5 of 9 images, 3/s, 2 s left\n\r\033[Kr0 [##..] 5 of 9\r\033[Ktenfold: r0: "
        "trained, 1.0 s\ntenfold: result: macro F1 0.5\ntenfold: error: no\n";
    sparse = true;
    for (size_t piece = 1; piece < 100; piece += 7) {
        assert_string_equal(relay(TEXT, piece), "tenfold: error: no");
        assert_string_equal(r.result, "macro F1 0.5");
        assert_string_equal(terminal_text,
                            "tenfold: warning: two are bad\nhwloc says\ntenfold: r0: 5 of 9 images, 3/s, 2 s "
                            "left\n\r\033[Kr0 [##..] 5 of 9\rtenfold: error: no\n");
        assert_non_null(strstr(log_text, "tenfold: preprocess: done, 2.0 s\n"));
        assert_non_null(strstr(log_text, "tenfold: result: macro F1 0.5\n"));
    }
    sparse = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks), cmocka_unit_test(sparsely),
                                       cmocka_unit_test(long_ones), cmocka_unit_test(names)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(log_text);
    free(terminal_text);
    return failed;
}
