/* done.c - reads, compares and publishes DONE files. */
#include "store/done.h"

#include "base/build.h"
#include "base/progress.h"
#include "store/h5.h"
#include "store/libraries.h"
#include "store/lock.h"
#include "store/visible.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHY_BYTES = TN_PATH_BYTES + 128 };

static tn_status done_path(const char *dir, char out[TN_PATH_BYTES]) {
    return tn_path(out, "%s/DONE", dir);
}

/* The value of `check`: the hash of everything else in j. NULL: no memory. */
static json_t *check_of(const json_t *j) {
    json_t *rest = json_copy((json_t *)(uintptr_t)j);
    json_object_del(rest, "check");
    char *text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS), hex[TN_HEX_BYTES];
    json_decref(rest);
    if (!text) return NULL;
    tn_hash_once(text, strlen(text), hex);
    free(text);
    return json_string(hex);
}

bool tn_done_is_whole(const json_t *j) {
    json_t *now = check_of(j);
    bool same = json_equal(now, json_object_get(j, "check"));
    json_decref(now);
    return same;
}

static tn_status read_done(const char *dir, json_t **out) {
    char path[TN_PATH_BYTES], *text = NULL;
    size_t n = 0;
    TN_TRY(done_path(dir, path));
    TN_TRY(tn_file_read(path, &text, &n));
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    const char *words[] = {"stage", "settings", "inputs", "digest"};
    bool ok = json_is_object(j);
    for (size_t i = 0; ok && i < sizeof words / sizeof *words; i++) ok = json_is_string(json_object_get(j, words[i]));
    if (!ok || !tn_done_is_whole(j)) {
        json_decref(j);
        return tn_fail(TN_EFORMAT, "%s: damaged: delete the folder %s and run again", path, dir);
    }
    *out = j;
    return TN_OK;
}

/* The path of a file of DONE; "../name" is beside the folder. */
static tn_status file_path(const char *dir, const char *name, char out[TN_PATH_BYTES]) {
    const char *slash = strrchr(dir, '/');
    if (strncmp(name, "../", 3) != 0) return tn_path(out, "%s/%s", dir, name);
    return tn_path(out, "%.*s%s", slash ? (int)(slash + 1 - dir) : 0, dir, name + 3);
}

static const char *word(json_t *j, const char *key) {
    return json_string_value(json_object_get(j, key));
}

/* --- comparison of settings --------------------------------------------------------------------------------------- */

/* Find the line of text that begins with the same key as `line`; NULL: none. */
static const char *line_of_key(const char *text, const char *line) {
    size_t n = strcspn(line, " \n");
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (strncmp(text, line, n) == 0 && text[n] == ' ') return text;
    return NULL;
}

static bool same_line(const char *a, const char *b) {
    size_t n = strcspn(a, "\n");
    return n == strcspn(b, "\n") && strncmp(a, b, n) == 0;
}

typedef struct {
    char text[1024];
    int n;
} difference;

static void note(difference *d, const char *line, const char *now) {
    size_t at = strlen(d->text);
    if (d->n++ >= 3) return;
    const char *value = now ? strstr(now, "= ") : NULL;
    snprintf(d->text + at, sizeof d->text - at, "\n  %.*s (now%s%.*s)", (int)strcspn(line, "\n"), line,
             value ? ": " : " without it", value ? (int)strcspn(value + 2, "\n") : 0, value ? value + 2 : "");
}

