/* reduce_new.c - the stage for new images: applies the ensemble that a run chose, in one pass. Nothing is chosen or tuned here. */
#include "reduce/reduce_priv.h"

#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

/* Take the counts of training labels from the ensemble: for the prior of categories, and for images that could not be read. */
static tn_status take_counts(tn_reduction *r) {
    const tn_spec *c = r->given;
    tn_prior *p = &r->counts.prior;
    size_t F = (size_t)r->cfg->folds.count, K = (size_t)c->n_classes;
    memcpy(r->counts.trainable, c->labels, sizeof c->labels);
    if (c->prior_level == 0) return TN_OK;
    *p = (tn_prior){.level = c->prior_level, .n_values = c->n_values[c->prior_level - 1], .count = c->prior_count};
    size_t n = (size_t)p->n_values * K;
    p->n = calloc(F * n, sizeof *p->n);
    p->of_class = calloc(F * K, sizeof *p->of_class);
    if (!p->n || !p->of_class) return tn_fail_memory(F * n * sizeof *p->n, "the categories' classes");
    memcpy(p->n, c->prior_labels, n * sizeof *p->n); /* no fold is left out for new rows: all counts go to fold 0 */
    memcpy(p->of_class, c->labels, K * sizeof *p->of_class);
    return TN_OK;
}

static tn_status take_recipe(tn_reduction *r) {
    const tn_spec *c = r->given;
    size_t n_bytes = (size_t)c->n_classes * sizeof(double);
    r->gate = (tn_gate){.n = 1, .candidate = calloc(1, sizeof *r->gate.candidate)};
    if (!r->gate.candidate) return tn_fail_memory(4096, "the members");
    tn_recipe *final = &r->gate.candidate[0].final;
    snprintf(r->gate.candidate[0].what, sizeof r->gate.candidate[0].what, "%s", c->what);
    *final = (tn_recipe){.kind = c->kind, .prior = c->prior_level > 0, .tau = c->tau, .temperature = c->temperature};
    final->times = calloc((size_t)r->members.n_groups, sizeof *final->times);
    final->offset = c->decides ? malloc(n_bytes) : NULL;
    if (!final->times || (c->decides && !final->offset)) return tn_fail_memory(n_bytes, "the members");
    if (c->decides) memcpy(final->offset, c->offset, n_bytes);
    for (int i = 0; i < c->n_members; i++)
        for (int d = 0; d < r->members.n_groups; d++) {
            const tn_cell *have = &r->members.group[d].cell, *cell = &c->member[i].cell;
            if (have->round == cell->round && have->size_px == cell->size_px && have->seed == cell->seed)
                final->times[d] = c->member[i].times;
        }
    tn_blend *blend = &r->gate.candidate[0].honest;
    TN_TRY(
        tn_blend_new(r->cfg->folds.count, c->n_classes, r->cfg->reduce.bootstrap, (uint64_t)r->cfg->folds.seed, blend));
    blend->whole = final;
    return TN_OK;
}

/* Check that the predictions are by the models that the weights and offsets were tuned for. */
static tn_status check_models(const tn_reduction *r) {
    const tn_spec *c = r->given;
    for (int i = 0; i < c->n_members; i++)
        for (int d = 0; d < r->members.n_groups; d++) {
            const tn_pred *pr = r->members.group[d].pred[tn_member_place(&c->member[i].cell)];
            char name[2][TN_CELL_NAME_BYTES];
            if (!pr) continue;
            tn_cell_name(&tn_pred_info_of(pr)->cell, name[0]);
            tn_cell_name(&c->member[i].cell, name[1]);
            if (strcmp(name[0], name[1]) != 0 ||
                strcmp(tn_pred_info_of(pr)->model_digest, c->member[i].model_digest) == 0)
                continue;
            return tn_fail(TN_EARG,
                           "%s/predict/%s: is by another model than the one in the ensemble: run "
                           "`tenfold predict RUN --data %s` again",
                           r->cfg->run_dir, name[0], r->cfg->run_dir);
        }
    return TN_OK;
}

/* Count the usable rows, which ensemble.h5 contains. */
static tn_status count_rows(tn_run *run, tn_reduction *r) {
    enum { BLOCK = 65536 };
    tn_rows rows = {.room = 0};
    tn_table *t = r->table;
    tn_status st = tn_rows_new(t, BLOCK, &rows);
    int64_t step = (int64_t)run->n_ranks * BLOCK;
    for (int64_t first = (int64_t)run->rank * BLOCK; st == TN_OK && first < t->n; first += step) {
        st = tn_table_read(t, TN_COLUMN_LABEL, first, t->n - first < BLOCK ? t->n - first : BLOCK, &rows);
        for (int64_t i = 0; st == TN_OK && i < rows.n; i++) r->counts.predicted += rows.fold[i] == TN_FOLD_NONE;
    }
    tn_rows_free(&rows);
    TN_TRY(tn_agree(run, st));
    MPI_Allreduce(MPI_IN_PLACE, &r->counts.predicted, 1, MPI_INT64_T, MPI_SUM, run->comm);
    return TN_OK;
}

static tn_status write_new(tn_run *run, tn_reduction *r, char outputs_out[TN_HEX_BYTES]) {
    tn_outputs *written = NULL;
    TN_TRY(tn_members_open(run, r->cfg, r->table, &r->members));
    tn_status st = check_models(r);
    if (st == TN_OK) st = take_counts(r);
    if (st == TN_OK) st = take_recipe(r);
    TN_TRY(tn_agree(run, st));
    TN_TRY(count_rows(run, r));
    TN_TRY(tn_beside_find(run, r->table, &r->counts.beside));
    st = tn_outputs_open(run, r, &written);
    if (st == TN_OK) st = tn_reduce_pass(run, r, 1, (tn_blend *[]){&r->gate.candidate[0].honest}, NULL, written);
    if (st == TN_OK) st = tn_outputs_publish(run, written, outputs_out);
    tn_outputs_drop(&written);
    return st;
}

