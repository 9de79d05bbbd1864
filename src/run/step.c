/* step.c - the steps of a run, made of the table of stages. */
#include "run/step.h"

#include "search/rung.h"
#include "search/search.h"
#include "store/done.h"

#include <stdlib.h>
#include <string.h>

const tn_stage *tn_stage_find(const char *verb) {
    for (int i = 0; i < tn_n_stages; i++)
        if (strcmp(tn_stages[i].verb, verb) == 0) return &tn_stages[i];
    return NULL;
}

bool tn_step_is_cell(const tn_step *s) {
    return s->stage->per == TN_PER_CELL || s->stage->per == TN_PER_SLOT;
}

int tn_step_turn(const tn_step *s) {
    return s->stage->per == TN_PER_SLOT || s->stage->per == TN_PER_RUNG ? s->slot.rung : s->cell.round;
}

void tn_step_label(const tn_step *step, char out[TN_STEP_LABEL_BYTES]) {
    snprintf(out, TN_STEP_LABEL_BYTES, "%s", step->name);
    for (char *at = out; (at = strchr(at, ' '));) *at = '-';
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static void name_slot(const tn_cfg *cfg, const tn_slot *at, char out[48]) {
    char rung[16];
    tn_rung_name(cfg, at->rung, rung);
    if (at->rung == cfg->search.n_rungs)
        snprintf(out, 48, "%s-f%d", at->slot ? "best" : "start", at->fold);
    else
        snprintf(out, 48, "%s-p%02d-f%d", rung, at->slot, at->fold);
}

static void name_step(const tn_cfg *cfg, tn_step *s) {
    char what[TN_CELL_NAME_BYTES] = "";
    switch (s->stage->per) {
    case TN_PER_RUN:
        break;
    case TN_PER_ROUND: /* filter of round r prepares round r + 1 */
        snprintf(what, sizeof what, "r%d", s->cell.round + 1);
        break;
    case TN_PER_CELL:
        tn_cell_name(&s->cell, what);
        break;
    case TN_PER_RUNG:
        tn_rung_name(cfg, s->slot.rung, what);
        break;
    case TN_PER_SLOT:
        name_slot(cfg, &s->slot, what);
        break;
    }
    snprintf(s->name, sizeof s->name, "%s%s%s", s->stage->verb, *what ? " " : "", what);
}

/* How many steps a stage has in a turn. */
static int count_in_turn(const tn_cfg *cfg, const tn_stage *stage, int turn) {
    switch (stage->per) {
    case TN_PER_CELL:
        return tn_cell_count(cfg);
    case TN_PER_SLOT:
        return tn_rung_count(cfg, turn);
    case TN_PER_ROUND: /* there is no filter after the last round */
        return turn < cfg->self.max_rounds;
    default:
        return 1;
    }
}

/* The i-th step of a stage in a turn. */
static tn_step step_of(const tn_cfg *cfg, const tn_stage *stage, int turn, int i) {
    tn_step s = {.stage = stage, .cell = {.round = turn}};
    if (stage->per == TN_PER_CELL) s.cell = tn_cell_nth(cfg, turn, i);
    if (stage->per == TN_PER_SLOT) s.slot = tn_rung_slot(cfg, turn, i);
    if (stage->per == TN_PER_RUNG) s.slot = (tn_slot){.rung = turn};
    name_step(cfg, &s);
    return s;
}

static int turns_of(const tn_cfg *cfg, const tn_stage *stage) {
    if (stage->loop == 0) return 1;
    return tn_is_search(cfg) ? cfg->search.n_rungs + 1 : cfg->self.max_rounds + 1;
}

int tn_steps_list(const tn_cfg *cfg, tn_step *out) {
    unsigned kind = tn_is_search(cfg) ? TN_IN_SEARCH : TN_IN_PIPELINE;
    int n = 0;
    for (int first = 0, end; first < tn_n_stages; first = end) {
        const tn_stage *stage = &tn_stages[first];
        for (end = first + 1; end < tn_n_stages && stage->loop && tn_stages[end].loop == stage->loop;) end++;
        if (!(stage->runs & kind) || (stage->wanted && !stage->wanted(cfg))) continue;
        for (int turn = 0; turn < turns_of(cfg, stage); turn++)
            for (int k = first; k < end; k++)
                for (int i = 0; i < count_in_turn(cfg, &tn_stages[k], turn); i++, n++)
                    if (out) out[n] = step_of(cfg, &tn_stages[k], turn, i);
    }
    return n;
}

/* --- dependencies ------------------------------------------------------------------------------------------------- */

/* Slot 0 of the final comparison is trial 0, the job file itself: it needs no ranking. */
static bool is_known_from_the_start(const tn_cfg *cfg, const tn_step *s) {
    return s->stage->per == TN_PER_SLOT && s->slot.rung == cfg->search.n_rungs && s->slot.slot == 0;
}

static bool same_cell(const tn_cell *a, const tn_cell *b) {
    return a->round == b->round && a->fold == b->fold && a->size_px == b->size_px && a->seed == b->seed;
}

bool tn_step_after(const tn_cfg *cfg, const tn_step *step, const tn_step *before) {
    for (int i = 0; i < TN_MAX_AFTER_STAGES && step->stage->after[i].verb; i++) {
        if (strcmp(step->stage->after[i].verb, before->stage->verb) != 0) continue;
        switch (step->stage->after[i].which) {
        case TN_AFTER_ALL:
            return true;
        case TN_AFTER_TURN:
            return tn_step_turn(step) == tn_step_turn(before);
        case TN_AFTER_TURN_BEFORE:
            return tn_step_turn(step) == tn_step_turn(before) + 1 && !is_known_from_the_start(cfg, step);
        case TN_AFTER_CELL:
            return same_cell(&step->cell, &before->cell);
        }
    }
    return false;
}

/* --- missing steps ------------------------------------------------------------------------------------------------ */

static tn_status is_done(const tn_cfg *cfg, const tn_step *s, bool inputs, bool *out) {
    char path[TN_PATH_BYTES];
    *out = false;
    if (s->stage->done) return s->stage->done(cfg, s, inputs, out);
    if (!inputs) return TN_OK;
    TN_TRY(s->stage->folder(cfg, s, path));
    *out = tn_done_exists(path);
    return TN_OK;
}

tn_status tn_step_done(const tn_cfg *cfg, const tn_step *s, bool *out) {
    return is_done(cfg, s, true, out);
}

tn_status tn_steps_missing(const tn_cfg *cfg, int n, const tn_step *step, bool *missing_out) {
    for (int i = 0; i < n; i++) {
        bool inputs = true, done = false;
        for (int k = 0; k < i && inputs; k++) inputs = !(missing_out[k] && tn_step_after(cfg, &step[i], &step[k]));
        TN_TRY(is_done(cfg, &step[i], inputs, &done));
        missing_out[i] = !done;
    }
    return TN_OK;
}
