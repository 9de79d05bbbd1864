/* noise_matrix.c - see noise_matrix.h. */
#include "filter/noise_matrix.h"

#include <stdlib.h>

static bool is_before(const tn_joint_entry *a, const tn_joint_entry *b) {
    return a->given != b->given ? a->given < b->given : a->truth < b->truth;
}

/* Merge two ascending lists; elements of the same place are added. Returns the length. */
static int64_t merge(int64_t n_a, const tn_joint_entry *a, int64_t n_b, const tn_joint_entry *b, tn_joint_entry *out) {
    int64_t n = 0, i = 0, j = 0;
    while (i < n_a || j < n_b) {
        bool from_a = j == n_b || (i < n_a && is_before(&a[i], &b[j]));
        bool from_b = i == n_a || (j < n_b && is_before(&b[j], &a[i]));
        out[n] = from_b ? b[j] : a[i];
        if (!from_a && !from_b) out[n].count += b[j].count;
        i += !from_b;
        j += !from_a;
        n++;
    }
    return n;
}

tn_status tn_noise_matrix_add(int64_t N, const float *p, const int32_t *label, const uint8_t *heard,
                              tn_noise_matrix *m) {
    int64_t n = 0;
    tn_joint_entry *more = NULL;
    TN_TRY(tn_confident_joint(N, m->K, p, label, heard, &n, &more));
    tn_joint_entry *both = malloc((size_t)(m->n + n) * sizeof *both + 1);
    if (both) {
        m->n = merge(m->n, m->entry, n, more, both);
        free(m->entry);
        m->entry = both;
    }
    free(more);
    return both ? TN_OK : tn_fail_memory((size_t)(m->n + n) * sizeof *both, "the noise matrix");
}

void tn_noise_matrix_free(tn_noise_matrix *m) {
    free(m->entry);
    *m = (tn_noise_matrix){.K = m->K};
}

/* Whole numbers alone, so that every machine decides alike. */
static bool is_known(const tn_noise_class *c) {
    int64_t more = c->rival_rows - c->right;
    return c->rows > 0 && (2 * c->right >= c->rows || more <= 0 || more * more <= c->rival_rows + c->right);
}

void tn_noise_classes(const tn_noise_matrix *m, tn_noise_class *class_out) {
    for (int k = 0; k < m->K; k++) class_out[k] = (tn_noise_class){.rival = -1};
    for (int64_t i = 0; i < m->n; i++) {
        const tn_joint_entry *e = &m->entry[i];
        tn_noise_class *c = &class_out[e->given];
        c->rows += e->count;
        if (e->truth == e->given) {
            c->right = e->count;
        } else if (e->count > c->rival_rows) {
            c->rival = e->truth;
            c->rival_rows = e->count;
        }
    }
    for (int k = 0; k < m->K; k++) class_out[k].is_judged = is_known(&class_out[k]);
}

int64_t tn_noise_most(const tn_noise_class *c, int64_t n) {
    return c->is_judged ? n * (c->rows - c->right) / c->rows : 0;
}
