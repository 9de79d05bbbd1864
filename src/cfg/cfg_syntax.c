/* cfg_syntax.c - explains a syntax error in a job file. libconfig says only "syntax error" and a line, often the next one. After it
 * has refused a text, this parser follows the grammar in its manual (chapter 3) to the first error. */
#include "cfg/cfg_priv.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef enum { END, NAME, TEXT, OPEN_TEXT, NUMBER, TRUTH, SIGN, ALIEN } token_kind;

typedef struct {
    token_kind kind;
    const char *at;
    size_t n;
} token;

typedef struct {
    const char *file, *text;
    token now;         /* the next token */
    const char *torn;  /* the first text with a line break in it: probably its closing quote is missing */
    const char *glued; /* the first text that contains the end of a value and the text after it */
    int depth;
} scan;

enum { MOST_DEPTH = 64, SHOWN = 48 };

/* --- tokens ------------------------------------------------------------------------------------------------------- */

static const char *behind_blanks(const char *at) {
    for (;;) {
        at += strspn(at, " \t\r\n\f");
        if (*at == '#' || strncmp(at, "//", 2) == 0) {
            at += strcspn(at, "\n");
        } else if (strncmp(at, "/*", 2) == 0) {
            const char *end = strstr(at + 2, "*/");
            at = end ? end + 2 : at + strlen(at);
        } else {
            return at;
        }
    }
}

static bool in_word(char c) {
    return isalnum((unsigned char)c) || (c && strchr("_-*", c));
}

static size_t number_bytes(const char *at) {
    size_t n = *at == '-' || *at == '+';
    if (at[n] == '0' && (at[n + 1] == 'x' || at[n + 1] == 'X')) {
        n += 2 + strspn(at + n + 2, "0123456789abcdefABCDEF");
    } else {
        n += strspn(at + n, "0123456789.");
        if ((at[n] == 'e' || at[n] == 'E') &&
            isdigit((unsigned char)at[n + 1 + (at[n + 1] == '-' || at[n + 1] == '+')]))
            n += 2 + strspn(at + n + 2, "0123456789");
    }
    return n + strspn(at + n, "L");
}

/* Does a text, with its quotes, contain the characters that follow a value: `"disc”, "`, `"m.csv; classes = [ "`? */
static bool reads_on(const char *at, size_t n) {
    size_t end = n - 1;
    while (end > 1 && at[end - 1] == ' ') end--;
    return memchr(at, ';', n) || memchr(at, '=', n) || at[end - 1] == ',';
}

static token next_token(scan *s, const char *at) {
    at = behind_blanks(at);
    token t = {END, at, 0};
    if (!*at) return t;
    if (*at == '"') {
        t.n = 1;
        while (at[t.n] && at[t.n] != '"') t.n += at[t.n] == '\\' && at[t.n + 1] ? 2 : 1;
        t.kind = at[t.n] ? TEXT : OPEN_TEXT;
        t.n += at[t.n] != 0;
        if (!s->torn && memchr(at, '\n', t.n)) s->torn = at;
        if (!s->glued && t.kind == TEXT && reads_on(at, t.n)) s->glued = at;
    } else if (isdigit((unsigned char)*at) || (strchr("+-.", *at) && isdigit((unsigned char)at[1 + (at[1] == '.')]))) {
        t.kind = NUMBER;
        t.n = number_bytes(at);
    } else if (isalpha((unsigned char)*at) || *at == '*') {
        while (in_word(at[t.n])) t.n++;
        bool truth = (t.n == 4 && strncasecmp(at, "true", 4) == 0) || (t.n == 5 && strncasecmp(at, "false", 5) == 0);
        t.kind = truth ? TRUTH : NAME;
    } else {
        t.kind = strchr("{}[]():=,;", *at) ? SIGN : ALIEN;
        t.n = 1;
        while (t.kind == ALIEN && !tn_is_utf8(at, t.n)) t.n++; /* the whole character */
    }
    return t;
}

static void step(scan *s) {
    s->now = next_token(s, s->now.at + s->now.n);
}

