/*
 * done.h - the DONE file, which marks a folder as complete and records its settings, inputs and hashes.
 *
 *   tn_done want = { .stage = "train", .settings = canonical_text, .inputs = inputs_text };
 *   TN_TRY(tn_done_begin_all(run, dir, "train r0-f3", &want, &valid));
 *   if (valid) return TN_OK;
 *   ... work, publish files ...
 *   TN_TRY(tn_done_publish(dir, &want, digest, files));
 *
 * File `DONE`, JSON, version 1: format, stage, settings (canonical text, one `key = value` per line), inputs (one
 * `name digest` per line), digest (of the outputs), files (hash of each), tenfold version and source commit, library
 * versions, check (hash of all that).
 * Identity   settings and inputs. A folder with other settings than wanted is an error, which shows the first differing keys; a
 *            folder with other inputs is stale and made again.
 * Invariants 1. A folder without DONE counts as absent.
 *            2. DONE is published last.
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
    const char *scratch;  /* file in dir that is not needed once dir is done; NULL: none */
} tn_done;

/* The digest of a skipped folder, whose stage had nothing to do (rounds after the last that helped): it is done and has no outputs. */
#define TN_SKIPPED "skipped"

typedef enum { TN_DONE_ABSENT, TN_DONE_STALE, TN_DONE_VALID } tn_done_state;

/* Compare DONE of a folder with what is wanted. Local.
 * Errors  TN_EARG dir was made with other settings: the message shows up to three keys with both values, and advises another folder or
 *         to delete dir; TN_EFORMAT DONE is damaged. */
tn_status tn_done_find(const char *dir, const tn_done *want, tn_done_state *out);

/* Prepare dir for a stage. If it is valid, print "NAME: already done" and remove a leftover scratch file. If it is stale, say so and
 * empty it. If it is absent, make it and remove temporary files of dead writers. A folder that is not valid is locked until it is
 * published or given up, or this process ends or begins another folder. Local.
 * Errors  those of tn_done_find; TN_EBUSY another process is making it */
tn_status tn_done_begin(const char *dir, const char *name, const tn_done *want, bool *valid_out);
/* The same on rank 0, with the result on every rank. Collective. */
tn_status tn_done_begin_all(tn_run *run, const char *dir, const char *name, const tn_done *want, bool *valid_out);

/* Check that the folder that this process began still belongs to it (lock.h). Called by fs.h before it publishes or removes a file.
 * Local. Errors TN_EBUSY another process took it over. */
tn_status tn_done_check(void);
/* Give up the folder that was begun and not published, so that other processes need not wait for the lock. Local. */
void tn_done_leave(void);
/* After a failure: give up the folder and remove it, unless another process took it over. tn_msg is kept. Local. */
void tn_done_undo(const char *dir);

/* Publish DONE, then remove the scratch file; if that fails, only a warning is printed. Local.
 * file    names of the files in dir whose hashes DONE records, NULL at the end; NULL: none. "../name" is a file beside dir: if it is
 *         missing or has another hash, tn_done_begin finds the folder stale
 * Errors  TN_EBUSY as tn_done_check; TN_EIO */
tn_status tn_done_publish(const char *dir, const tn_done *done, const char *digest, const char *const *file);

/* Has dir a DONE? Its content is not checked. Local. */
bool tn_done_exists(const char *dir);
/* Wait until every rank sees the DONE of dir (visible.h). Collective. Errors TN_EIO. */
tn_status tn_done_wait_visible(tn_run *run, const char *dir);
/* Remove the DONE of dir, so that its step counts as missing. Local. Errors TN_EIO. */
tn_status tn_done_forget(const char *dir);

/* Is the content of a DONE file consistent with its own hash? Local. */
struct json_t;
bool tn_done_is_whole(const struct json_t *done);

/* The digest of a folder that is done. Local. Errors TN_EARG there is no DONE: the message names dir and the verb that makes it;
 * TN_EFORMAT. */
tn_status tn_done_digest(const char *dir, const char *made_by_verb, char hex_out[TN_HEX_BYTES]);

/* The stage that made a folder that is done. Local. Errors those of tn_done_digest. */
enum { TN_STAGE_NAME_BYTES = 32 };
tn_status tn_done_stage(const char *dir, const char *made_by_verb, char out[TN_STAGE_NAME_BYTES]);

/* Is dir done and skipped? Local. Errors TN_EIO DONE cannot be read; TN_EFORMAT it is damaged. */
tn_status tn_done_skipped(const char *dir, bool *out);

/* Is dir done, and has it an input of this name? Local. Errors those of tn_done_skipped. */
tn_status tn_done_made_from(const char *dir, const char *input, bool *out);

/* The path of a file in a folder that is done, after its hash was compared with DONE, so that damaged files are never used. Local.
 * Errors  those of tn_done_digest; TN_EFORMAT the file is missing or has another hash. */
tn_status tn_done_file(const char *dir, const char *name, const char *made_by_verb, char path_out[TN_PATH_BYTES]);

/* Compare settings stored elsewhere, such as in a checkpoint (where: its path). Local. Errors TN_EARG shows the differing keys. */
tn_status tn_settings_same(const char *where, const char *have, const char *want);

#endif
