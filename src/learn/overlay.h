/*
 * overlay.h - what a round of models trains with instead of the given labels.            layer: learn, uses: base
 *
 * File filter/r<round>/overlay-f<F>.h5, version 2: verdict u8 (N) of judge.h, reason u8 (N), margin f32 (N),
 *   suggested i32 (N); attribute round.
 */
#ifndef TN_LEARN_OVERLAY_H
#define TN_LEARN_OVERLAY_H

#include "base/hash.h"
#include "learn/cell.h"
#include "learn/judge.h"

enum { TN_OVERLAY_NAME_BYTES = 24 };
void tn_overlay_name(int fold, char out[TN_OVERLAY_NAME_BYTES]);

/* Publishes it in folder and adds what it says to the digest. */
tn_status tn_overlay_write(const char *folder, int fold, int round, int64_t N, const tn_judgement *j, tn_hash *digest);

/* Of this cell's round and fold. verdict_out (N), suggested_out (N; may be NULL). Round 0: all kept.
 * Errors  TN_EARG no such filter; TN_EFORMAT damaged, of another data set. */
tn_status tn_overlay_read(const tn_cfg *cfg, const tn_cell *cell, int64_t N, uint8_t *verdict_out,
                          int32_t *suggested_out);

#endif
