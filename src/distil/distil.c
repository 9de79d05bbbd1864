/* distil.c - targets, training, predictions and scores of the student. */
#include "distil/distil.h"

#include "base/progress.h"
#include "cfg/student.h"
#include "data/overlay.h"
#include "distil/targets.h"
#include "predict/predict.h"
#include "reduce/reduce.h"
#include "store/done.h"
#include "store/h5.h"
#include "train/train.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const tn_cfg *cfg;
    tn_cfg *its; /* the student's settings */
    tn_cell cell;
    tn_spec teacher, student;
    char folder[TN_PATH_BYTES], targets[TN_PATH_BYTES];
    char *settings, inputs[TN_HEX_BYTES + 16];
} distil;

/* --- identity ------------------------------------------------------------------------------------------------------- */

static tn_status find_identity(distil *d) {
    char path[TN_PATH_BYTES], name[TN_CELL_NAME_BYTES], reduce[TN_HEX_BYTES];
    size_t n = 0;
    TN_TRY(tn_path(path, "%s/reduce", d->cfg->run_dir));
    TN_TRY(tn_done_digest(path, "reduce", reduce));
    snprintf(d->inputs, sizeof d->inputs, "reduce %s\n", reduce);
    tn_cell_name(&d->cell, name);
    char *keys = tn_cfg_canonical(d->cfg, TN_KEYS_DISTIL);
    FILE *f = open_memstream(&d->settings, &n);
    if (f && keys) fprintf(f, "%sstudent = %s\n", keys, name);
    tn_status st = tn_text_end(f, keys ? TN_OK : tn_fail_memory(4096, "the student"), "the student");
    free(keys);
    return st;
}

static tn_status begin(const tn_cfg *cfg, distil *d) {
    *d = (distil){.cfg = cfg, .cell = tn_student_cell(cfg)};
    if (!cfg->distil.student)
        return tn_fail(TN_EARG, "distil.student is false: set it to true to train a student of the ensemble");
    TN_TRY(tn_path(d->folder, "%s/distil", cfg->run_dir));
    TN_TRY(tn_filter_folder(cfg, TN_ROUND_OF_STUDENT, d->targets));
    d->its = malloc(sizeof *d->its);
    if (!d->its) return tn_fail_memory(sizeof *d->its, "the student");
    *d->its = *cfg;
    tn_cfg_student(d->its);
    return TN_OK;
}

static void end(distil *d) {
    tn_spec_close(&d->teacher);
    tn_spec_close(&d->student);
    free(d->its);
    free(d->settings);
}

static tn_done identity_of(const distil *d) {
    return (tn_done){.stage = "distil", .settings = d->settings, .inputs = d->inputs};
}

/* --- targets -------------------------------------------------------------------------------------------------------- */

/* The overlay keeps the given label of each row: samplers count by it. */
static tn_status write_overlay(const distil *d, const tn_index *ix, const tn_soft *soft, tn_hash *hash) {
    size_t n = (size_t)ix->n;
    tn_judgement j = {malloc(n + 1), calloc(n + 1, 1), calloc(n + 1, sizeof *j.margin), ix->label};
    tn_status st =
        j.verdict && j.reason && j.margin ? TN_OK : tn_fail_memory(n * (2 + sizeof *j.margin), "the student's targets");
    for (size_t i = 0; st == TN_OK && i < n; i++)
        j.verdict[i] = tn_soft_of(soft, (int64_t)i) ? TN_VERDICT_SOFT : TN_VERDICT_NOT_JUDGED;
    if (st == TN_OK) st = tn_overlay_write(d->targets, d->cell.fold, d->cell.round, ix->n, &j, soft, hash);
    free(j.verdict);
    free(j.reason);
    free(j.margin);
    return st;
}

static tn_status make_targets(const distil *d, const tn_index *ix, const tn_done *want) {
    char name[TN_OVERLAY_NAME_BYTES], digest[TN_HEX_BYTES];
    tn_soft soft = {.n = 0};
    TN_TRY(tn_targets_make(d->cfg, ix, &d->teacher, &soft));
    tn_hash *hash = tn_hash_new();
    tn_status st = write_overlay(d, ix, &soft, hash);
    tn_hash_hex(hash, digest);
    tn_hash_free(&hash);
    tn_overlay_name(d->cell.fold, name);
    if (st == TN_OK) st = tn_done_publish(d->targets, want, digest, (const char *[]){name, NULL});
    if (st == TN_OK) tn_say("distil: targets of %lld rows, by %d models", (long long)soft.n, d->teacher.n_members);
    tn_soft_free(&soft);
    return st;
}

