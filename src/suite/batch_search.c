/* batch_search.c - the jobs of a search: an array per rung, behind it the job that ranks it. */
#include "suite/batch_priv.h"

/* before: the job that must have been done well. Index of the array, -1 = all are trained. */
static int add_trials(tn_maker *k, int rung, int before) {
    int n = k->m->rung[rung].n;
    tn_batch *b = NULL;
    char name[16];
    tn_rung_name(k->cfg, rung, name);
    for (int i = 0; i < n; i++) {
        if (!k->m->rung[rung].trial[i]) continue;
        if (!b) {
            b = tn_batch_add(k, TN_STEP_TRIAL, rung, "trial.%s", name);
            b->n_cells = n;
            b->n_tasks = (n + k->try) / (k->try + 1);
            tn_batch_command(b, "trial --rung %d --part @/%d", rung, b->n_tasks);
            tn_batch_wait(b, before, TN_AFTER_OK);
        }
        tn_batch_want(b, i);
    }
    return b ? tn_batch_last(k) : -1;
}

/* Index of the job; the judgement and the report are one. */
static int add_rank(tn_maker *k, int rung, int trials) {
    bool judge = rung == k->m->n_rungs - 1;
    char name[16];
    tn_rung_name(k->cfg, rung, name);
    tn_batch *b =
        judge ? tn_batch_add(k, TN_STEP_REDUCE, rung, "finish") : tn_batch_add(k, TN_STEP_RANK, rung, "rank.%s", name);
    tn_batch_command(b, "rank --rung %d", rung);
    if (judge) tn_batch_command(b, "report");
    tn_batch_wait(b, trials, TN_AFTER_ANY);
    return tn_batch_last(k);
}

void tn_batch_search(tn_maker *k) {
    int before = -1;
    if (k->m->preprocess) {
        tn_batch_command(tn_batch_add(k, TN_STEP_PREPROCESS, 0, "preprocess"), "preprocess");
        before = tn_batch_last(k);
    }
    for (int q = 0; q < k->m->n_rungs; q++) {
        int trials = add_trials(k, q, before);
        bool wanted = q < k->m->n_rungs - 1 ? k->m->rung[q].rank : k->m->finish;
        before = wanted ? add_rank(k, q, trials) : -1;
    }
}
