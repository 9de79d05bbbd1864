/*
 * csv.h - RFC 4180 tables: a reader with line numbers, a writer that quotes.
 *
 *   tn_csv *t = NULL;
 *   TN_TRY(tn_csv_read(path, &t));   int col = tn_csv_column(t, "label");
 *   const char *v = tn_csv_at(t, row, col);
 *
 * Accepted  UTF-8 with or without BOM; lines end with LF, CRLF or CR; empty lines count for nothing, nor do
 *           lines of blanks where there are several columns, nor Ctrl-Z at the end. A field may be in
 *           quotes, and then holds commas, doubled quotes and line breaks. Blanks of a field without quotes belong to it
 *           (tn_csv_trim takes them away where they say nothing); blanks around quotes, and around column names, do not.
 *           Columns without a name, and two of one name, harm only whoever asks for them.
 * Refused   with file:line: a row with more or fewer fields than the header, a quote inside a field without quotes, an
 *           unclosed quote, a 0 byte, invalid UTF-8, an empty file; semicolons, tabs or | for commas, in the header or in a
 *           row, Excel's `sep=` line, UTF-16, a workbook.
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
int tn_csv_column(const tn_csv *t, const char *name); /* the first of this name; -1 when absent */
const char *tn_csv_name(const tn_csv *t, int column);
const char *tn_csv_at(const tn_csv *t, int64_t row, int column); /* owned by t, 0-terminated */
int64_t tn_csv_line(const tn_csv *t, int64_t row);               /* line in the file where the row begins, from 1 */

/* The only column of this name, -1 when absent: for tables that others made.
 * Errors  TN_EARG two columns of the name; none, but one that differs in capital letters only, or that holds the name between
 *         semicolons, tabs or |. */
tn_status tn_csv_find(const tn_csv *t, const char *name, int *column_out);

/* Takes blanks and line breaks at both ends of all fields of a column away. */
void tn_csv_trim(tn_csv *t, int column);

/* Write one field with quotes where needed; sep is written in front ("" for the first, "," then). */
void tn_csv_put(FILE *f, const char *sep, const char *value);

/* The same into memory, and numbers ten times as fast as printf: a table of 10^8 rows is not to wait for it. Each
 * returns the place behind what it wrote, without a 0 byte. */
enum { TN_CSV_NUMBER_BYTES = 24 };
char *tn_csv_field(char *to, const char *value); /* at most 2 strlen(value) + 2 bytes */
char *tn_csv_probability(char *to, float p);     /* as by "%.7g" */
char *tn_csv_difference(char *to, float x);      /* of probabilities, -2 < x < 2, as by "%.6f" */

#endif