tn_status tn_settings_same(const char *where, const char *have, const char *want) {
    if (strcmp(have, want) == 0) return TN_OK;
    difference d = {.n = 0};
    for (const char *at = have; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        const char *now = line_of_key(want, at);
        if (!now || !same_line(at, now)) note(&d, at, now);
    }
    for (const char *at = want; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (!line_of_key(have, at)) note(&d, at, at);
    return tn_fail(
        TN_EARG,
        "%s was made with other settings:%s%s\nuse another folder (--run DIR, --data DIR), or delete that one "
        "to make it again",
        where, d.text, d.n > 3 ? "\n  ..." : "");
}

/* --- is there one? ------------------------------------------------------------------------------------------------ */

bool tn_done_exists(const char *dir) {
    char path[TN_PATH_BYTES];
    return done_path(dir, path) == TN_OK && tn_file_exists(path);
}

tn_status tn_done_wait_visible(tn_run *run, const char *dir) {
    char path[TN_PATH_BYTES];
    TN_TRY(done_path(dir, path));
    return tn_wait_visible(run, path, NULL);
}

tn_status tn_done_forget(const char *dir) {
    char path[TN_PATH_BYTES];
    TN_TRY(done_path(dir, path));
    return tn_file_remove(path);
}

/* --- the marker --------------------------------------------------------------------------------------------------- */

tn_status tn_done_find(const char *dir, const tn_done *want, tn_done_state *out) {
    json_t *j = NULL;
    *out = TN_DONE_ABSENT;
    if (!tn_done_exists(dir)) return TN_OK;
    TN_TRY(read_done(dir, &j));
    tn_status st = TN_OK;
    if (strcmp(word(j, "stage"), want->stage) != 0)
        st = tn_fail(TN_EARG, "%s belongs to stage %s, not to %s: use another folder (--run DIR, --data DIR)", dir,
                     word(j, "stage"), want->stage);
    if (st == TN_OK) st = tn_settings_same(dir, word(j, "settings"), want->settings);
    if (st == TN_OK) *out = strcmp(word(j, "inputs"), want->inputs) == 0 ? TN_DONE_VALID : TN_DONE_STALE;
    json_decref(j);
    return st;
}

/* The lock of the folder that this process makes; there is one at a time. */
static tn_lock *held;

/* Lock a folder. The lock file `.<name>.lock` is beside the folder, because the folder itself may be emptied. */
static tn_status hold(const char *dir) {
    char path[TN_PATH_BYTES];
    const char *slash = strrchr(dir, '/');
    int n_parent = slash ? (int)(slash + 1 - dir) : 0;
    TN_TRY(tn_path(path, "%.*s.%s.lock", n_parent, dir, dir + n_parent));
    tn_publish_guard(tn_done_check);
    return tn_lock_take(path, dir, &held);
}

tn_status tn_done_check(void) {
    return tn_lock_check(held);
}

void tn_done_leave(void) {
    tn_lock_drop(&held);
}

void tn_done_undo(const char *dir) {
    char why[TN_MSG_BYTES];
    memcpy(why, tn_msg, sizeof why);
    if (tn_done_check() == TN_OK) tn_folder_remove(dir);
    memcpy(tn_msg, why, sizeof why);
    tn_done_leave();
}

/* Has a file the wanted hash? says (room bytes): what is wrong with it. remedy: what to do if it was left open for writing.
 * Errors  TN_EIO it cannot be read now, or is open elsewhere for writing */
static tn_status look_at_file(const char *path, const char *wanted, const char *remedy, bool *same_out, char *says,
                              size_t room) {
    char hex[TN_HEX_BYTES] = "";
    bool there = tn_file_exists(path);
    if (there) TN_TRY(tn_hash_file(path, hex));
    *same_out = there && wanted && strcmp(wanted, hex) == 0;
    if (there && !*same_out) TN_TRY(tn_h5_check_closed(path, remedy));
    snprintf(says, room, "%s",
             !there    ? "missing"
             : !wanted ? "was made by an earlier version, without a hash"
                       : "damaged: its bytes are not those that were published");
    return TN_OK;
}

/* Check the files beside the folder, which are easily deleted or edited. If one differs, the folder is stale. */
static tn_status look_beside(const char *dir, tn_done_state *state, char why[WHY_BYTES]) {
    char path[TN_PATH_BYTES];
    const char *file;
    json_t *j = NULL, *hash;
    bool beside = false;
    TN_TRY(read_done(dir, &j));
    json_object_foreach(json_object_get(j, "files"), file, hash) beside |= strncmp(file, "../", 3) == 0;
    tn_status st = TN_OK;
    json_object_foreach(beside ? json_object_get(j, "files") : NULL, file, hash) {
        char says[128];
        bool same = true;
        if (st != TN_OK || *state != TN_DONE_VALID) break;
        st = file_path(dir, file, path);
        if (st == TN_OK)
            st = look_at_file(path, json_string_value(hash), "delete it, it is made again", &same, says, sizeof says);
        if (st != TN_OK || same) continue;
        snprintf(why, WHY_BYTES, "%s: %s: made again", path, says);
        *state = TN_DONE_STALE;
    }
    json_decref(j);
    return st;
}

/* Find the state of the folder. why: the reason if it is stale. */
static tn_status look(const char *dir, const tn_done *want, tn_done_state *state, char why[WHY_BYTES]) {
    TN_TRY(tn_done_find(dir, want, state));
    if (*state == TN_DONE_STALE) snprintf(why, WHY_BYTES, "its inputs have changed: made anew");
    return *state == TN_DONE_VALID ? look_beside(dir, state, why) : TN_OK;
}

/* Remove the scratch file, without fsync: if it comes back after a crash of the host, the next start removes it. */
static void remove_scratch(const char *dir, const tn_done *done) {
    char path[TN_PATH_BYTES];
    if (!done->scratch || tn_done_check() != TN_OK || tn_path(path, "%s/%s", dir, done->scratch) != TN_OK) return;
    if (unlink(path) == 0 || errno == ENOENT) return;
    tn_warn("%s: cannot be removed: %s; it is not needed any more, and the next start removes it", path,
            strerror(errno));
}

tn_status tn_done_begin(const char *dir, const char *name, const tn_done *want, bool *valid_out) {
    tn_done_state state = TN_DONE_ABSENT;
    char why[WHY_BYTES] = "";
    tn_done_leave(); /* a folder that failed before */
    TN_TRY(look(dir, want, &state, why));
    if (state != TN_DONE_VALID) {
        TN_TRY(tn_folder_make(dir));
        TN_TRY(hold(dir));
        TN_TRY(look(dir, want, &state, why)); /* the previous holder of the lock may have finished it */
    }
    *valid_out = state == TN_DONE_VALID;
    if (*valid_out) {
        tn_say("%s: already done", name);
        remove_scratch(dir, want);
        return TN_OK;
    }
    if (state == TN_DONE_STALE) {
        tn_say("%s: %s", name, why);
        TN_TRY(tn_folder_remove(dir));
    }
    tn_folder_clean(dir);
    return tn_folder_make(dir);
}

tn_status tn_done_begin_all(tn_run *run, const char *dir, const char *name, const tn_done *want, bool *valid_out) {
    bool valid = false;
    TN_TRY(tn_agree(run, run->rank == 0 ? tn_done_begin(dir, name, want, &valid) : TN_OK));
    int shared = valid;
    MPI_Bcast(&shared, 1, MPI_INT, 0, run->comm);
    *valid_out = shared != 0;
    return TN_OK;
}

/* The object {name: hash} of files. */
static tn_status hash_files(const char *dir, const char *const *file, json_t *out) {
    for (; file && *file; file++) {
        char path[TN_PATH_BYTES], hex[TN_HEX_BYTES];
        TN_TRY(file_path(dir, *file, path));
        TN_TRY(tn_hash_file(path, hex));
        json_object_set_new(out, *file, json_string(hex));
    }
    return TN_OK;
}

static tn_status write_done(const char *dir, json_t *j) {
    char path[TN_PATH_BYTES], *text = NULL;
    if (j && json_object_set_new(j, "check", check_of(j)) == 0) text = json_dumps(j, JSON_INDENT(1));
    tn_status st = text ? done_path(dir, path) : tn_fail_memory(4096, "DONE");
    if (st == TN_OK) st = tn_file_publish(path, text, strlen(text));
    free(text);
    return st;
}

tn_status tn_done_publish(const char *dir, const tn_done *done, const char *digest, const char *const *file) {
    json_t *files = json_object();
    tn_status st = tn_lock_check(held);
    if (st == TN_OK) st = hash_files(dir, file, files);
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:s,s:s}", "format", "tenfold DONE 1", "stage", done->stage,
                          "settings", done->settings, "inputs", done->inputs, "digest", digest, "files", files,
                          "version", tn_build_version(), "commit", tn_build_commit(), "libraries", tn_libraries());
    if (st == TN_OK) st = write_done(dir, j);
    if (st == TN_OK) {
        tn_run_got_further();
        remove_scratch(dir, done);
        tn_done_leave();
    }
    json_decref(j);
    return st;
}

