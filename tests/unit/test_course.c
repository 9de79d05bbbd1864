/* test_course.c - how a run went, from histories and journals that were written down by hand. */
#include "unit.h"

#include "report/status.h"
#include "run/course.h"

#include <jansson.h>

static const char JOB[] = "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\n"
                          "folds: { count = 3; };\n"
                          "train: { images = 320; lanes = 4; lane_images = 8; evaluations = 2; sizes_px = [ 32 ]; };\n"
                          "self: { max_rounds = 0; };\n";

typedef struct {
    tn_cfg *cfg;
    tn_plan *plan;
} run;

static void begin(run *r) {
    tn_start start = {.n_set = 0};
    char path[TN_PATH_BYTES];
    snprintf(start.run_dir, sizeof start.run_dir, "%s", unit_path("night"));
    if (tn_cfg_read(unit_write("my.cfg", JOB), 0, NULL, start.run_dir, &r->cfg) != TN_OK) fail_msg("%s", tn_msg);
    assert_int_equal(tn_path(path, "%s/history", start.run_dir), TN_OK);
    tn_folder_remove(start.run_dir);
    assert_int_equal(tn_folder_make(path), TN_OK);
    assert_int_equal(tn_plan_make(r->cfg, &start, &r->plan), TN_OK);
}

static void end(run *r) {
    tn_plan_free(&r->plan);
    tn_cfg_free(&r->cfg);
}

static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "night/%s", name);
    char folder[256];
    snprintf(folder, sizeof folder, "%s", unit_path(path));
    *strrchr(folder, '/') = 0;
    assert_int_equal(tn_folder_make(folder), TN_OK);
    unit_write(path, text);
}

static int step(const run *r, const char *name) {
    for (int i = 0; i < r->plan->n; i++)
        if (strcmp(r->plan->step[i].name, name) == 0) return i;
    fail_msg("no step %s", name);
    return -1;
}

static void job(run *r, const char *name, const char *id) {
    tn_step *s = &r->plan->step[step(r, name)];
    snprintf(s->job, sizeof s->job, "%s", id);
    snprintf(s->log, sizeof s->log, "log/%s-%s.log", strcmp(s->stage->verb, "train") == 0 ? "train.r0" : name, id);
}

/* A night: submitted at 1000. preprocess 1010 to 1100. Cell 0: in the queue until 1160 (60 s after preprocess), killed at 1260, in
 * the queue again for 40 s, 1300 to 1500 to the end; by the journal 200 s were computed, and 30 s lost: 300 - 230 = 70 s of
 * others, on two nodes. Cell 1: its node dies, no end; it begins again. Cell 2 fails at once. */
static void disturbed(run *r) {
    job(r, "preprocess", "7");
    job(r, "train r0-f0-s32-x1", "8_0");
    job(r, "train r0-f1-s32-x1", "8_1");
    job(r, "train r0-f2-s32-x1", "8_2");
    put("history/submitted", "submitted 1000 7 0 0 0 \nsubmitted 1000 8 0 0 0 \nsubmitted 2000 19 0 0 0 \n");
    put("history/preprocess", "running 1010 7 0 1 0 \ndone 1100 7 0 1 0 \n");
    put("history/train.r0.0", "running 1160 8_0 0 2 0 \nrequeued 1260 8_0 0 2 137 train ended with exit code 137\n"
                              "running 1300 8_0 1 2 0 \ndone 1500 8_0 1 2 0 \n");
    put("history/train.r0.1", "running 1100 8_1 0 1 0 \nrunning 1400 8_1 1 1 0 \ndone 1600 8_1 1 1 0 \n");
    put("history/train.r0.2",
        "no line of a history\nrunning 1200 8_2 0 1 0 \nfailed 1201 8_2 0 1 2 train ended | with 2\n"
        "running 2050 19_2 0 1 0 \nfailed 2051 19_2 0 1 2 train ended | with 2\n");
    put("history/r0-f0-s32-x1", "lost 1301 - 0 0 0 128 12.5\nlost 1400 - 0 0 0 64 17.5\n");
    put("train/r0-f0-s32-x1/journal.jsonl", "{\"training_seconds\": 80.0, \"evaluation_seconds\": 25.0}\n"
                                            "{\"training_seconds\": 160.0, \"evaluation_seconds\": 15.0}\n");
}

static void times(void **unused) {
    (void)unused;
    run r;
    begin(&r);
    disturbed(&r);
    tn_course *c = NULL;
    assert_int_equal(tn_course_of(r.cfg, r.plan, &c), TN_OK);
    const tn_step_course *s = &c->step[step(&r, "preprocess")];
    assert_float_equal(s->queued_s, 10, 1e-9);
    assert_float_equal(s->computed_s, 90, 1e-9);
    s = &c->step[step(&r, "train r0-f0-s32-x1")];
    assert_int_equal(s->n_starts, 2);
    assert_float_equal(s->queued_s, 60 + 40, 1e-9);
    assert_float_equal(s->computed_s, 200, 1e-9);
    assert_float_equal(s->lost_s, 30, 1e-9);
    assert_float_equal(s->other_s, 70, 1e-9);
    s = &c->step[step(&r, "train r0-f1-s32-x1")];
    assert_int_equal(s->n_starts, 2);
    assert_int_equal(s->n_silent, 1);
    assert_true(s->other_s < 0);
    s = &c->step[step(&r, "train r0-f2-s32-x1")];
    assert_int_equal(s->n_starts, 2); /* submitted once more at 2000 */
    assert_float_equal(s->queued_s, 100 + 50, 1e-9);
    assert_float_equal(c->computed_node_s, 2 * 200, 1e-9);
    assert_float_equal(c->lost_node_s, 2 * 30, 1e-9);
    assert_float_equal(c->other_node_s, 2 * 70 + 2, 1e-9);
    tn_course_free(&c);
    end(&r);
}

