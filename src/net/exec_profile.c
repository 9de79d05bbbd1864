/* exec_profile.c - prints the time of each operation. */
#include "net/exec_priv.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 48, DEAREST = 12, MOST_KINDS = 16 };

typedef struct {
    char name[NAME_BYTES], shape[NAME_BYTES];
    double seconds[TN_PASSES], mib;
} line;

static void name_kind(const tn_op *op, char out[NAME_BYTES]) {
    static const char *const NAME[] = {"conv", "residual", "pool", "dense", "activation", "join", "dropout"};
    const char *conv = op->x == TN_VALUE_IMAGE ? "stem conv" : op->depthwise ? "depthwise conv" : "pointwise conv";
    snprintf(out, NAME_BYTES, "%s", op->kind == TN_OP_CONV ? conv : NAME[op->kind]);
}

/* The least memory traffic in MiB of one forward and one backward pass: reads of x and y, writes of y. */
static double moved_mib(const tn_exec *ex, const tn_op *op) {
    const tn_value *x = &ex->value[op->x], *y = &ex->value[op->y];
    double bytes_x = (double)x->n * (x->stored ? (double)tn_real_bytes(ex->dev) : 4),
           bytes_y = (double)y->n * (y->stored ? (double)tn_real_bytes(ex->dev) : 4);
    return ex->B * (bytes_x + bytes_y) / 0x1p20;
}

static line line_of(const tn_exec *ex, int i) {
    const tn_op *op = &ex->op[i];
    const tn_value *x = &ex->value[op->x], *y = &ex->value[op->y];
    line l = {.mib = moved_mib(ex, op)};
    for (int p = 0; p < TN_PASSES; p++) l.seconds[p] = op->seconds[p];
    name_kind(op, l.name);
    snprintf(l.shape, sizeof l.shape, "%d x %d x %d -> %d x %d x %d", x->S, x->S, x->C, y->S, y->S, y->C);
    return l;
}

static double sum_of(const line *l) {
    double sum = 0;
    for (int p = 0; p < TN_PASSES; p++) sum += l->seconds[p];
    return sum;
}

static int by_cost(const void *a, const void *b) {
    const line *x = a, *y = b;
    double d = sum_of(y) - sum_of(x);
    return d > 0 ? 1 : d < 0 ? -1 : strcmp(x->shape, y->shape);
}

static void print_line(const line *l, double total, FILE *out) {
    fprintf(out, "| %-14s | %-31s |", l->name, l->shape);
    for (int p = 0; p < TN_PASSES; p++) fprintf(out, " %9.0f |", 1e3 * l->seconds[p]);
    fprintf(out, " %5.1f %% | %7.1f |\n", 100 * sum_of(l) / total, l->mib);
}

void tn_exec_profile(const tn_exec *ex, FILE *out) {
    line *all = calloc((size_t)ex->n_ops, sizeof *all), kind[MOST_KINDS] = {{.mib = 0}};
    if (!all) return;
    double total = 1e-9;
    int n_kinds = 0;
    for (int i = 0; i < ex->n_ops; i++) {
        all[i] = line_of(ex, i);
        int k = 0;
        while (k < n_kinds && strcmp(kind[k].name, all[i].name) != 0) k++;
        if (k == n_kinds) memcpy(kind[n_kinds++].name, all[i].name, NAME_BYTES);
        for (int p = 0; p < TN_PASSES; p++) kind[k].seconds[p] += all[i].seconds[p];
        kind[k].mib += all[i].mib;
        total += sum_of(&all[i]);
    }
    qsort(kind, (size_t)n_kinds, sizeof *kind, by_cost);
    qsort(all, (size_t)ex->n_ops, sizeof *all, by_cost);
    if (!ex->dev->op->in_host_memory)
        fprintf(out, "These are the times to begin the operations: the device computes them later.\n\n");
    fprintf(out, "| operation      | shape                           | forward ms | backward ms | evaluate ms | share "
                 "| MiB of a pass "
                 "|\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
    for (int k = 0; k < n_kinds; k++) print_line(&kind[k], total, out);
    for (int i = 0; i < ex->n_ops && i < DEAREST; i++) print_line(&all[i], total, out);
    free(all);
}
