/* weights_file.h - files of tests/golden/weights, taken apart and written again in another form. */
#ifndef TN_TESTS_WEIGHTS_FILE_H
#define TN_TESTS_WEIGHTS_FILE_H

#include "unit.h"

#include "model/weights.h"

#include <jansson.h>

static inline const char *golden_file(const char *name) {
    static char path[4][512];
    static int at;
    snprintf(path[at = (at + 1) % 4], sizeof path[0], "%s/tests/golden/weights/%s", TN_SOURCE_DIR, name);
    return path[at];
}

static inline tn_weights_ask small(const char *net, tn_padding padding) {
    return (tn_weights_ask){.net = net, .width = 0.01, .depth = 0.01, .padding = padding};
}

typedef struct {
    json_t *header;
    char *bytes, *data;
    size_t n_data;
} tensors;

static inline tensors load(const char *path) {
    tensors t;
    size_t n_bytes = 0;
    uint64_t n_header;
    assert_int_equal(tn_file_read(path, &t.bytes, &n_bytes), TN_OK);
    memcpy(&n_header, t.bytes, sizeof n_header);
    t.header = json_loadb(t.bytes + 8, n_header, 0, NULL);
    assert_non_null(t.header);
    t.data = t.bytes + 8 + n_header;
    t.n_data = n_bytes - 8 - n_header;
    return t;
}

static inline const char *save_text(const char *header, uint64_t n_header, const char *data, size_t n_data) {
    const char *path = unit_path("changed.safetensors");
    FILE *f = fopen(path, "wb");
    fwrite(&n_header, sizeof n_header, 1, f);
    fwrite(header, 1, strlen(header), f);
    fwrite(data, 1, n_data, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline const char *save(const tensors *t) {
    char *text = json_dumps(t->header, JSON_COMPACT);
    const char *path = save_text(text, strlen(text), t->data, t->n_data);
    free(text);
    return path;
}

static inline void drop(tensors *t) {
    json_decref(t->header);
    free(t->bytes);
}

/* The import fails, says why, and leaves an earlier output alone. */
static inline void refused(const char *path, const char *why) {
    tn_weights *w = NULL;
    tn_weights_ask ask = small("efficientnet-b0", TN_PADDING_SYMMETRIC);
    tn_status st = tn_weights_read(path, &ask, NULL, &w);
    if (st != TN_EFORMAT) fail_msg("%s: status %d", why, st);
    assert_null(w);
    unit_says(why);
}

#endif