static tn_status teach(tn_run *run, const distil *d, const tn_index *ix) {
    bool valid = false;
    tn_done want = {.stage = "distil", .settings = "rows without a label have targets\n", .inputs = d->inputs};
    TN_TRY(tn_done_begin_all(run, d->targets, "distil: targets", &want, &valid));
    return tn_agree(run, run->rank == 0 && !valid ? make_targets(d, ix, &want) : TN_OK);
}

/* --- the ensemble of one -------------------------------------------------------------------------------------------- */

/* The teacher's ensemble.json, with the student as its only member. The caller frees *out. */
static tn_status describe(const distil *d, char **out) {
    char model[TN_HEX_BYTES], what[256];
    TN_TRY(tn_train_digest(d->its, &d->cell, model));
    json_t *all = json_copy(d->teacher.json);
    snprintf(what, sizeof what, "student of %s", d->teacher.what);
    json_object_set_new(all, "what", json_string(what));
    json_object_set_new(all, "members",
                        json_pack("[{s:i,s:i,s:i,s:I,s:i,s:s}]", "round", d->cell.round, "fold", d->cell.fold,
                                  "size_px", d->cell.size_px, "seed", (json_int_t)d->cell.seed, "times", 1, "model",
                                  model));
    *out = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(all);
    return *out ? TN_OK : tn_fail_memory(65536, "ensemble.json");
}

/* Every rank gets it from rank 0. */
static tn_status make_student(tn_run *run, distil *d, char **text_out) {
    TN_TRY(tn_agree(run, run->rank == 0 ? describe(d, text_out) : TN_OK));
    TN_TRY(tn_bcast_text(run, text_out, "the student"));
    return tn_agree(run, tn_spec_parse(d->its, d->folder, *text_out, strlen(*text_out), &d->student));
}

/* The folder was given up when others were begun. */
static tn_status publish_student(const distil *d, const char *text) {
    char path[TN_PATH_BYTES], digest[2][TN_HEX_BYTES], both[TN_HEX_BYTES];
    bool valid = false;
    tn_done done = identity_of(d);
    TN_TRY(tn_path(path, "%s/reduce", d->folder));
    TN_TRY(tn_done_digest(path, "distil", digest[0]));
    memcpy(digest[1], d->student.digest, sizeof digest[1]);
    tn_hash_once(digest, sizeof digest, both);
    TN_TRY(tn_done_begin(d->folder, "distil", &done, &valid));
    if (valid) return TN_OK;
    TN_TRY(tn_path(path, "%s/ensemble.json", d->folder));
    TN_TRY(tn_file_publish(path, text, strlen(text)));
    TN_TRY(tn_done_publish(d->folder, &done, both,
                           (const char *[]){"ensemble.json", "ensemble.h5", "submission.csv", "metrics.json", NULL}));
    tn_result("distil/metrics.json, distil/submission.csv");
    return TN_OK;
}

/* --- the stage ------------------------------------------------------------------------------------------------------ */

static tn_status make(tn_run *run, distil *d, const tn_index *ix, const tn_shards *shards, bool allow_other_bits) {
    char *text = NULL;
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_targets_check(d->cfg, &d->teacher) : TN_OK));
    TN_TRY(teach(run, d, ix));
    TN_TRY(tn_train_cell(run, d->its, ix, shards, &d->cell, &(tn_train_how){.allow_other_bits = allow_other_bits}));
    tn_status st = make_student(run, d, &text);
    if (st == TN_OK) st = tn_predict_new(run, d->its, d->folder, ix, shards, &d->student.member[0]);
    if (st == TN_OK) st = tn_reduce_student(run, d->its, &d->student, d->folder);
    if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? publish_student(d, text) : TN_OK);
    free(text);
    return st;
}

tn_status tn_distil(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                    bool allow_other_bits) {
    distil d;
    bool valid = false;
    tn_status st = tn_agree(run, begin(cfg, &d));
    if (st == TN_OK) st = tn_spec_open(run, cfg, &d.teacher);
    if (st == TN_OK) st = tn_agree(run, run->rank == 0 ? find_identity(&d) : TN_OK);
    tn_done want = identity_of(&d);
    if (st == TN_OK) st = tn_done_begin_all(run, d.folder, "distil", &want, &valid);
    if (st == TN_OK && !valid) st = make(run, &d, index, shards, allow_other_bits);
    end(&d);
    return st;
}

tn_status tn_distil_done(const tn_cfg *cfg, bool *out) {
    distil d;
    tn_done_state state = TN_DONE_ABSENT;
    *out = false;
    tn_status st = begin(cfg, &d);
    if (st == TN_OK) st = find_identity(&d);
    tn_done want = identity_of(&d);
    if (st == TN_OK) st = tn_done_find(d.folder, &want, &state);
    *out = st == TN_OK && state == TN_DONE_VALID;
    end(&d);
    return st;
}
