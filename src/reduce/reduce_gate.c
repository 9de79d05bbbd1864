/*
 * reduce_gate.c - which rounds are used: the first, the newest, or both pooled.
 *
 * Rule       Each of the three is a candidate with a decision tuned on the other folds. Compared are the out-of-fold rows of the folds that
 *            all rounds have. The newest round is used alone if its smoothed score (score/metric.h) is the highest of the three and
 *            neither macro F1 nor accuracy is shown to be worse than the first round's: the 95 % interval of the difference, by resampled
 *            groups, lies below 0. Else both pooled, if their smoothed score is above that of the first; else the first.
 * Why        A geometric mean of F1 is ruled by the rarest class, and most of what a filter gained by it was the decision's to gain
 *            (docs/decisions/decision-rule.md). Pooling what is trained already costs no
 *            training, and where the newest round is as good as the first, the mean of both is better than either.
 */
#include "reduce/reduce_priv.h"

#include <stdlib.h>
#include <string.h>

/* --- what can be compared ----------------------------------------------------------------------------------------- */

static int fullest_round(const tn_members *m) {
    int fullest = 0;
    for (int i = 1; i < m->n_rounds; i++)
        if (m->round[i].n_members > m->round[fullest].n_members) fullest = i;
    return fullest;
}

/* Rounds are compared on the folds that all of them have, because pooled scores of different folds are of different rows. A round with
 * fewer than half of the members of another takes no part: it would leave few rows to compare the others on. */
void tn_gate_find_common(tn_reduction *r) {
    const tn_members *m = &r->members;
    int most = m->round[fullest_round(m)].n_members;
    r->rounds.n_common = 0;
    for (int i = 0; i < m->n_rounds; i++) r->rounds.takes_part[i] = 2 * m->round[i].n_members >= most;
    for (int f = 0; f < r->cfg->folds.count; f++) {
        r->rounds.in_common[f] = true;
        for (int i = 0; i < m->n_rounds; i++)
            r->rounds.in_common[f] = r->rounds.in_common[f] && (!r->rounds.takes_part[i] || m->round[i].in_fold[f] > 0);
        r->rounds.n_common += r->rounds.in_common[f];
    }
}

bool tn_has_fold(const tn_reduction *r, int at, int fold) {
    bool has = false;
    for (int c = 0; c < r->members.n_groups; c++)
        has |= r->rounds.mean[at].times[c] > 0 && r->members.group[c].there[fold];
    return has;
}

int tn_member_count(const tn_reduction *r, const tn_recipe *recipe) {
    int n = 0;
    for (int c = 0; c < r->members.n_groups; c++)
        for (int f = 0; recipe->times[c] > 0 && f < r->cfg->folds.count; f++) n += r->members.group[c].pred[f] != NULL;
    return n;
}

/* --- candidates --------------------------------------------------------------------------------------------------- */

static void name_left_out(tn_reduction *r) {
    char *to = r->gate.left_out;
    size_t room = sizeof r->gate.left_out;
    int fullest = r->members.round[fullest_round(&r->members)].round;
    for (int i = 0; i < r->members.n_rounds; i++) {
        const tn_round_members *m = &r->members.round[i];
        if (r->rounds.takes_part[i]) continue;
        int n = snprintf(to, room, "round %d has %d of %d predictions, fewer than half as many as round %d\n", m->round,
                         m->n_members, tn_cell_count(r->cfg), fullest);
        if (n < 0 || (size_t)n >= room) break;
        to += n;
        room -= (size_t)n;
    }
}

static tn_candidate *add(tn_reduction *r, int at, int first, int last) {
    tn_candidate *c = &r->gate.candidate[r->gate.n++];
    c->at = at;
    c->first = r->members.round[first].round;
    c->last = r->members.round[last].round;
    if (first == last)
        snprintf(c->what, sizeof c->what, "round %d", c->first);
    else
        snprintf(c->what, sizeof c->what, "rounds %d and %d pooled", c->first, c->last);
    return c;
}

