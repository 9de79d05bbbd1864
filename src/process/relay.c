/* relay.c - lines, and the blocks of mpirun among them. */
#include "process/relay.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RULE = 40 }; /* dashes; mpirun prints 74 */

void tn_relay_begin(tn_relay *r, FILE *log, int terminal, bool sparse) {
    memset(r, 0, sizeof *r);
    r->log = log;
    r->terminal = terminal;
    r->sparse = sparse;
}

static void put(const tn_relay *r, const char *data, size_t n) {
    if (r->terminal >= 0 && n > 0 && write(r->terminal, data, n) < 0) { /* a closed terminal does not stop the work */
    }
}

/* Progress in a file is a line with a rate ("..., 1025/s, 19 s left"). */
static bool is_wanted(const char *line) {
    static const char *const WANTED[] = {"warning: ", "error: "};
    if (strncmp(line, "\033[K", 3) == 0) line += 3; /* behind a progress bar */
    if (strncmp(line, "tenfold: ", 9) != 0) return true;
    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++)
        if (strncmp(line + 9, WANTED[i], strlen(WANTED[i])) == 0) return true;
    return strstr(line, "/s, ") && strstr(line, " left");
}

static void show_sparsely(tn_relay *r, const char *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        r->seen[r->n_seen++] = data[i];
        bool ends = data[i] == '\n' || data[i] == '\r' || r->n_seen == sizeof r->seen - 1;
        if (!ends) continue;
        r->seen[r->n_seen] = 0;
        if (data[i] != '\n' || is_wanted(r->seen)) put(r, r->seen, r->n_seen);
        r->n_seen = 0;
    }
}

static void show(tn_relay *r, const char *data, size_t n) {
    if (r->sparse)
        show_sparsely(r, data, n);
    else
        put(r, data, n);
}

static void show_held(tn_relay *r) {
    show(r, r->held, r->n_held);
    r->n_held = 0;
}

static bool is_dashes(const tn_relay *r) {
    return r->n > 0 && strspn(r->line, "-") == r->n;
}

/* --- why it failed ------------------------------------------------------------------------------------------------ */

/* MPICH's mpirun: a box, and words that say nothing, around the signal that ended a rank. Its exit code is the bare number of the
 * signal, which is also one of ours. */
static bool is_of_mpich(tn_relay *r) {
    static const char ENDED[] = "YOUR APPLICATION TERMINATED WITH THE EXIT STRING:";
    static const char *const KNOWN[] = {"=   ", "=====", "This typically refers to a problem with your application",
                                        "Please see the FAQ page for debugging suggestions"};
    if (strncmp(r->line, ENDED, sizeof ENDED - 1) == 0) {
        const char *signal = strstr(r->line, "(signal ");
        if (signal) r->signal = atoi(signal + 8);
        return signal;
    }
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strncmp(r->line, KNOWN[i], strlen(KNOWN[i])) == 0) return true;
    return false;
}

/* MPI_Abort's words: the first line names the function, the others say nothing. Open MPI 4 may lose the block that says more. */
static bool is_after_abort(const tn_relay *r) {
    return strstr(r->last, "] *** An error occurred in") && strstr(r->line, "] *** ");
}

static void keep_line(tn_relay *r) {
    static const char RESULT[] = "tenfold: result: ";
    bool ours = strncmp(r->line, "tenfold:", 8) == 0;
    if (strncmp(r->line, RESULT, sizeof RESULT - 1) == 0)
        snprintf(r->result, sizeof r->result, "%.127s", r->line + sizeof RESULT - 1);
    if (is_of_mpich(r) || is_after_abort(r) || r->n == 0 || (!ours && (r->ours || r->block))) return;
    snprintf(r->last, sizeof r->last, "%.255s", r->line);
    r->ours = ours;
}

