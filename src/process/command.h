/*
 * command.h - runs a program of Slurm and returns its output. All functions are local.
 *
 *   tn_argv w = {0};
 *   TN_TRY(tn_argv_add(&w, "--job-name=%s", name));           // one argument with any characters: no shell is involved
 *   TN_TRY(tn_command(&w, &out));  ...  tn_output_free(&out);  tn_argv_free(&w);
 *
 * Variables of a surrounding job are removed from its environment (outer.h), because sbatch would pass them to the new job.
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

/* Print a line that bash reads back to the same arguments. */
void tn_argv_print(const tn_argv *w, FILE *out);

typedef struct {
    int exit_code;     /* 128 + signal if it was killed */
    char *text, *errs; /* stdout, stderr; never NULL after TN_OK */
} tn_output;

/* Run a program found in PATH, and wait at most two minutes for its end. The caller frees out.
 * Errors  TN_EIO the program does not exist, does not start or does not end. A non-zero exit code is no error. */
tn_status tn_command(const tn_argv *w, tn_output *out);
void tn_output_free(tn_output *output);

#endif
