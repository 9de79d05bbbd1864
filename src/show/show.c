/* show.c - finds out which kind of file it is. */
#include "show/show_priv.h"

#include "base/progress.h"
#include "store/csv.h"
#include "store/done.h"
#include "store/h5.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *tn_show_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* --- who vouches for it ------------------------------------------------------------------------------------------- */

/* The folder's DONE, where it names this file; *vouched_out false: there is none, or it does not. */
static tn_status look_in(const char *folder, const char *name, bool *vouched_out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    *vouched_out = false;
    if (!tn_done_exists(folder)) return TN_OK;
    TN_TRY(tn_path(path, "%s/DONE", folder));
    TN_TRY(tn_file_read(path, &text, &n));
    json_t *j = json_loadb(text, n, 0, NULL);
    *vouched_out = json_is_string(json_object_get(json_object_get(j, "files"), name));
    json_decref(j);
    free(text);
    return *vouched_out ? tn_done_file(folder, name, "VERB", path) : TN_OK;
}

tn_status tn_show_vouched(const char *path, char out[64]) {
    char folder[TN_PATH_BYTES], reduce[TN_PATH_BYTES], beside[TN_PATH_BYTES];
    const char *name = tn_show_name(path);
    bool vouched = false;
    TN_TRY(tn_path(folder, "%.*s.", (int)(name - path), path));
    TN_TRY(tn_path(reduce, "%.*sreduce", (int)(name - path), path));
    TN_TRY(tn_path(beside, "../%s", name));
    tn_status st = look_in(folder, name, &vouched);
    if (st == TN_OK && !vouched) st = look_in(reduce, beside, &vouched);
    snprintf(out, 64, "%s", vouched ? ", the bytes that DONE vouches for" : "");
    return st == TN_EFORMAT
               ? tn_fail(st, "%s: damaged: its bytes are not those that the DONE of its stage vouches for", path)
               : st;
}

/* --- settings ----------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 118, VALUE_BYTES = 72 };

/* "key = value;" behind the others, on a line of at most so many columns; long values are cut. */
static void put_setting(const char *text, int n, int *column, FILE *out) {
    bool cut = n > VALUE_BYTES;
    if (cut) n = VALUE_BYTES;
    if (*column + n + 6 > COLUMNS) {
        fputs("\n     ", out);
        *column = 5;
    }
    tn_print(out, " %.*s%s;", n, text, cut ? " ..." : "");
    *column += n + 2 + 4 * cut;
}

void tn_show_settings(const char *text, FILE *out) {
    const char *group = NULL;
    int n_group = 0, column = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        int n = (int)strcspn(line, "\n"), dot = (int)strcspn(line, ".\n");
        if (n == 0 || dot == n) continue; /* no setting */
        if (!group || dot != n_group || strncmp(group, line, (size_t)dot) != 0) {
            tn_print(out, "%s    %.*s:", group ? "\n" : "", dot, line);
            column = 5 + dot;
        }
        group = line;
        n_group = dot;
        put_setting(line + dot + 1, n - dot - 1, &column, out);
    }
    fputc('\n', out);
}

/* --- tables and texts --------------------------------------------------------------------------------------------- */

static tn_status show_table(const char *path, FILE *out) {
    char vouched[64];
    tn_csv *t = NULL;
    TN_TRY(tn_show_vouched(path, vouched));
    tn_status st = tn_csv_read(path, &t);
    if (st == TN_EARG) return tn_fail(TN_EFORMAT, "not a table that can be read: %.1900s", tn_msg);
    TN_TRY(st);
    tn_print(out, "%s: a table of %" PRId64 " rows and %d columns%s\n   ", path, tn_csv_rows(t), tn_csv_columns(t),
             vouched);
    for (int c = 0; c < tn_csv_columns(t); c++) tn_print(out, "%s %s", c ? "," : "", tn_csv_name(t, c));
    fputc('\n', out);
    tn_csv_free(&t);
    return TN_OK;
}