tn_status tn_done_digest(const char *dir, const char *made_by_verb, char hex_out[TN_HEX_BYTES]) {
    char path[TN_PATH_BYTES];
    json_t *j = NULL;
    TN_TRY(done_path(dir, path));
    if (!tn_file_exists(path))
        return tn_fail(TN_EARG, "%s is not there or not complete: run `tenfold %s` first", dir, made_by_verb);
    TN_TRY(read_done(dir, &j));
    tn_status st = strlen(word(j, "digest")) < TN_HEX_BYTES
                       ? TN_OK
                       : tn_fail(TN_EFORMAT, "%s: damaged: delete the folder %s", path, dir);
    if (st == TN_OK) snprintf(hex_out, TN_HEX_BYTES, "%s", word(j, "digest"));
    json_decref(j);
    return st;
}

tn_status tn_done_stage(const char *dir, const char *made_by_verb, char out[TN_STAGE_NAME_BYTES]) {
    char hex[TN_HEX_BYTES];
    json_t *j = NULL;
    TN_TRY(tn_done_digest(dir, made_by_verb, hex));
    TN_TRY(read_done(dir, &j));
    snprintf(out, TN_STAGE_NAME_BYTES, "%s", word(j, "stage"));
    json_decref(j);
    return TN_OK;
}