/* Blanks and ends of lines become one blank each: launchers break their lines at different places. Returns the length. */
static size_t fold(const char *text, size_t length, char *out, size_t room) {
    size_t n = 0;
    for (size_t i = 0; i < length && n < room - 1; i++) {
        char c = text[i] == '\n' ? ' ' : text[i];
        if (c != ' ' || (n > 0 && out[n - 1] != ' ')) out[n++] = c;
    }
    out[n] = 0;
    return n;
}

/* The first paragraph of the block, and what it announces with a colon at its end, in one line; of a long one as many sentences
 * as there is room for. */
static void keep_block(tn_relay *r, const char *text) {
    if (r->ours || r->block) return;
    const char *end = strstr(text, "\n\n");
    if (end > text && end[-1] == ':') end = strstr(end + 2, "\n\n");
    size_t n = fold(text, end ? (size_t)(end - text) : strlen(text), r->last, sizeof r->last);
    char *full_stop = NULL;
    for (char *at = r->last; n == sizeof r->last - 1 && (at = strstr(at, ". ")); at++) full_stop = at;
    if (full_stop) full_stop[1] = 0;
    n = strlen(r->last);
    if (n > 0 && r->last[n - 1] == ' ') r->last[n - 1] = 0;
    r->block = true;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

/* The first is Open MPI 4's alone. */
static bool is_known(const char *text) {
    char folded[sizeof((tn_relay *)0)->held];
    fold(text, strlen(text), folded, sizeof folded);
    return strstr(folded, "a non-zero exit code. Per user-direction, the job has been aborted") ||
           strstr(folded, "processes exited with non-zero status, thus causing");
}

/* A block that is whole, or will not become so. */
static void end_block(tn_relay *r) {
    r->held[r->n_held < sizeof r->held ? r->n_held : sizeof r->held - 1] = 0;
    const char *text = strchr(r->held, '\n'); /* behind the first rule */
    char inner[sizeof r->held];
    snprintf(inner, sizeof inner, "%s", text ? text + 1 : r->held);
    char *rule = strstr(inner, "\n----------------------------------------"); /* the last one */
    if (rule) rule[1] = 0;
    r->in_block = false;
    if (is_known(inner)) {
        r->n_held = 0;
        return;
    }
    keep_block(r, inner);
    fwrite(r->held, 1, r->n_held, r->log);
    show_held(r);
}

static void end_line(tn_relay *r) {
    bool rule = is_dashes(r) && r->n >= RULE;
    if (r->in_block) {
        if (rule) end_block(r);
    } else if (rule) {
        r->in_block = true;
    } else {
        fprintf(r->log, "%s\n", r->line);
        keep_line(r);
        show_held(r);
    }
    r->n = 0;
}

static void hold(tn_relay *r, char c) {
    r->held[r->n_held++] = c;
    if (r->n_held < sizeof r->held - 1) return;
    if (r->in_block)
        end_block(r);
    else
        show_held(r);
}

void tn_relay_bytes(tn_relay *r, const char *data, size_t n) {
    size_t shown = 0; /* of data; what is held was taken over */
    for (size_t i = 0; i < n; i++) {
        char c = data[i];
        bool long_line = r->n == sizeof r->line - 1;
        if (c == '\r') {
            r->n = 0;
        } else if (c == '\n' || long_line) {
            r->line[r->n] = 0;
        } else {
            r->line[r->n++] = c;
            r->line[r->n] = 0;
        }
        bool held = r->in_block || (c != '\r' && is_dashes(r));
        if (held) {
            show(r, data + shown, i - shown);
            hold(r, c);
            shown = i + 1;
        } else if (r->n_held) {
            show_held(r); /* was no rule */
        }
        if (c == '\n' || long_line) end_line(r);
        if (long_line && c != '\n' && c != '\r') {
            r->line[r->n++] = c;
            r->line[r->n] = 0;
        }
    }
    show(r, data + shown, n - shown);
    fflush(r->log);
}

void tn_relay_end(tn_relay *r) {
    if (r->in_block) end_block(r);
    show_held(r);
    r->seen[r->n_seen] = 0;
    if (r->n_seen && is_wanted(r->seen)) put(r, r->seen, r->n_seen);
    fflush(r->log);
}