static bool is_sign(const scan *s, char c) {
    return s->now.kind == SIGN && *s->now.at == c;
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

static int line_at(const scan *s, const char *at) {
    int line = 1;
    for (const char *c = s->text; c < at; c++) line += *c == '\n';
    return line;
}

/* The position in the line in characters, as editors count. */
static int column_at(const scan *s, const char *at) {
    int column = 1;
    for (const char *c = at; c > s->text && c[-1] != '\n'; c--) column += ((unsigned char)c[-1] & 0xC0) != 0x80;
    return column;
}

static tn_status refuse(const scan *s, const char *at, const char *why) {
    char there[SHOWN + 1];
    if (s->torn) {
        at = s->torn;
        why = "the quote that is opened is not closed in its line";
    }
    if (s->glued && s->glued < at && line_at(s, s->glued) == line_at(s, at)) {
        at = s->glued;
        why = "this text goes on behind where it should end: close it with a straight double quote (\")";
    }
    size_t n = strcspn(at, "\r\n");
    if (n > SHOWN)
        for (n = SHOWN; ((unsigned char)at[n] & 0xC0) == 0x80;) n--; /* whole characters */
    memcpy(there, at, n);
    there[n] = 0;
    return tn_fail(TN_EARG, "%s:%d:%d: %s%s%s%s: not libconfig syntax (group: { key = value; };)", s->file,
                   line_at(s, at), column_at(s, at), why, n ? ": here stands `" : "", there, n ? "`" : "");
}

/* Is it a quote that word processors and web pages write instead of "? */
static bool is_curly(const char *at, size_t n) {
    static const char *const QUOTE[] = {"\u201C", "\u201D", "\u201E", "\u201F", "\u2018", "\u2019", "\u201A", "\u00AB",
                                        "\u00BB", "\u2033", "\uFF02", "\u300C", "\u300D", "'",      "`"};
    for (size_t i = 0; i < sizeof QUOTE / sizeof *QUOTE; i++)
        if (strlen(QUOTE[i]) == n && memcmp(QUOTE[i], at, n) == 0) return true;
    return false;
}

/* The error for another token than the wanted one. */
static tn_status unexpected(const scan *s, const char *wanted) {
    char why[160];
    const char *at = s->now.at;
    if (s->now.kind == ALIEN && is_curly(s->now.at, s->now.n))
        return refuse(s, at, "text is written in straight double quotes (\")");
    if (s->now.kind == OPEN_TEXT) return refuse(s, at, "the quote that is opened is not closed");
    if (s->now.kind == ALIEN) return refuse(s, at, "this character stands outside quotes");
    snprintf(why, sizeof why, "%s is wanted%s", wanted, s->now.kind == END ? ", but the file ends" : "");
    return refuse(s, at, why);
}

/* --- the grammar -------------------------------------------------------------------------------------------------- */

static tn_status take_value(scan *s, bool plain);

/* Parse the elements of an array or list up to its closing bracket. */
static tn_status take_elements(scan *s, const char *open, char close) {
    char why[96];
    bool array = close == ']';
    for (bool first = true;; first = false) {
        if (is_sign(s, close) && first) break;
        TN_TRY(take_value(s, array));
        if (is_sign(s, close)) break;
        if (s->now.kind == END) {
            snprintf(why, sizeof why, "`%c` is not closed: the file ends without `%c`", *open, close);
            return refuse(s, open, why);
        }
        snprintf(why, sizeof why, "a comma or `%c`", close);
        if (!is_sign(s, ',')) return unexpected(s, why);
        step(s);
        if (is_sign(s, close)) break; /* cfg.c removes a comma after the last element */
    }
    step(s);
    return TN_OK;
}

static tn_status take_settings(scan *s, const char *open);

static tn_status take_value(scan *s, bool plain) {
    const char *open = s->now.at;
    char sign = s->now.kind == SIGN ? *open : 0;
    token_kind kind = s->now.kind;
    if (sign && strchr("{[(", sign)) {
        if (plain) return refuse(s, open, "an array [ ... ] holds numbers or texts alone; a list is ( ... )");
        if (++s->depth > MOST_DEPTH) return refuse(s, open, "too many brackets in each other");
        step(s);
        TN_TRY(sign == '{' ? take_settings(s, open) : take_elements(s, open, sign == '[' ? ']' : ')'));
        s->depth--;
        return TN_OK;
    }
    if (kind == NAME) return refuse(s, open, "text is written in quotes");
    if (kind != TEXT && kind != NUMBER && kind != TRUTH) return unexpected(s, "a value");
    step(s);
    while (kind == TEXT && s->now.kind == TEXT) step(s); /* adjacent texts are joined */
    if (kind == NUMBER && s->now.at == open + number_bytes(open) && s->now.kind == NAME)
        return refuse(s, open, "this is no number");
    return TN_OK;
}

static tn_status take_setting(scan *s) {
    if (s->now.kind != NAME) return unexpected(s, "the name of a key or group");
    step(s);
    if (!is_sign(s, '=') && !is_sign(s, ':')) return unexpected(s, "`=` or `:` behind the name");
    step(s);
    TN_TRY(take_value(s, false));
    if (is_sign(s, ';') || is_sign(s, ',')) step(s);
    return TN_OK;
}

/* Parse the settings of a group. open: its bracket; NULL: the whole file. */
static tn_status take_settings(scan *s, const char *open) {
    while (!(open && is_sign(s, '}'))) {
        if (s->now.kind == END)
            return open ? refuse(s, open, "`{` is not closed: the file ends without its `}`") : TN_OK;
        if (!open && is_sign(s, '}')) return refuse(s, s->now.at, "no group is open that `}` could close");
        if (is_sign(s, ';')) return refuse(s, s->now.at, "one `;` too many");
        TN_TRY(take_setting(s));
    }
    step(s);
    return TN_OK;
}

/* --- what else libconfig refuses ---------------------------------------------------------------------------------- */

static tn_status refuse_line(const scan *s, const config_t *tree) {
    const char *why = config_error_text(tree), *at = s->text;
    for (int line = 1; line < config_error_line(tree) && *at; line++) at += strcspn(at, "\n"), at += *at == '\n';
    if (strcmp(why, "duplicate setting name") == 0) why = "a key or group stands here for the second time";
    if (strcmp(why, "mismatched element type in array") == 0)
        why = "the elements of an array are of one kind: all texts, all whole numbers, or all with a point (1.0)";
    return refuse(s, at + strspn(at, " \t"), why);
}

tn_status tn_cfg_refuse(const char *file, const char *text, const config_t *tree) {
    scan s = {.file = file, .text = text};
    s.now = next_token(&s, text);
    tn_status st = strcmp(config_error_text(tree), "syntax error") == 0 ? take_settings(&s, NULL) : TN_OK;
    return st == TN_OK ? refuse_line(&s, tree) : st;
}
