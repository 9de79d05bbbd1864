/* csv.c - RFC 4180 with line numbers: docs/decisions/own-csv.md. */
#include "store/csv.h"

#include "base/fs.h"
#include "base/utf8.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct tn_csv {
    int n_columns;
    int64_t n_rows;
    char *path;
    char *text;     /* the file, with a 0 byte after each field */
    int64_t *field; /* (n_rows + 1, n_columns) offsets into text: header first */
    int64_t *line;  /* (n_rows + 1) where the row begins */
};

typedef struct {
    tn_csv *t;
    char *at, *end;              /* the text still to be read */
    int64_t lines;               /* line number of `at` */
    int64_t line;                /* line number where the present row begins */
    int64_t n_fields, n_records; /* fields and rows read so far, including the header */
    size_t fields_room, records_room;
} reader;

static const char BLANKS[] = " \t";

static bool grow(int64_t **at, size_t *room, int64_t want) {
    if ((size_t)want <= *room) return true;
    size_t larger = *room ? *room * 2 : 1024;
    int64_t *more = realloc(*at, larger * sizeof *more);
    if (!more) return false;
    *at = more;
    *room = larger;
    return true;
}

/* The name of a separator that spreadsheets and R use instead of a comma; NULL: c is none. */
static const char *other_separator(char c) {
    return c == ';' ? "semicolons" : c == '\t' ? "tabs" : c == '|' ? "`|`" : NULL;
}

static tn_status separated_by(const reader *r, char c) {
    return tn_fail(TN_EARG, "%s:%lld: the fields are separated by %s: separate them by commas", r->t->path,
                   (long long)r->line, other_separator(c));
}

static tn_status wrong_quoting(const reader *r) {
    return tn_fail(TN_EARG,
                   "%s:%lld: wrong quoting: a field with a quote in it must be in quotes, the quote doubled, and every "
                   "opened quote closed",
                   r->t->path, (long long)r->line);
}

/* Read a field after its opening quote. It is moved one byte back, and doubled quotes become single. Returns its end; NULL: the quote is
 * not closed. */
static char *read_quoted(reader *r) {
    char *to = r->at;
    for (;; r->at++) {
        if (r->at == r->end) return NULL;
        if (*r->at == '"' && *++r->at != '"') return to;
        r->lines += *r->at == '\n' || (*r->at == '\r' && r->at[1] != '\n');
        *to++ = *r->at;
    }
}

/* Read a field. Blanks around quotes do not belong to it; blanks of a field without quotes do. *ends_with: the character that ended the
 * field, which the 0 byte may overwrite. */
static tn_status read_field(reader *r, char *ends_with) {
    tn_csv *t = r->t;
    char *begin = r->at, *quote = r->at + strspn(r->at, BLANKS), *end;
    if (*quote == '"') {
        begin = r->at = quote + 1;
        end = read_quoted(r);
        if (end) r->at += strspn(r->at, BLANKS);
    } else {
        end = r->at += strcspn(r->at, ",\"\r\n");
    }
    if (!end || (r->at < r->end && !strchr(",\r\n", *r->at))) {
        char behind = !end || *quote != '"' ? 0 : r->at[-1] == '\t' ? '\t' : *r->at;
        return other_separator(behind) ? separated_by(r, behind) : wrong_quoting(r);
    }
    *ends_with = *r->at;
    *end = 0;
    if (!tn_is_utf8(begin, (size_t)(end - begin)))
        return tn_fail(TN_EARG,
                       "%s:%lld: a field is not UTF-8: convert the table, e.g. with iconv, or save it as UTF-8",
                       t->path, (long long)r->line);
    if (!grow(&t->field, &r->fields_room, r->n_fields + 1)) return tn_fail_memory(r->fields_room * 16, t->path);
    t->field[r->n_fields++] = begin - t->text;
    return TN_OK;
}

/* Step over the character that ended a field. False: it was the last field of the row. */
static bool step_over(reader *r, char ended_with) {
    if (r->at < r->end) r->at++;
    if (ended_with == ',') return true;
    r->lines += ended_with != 0;
    if (ended_with == '\r' && *r->at == '\n') r->at++;
    return false;
}

/* Remove blanks around column names. */
static void trim_header(tn_csv *t) {
    for (int c = 0; c < t->n_columns; c++) {
        char *name = t->text + t->field[c];
        t->field[c] += tn_trim(name) - name;
    }
}

/* Find another separator: if the last n fields of the record contain it as often as commas are missing. NULL: none. */
static const char *find_separator(const reader *r, int64_t n, int64_t missing) {
    const char *found = NULL;
    for (int64_t i = r->n_fields - n; i < r->n_fields; i++)
        for (const char *at = r->t->text + r->t->field[i]; (at = strpbrk(at, ";\t|")); at++, missing--) found = at;
    return missing == 0 ? found : NULL;
}

