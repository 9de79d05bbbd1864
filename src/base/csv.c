/* csv.c - libcsv with strictness, and with line numbers. */
#include "base/csv.h"

#include "base/fs.h"
#include "base/utf8.h"

#include <csv.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tn_csv {
    int n_columns;
    int64_t n_rows;
    char *text;     /* all fields, 0-terminated, one after another: header first */
    int64_t *field; /* (n_rows + 1, n_columns) offsets into text */
    int64_t *line;  /* (n_rows + 1) where the row begins */
};

/* What the callbacks of libcsv fill. */
typedef struct {
    tn_csv *t;
    const char *path;
    size_t text_bytes, text_room, fields, fields_room, rows_room;
    int64_t line;      /* where the row being read begins */
    int columns_here;  /* fields of the row being read */
    int64_t n_records; /* finished rows, the header too */
    tn_status st;
} reader;

static bool grow(void **at, size_t *room, size_t want, size_t size) {
    if (want <= *room) return true;
    size_t larger = *room ? *room * 2 : 1024;
    while (larger < want) larger *= 2;
    void *more = realloc(*at, larger * size);
    if (!more) return false;
    *at = more;
    *room = larger;
    return true;
}

static void on_field(void *data, size_t n, void *context) {
    reader *r = context;
    if (r->st != TN_OK) return;
    if (!tn_is_utf8(data, n)) {
        r->st = tn_fail(TN_EARG, "%s:%lld: a field is not UTF-8: convert the table, e.g. with iconv", r->path,
                        (long long)r->line);
        return;
    }
    if (!grow((void **)&r->t->text, &r->text_room, r->text_bytes + n + 1, 1) ||
        !grow((void **)&r->t->field, &r->fields_room, r->fields + 1, sizeof *r->t->field)) {
        r->st = tn_fail_memory(r->text_bytes, r->path);
        return;
    }
    r->t->field[r->fields++] = (int64_t)r->text_bytes;
    if (n) memcpy(r->t->text + r->text_bytes, data, n);
    r->t->text[r->text_bytes + n] = 0;
    r->text_bytes += n + 1;
    r->columns_here++;
}

static void on_row(int end, void *context) {
    (void)end;
    reader *r = context;
    if (r->st != TN_OK) return;
    if (r->n_records == 0) r->t->n_columns = r->columns_here;
    if (r->columns_here != r->t->n_columns) {
        r->st = tn_fail(TN_EARG, "%s:%lld: %d fields, the header has %d: quote fields that hold commas", r->path,
                        (long long)r->line, r->columns_here, r->t->n_columns);
        return;
    }
    if (!grow((void **)&r->t->line, &r->rows_room, (size_t)r->n_records + 1, sizeof *r->t->line)) {
        r->st = tn_fail_memory((size_t)r->n_records * sizeof *r->t->line, r->path);
        return;
    }
    r->t->line[r->n_records++] = r->line;
    r->columns_here = 0;
}

/* The end of the record that begins at text[at]: the first line break outside quotes, or n. */
static size_t record_end(const char *text, size_t at, size_t n, int64_t *lines) {
    bool quoted = false;
    for (; at < n; at++) {
        if (text[at] == '"') quoted = !quoted;
        if (text[at] == '\n') {
            ++*lines;
            if (!quoted) return at + 1;
        }
    }
    return n;
}

static tn_status parse_error(const reader *r, struct csv_parser *p) {
    if (csv_error(p) == CSV_ENOMEM) return tn_fail_memory(0, r->path);
    return tn_fail(TN_EARG,
                   "%s:%lld: wrong quoting: a field with a quote in it must be in quotes, the quote doubled, and every "
                   "opened quote closed",
                   r->path, (long long)r->line);
}

/* One record at a time, so that every error knows its line. */
static tn_status parse(reader *r, struct csv_parser *p, const char *text, size_t n) {
    int64_t lines = 1;
    for (size_t at = 0; at < n && r->st == TN_OK;) {
        r->line = lines;
        size_t end = record_end(text, at, n, &lines);
        if (csv_parse(p, text + at, end - at, on_field, on_row, r) != end - at) return parse_error(r, p);
        at = end;
    }
    if (r->st == TN_OK && csv_fini(p, on_field, on_row, r) != 0) return parse_error(r, p);
    return r->st;
}

static tn_status check_header(const reader *r) {
    const tn_csv *t = r->t;
    if (r->n_records == 0) return tn_fail(TN_EARG, "%s: is empty: it needs a header line", r->path);
    for (int c = 0; c < t->n_columns; c++) {
        if (!*tn_csv_name(t, c)) return tn_fail(TN_EARG, "%s:1: column %d has no name", r->path, c + 1);
        if (tn_csv_column(t, tn_csv_name(t, c)) != c)
            return tn_fail(TN_EARG, "%s:1: two columns are named %s", r->path, tn_csv_name(t, c));
    }
    return TN_OK;
}

static tn_status read_text(const char *path, const char *text, size_t n, tn_csv *t) {
    reader r = {.t = t, .path = path};
    struct csv_parser p;
    const void *zero = memchr(text, 0, n);
    if (zero) {
        int64_t line = 1;
        for (const char *at = text; at < (const char *)zero; at++) line += *at == '\n';
        return tn_fail(TN_EARG, "%s:%lld: holds a 0 byte: not a text file", path, (long long)line);
    }
    if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI) != 0) return tn_fail_memory(sizeof p, path);
    size_t bom = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    tn_status st = parse(&r, &p, text + bom, n - bom);
    csv_free(&p);
    if (st == TN_OK) st = check_header(&r);
    t->n_rows = r.n_records - 1;
    return st;
}

tn_status tn_csv_read(const char *path, tn_csv **out) {
    char *text = NULL;
    size_t n = 0;
    TN_TRY(tn_file_read(path, &text, &n));
    tn_csv *t = calloc(1, sizeof *t);
    tn_status st = t ? read_text(path, text, n, t) : tn_fail_memory(sizeof *t, path);
    free(text);
    if (st == TN_OK)
        *out = t;
    else
        tn_csv_free(&t);
    return st;
}

void tn_csv_free(tn_csv **t) {
    if (!*t) return;
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

static bool needs_quotes(const char *value) {
    return strpbrk(value, ",\"\r\n") || value[0] == ' ' || (*value && value[strlen(value) - 1] == ' ');
}

void tn_csv_put(FILE *f, const char *sep, const char *value) {
    fputs(sep, f);
    if (needs_quotes(value))
        csv_fwrite(f, value, strlen(value));
    else
        fputs(value, f);
}

char *tn_csv_field(char *to, const char *value) {
    size_t n = strlen(value);
    if (needs_quotes(value)) return to + csv_write(to, 2 * n + 2, value, n);
    memcpy(to, value, n);
    return to + n;
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
    int zeros = 0; /* behind the point */
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