tn_status tn_done_skipped(const char *dir, bool *out) {
    char path[TN_PATH_BYTES], digest[TN_HEX_BYTES];
    *out = false;
    TN_TRY(done_path(dir, path));
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_done_digest(dir, "", digest));
    *out = strcmp(digest, TN_SKIPPED) == 0;
    return TN_OK;
}

tn_status tn_done_made_from(const char *dir, const char *input, bool *out) {
    char path[TN_PATH_BYTES];
    json_t *j = NULL;
    *out = false;
    TN_TRY(done_path(dir, path));
    if (!tn_file_exists(path)) return TN_OK;
    TN_TRY(read_done(dir, &j));
    *out = line_of_key(word(j, "inputs"), input) != NULL;
    json_decref(j);
    return TN_OK;
}

tn_status tn_done_file(const char *dir, const char *name, const char *made_by_verb, char path_out[TN_PATH_BYTES]) {
    char path[TN_PATH_BYTES], hex[TN_HEX_BYTES], says[128], remedy[TN_PATH_BYTES + 128];
    json_t *j = NULL;
    bool same = false;
    TN_TRY(tn_done_digest(dir, made_by_verb, hex));
    TN_TRY(file_path(dir, name, path));
    TN_TRY(read_done(dir, &j));
    const char *wanted = json_string_value(json_object_get(json_object_get(j, "files"), name));
    snprintf(remedy, sizeof remedy, "delete the folder %s and run `tenfold %s` again", dir, made_by_verb);
    tn_status st = look_at_file(path, wanted, remedy, &same, says, sizeof says);
    if (st == TN_OK && !same) st = tn_fail(TN_EFORMAT, "%s: %s: %s", path, says, remedy);
    json_decref(j);
    return st == TN_OK ? tn_path(path_out, "%s", path) : st;
}