static tn_status reduce_anew(tn_run *run, tn_reduction *r, const char *folder, const tn_done *done) {
    char digest[TN_HEX_BYTES];
    tn_status st = write_new(run, r, digest);
    if (st == TN_OK && run->rank == 0) {
        st = tn_reduce_metrics_new(r);
        if (st == TN_OK)
            st = tn_done_publish(folder, done, digest,
                                 (const char *[]){"../ensemble.h5", "../submission.csv", "../metrics.json", NULL});
        if (st == TN_OK)
            tn_say("reduce: %s/submission.csv, metrics.json, ensemble.h5 (digest %s)", r->cfg->run_dir, digest);
    }
    return tn_agree(run, st);
}

static tn_status inputs_of(const tn_reduction *r, char **out) {
    size_t n = 0;
    char folder[TN_PATH_BYTES], name[TN_CELL_NAME_BYTES];
    FILE *f = open_memstream(out, &n);
    if (!f) return tn_fail_memory(4096, "the inputs");
    tn_status st = TN_OK;
    for (int i = 0; st == TN_OK && i < r->given->n_members; i++) {
        tn_cell_name(&r->given->member[i].cell, name);
        st = tn_cell_folder(r->cfg, "predict", &r->given->member[i].cell, folder);
        if (st == TN_OK) st = tn_reduce_put_digest(f, folder, name);
    }
    fprintf(f, "chosen %s\nindex %s\n", r->given->digest, r->table->digest);
    return tn_text_end(f, st, "the inputs");
}

static tn_status settings_of(const tn_cfg *cfg, char **out) {
    char *models = tn_spec_settings(cfg), *reduce = tn_cfg_canonical(cfg, TN_KEYS_REDUCE);
    size_t n = 0;
    FILE *f = open_memstream(out, &n);
    if (f && models && reduce)
        fprintf(f, "models = %s\n%s%s", cfg->is_student ? "the student" : "the ensemble", models, reduce);
    tn_status st = models && reduce ? TN_OK : tn_fail_memory(4096, "the settings");
    free(models);
    free(reduce);
    return tn_text_end(f, st, "the settings");
}

static tn_status reduce_rows(tn_run *run, tn_reduction *r, bool allow_missing) {
    char folder[TN_PATH_BYTES], *inputs = NULL, *settings = NULL;
    bool valid = false;
    tn_status st = tn_members_of(run, r->cfg, r->given, allow_missing, &r->members);
    if (st == TN_OK) {
        st = tn_path(folder, "%s/reduce", r->cfg->run_dir);
        if (st == TN_OK) st = settings_of(r->cfg, &settings);
        if (st == TN_OK && run->rank == 0) st = inputs_of(r, &inputs);
        st = tn_agree(run, st);
    }
    if (st == TN_OK) {
        tn_done want = {.stage = "reduce new data", .settings = settings, .inputs = inputs};
        st = tn_done_begin_all(run, folder, "reduce", &want, &valid);
        if (st == TN_OK && !valid) st = reduce_anew(run, r, folder, &want);
    }
    tn_reduce_release(r);
    tn_members_close(&r->members);
    free(inputs);
    free(settings);
    return st;
}

/* Reduce the rows of r->table, whose predictions are in data_dir, to r->given. */
static tn_status reduce_in(tn_run *run, tn_reduction *r, const tn_cfg *cfg, const char *data_dir, bool allow_missing) {
    tn_cfg *there = malloc(sizeof *there);
    tn_status st = there ? TN_OK : tn_fail_memory(sizeof *there, "the ensemble");
    if (there) *there = *cfg;
    if (there) st = tn_path(there->run_dir, "%s", data_dir);
    r->cfg = there;
    st = tn_agree(run, st);
    if (st == TN_OK) st = reduce_rows(run, r, allow_missing);
    free(there);
    return st;
}

tn_status tn_reduce_student(tn_run *run, const tn_cfg *cfg, const tn_spec *student, const char *dir) {
    char shards[TN_PATH_BYTES], folds[TN_PATH_BYTES];
    tn_reduction *r = calloc(1, sizeof *r);
    tn_status st = r ? tn_path(shards, "%s/shards", cfg->run_dir) : tn_fail_memory(sizeof *r, "the student");
    if (st == TN_OK) st = tn_path(folds, "%s/folds", cfg->run_dir);
    st = tn_agree(run, st);
    if (st == TN_OK) st = tn_table_open(run, shards, folds, &r->table);
    if (st == TN_OK) r->given = student;
    if (st == TN_OK) st = reduce_in(run, r, cfg, dir, false);
    if (r) tn_table_close(&r->table);
    free(r);
    return st;
}

tn_status tn_reduce_new(tn_run *run, const tn_cfg *cfg, const char *data_dir, bool allow_missing) {
    tn_spec chosen = {.json = NULL};
    tn_reduction *r = calloc(1, sizeof *r);
    tn_status st = tn_agree(run, r ? TN_OK : tn_fail_memory(sizeof *r, "the ensemble"));
    if (st == TN_OK) st = tn_spec_open(run, cfg, &chosen);
    if (st == TN_OK) st = tn_spec_table(run, cfg, &chosen, data_dir, &r->table, r->n_unknown);
    if (st == TN_OK) r->given = &chosen;
    if (st == TN_OK) st = reduce_in(run, r, cfg, data_dir, allow_missing);
    if (r) tn_table_close(&r->table);
    tn_spec_close(&chosen);
    free(r);
    return st;
}