/* A later submission knows nothing of the jobs of cells that were done by then. */
static void later(void **unused) {
    (void)unused;
    run r;
    begin(&r);
    disturbed(&r);
    r.plan->step[step(&r, "train r0-f0-s32-x1")].job[0] = 0;
    tn_course *c = NULL;
    assert_int_equal(tn_course_of(r.cfg, r.plan, &c), TN_OK);
    assert_int_equal(c->step[step(&r, "train r0-f0-s32-x1")].n_starts, 2);
    assert_float_equal(c->step[step(&r, "train r0-f0-s32-x1")].queued_s, 60 + 40, 1e-9);
    tn_course_free(&c);
    end(&r);
}

static char *text_of(const run *r) {
    tn_course *c = NULL;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_int_equal(tn_course_of(r->cfg, r->plan, &c), TN_OK);
    tn_course_print(r->plan, c, f);
    fclose(f);
    tn_course_free(&c);
    return text;
}

static void section(void **unused) {
    (void)unused;
    static const char *const WANT[] = {
        "| preprocess | 0:00:10 | 0:01:30 | - | - | 1 | done |\n",
        "| train r0-f0-s32-x1 | 0:01:40 | 0:03:20 | 0:00:30 | 0:01:10 | 2 | done |\n",
        "train r0-f0-s32-x1, start 2: after train ended with exit code 137.\n",
        "train r0-f1-s32-x1, start 2: after a start without a recorded end: its node was lost, or it was killed.\n",
        "Node-hours of cells: 0.11 computed, 0.02 lost (computed again), 0.04 idle",
        "1 starts have no recorded end",
        "train r0-f2-s32-x1 failed, exit code 2: train ended \\| with 2.\n",
        "Next: tenfold submit /"};
    run r;
    begin(&r);
    char *text = text_of(&r);
    assert_string_equal(text, ""); /* nothing is known */
    free(text);
    disturbed(&r);
    text = text_of(&r);
    for (size_t i = 0; i < sizeof WANT / sizeof *WANT; i++)
        if (!strstr(text, WANT[i])) fail_msg("wanted: %s\nsection:\n%s", WANT[i], text);
    free(text);
    end(&r);
}

static json_t *status_of(const run *r) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (tn_status_json(r->cfg, r->plan, f) != TN_OK) fail_msg("%s", tn_msg);
    fclose(f);
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(j);
    free(text);
    return j;
}

static void as_json(void **unused) {
    (void)unused;
    const char *format, *state, *next, *why;
    double queued, lost;
    int exit_code, failed;
    run r;
    begin(&r);
    disturbed(&r);
    for (int i = 0; i < r.plan->n; i++) r.plan->step[i].job[0] = 0; /* a run on this machine: no squeue */
    int cell = step(&r, "train r0-f0-s32-x1");
    tn_step *s = &r.plan->step[cell];
    snprintf(s->last_line, sizeof s->last_line, "no room");
    s->state = TN_STEP_FAILED;
    s->exit_code = 3;
    put("history/train-r0-f0-s32-x1", "running 1160 - 0 1 0 \nfailed 1260 - 0 1 3 no room\n");
    json_t *j = status_of(&r), *one = json_array_get(json_object_get(j, "steps"), (size_t)cell);
    assert_int_equal(json_unpack(j, "{s:s,s:s,s:{s:i}}", "format", &format, "next", &next, "counts", "failed", &failed),
                     0);
    assert_string_equal(format, "tenfold status 1");
    assert_int_equal(failed, 1);
    assert_non_null(strstr(next, "tenfold run "));
    assert_int_equal(json_unpack(one, "{s:s,s:F,s:F,s:[{s:i,s:s}]}", "state", &state, "queued_seconds", &queued,
                                 "lost_seconds", &lost, "starts", "exit_code", &exit_code, "why", &why),
                     0);
    assert_string_equal(state, "failed");
    assert_float_equal(queued, 0, 1e-9);
    assert_float_equal(lost, 30, 1e-9);
    assert_int_equal(exit_code, 3);
    assert_string_equal(why, "no room");
    json_decref(j);
    end(&r);
}

static void a_line_is_read_as_it_was_written(void **unused) {
    (void)unused;
    int n = 0;
    tn_history_line *line = NULL,
                    one = {.state = "failed", .at = 1700000000, .restart = 3, .nodes = 2, .exit_code = 205};
    strcpy(one.why, "two\nlines");
    tn_history_add(unit_folder, "x", &one);
    tn_history_add(unit_folder, "x", &one);
    assert_int_equal(tn_history_read(unit_folder, "x", &n, &line), TN_OK);
    assert_int_equal(n, 2);
    assert_true(line[1].at == 1700000000 && line[1].restart == 3 && line[1].nodes == 2 && line[1].exit_code == 205);
    assert_string_equal(line[1].why, "two lines");
    assert_string_equal(line[1].job, "-");
    free(line);
    assert_int_equal(tn_history_read(unit_folder, "none", &n, &line), TN_OK);
    assert_int_equal(n, 0);
    free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(times), cmocka_unit_test(later), cmocka_unit_test(section),
                                       cmocka_unit_test(as_json), cmocka_unit_test(a_line_is_read_as_it_was_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
