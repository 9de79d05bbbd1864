/* fuzz_csv.c - any bytes as a table: read or refused, never more; what is read is written and read again alike. libFuzzer's
 * entry; replay.c calls it with the files of corpus-csv/. */
#include "base/fs.h"
#include "store/csv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* abort() and not TN_ASSERT, which ends the process in order: the fuzzer then keeps no file. */
static void need(bool holds) {
    if (holds) return;
    fprintf(stderr, "%s\n", tn_msg);
    abort();
}

static char path[64];
static void remove_file(void) {
    unlink(path);
}

/* One file, written again and again, in memory where the system has such a folder. */
static void write_file(const void *data, size_t n_bytes) {
    if (!*path) {
        strcpy(path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-csv.XXXXXX" : "/tmp/fuzz-csv.XXXXXX");
        close(mkstemp(path));
        atexit(remove_file);
    }
    FILE *f = fopen(path, "wb");
    need(f);
    bool written = fwrite(data, 1, n_bytes, f) == n_bytes;
    written = fclose(f) == 0 && written;
    need(written);
}

static const char *at(const tn_csv *t, int64_t row, int column) {
    return row < 0 ? tn_csv_name(t, column) : tn_csv_at(t, row, column);
}

/* Behind an empty line, which counts for nothing: a first name may look like a byte order mark or a workbook. A line of
 * nothing but one empty field would be empty, too: it is written in quotes. */
static void write_again(const tn_csv *t) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    need(f);
    fputc('\n', f);
    for (int64_t row = -1; row < tn_csv_rows(t); row++) {
        if (tn_csv_columns(t) == 1 && !*at(t, row, 0)) fputs("\"\"", f);
        for (int c = 0; c < tn_csv_columns(t); c++) tn_csv_put(f, c ? "," : "", at(t, row, c));
        fputc('\n', f);
    }
    fclose(f);
    write_file(text, n);
    free(text);
}

static void compare(const tn_csv *a, const tn_csv *b) {
    need(tn_csv_rows(a) == tn_csv_rows(b) && tn_csv_columns(a) == tn_csv_columns(b));
    for (int64_t row = -1; row < tn_csv_rows(a); row++)
        for (int c = 0; c < tn_csv_columns(a); c++) need(strcmp(at(a, row, c), at(b, row, c)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    tn_csv *t = NULL, *again = NULL;
    write_file(data, n_bytes);
    if (tn_csv_read(path, &t) != TN_OK) return 0;
    write_again(t);
    tn_status st = tn_csv_read(path, &again);
    need(st == TN_OK);
    compare(t, again);
    for (int c = 0; c < tn_csv_columns(t); c++) tn_csv_trim(t, c);
    tn_csv_free(&again);
    tn_csv_free(&t);
    return 0;
}
