/* train_feed.c - takes this rank's lanes from the loader, which works ahead, and begins to copy the next one to the device while this one is
 * computed. */
#include "train/train_priv.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_feed_begin(tn_train *t, tn_feed *f) {
    *f = (tn_feed){.first_step = t->clock.step};
    f->rows = malloc((size_t)t->B * sizeof *f->rows);
    return f->rows ? tn_loader_new(&t->train_spec, &f->loader) : tn_fail_memory((size_t)t->B * 8, "a lane");
}

void tn_feed_end(tn_train *t, tn_feed *f) {
    if (t->dev->op->stage) t->dev->op->stage(t->dev, 0, NULL);
    tn_loader_free(&f->loader);
    free(f->rows);
}

/* Ask the loader for a lane. The loader works ahead in the order in which lanes are pushed. */
static void push_lane(tn_train *t, tn_loader *loader, int64_t step, int lane, int64_t *rows) {
    int64_t position = (step * t->L + lane) * t->B;
    for (int i = 0; i < t->B; i++) rows[i] = tn_sampler_at(t->sampler, position + i);
    tn_loader_push(loader, rows, t->B, position);
}

static int64_t lanes_of_start(const tn_train *t, const tn_feed *f) {
    return (t->n_steps - f->first_step) * t->mine.n;
}

static void feed(tn_train *t, tn_feed *f) {
    for (; f->pushed < lanes_of_start(t, f) && tn_loader_pending(f->loader) < t->train_spec.depth - 1; f->pushed++)
        push_lane(t, f->loader, f->first_step + f->pushed / t->mine.n, t->mine.first + (int)(f->pushed % t->mine.n),
                  f->rows);
}

tn_status tn_feed_take(tn_train *t, tn_feed *f, tn_lane *out) {
    if (f->has_next) {
        f->has_next = false;
        *out = f->next;
        return f->next_st == TN_OK ? TN_OK : tn_fail(f->next_st, "%s", f->next_msg);
    }
    feed(t, f);
    return tn_loader_pop(f->loader, out);
}

void tn_feed_stage(tn_train *t, tn_feed *f) {
    if (!t->dev->op->stage || t->teacher) return; /* a teacher sees other images first */
    feed(t, f);
    if (!tn_loader_is_ready(f->loader)) return;
    f->next_st = tn_feed_take(t, f, &f->next);
    f->has_next = true;
    if (f->next_st == TN_OK)
        t->dev->op->stage(t->dev, (int64_t)t->B * t->cell.size_px * t->cell.size_px, f->next.image);
    else
        memcpy(f->next_msg, tn_msg, sizeof f->next_msg);
}
