/* site.c - finds stage.sh and site.env, and parses site.env. */
#include "slurm/site.h"

#include "base/utf8.h"

#include <ctype.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tn_status find_stage(char out[TN_PATH_BYTES]) {
    char self[TN_PATH_BYTES] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = 0;
        TN_TRY(tn_path(out, "%s/../share/tenfold/stage.sh", dirname(self)));
        char *whole = realpath(out, NULL);
        if (whole) {
            tn_status st = tn_path(out, "%s", whole);
            free(whole);
            return st;
        }
    }
    TN_TRY(tn_path(out, "%s/slurm/stage.sh", TENFOLD_SOURCE_DIR));
    if (tn_file_exists(out)) return TN_OK;
    return tn_fail(
        TN_EIO,
        "stage.sh is missing: it is neither in share/tenfold beside the installed program nor at %s: install it with "
        "`cmake --install`",
        out);
}

/* Set out to folder/rest if that file exists; otherwise out stays "". */
static tn_status take_if_there(const char *folder, const char *rest, char out[TN_PATH_BYTES]) {
    char path[TN_PATH_BYTES];
    if (*out || !folder || !*folder) return TN_OK;
    TN_TRY(tn_path(path, "%s/%s", folder, rest));
    return tn_file_exists(path) ? tn_path(out, "%s", path) : TN_OK;
}

/* Search in the order that site.h gives. */
static tn_status find_env(const char *stage, char out[TN_PATH_BYTES]) {
    char copy[TN_PATH_BYTES];
    const char *given = getenv("TENFOLD_SITE_ENV");
    out[0] = 0;
    if (given && *given) {
        if (!tn_file_exists(given)) return tn_fail(TN_EARG, "TENFOLD_SITE_ENV=%s: there is no such file", given);
        return realpath(given, out) ? TN_OK : tn_fail(TN_EIO, "%s: cannot be read", given);
    }
    TN_TRY(tn_path(copy, "%s", stage));
    TN_TRY(take_if_there(getenv("XDG_CONFIG_HOME"), "tenfold/site.env", out));
    TN_TRY(take_if_there(getenv("HOME"), ".config/tenfold/site.env", out));
    TN_TRY(take_if_there(dirname(copy), "site.env", out));
    return take_if_there("/etc/tenfold", "site.env", out);
}

tn_status tn_site_find(tn_site *out) {
    *out = (tn_site){.gres = "gpu"};
    TN_TRY(find_stage(out->stage));
    return find_env(out->stage, out->env);
}

/* --- one line ----------------------------------------------------------------------------------------------------- */

typedef struct {
    char name[TN_NAME_BYTES], value[256]; /* name: small letters, without the prefix */
} assignment;

enum { NOT_OURS, TAKEN, REFUSED };

static int take_value(const char *at, char *out, size_t room) {
    char quote = *at == '"' || *at == '\'' ? *at++ : 0;
    size_t n = quote ? strcspn(at, quote == '"' ? "\"" : "'") : strcspn(at, " \t#;");
    const char *rest = at + n + (quote && at[n]);
    if ((quote && !at[n]) || n >= room) return REFUSED;
    snprintf(out, room, "%.*s", (int)n, at);
    if (strpbrk(out, "$`\\\"'") || (!quote && strpbrk(out, "()&|<>*?~"))) return REFUSED;
    rest += strspn(rest, " \t");
    return *rest == 0 || *rest == '#' ? TAKEN : REFUSED;
}

/* Parse `[export ]TENFOLD_NAME=value [# comment]`; other lines are for bash and ignored. */
static int take_line(const char *line, assignment *out) {
    static const char PREFIX[] = "TENFOLD_";
    size_t n = 0;
    line += strspn(line, " \t");
    if (strncmp(line, "export ", 7) == 0) line += 7 + strspn(line + 7, " \t");
    if (strncmp(line, PREFIX, sizeof PREFIX - 1) != 0) return NOT_OURS;
    line += sizeof PREFIX - 1;
    for (; isalnum((unsigned char)line[n]) || line[n] == '_'; n++)
        if (n < sizeof out->name - 1) out->name[n] = (char)tolower((unsigned char)line[n]);
    out->name[n < sizeof out->name ? n : sizeof out->name - 1] = 0;
    return line[n] == '=' ? take_value(line + n + 1, out->value, sizeof out->value) : REFUSED;
}

/* Is the first word srun, mpirun or mpiexec, with or without a path or a suffix (mpiexec.hydra)? stage.sh makes the same check. */
static bool is_launcher(const char *words) {
    size_t n = strcspn(words, " \t"), from = n;
    while (from > 0 && words[from - 1] != '/') from--;
    const char *name = words + from;
    return (n - from == 4 && strncmp(name, "srun", 4) == 0) || (n - from >= 6 && strncmp(name, "mpirun", 6) == 0) ||
           (n - from >= 7 && strncmp(name, "mpiexec", 7) == 0);
}

static tn_status apply(tn_site *site, tn_cfg *cfg, const assignment *a, int line) {
    if (strcmp(a->name, "gres") == 0) {
        snprintf(site->gres, sizeof site->gres, "%.63s", a->value);
        return TN_OK;
    }
    if (strcmp(a->name, "launcher") == 0) {
        if (is_launcher(a->value)) return TN_OK;
        return tn_fail(TN_EARG,
                       "%s:%d: TENFOLD_LAUNCHER=%s: give mpirun, mpiexec or srun, with its options where it needs any",
                       site->env, line, a->value);
    }
    if (strcmp(a->name, "exec") == 0 || strcmp(a->name, "start_seconds") == 0) return TN_OK; /* for stage.sh */
    if (strcmp(a->name, "bind") == 0) {
        if (strcmp(a->value, "none") == 0 || strcmp(a->value, "core") == 0) return TN_OK;
        return tn_fail(TN_EARG, "%s:%d: TENFOLD_BIND=%s: give none or core", site->env, line, a->value);
    }
    tn_status st = tn_cfg_default(cfg, "slurm", a->name, a->value, site->env, line);
    if (st == TN_OK) return st;
    return tn_fail(st,
                   "%s\n(a line TENFOLD_NAME=value sets slurm.name if the job file does not; GRES, LAUNCHER, "
                   "BIND, EXEC and START_SECONDS belong to the site alone)",
                   tn_msg);
}

tn_status tn_site_read(tn_site *site, tn_cfg *cfg) {
    char *text = NULL, *rest;
    size_t n = 0;
    if (!*site->env) return TN_OK;
    TN_TRY(tn_file_read(site->env, &text, &n));
    tn_status st = TN_OK;
    rest = text + (strncmp(text, TN_UTF8_BOM, 3) == 0 ? 3 : 0); /* skip a byte-order mark */
    for (int line = 1; st == TN_OK && rest; line++) {
        char *this_line = strsep(&rest, "\n");
        size_t n_line = strlen(this_line); /* drop carriage returns of Windows editors, as stage.sh does */
        if (n_line > 0 && this_line[n_line - 1] == '\r') this_line[n_line - 1] = 0;
        assignment a;
        int kind = take_line(this_line, &a);
        if (kind == TAKEN) st = apply(site, cfg, &a, line);
        if (kind == REFUSED)
            st = tn_fail(TN_EARG,
                         "%s:%d: `%s`: `tenfold submit` reads no bash: give TENFOLD_NAME=value, the value plain or in "
                         "quotes, without $, ` and \\",
                         site->env, line, this_line);
    }
    free(text);
    return st;
}
