/* unit.h - what the unit tests share: cmocka, and a folder of their own. */
#ifndef TN_TESTS_UNIT_H
#define TN_TESTS_UNIT_H

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* An empty folder for this test program, removed at exit. */
static char unit_folder[64];
static void unit_remove(void) {
    tn_folder_remove(unit_folder);
}
static inline const char *unit_path(const char *name) {
    static char path[8][256];
    static int at;
    if (!*unit_folder) {
        strcpy(unit_folder, "/tmp/tenfold-unit.XXXXXX");
        assert_non_null(mkdtemp(unit_folder));
        atexit(unit_remove);
    }
    snprintf(path[at = (at + 1) % 8], sizeof path[0], "%s/%s", unit_folder, name);
    return path[at];
}

static inline const char *unit_write(const char *name, const char *text) {
    const char *path = unit_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* The last message holds this text. */
static inline void unit_says(const char *text) {
    if (!strstr(tn_msg, text)) fail_msg("wanted: %s\nmessage: %s", text, tn_msg);
}

#endif
