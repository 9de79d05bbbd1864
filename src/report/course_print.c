/* course_print.c - prints run/course.h as markdown and as JSON. */
#include "run/course.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* "1:02:03"; "-" if it is not known. */
static const char *clock_of(double s, char out[32]) {
    long long t = (long long)(s + 0.5);
    if (s < 0)
        snprintf(out, 32, "-");
    else
        snprintf(out, 32, "%lld:%02lld:%02lld", t / 3600, t / 60 % 60, t % 60);
    return out;
}

static void put_row(const tn_step *step, const tn_step_course *s, FILE *out) {
    char text[4][32];
    bool cell = tn_course_is_cell(step);
    const tn_history_line *last = s->n_lines ? &s->line[s->n_lines - 1] : NULL;
    fprintf(out, "| %s | %s | %s | %s | %s | %d | %s |\n", step->name, clock_of(s->queued_s, text[0]),
            clock_of(s->computed_s, text[1]), clock_of(cell ? s->lost_s : -1, text[2]),
            clock_of(cell ? s->other_s : -1, text[3]), s->n_starts, last ? last->state : "");
}

/* Print text of a log in a paragraph, with markdown's special characters escaped. */
static void put_words(const char *text, FILE *out) {
    for (; *text; text++) {
        if (strchr("|\\*#", *text)) fputc('\\', out);
        fputc(*text, out);
    }
}

/* Print why a step was started more than once. */
static void put_restarts(const tn_step *step, const tn_step_course *s, FILE *out) {
    int start = 0;
    for (int i = 0; i < s->n_lines; i++) {
        const tn_history_line *l = &s->line[i], *before = i ? &s->line[i - 1] : NULL;
        if (!tn_history_is(l, "running") || start++ == 0 || tn_history_is(before, "done"))
            continue; /* done: made anew */
        fprintf(out, "%s, start %d: after ", step->name, start);
        if (tn_history_is(before, "running"))
            fputs("a start without a recorded end: its node was lost, or it was killed", out);
        else if (*before->why)
            put_words(before->why, out);
        else
            fprintf(out, "%s, exit code %d", before->state, before->exit_code);
        fputs(".\n\n", out);
    }
}

static bool missed(const tn_step_course *s) {
    const tn_history_line *last = s->n_lines ? &s->line[s->n_lines - 1] : NULL;
    return last && (tn_history_is(last, "failed") || tn_history_is(last, "ended") || tn_history_is(last, "stopped"));
}

/* Print which steps failed, and the command that continues the run. */
static void put_failed(const tn_plan *plan, const tn_course *c, FILE *out) {
    int n = 0;
    bool jobs = false;
    for (int i = 0; i < c->n; i++) {
        if (!missed(&c->step[i])) continue;
        const tn_history_line *last = &c->step[i].line[c->step[i].n_lines - 1];
        fprintf(out, "%s %s, exit code %d", plan->step[i].name, last->state, last->exit_code);
        if (*last->why) fputs(": ", out);
        put_words(last->why, out);
        fputs(".\n\n", out);
        jobs |= *plan->step[i].job != 0;
        n++;
    }
    if (n > 0) fprintf(out, "Next: tenfold %s %s\n\n", jobs ? "submit" : "run", plan->start.run_dir);
}

void tn_course_print(const tn_plan *plan, const tn_course *c, FILE *out) {
    int n = 0, n_silent = 0;
    char text[32];
    for (int i = 0; i < c->n; i++) n += c->step[i].n_starts;
    if (n == 0) return;
    fputs("## How the run went\n\n| step | queued | computed | lost | other | starts | |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
          out);
    for (int i = 0; i < c->n; i++)
        if (c->step[i].n_starts || c->step[i].computed_s > 0) put_row(&plan->step[i], &c->step[i], out);
    fputc('\n', out);
    for (int i = 0; i < c->n; i++) put_restarts(&plan->step[i], &c->step[i], out);
    for (int i = 0; i < c->n; i++) n_silent += c->step[i].n_silent;
    fprintf(
        out,
        "Cells were queued for %s together. Node-hours of cells: %.2f computed, %.2f lost (computed again), %.2f idle "
        "(launching, reading, publishing, waiting; under Slurm also predicting).\n\n",
        clock_of(c->queued_s, text), c->computed_node_s / 3600, c->lost_node_s / 3600, c->other_node_s / 3600);
    if (n_silent) fprintf(out, "%d starts have no recorded end; their length is not known.\n\n", n_silent);
    put_failed(plan, c, out);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static json_t *seconds(double s) {
    return s < 0 ? json_null() : json_real(s);
}

json_t *tn_course_json(const tn_step_course *s) {
    json_t *starts = json_array();
    for (int i = 0; i < s->n_lines; i++) {
        const tn_history_line *l = &s->line[i], *end = NULL;
        if (!tn_history_is(l, "running")) continue;
        for (int k = i + 1; k < s->n_lines && !tn_history_is(&s->line[k], "running"); k++) end = &s->line[k];
        json_array_append_new(starts,
                              json_pack("{s:o,s:i,s:i,s:I,s:o,s:s,s:o,s:s}", "job",
                                        strcmp(l->job, "-") == 0 ? json_null() : json_string(l->job), "restart",
                                        l->restart, "nodes", l->nodes, "began_at", (json_int_t)l->at, "ended_at",
                                        end ? json_integer(end->at) : json_null(), "state",
                                        end ? end->state : "running", "exit_code",
                                        end ? json_integer(end->exit_code) : json_null(), "why", end ? end->why : ""));
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "queued_seconds", seconds(s->queued_s), "computed_seconds",
                     seconds(s->computed_s), "lost_seconds", seconds(s->lost_s), "other_seconds", seconds(s->other_s),
                     "starts", starts);
}
