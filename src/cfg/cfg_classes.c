/* cfg_classes.c - data.classes: read from a file, if one is given, and checked. */
#include "cfg/cfg_priv.h"

#include "base/utf8.h"
#include "store/alike.h"

#include <stdlib.h>
#include <string.h>

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* Cut the text into lines without their ends (LF or CRLF). Returns how many there are; the first TN_MAX_CLASSES + 1 are in line_out. */
static int cut_lines(char *text, char *line_out[TN_MAX_CLASSES + 1]) {
    int n = 0;
    for (char *at = text, *next; *at; at = next) {
        size_t length = strcspn(at, "\n");
        next = at + length + (at[length] == '\n');
        at[length] = 0;
        if (length > 0 && at[length - 1] == '\r') at[length - 1] = 0;
        if (n <= TN_MAX_CLASSES) line_out[n] = at;
        n++;
    }
    return n;
}

static bool is_name(const char *line) {
    if (strlen(line) >= TN_NAME_BYTES) return false;
    for (const char *c = line; *c; c++)
        if ((unsigned char)*c < ' ') return false;
    return true;
}

static void take_lines(tn_cfg *cfg, char *text, tn_problems *p) {
    static const char GIVE[] = "give one name a line, in UTF-8";
    const char *file = cfg->data.classes_file;
    char *line[TN_MAX_CLASSES + 1];
    int n = cut_lines(text, line), given = cfg->data.n_classes;
    if (n > TN_MAX_CLASSES) {
        tn_problem(p, 0, "data.classes_file: %s has %d lines: give at most %d classes", file, n, TN_MAX_CLASSES);
        return;
    }
    bool same = n == given;
    for (int i = 0; i < n; i++) {
        if (!is_name(line[i])) {
            tn_problem(p, 0, "data.classes_file: %s:%d: is longer than %d bytes or has control characters: %s", file,
                       i + 1, TN_NAME_BYTES - 1, GIVE);
            return;
        }
        same = same && strcmp(line[i], cfg->data.classes[i]) == 0;
        if (given == 0) snprintf(cfg->data.classes[i], TN_NAME_BYTES, "%s", line[i]);
    }
    if (given == 0) cfg->data.n_classes = n;
    if (given > 0 && !same)
        tn_problem(p, 0, "data.classes differs from data.classes_file, %s: give one of the two", file);
}

void tn_classes_read(tn_cfg *cfg, tn_problems *p) {
    const char *file = cfg->data.classes_file;
    char *text = NULL;
    size_t n = 0;
    if (!*file) return;
    if (tn_file_read(file, &text, &n) != TN_OK)
        tn_problem(p, 0, "data.classes_file: %s", tn_msg);
    else if (strlen(text) != n || !tn_is_utf8(text, n))
        tn_problem(p, 0, "data.classes_file: %s is not UTF-8 text: give one name a line", file);
    else
        take_lines(cfg, text + (strncmp(text, TN_UTF8_BOM, 3) == 0 ? 3 : 0), p);
    free(text);
}

/* --- the names ---------------------------------------------------------------------------------------------------- */

/* Check that a class has a name that labels of the table can have. */
static void check_name(const tn_cfg *cfg, int i, int line, tn_problems *p) {
    const char *name = cfg->data.classes[i];
    size_t n = strlen(name);
    if (n == 0) tn_problem(p, line, "data.classes: class %d has no name", i + 1);
    if (n > 0 && (name[0] == ' ' || name[n - 1] == ' '))
        tn_problem(p, line, "data.classes: \"%s\" has blanks at an end, where labels have none: take them away", name);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Check that no two classes have the same name, or names that look alike. */
static void check_pairs(const tn_cfg *cfg, int line, tn_problems *p) {
    const char *name[TN_MAX_CLASSES], *alike[2];
    int n = cfg->data.n_classes;
    for (int i = 0; i < n; i++) name[i] = cfg->data.classes[i];
    if (tn_alike_pair(n, name, alike))
        tn_problem(p, line,
                   "data.classes: \"%s\" and \"%s\" look alike but have different characters: rename one of them",
                   alike[0], alike[1]);
    qsort(name, (size_t)n, sizeof *name, by_name);
    for (int i = 1; i < n; i++)
        if (strcmp(name[i], name[i - 1]) == 0) tn_problem(p, line, "data.classes: \"%s\" is named twice", name[i]);
}

void tn_classes_check(const tn_cfg *cfg, int line, tn_problems *p) {
    if (cfg->data.n_classes < 2)
        tn_problem(p, line, "data.classes: give at least 2 classes, here or in data.classes_file");
    for (int i = 0; i < cfg->data.n_classes; i++) check_name(cfg, i, line, p);
    check_pairs(cfg, line, p);
}