static const char *what_text(const char *path) {
    static const struct {
        const char *end, *what;
    } KIND[] = {{"certificate.txt", "rows by fold and class, and components across folds"},
                {"skipped.txt", "why this round of filtering was skipped"},
                {"report.md", "the report as markdown"},
                {"report.html", "the report as one page"},
                {"search.md", "the ranking of a search"},
                {".cfg", "a job file: `tenfold check` says what it means"},
                {".log", "output of a step"},
                {".env", "the site's settings, read by slurm/stage.sh"},
                {"/heartbeat", "a heartbeat: count, done, total, per second, label"}};
    for (size_t i = 0; i < sizeof KIND / sizeof *KIND; i++)
        if (ends_with(path, KIND[i].end)) return KIND[i].what;
    return NULL;
}

/* A folder of files with one name and any label. */
static bool is_history(const char *path) {
    const char *name = tn_show_name(path);
    return name - path >= 8 && strncmp(name - 8, "history/", 8) == 0;
}

static bool is_record(const char *text) {
    return strncmp(text, "job ", 4) == 0 && strstr(text, "\nstate ");
}

/* Only what is known by its name, or is a record of a job. */
static tn_status show_text(const char *path, const char *text, FILE *out) {
    const char *what = what_text(path);
    int n_lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++) n_lines++;
    if (is_record(text) || is_history(path)) {
        tn_print(out, "%s: %s\n", path,
                 is_history(path) ? "what became of starts: state, time, job, restart, nodes, exit code, why"
                                  : "how a job of Slurm stands");
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
            tn_print(out, "    %.*s\n", (int)strcspn(line, "\n"), line);
        return TN_OK;
    }
    if (!what)
        return tn_fail(TN_EFORMAT, "%s: is nothing of tenfold that is known here, and no weights of another program",
                       path);
    tn_print(out, "%s: %s; text of %d lines\n", path, what, n_lines);
    return TN_OK;
}

/* --- which -------------------------------------------------------------------------------------------------------- */

static tn_status show_folder(const char *folder, FILE *out) {
    static const char *const NAME[] = {"DONE", "plan.json"};
    char path[TN_PATH_BYTES];
    for (size_t i = 0; i < sizeof NAME / sizeof *NAME; i++) {
        TN_TRY(tn_path(path, "%s/%s", folder, NAME[i]));
        if (tn_file_exists(path)) return tn_show(path, out);
    }
    return tn_fail(TN_EFORMAT, "%s: a folder without DONE or plan.json: not complete, or nothing of tenfold", folder);
}

static tn_status show_read(const char *path, FILE *out) {
    char *text = NULL;
    size_t n = 0;
    TN_TRY(tn_file_read(path, &text, &n));
    const char *begin = text + strspn(text, " \t\r\n");
    tn_status st = ends_with(path, ".jsonl") ? tn_show_journal(path, text, out)
                   : *begin == '{'           ? tn_show_json(path, text, n, out)
                   : strlen(text) < n        ? tn_fail(TN_EFORMAT, "%s: is binary, and nothing of tenfold", path)
                                             : show_text(path, text, out);
    free(text);
    return st;
}

/* Eight bytes that are the length of a header, which is an object; torch.save and pickles are told apart by who reads weights. */
static bool is_tensors(const char *path, const unsigned char *begin, size_t n) {
    bool pickle = n >= 2 && begin[0] == 0x80 && begin[1] >= 2 && begin[1] <= 5,
         zip = n >= 4 && memcmp(begin, "PK\3\4", 4) == 0;
    return pickle || zip || ends_with(path, ".safetensors") || ends_with(path, ".safetensors.index.json") ||
           (n == 9 && begin[8] == '{' && begin[7] == 0);
}

tn_status tn_show(const char *path, FILE *out) {
    unsigned char begin[9] = {0};
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return show_folder(path, out);
    if (!tn_file_exists(path)) return tn_fail(TN_EIO, "%s: is not there", path);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return tn_fail(TN_EFORMAT, "%s: is not a file", path);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(begin, 1, sizeof begin, f) : 0;
    if (f) fclose(f);
    if (f && n == 0) return tn_fail(TN_EFORMAT, "%s: is empty", path);
    if (tn_h5_is(path) || ends_with(path, ".h5")) return tn_show_h5(path, out);
    if (is_tensors(path, begin, n)) return tn_show_tensors(path, out);
    if (ends_with(path, ".csv")) return show_table(path, out);
    return show_read(path, out);
}
