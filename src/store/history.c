/* history.c - see history.h. */
#include "store/history.h"

#include "base/fs.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tn_history_add(const char *run_dir, const char *label, const tn_history_line *line) {
    char path[TN_PATH_BYTES], text[512];
    char why[sizeof line->why];
    snprintf(why, sizeof why, "%s", line->why);
    for (char *at = why; *at; at++)
        if (*at == '\n' || *at == '\r') *at = ' ';
    int n = snprintf(text, sizeof text, "%s %" PRId64 " %s %d %d %d %s\n", line->state, line->at,
                     *line->job ? line->job : "-", line->restart, line->nodes, line->exit_code, why);
    if (tn_path(path, "%s/history", run_dir) != TN_OK) return;
    mkdir(path, 0777);
    if (tn_path(path, "%s/history/%s", run_dir, label) != TN_OK) return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return;
    bool written = write(fd, text, (size_t)n) == n;
    (void)written; /* disk full: the report will lack a line */
    close(fd);
}

static bool parse(char *text, tn_history_line *out) {
    int n = 0;
    *out = (tn_history_line){.at = 0};
    if (sscanf(text, "%15s %" SCNd64 " %63s %d %d %d%n", out->state, &out->at, out->job, &out->restart, &out->nodes,
               &out->exit_code, &n) != 6)
        return false;
    snprintf(out->why, sizeof out->why, "%s", text + n + (text[n] == ' '));
    tn_utf8_mend(out->why);
    return true;
}

tn_status tn_history_read(const char *run_dir, const char *label, int *n_out, tn_history_line **out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n_bytes = 0;
    *n_out = 0;
    *out = NULL;
    if (tn_path(path, "%s/history/%s", run_dir, label) != TN_OK || !tn_file_exists(path) ||
        tn_file_read(path, &text, &n_bytes) != TN_OK)
        return TN_OK;
    size_t most = 1;
    for (size_t i = 0; i < n_bytes; i++) most += text[i] == '\n';
    tn_history_line *line = calloc(most, sizeof *line);
    char *rest = text;
    for (char *one; line && (one = strsep(&rest, "\n"));)
        if (parse(one, &line[*n_out])) ++*n_out;
    free(text);
    *out = line;
    return line ? TN_OK : tn_fail_memory(most * sizeof *line, "the history of a run");
}
