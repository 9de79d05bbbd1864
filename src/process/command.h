/*
 * command.h - run a program of Slurm and read what it says.
 *
 *   tn_argv w = {0};
 *   TN_TRY(tn_argv_add(&w, "--job-name=%s", name));           // one argument, whatever is in it: no shell reads it
 *   TN_TRY(tn_command(&w, &out));  ...  tn_output_free(&out);  tn_argv_free(&w);
 *
 * It does not see what the job around us left in the environment (outer.h): sbatch would hand that to the new job.
 */
#ifndef TN_PROCESS_COMMAND_H
#define TN_PROCESS_COMMAND_H

#include "base/status.h"

#include <stdio.h>

typedef struct {
    int n;
    char **at; /* NULL at the end */
} tn_argv;

tn_status tn_argv_add(tn_argv *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tn_argv_free(tn_argv *w);

/* As a line that bash reads back to the same words. */
void tn_argv_print(const tn_argv *w, FILE *out);

typedef struct {
    int exit_code;     /* 128 + signal when killed */
    char *text, *errs; /* stdout, stderr; never NULL after TN_OK */
} tn_output;

/* Searches the PATH; waits for the end, at most two minutes.
 * Errors  TN_EIO it is not there, does not start or does not end. An exit code is none. */
tn_status tn_command(const tn_argv *w, tn_output *out);
void tn_output_free(tn_output *output);

#endif