static tn_status check_header(const reader *r) {
    const tn_csv *t = r->t;
    const char *separator = t->n_columns == 1 ? strpbrk(t->text + t->field[0], ";\t|") : NULL;
    if (separator) return separated_by(r, *separator);
    if (strncasecmp(t->text + t->field[0], "sep=", 4) != 0) return TN_OK;
    return tn_fail(TN_EARG, "%s:%lld: this line is a word to Excel, the header stands below it: delete the line",
                   t->path, (long long)r->line);
}

static tn_status end_row(reader *r) {
    tn_csv *t = r->t;
    int64_t n = r->n_fields - r->n_records * t->n_columns;
    if (r->n_records == 0) {
        t->n_columns = (int)n;
        trim_header(t);
        TN_TRY(check_header(r));
    }
    const char *separator = n < t->n_columns ? find_separator(r, n, t->n_columns - n) : NULL;
    if (separator) return separated_by(r, *separator);
    if (n != t->n_columns)
        return tn_fail(
            TN_EARG,
            "%s:%lld: %lld fields, the header has %d: quote fields that hold commas, and give every column a "
            "place in the header",
            t->path, (long long)r->line, (long long)n, t->n_columns);
    if (!grow(&t->line, &r->records_room, r->n_records + 1)) return tn_fail_memory(r->records_room * 16, t->path);
    t->line[r->n_records++] = r->line;
    return TN_OK;
}

/* Is the line blank? If there is more than one column, such a line is not a row. */
static bool is_blank(const reader *r) {
    size_t n = strspn(r->at, BLANKS);
    return n > 0 && r->t->n_columns > 1 && (!r->at[n] || strchr("\r\n", r->at[n]));
}

static tn_status read_rows(reader *r) {
    while (r->at < r->end) {
        if (is_blank(r)) r->at += strspn(r->at, BLANKS);
        if (r->at == r->end) break;
        char ended_with = *r->at;
        r->line = r->lines;
        if (ended_with == '\r' || ended_with == '\n') {
            (void)step_over(r, ended_with);
            continue;
        }
        do TN_TRY(read_field(r, &ended_with));
        while (step_over(r, ended_with));
        TN_TRY(end_row(r));
    }
    return TN_OK;
}

static bool begins(const char *text, size_t n, const char *with, size_t n_with) {
    return n >= n_with && memcmp(text, with, n_with) == 0;
}

/* Spreadsheets save more than one kind of file under the name of a CSV. */
static tn_status check_text(const char *path, const char *text, size_t n) {
    const char *zero = memchr(text, 0, n);
    if (tn_is_utf16(text, n))
        return tn_fail(TN_EARG, "%s: is UTF-16, not UTF-8: save the table as UTF-8, or convert it with iconv -f UTF-16",
                       path);
    if (begins(text, n, "PK\x03\x04", 4))
        return tn_fail(TN_EARG, "%s: is a workbook (or another zip file), not a CSV table: save it as CSV in UTF-8",
                       path);
    if (!zero) return TN_OK;
    int64_t line = 1;
    for (const char *at = text; at < zero; at++) line += *at == '\n' || (*at == '\r' && at[1] != '\n');
    return tn_fail(TN_EARG, "%s:%lld: holds a 0 byte: not a text file", path, (long long)line);
}

static tn_status read_text(tn_csv *t, size_t n) {
    TN_TRY(check_text(t->path, t->text, n));
    if (n > 0 && t->text[n - 1] == '\x1A') t->text[--n] = 0; /* Ctrl-Z, with which old Windows programs end a file */
    size_t bom = begins(t->text, n, TN_UTF8_BOM, 3) ? 3 : 0;
    reader r = {.t = t, .at = t->text + bom, .end = t->text + n, .lines = 1};
    TN_TRY(read_rows(&r));
    if (r.n_records == 0) return tn_fail(TN_EARG, "%s: is empty: it needs a header line", t->path);
    t->n_rows = r.n_records - 1;
    return TN_OK;
}

tn_status tn_csv_read(const char *path, tn_csv **out) {
    size_t n = 0;
    tn_csv *t = calloc(1, sizeof *t);
    tn_status st = t && (t->path = strdup(path)) ? tn_file_read(path, &t->text, &n) : tn_fail_memory(sizeof *t, path);
    if (st == TN_OK) st = read_text(t, n);
    if (st == TN_OK)
        *out = t;
    else
        tn_csv_free(&t);
    return st;
}

void tn_csv_free(tn_csv **t) {
    if (!*t) return;
    free((*t)->path);
    free((*t)->text);
    free((*t)->field);
    free((*t)->line);
    free(*t);
    *t = NULL;
}

int64_t tn_csv_rows(const tn_csv *t) {
    return t->n_rows;
}
int tn_csv_columns(const tn_csv *t) {
    return t->n_columns;
}
int64_t tn_csv_line(const tn_csv *t, int64_t row) {
    return t->line[row + 1];
}

static const char *field(const tn_csv *t, int64_t record, int column) {
    TN_ASSERT(record >= 0 && record <= t->n_rows + 1 && column >= 0 && column < t->n_columns);
    return t->text + t->field[record * t->n_columns + column];
}

