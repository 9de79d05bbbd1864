/*
 * command.h - run a program of Slurm and read what it says.                         layer: suite, uses: base
 *
 *   tn_words w = {0};
 *   TN_TRY(tn_words_add(&w, "--job-name=%s", name));           // one argument, whatever is in it: no shell reads it
 *   TN_TRY(tn_command(&w, &out));  ...  tn_said_free(&out);  tn_words_free(&w);
 *
 * It does not see what the job around us left in the environment (outer.h): sbatch would hand that to the new job.
 */
#ifndef TN_SUITE_COMMAND_H
#define TN_SUITE_COMMAND_H

#include "base/status.h"

#include <stdio.h>

typedef struct {
    int n;
    char **at; /* NULL at the end */
} tn_words;

tn_status tn_words_add(tn_words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tn_words_free(tn_words *w);

/* As a line that bash reads back to the same words. */
void tn_words_print(const tn_words *w, FILE *out);

typedef struct {
    int exit_code;     /* 128 + signal when killed */
    char *text, *errs; /* stdout, stderr; never NULL after TN_OK */
} tn_said;

/* Searches the PATH; waits for the end, at most two minutes.
 * Errors  TN_EIO it is not there, does not start or does not end. An exit code is none. */
tn_status tn_command(const tn_words *w, tn_said *out);
void tn_said_free(tn_said *said);

#endif
