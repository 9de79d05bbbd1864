/*
 * manual.c - the manual page and the shell completion, from the tables that `tenfold --help` prints.
 *
 *   tn_manual man tenfold.1 VERSION        roff, for man
 *   tn_manual bash tenfold                 a completion script for bash
 */
#include "cli/args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- roff --------------------------------------------------------------------------------------------------------- */

/* Text in which roff sees neither a request, at the beginning of a line, nor an escape; hyphens stay those of ASCII. */
static void put_text(const char *text) {
    for (const char *c = text; *c; c++) {
        bool begins = c == text || c[-1] == '\n';
        if (begins && (*c == '.' || *c == '\'')) fputs("\\&", stdout);
        if (*c == '\\')
            fputs("\\e", stdout);
        else if (*c == '-')
            fputs("\\-", stdout);
        else
            putchar(*c);
    }
}

static void put_title(const char *request, const char *text) {
    printf("%s ", request);
    put_text(text);
    putchar('\n');
}

/* The lines as they are: help texts have columns. */
static void put_lines(const char *text) {
    puts(".nf");
    put_text(text);
    puts("\n.fi");
}

static void put_option(const tn_verb_option *o) {
    printf(".TP\n\\fB");
    put_text(o->name);
    printf("\\fR");
    if (o->value) {
        printf(" \\fI");
        put_text(o->value);
        printf("\\fR");
    }
    putchar('\n');
    put_text(o->help);
    putchar('\n');
}

static void put_verb(const tn_verb *verb) {
    put_title(".SS", verb->name);
    printf(".B tenfold %s\n", verb->name);
    if (*verb->words) {
        put_text(verb->words);
        putchar('\n');
    }
    puts("[options]\n.PP");
    put_lines(verb->help);
    tn_verb_option o;
    for (int i = 0; tn_verb_option_at(verb, i, &o); i++) put_option(&o);
}

static void put_man(const char *version) {
    printf(".\\\" made by tn_manual from the tables of tenfold \\-\\-help\n.TH TENFOLD 1 \"\" \"tenfold %s\" \"User "
           "Commands\"\n",
           version);
    puts(".SH NAME\ntenfold \\- image classification from noisy labels, on HPC clusters\n.SH SYNOPSIS\n"
         ".B tenfold\n.I VERB JOB.cfg\n[options]\n.br\n.B tenfold\n.I VERB RUN\n[options]\n.SH DESCRIPTION");
    puts("Turns a folder of images and a table with noisy labels into a final ensemble prediction. A job file says "
         "what\n"
         "to do; a run folder holds what came out. A verb that is given a run folder works as that run was started;\n"
         ".B run\nand\n.B submit\ngo on with it. Verbs marked (MPI) can be started on many ranks, by mpirun or "
         "srun.\n.SH VERBS");
    for (const tn_verb *const *v = tn_verbs; *v; v++)
        if (!(*v)->internal) put_verb(*v);
    puts(".SH EXIT STATUS");
    for (const tn_exit_code *e = tn_exit_codes; e->text; e++) {
        printf(".TP\n.B %d\n", (int)e->code);
        put_text(e->text);
        putchar('\n');
    }
    puts(".SH SEE ALSO");
    put_text("Guides: share/doc/tenfold/docs/data.md, job-file.md, commands.md, results.md, slurm.md.\n");
}

/* --- bash --------------------------------------------------------------------------------------------------------- */

/* Words of a usage that are typed as they stand, as `import` of `import FILE OUT | export FILE OUT`. */
static void put_literals(const char *words) {
    for (const char *c = words; *c;) {
        size_t n = strcspn(c, " |[]");
        bool literal = n > 0;
        for (size_t i = 0; i < n; i++) literal &= islower((unsigned char)c[i]) != 0;
        if (literal) printf("%.*s ", (int)n, c);
        c += n + (c[n] != '\0');
    }
}

/* A branch of `case $before`: the options of all verbs whose value is of this kind. Most options belong to several. */
static void put_options_taking(int takes, const char *action) {
    const char *seen[128];
    int n = 0;
    for (const tn_verb *const *v = tn_verbs; *v; v++) {
        tn_verb_option o;
        for (int i = 0; tn_verb_option_at(*v, i, &o); i++) {
            bool known = (*v)->internal || !o.value || (int)o.takes != takes;
            for (int j = 0; j < n; j++) known |= strcmp(seen[j], o.name) == 0;
            if (known || n == sizeof seen / sizeof *seen) continue;
            printf("%s%s", n ? " | " : "    ", o.name);
            seen[n++] = o.name;
        }
    }
    if (n) printf(") %s ;;\n", action);
}

static void put_bash(void) {
    puts("# bash completion for tenfold, made by tn_manual from the tables of tenfold --help\n"
         "_tenfold() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options='' words='' files=-f\n"
         "    COMPREPLY=()");
    printf("    if [ \"$COMP_CWORD\" = 1 ]; then\n        mapfile -t COMPREPLY < <(compgen -W '");
    for (const tn_verb *const *v = tn_verbs; *v; v++)
        if (!(*v)->internal) printf("%s ", (*v)->name);
    puts("--help' -- \"$word\")\n        return\n    fi\n    case ${COMP_WORDS[1]} in");
    for (const tn_verb *const *v = tn_verbs; *v; v++) {
        if ((*v)->internal) continue;
        printf("    %s)\n        words='", (*v)->name);
        put_literals((*v)->words);
        printf("'\n        options='");
        tn_verb_option o;
        for (int i = 0; tn_verb_option_at(*v, i, &o); i++) printf("%s%s", i ? " " : "", o.name);
        puts("'\n        ;;");
    }
    puts("    esac\n    case $before in");
    put_options_taking(TN_TAKES_FOLDER, "files=-d options='' words=''");
    put_options_taking(TN_TAKES_FILE, "files=-f options='' words=''");
    put_options_taking(TN_TAKES_WORD, "return");
    puts("    *) [ \"$COMP_CWORD\" = 2 ] || words='' ;;\n    esac\n"
         "    if [[ $word == -* ]]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
         "    elif [ -n \"$words\" ]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "    else\n"
         "        compopt -o filenames 2>/dev/null\n"
         "        mapfile -t COMPREPLY < <(compgen $files -- \"$word\")\n"
         "    fi\n"
         "}\n"
         "complete -F _tenfold tenfold");
}

int main(int argc, char **argv) {
    bool man = argc == 4 && strcmp(argv[1], "man") == 0, bash = argc == 3 && strcmp(argv[1], "bash") == 0;
    if (!man && !bash) return TN_EARG;
    if (!freopen(argv[2], "w", stdout)) return TN_EIO;
    if (man)
        put_man(argv[3]);
    else
        put_bash();
    return fflush(stdout) == 0 && !ferror(stdout) ? TN_OK : TN_EIO;
}