const char *tn_csv_name(const tn_csv *t, int column) {
    return field(t, 0, column);
}
const char *tn_csv_at(const tn_csv *t, int64_t row, int column) {
    return field(t, row + 1, column);
}

int tn_csv_column(const tn_csv *t, const char *name) {
    for (int c = 0; c < t->n_columns; c++)
        if (strcmp(field(t, 0, c), name) == 0) return c;
    return -1;
}

/* Check whether the name is part of a column name, as in `path,label;split`. */
static tn_status check_glued(const tn_csv *t, const char *name) {
    size_t n = strlen(name);
    for (int c = 0; c < t->n_columns; c++) {
        const char *all = field(t, 0, c), *at = strstr(all, name), *mark = strpbrk(all, ";\t|");
        if (!at || !mark || (at > all && !other_separator(at[-1])) || (at[n] && !other_separator(at[n]))) continue;
        return tn_fail(TN_EARG, "%s:1: `%s` is one column, separated by %s: separate all columns by commas", t->path,
                       all, other_separator(*mark));
    }
    return TN_OK;
}

tn_status tn_csv_find(const tn_csv *t, const char *name, int *column_out) {
    int like = -1;
    *column_out = tn_csv_column(t, name);
    for (int c = 0; c < t->n_columns; c++) {
        if (strcasecmp(field(t, 0, c), name) != 0 || c == *column_out) continue;
        like = c;
        if (strcmp(field(t, 0, c), name) == 0)
            return tn_fail(TN_EARG, "%s:1: two columns are named %s: one of them needs another name", t->path, name);
    }
    if (*column_out >= 0) return TN_OK;
    if (like < 0) return check_glued(t, name);
    return tn_fail(TN_EARG, "%s:1: there is a column `%s`, but none `%s`: write the name as it is here", t->path,
                   field(t, 0, like), name);
}

void tn_csv_trim(tn_csv *t, int column) {
    for (int64_t row = 1; row <= t->n_rows; row++) {
        int64_t *at = &t->field[row * t->n_columns + column];
        char *value = t->text + *at;
        *at += tn_trim(value) - value;
    }
}

static bool needs_quotes(const char *value) {
    return strpbrk(value, ",\"\r\n") || value[0] == ' ' || (*value && value[strlen(value) - 1] == ' ');
}

void tn_csv_put(FILE *f, const char *sep, const char *value) {
    bool quotes = needs_quotes(value);
    fputs(sep, f);
    if (quotes) fputc('"', f);
    for (const char *c = value; *c; c++) {
        if (*c == '"') fputc('"', f);
        fputc(*c, f);
    }
    if (quotes) fputc('"', f);
}

char *tn_csv_field(char *to, const char *value) {
    bool quotes = needs_quotes(value);
    if (quotes) *to++ = '"';
    for (const char *c = value; *c; c++) {
        if (*c == '"') *to++ = '"';
        *to++ = *c;
    }
    if (quotes) *to++ = '"';
    return to;
}

static char *put_digits(char *to, int n, int64_t digits) {
    for (int i = n - 1; i >= 0; i--, digits /= 10) to[i] = (char)('0' + digits % 10);
    return to + n;
}

char *tn_csv_probability(char *to, float p) {
    /* A float's 24 bits times 5^17 fit the 64 of a long double: the product is exact, and rounds half to even as printf
     * does. Numbers from 1e-11 on, then, to 7 significant digits. */
    _Static_assert(LDBL_MANT_DIG >= 64, "long double is too short");
    static const long double SCALE[] = {1e7L, 1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L};
    static const double BELOW[] = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11};
    enum { SIGNIFICANT = 7, SMALLEST = sizeof SCALE / sizeof *SCALE, PLAIN = 4 };
    if (p == 1) {
        *to = '1';
        return to + 1;
    }
    int zeros = 0; /* after the decimal point */
    while (zeros < SMALLEST && (double)p < BELOW[zeros]) zeros++;
    int64_t digits = zeros < SMALLEST && p < 1 ? (int64_t)lrintl((long double)p * SCALE[zeros]) : 0;
    if (digits < 1000000 || digits >= 10000000) return to + sprintf(to, "%.7g", (double)p);
    if (zeros < PLAIN) {
        memcpy(to, "0.000", 5);
        to = put_digits(to + 2 + zeros, SIGNIFICANT, digits);
        while (to[-1] == '0') to--;
        return to;
    }
    put_digits(to + 1, SIGNIFICANT, digits);
    to[0] = to[1];
    to[1] = '.';
    to += 1 + SIGNIFICANT;
    while (to[-1] == '0') to--;
    if (to[-1] == '.') to--;
    memcpy(to, "e-", 2);
    return put_digits(to + 2, 2, zeros + 1);
}

char *tn_csv_difference(char *to, float x) {
    TN_ASSERT(x > -2 && x < 2);
    int64_t millionths = llrint(fabs((double)x) * 1e6); /* exact, as above: 24 bits times 5^6 */
    if (signbit(x)) *to++ = '-';
    to = put_digits(to, 1, millionths / 1000000);
    *to++ = '.';
    return put_digits(to, 6, millionths % 1000000);
}
