/*
 * csv.h - reads RFC 4180 tables with line numbers, and writes fields with quotes where needed. All functions are local.
 *
 *   tn_csv *t = NULL;
 *   TN_TRY(tn_csv_read(path, &t));   int col = tn_csv_column(t, "label");
 *   const char *v = tn_csv_at(t, row, col);
 *
 * Accepted  UTF-8 with or without BOM; lines that end with LF, CRLF or CR. Empty lines, lines of blanks (if there are several
 *           columns) and Ctrl-Z at the end are ignored. A field in quotes may contain commas, doubled quotes and line breaks. Blanks
 *           of a field without quotes belong to it (tn_csv_trim removes them); blanks around quotes and around column names do
 *           not. Columns without a name, or with the same name, are an error only when they are asked for.
 * Refused   with file:line: a row with more or fewer fields than the header, a quote inside a field without quotes, an unclosed
 *           quote, a 0 byte, invalid UTF-8, an empty file; semicolons, tabs or | instead of commas; Excel's `sep=` line; UTF-16; a
 *           workbook.
 */
#ifndef TN_STORE_CSV_H
#define TN_STORE_CSV_H

#include "base/status.h"

#include <stdint.h>
#include <stdio.h>

typedef struct tn_csv tn_csv;

tn_status tn_csv_read(const char *path, tn_csv **out); /* TN_EIO; TN_EARG with file:line */
void tn_csv_free(tn_csv **t);
int64_t tn_csv_rows(const tn_csv *t); /* without the header */
int tn_csv_columns(const tn_csv *t);
int tn_csv_column(const tn_csv *t, const char *name); /* the first with this name; -1: absent */
const char *tn_csv_name(const tn_csv *t, int column);
const char *tn_csv_at(const tn_csv *t, int64_t row, int column); /* owned by t, 0-terminated */
int64_t tn_csv_line(const tn_csv *t, int64_t row);               /* line in the file where the row begins, from 1 */

/* Find the only column with this name; -1: absent. For tables made by users.
 * Errors  TN_EARG two columns have the name; or none has it, but one differs only in capitals, or contains it between semicolons,
 *         tabs or |. */
tn_status tn_csv_find(const tn_csv *t, const char *name, int *column_out);

/* Remove blanks and line breaks at both ends of all fields of a column. */
void tn_csv_trim(tn_csv *t, int column);

/* Write sep ("" for the first field, "," for others) and a field, with quotes if needed. */
void tn_csv_put(FILE *f, const char *sep, const char *value);

/* The same into memory, and numbers ten times as fast as printf, for tables of 10^8 rows. Each returns the address after what it
 * wrote; no 0 byte is written. */
enum { TN_CSV_NUMBER_BYTES = 24 };
char *tn_csv_field(char *to, const char *value); /* at most 2 strlen(value) + 2 bytes */
char *tn_csv_probability(char *to, float p);     /* equal to "%.7g" */
char *tn_csv_difference(char *to, float x);      /* a difference of probabilities, -2 < x < 2; equal to "%.6f" */

#endif
