/* slurm_job.h - a small job file with a slurm group, for the tests of what is submitted. */
#ifndef TN_TESTS_SLURM_JOB_H
#define TN_TESTS_SLURM_JOB_H

#include "unit.h"

#include "cfg/cfg.h"

static const char JOB[] = "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\n"
                          "folds: { count = 3; };\n"
                          "train: { images = 100; lanes = 4; };\n";

static inline tn_cfg *read_job(const char *slurm) {
    char text[2048];
    tn_cfg *cfg = NULL;
    snprintf(text, sizeof text, "%sslurm: { %s };\n", JOB, slurm);
    if (tn_cfg_read(unit_write("my.cfg", text), 0, NULL, NULL, &cfg) != TN_OK) fail_msg("%s", tn_msg);
    return cfg;
}

#endif