tn_status tn_gate_begin(tn_reduction *r) {
    int first = 0, last = r->members.n_rounds - 1;
    r->gate.candidate = calloc(TN_MAX_CANDIDATES, sizeof *r->gate.candidate);
    if (!r->gate.candidate) return tn_fail_memory(TN_MAX_CANDIDATES * sizeof *r->gate.candidate, "the rounds");
    while (!r->rounds.takes_part[first]) first++; /* the fullest one does */
    while (!r->rounds.takes_part[last]) last--;
    name_left_out(r);
    add(r, first, first, first);
    if (first == last) {
        snprintf(r->gate.why, sizeof r->gate.why, "%s",
                 *r->gate.left_out ? "no other round has enough predictions" : "the only round with predictions");
        return TN_OK;
    }
    if (r->rounds.n_common == 0) {
        snprintf(r->gate.why, sizeof r->gate.why, "no fold has predictions of all rounds");
        return TN_OK;
    }
    add(r, last, last, last);
    add(r, r->members.n_rounds, first, last);
    return TN_OK;
}

/* --- the comparison ----------------------------------------------------------------------------------------------- */

static tn_status compare(const tn_reduction *r, int i, tn_comparison *out) {
    const tn_blend *base = &r->gate.candidate[0].honest, *b = &r->gate.candidate[i].honest;
    tn_counts c = {.K = 0};
    TN_TRY(tn_counts_new(r->table->n_classes, &c));
    for (int f = 0; f < r->cfg->folds.count; f++)
        for (int k = 0; r->rounds.in_common[f] && k < 3 * c.K; k++) c.n[k] += b->own[f].n[k];
    *out = (tn_comparison){.score = tn_score_of(&c), .smoothed = tn_smoothed(&c)};
    tn_counts_free(&c);
    if (i == 0) return TN_OK;
    out->gmean = tn_bootstrap_difference(&base->match, &b->match, TN_METRIC_GMEAN, NULL);
    out->macro = tn_bootstrap_difference(&base->match, &b->match, TN_METRIC_MACRO, NULL);
    out->accuracy = tn_bootstrap_difference(&base->match, &b->match, TN_METRIC_ACCURACY, NULL);
    out->better = out->smoothed > r->gate.compared[0].smoothed;
    out->macro_worse = out->macro.high < 0;
    out->accuracy_worse = out->accuracy.high < 0;
    return TN_OK;
}

/* Why the newest round alone is not used; "" it is. c: the comparisons of the first, the newest, both pooled. */
static const char *against_newest(const tn_comparison *c) {
    return !c[1].better                              ? "its smoothed score is not above that of the first"
           : c[1].macro_worse && c[1].accuracy_worse ? "its macro F1 and accuracy are shown to be worse"
           : c[1].macro_worse                        ? "its macro F1 is shown to be worse"
           : c[1].accuracy_worse                     ? "its accuracy is shown to be worse"
           : c[1].smoothed <= c[2].smoothed          ? "its smoothed score is not above that of both pooled"
                                                     : "";
}

static void explain(tn_reduction *r) {
    const tn_gate *g = &r->gate;
    const tn_comparison *c = g->compared;
    const char *against = against_newest(c);
    int n = snprintf(r->gate.why, sizeof r->gate.why,
                     "smoothed score %.4f of %s, %.4f of %s, %.4f of both pooled, out-of-fold on %d common folds; ",
                     c[0].smoothed, g->candidate[0].what, c[1].smoothed, g->candidate[1].what, c[2].smoothed,
                     r->rounds.n_common);
    char *to = r->gate.why + n;
    size_t room = sizeof r->gate.why - (size_t)n;
    if (g->chosen == 1)
        snprintf(to, room, "%s is the best, and neither its macro F1 nor its accuracy is shown to be worse",
                 g->candidate[1].what);
    else
        snprintf(to, room, "%s is not used alone: %s; both pooled are %s", g->candidate[1].what, against,
                 g->chosen == 2 ? "better than the first" : "not better than the first");
}

tn_status tn_gate_choose(tn_reduction *r) {
    tn_gate *g = &r->gate;
    if (g->n == 1) return TN_OK;
    for (int i = 0; i < g->n; i++) TN_TRY(compare(r, i, &g->compared[i]));
    g->chosen = !*against_newest(g->compared) ? 1 : g->compared[2].better ? 2 : 0;
    explain(r);
    return TN_OK;
}

const tn_candidate *tn_written(const tn_reduction *r) {
    return r->tuning.used ? r->tuning.best : &r->gate.candidate[r->gate.chosen];
}
