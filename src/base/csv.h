/*
 * csv.h - RFC 4180 tables: strict reading with line numbers (libcsv), quoting writer.    layer: base, uses: status
 *
 *   tn_csv *t = NULL;
 *   TN_TRY(tn_csv_read(path, &t));   int col = tn_csv_column(t, "label");
 *   const char *v = tn_csv_at(t, row, col);
 *
 * Accepted  UTF-8 with or without BOM, LF or CRLF, quoted fields with commas, quotes and line breaks; blank
 *           last lines. Everything else is an error with file:line: a row with more or fewer fields than the
 *           header, a quote inside an unquoted field, an unclosed quote, a 0 byte, invalid UTF-8, a duplicate
 *           or empty column name, an empty file.
 */
#ifndef TN_BASE_CSV_H
#define TN_BASE_CSV_H

#include "base/status.h"

#include <stdint.h>
#include <stdio.h>

typedef struct tn_csv tn_csv;

tn_status tn_csv_read(const char *path, tn_csv **out); /* TN_EIO; TN_EARG with file:line */
void tn_csv_free(tn_csv **t);
int64_t tn_csv_rows(const tn_csv *t); /* without the header */
int tn_csv_columns(const tn_csv *t);
int tn_csv_column(const tn_csv *t, const char *name); /* -1 when absent */
const char *tn_csv_name(const tn_csv *t, int column);
const char *tn_csv_at(const tn_csv *t, int64_t row, int column); /* owned by t, 0-terminated */
int64_t tn_csv_line(const tn_csv *t, int64_t row);               /* line in the file where the row begins, from 1 */

/* Write one field with quotes where needed; sep is written in front ("" for the first, "," then). */
void tn_csv_put(FILE *f, const char *sep, const char *value);

/* The same into memory, and numbers ten times as fast as printf: a table of 10^8 rows is not to wait for it. Each
 * returns the place behind what it wrote, without a 0 byte. */
enum { TN_CSV_NUMBER_BYTES = 24 };
char *tn_csv_field(char *to, const char *value); /* at most 2 strlen(value) + 2 bytes */
char *tn_csv_probability(char *to, float p);     /* as by "%.7g" */
char *tn_csv_difference(char *to, float x);      /* of probabilities, -2 < x < 2, as by "%.6f" */

#endif
