/*
 * done.h - the DONE marker that makes a folder an artefact.
 *
 *   tn_done want = { .stage = "train", .settings = canonical_text, .inputs = inputs_text };
 *   TN_TRY(tn_done_begin_all(run, dir, "train r0-f3", &want, &valid));
 *   if (valid) return TN_OK;
 *   ... work, publish files ...
 *   TN_TRY(tn_done_publish(dir, &want, digest));
 *
 * File `DONE`, JSON, version 1: format, stage, settings (canonical text, one `key = value` per line), inputs (one
 * `name digest` per line), digest (of the outputs), files (hash of each), tenfold version and source commit, library
 * versions, check (hash of all that).
 * Invariants 1. A folder without DONE is absent.
 *            2. DONE is published last.
 *            3. Other settings than the wanted are an error that shows the first differing keys; other inputs only make
 *               the folder stale, to be made again.
 */
#ifndef TN_STORE_DONE_H
#define TN_STORE_DONE_H

#include "base/fs.h"
#include "base/hash.h"
#include "base/run.h"
#include "base/status.h"

#include <stdbool.h>

typedef struct {
    const char *stage;
    const char *settings; /* tn_cfg_canonical() of the groups this stage depends on */
    const char *inputs;   /* lines "name digest\n"; may be "" */
    const char *scratch;  /* file in dir that nobody needs once dir is done; NULL: there is none */
} tn_done;

/* The digest of a folder whose stage had nothing to do, and said so (rounds after the last that helped): it is done,
 * and has no outputs. */
#define TN_SKIPPED "skipped"

typedef enum { TN_DONE_ABSENT, TN_DONE_STALE, TN_DONE_VALID } tn_done_state;

/* Errors  TN_EARG when dir was made with other settings: the message names up to three keys with both values and
 *         says: use another --run folder, or delete dir. TN_EFORMAT unreadable DONE. */
tn_status tn_done_find(const char *dir, const tn_done *want, tn_done_state *out);

/* Looks at dir and makes it ready: valid: says "NAME: already done", and removes a scratch file that was left; stale: says
 * so and empties it; else makes it, and removes the temporary files of dead writers. What is not valid is locked until it is published, given up, the process
 * ends or begins another folder. Local.
 * Errors  TN_EBUSY another process is making it */
tn_status tn_done_begin(const char *dir, const char *name, const tn_done *want, bool *valid_out);
/* The same by rank 0, with the verdict on every rank. Collective. */
tn_status tn_done_begin_all(tn_run *run, const char *dir, const char *name, const tn_done *want, bool *valid_out);

/* Is the folder that this process began still its own (lock.h)? fs.h asks before it publishes or removes a file. Local.
 * Errors  TN_EBUSY another process took it over */
tn_status tn_done_check(void);
/* Gives up the folder that was begun and not published, so that the next one need not wait. Local. */
void tn_done_leave(void);
/* Gives the folder up and removes it, so that what fails leaves nothing behind; a folder that another process took over is left
 * alone. tn_msg stays. */
void tn_done_undo(const char *dir);

/* Publishes DONE; then removes the scratch file. Where that fails, it warns: the folder is done.
 * Errors  TN_EBUSY as tn_done_check.
 * file: names of the files in dir whose bytes DONE vouches for, NULL at the end; NULL: none. "../name": beside dir; where one
 *       of these is missing or has other bytes, tn_done_begin finds the folder stale. */
tn_status tn_done_publish(const char *dir, const tn_done *done, const char *digest, const char *const *file);

/* Does a DONE that was read have the hash that it names? Local. */
struct json_t;
bool tn_done_is_whole(const struct json_t *done);

/* The digest of a finished folder; TN_EARG when there is no DONE: the message names dir and the verb that makes it. */
tn_status tn_done_digest(const char *dir, const char *made_by_verb, char hex_out[TN_HEX_BYTES]);

/* The stage that made a finished folder. Errors as tn_done_digest. */
enum { TN_STAGE_NAME_BYTES = 32 };
tn_status tn_done_stage(const char *dir, const char *made_by_verb, char out[TN_STAGE_NAME_BYTES]);

/* Is dir finished, and was it skipped? TN_EIO where DONE cannot be read, TN_EFORMAT where it is damaged. */
tn_status tn_done_skipped(const char *dir, bool *out);

/* Is dir finished, and has it an input of this name? Errors as tn_done_skipped. */
tn_status tn_done_made_from(const char *dir, const char *input, bool *out);

/* The path of a file of a finished folder, after its bytes were compared with what DONE says: a flipped bit never
 * becomes a number.
 * Errors  as tn_done_digest; TN_EFORMAT where the file is missing or other bytes than published. */
tn_status tn_done_file(const char *dir, const char *name, const char *made_by_verb, char path_out[TN_PATH_BYTES]);

/* The same comparison of settings for other carriers (a checkpoint): TN_EARG with the differing keys. */
tn_status tn_settings_same(const char *where, const char *have, const char *want);

#endif
