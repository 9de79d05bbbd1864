/*
 * overlay.h - the label overlay: the verdict of the filter on each row, by which the next round is trained.
 *
 * File filter/r<round>/overlay-f<F>.h5, version 3: verdict u8 (N), reason u8 (N), margin f32 (N),
 *   suggested i32 (N); attribute round; perhaps soft targets (soft.h). distil/targets/overlay.h5, for the student, has nothing but
 *   soft targets to say.
 */
#ifndef TN_DATA_OVERLAY_H
#define TN_DATA_OVERLAY_H

#include "base/hash.h"
#include "cfg/cell.h"
#include "data/soft.h"

typedef enum { /* stored in overlays and ledgers: never renumber */
               TN_VERDICT_KEEP,
               TN_VERDICT_DROP,
               TN_VERDICT_NOT_JUDGED,
               TN_VERDICT_UNLABELED,
               TN_VERDICT_RELABEL,
               TN_VERDICT_SOFT,
               TN_VERDICTS
} tn_verdict;

typedef enum { /* why; stored too: never renumber */
               TN_REASON_NOT_JUDGED,
               TN_REASON_BELIEVED,
               TN_REASON_SUSPICIOUS,
               TN_REASON_CLASS_FLOOR,
               TN_REASON_CATEGORY_FLOOR,
               TN_REASON_NOISE_LIMIT,
               TN_REASON_CLASS_NOT_JUDGED,
               TN_REASONS
} tn_reason;

extern const char *const tn_verdict_words[TN_VERDICTS], *const tn_reason_words[TN_REASONS];

typedef struct {
    uint8_t *verdict, *reason; /* (N) */
    float *margin;             /* (N), 0 if not judged */
    int32_t *suggested;        /* (N) */
} tn_judgement;

/* The label that a row is trained with after the verdict: -1 = trained on without label; -2 = not trained on. */
enum { TN_LABEL_NONE = -1, TN_LABEL_OUT = -2 };
int32_t tn_label_after(uint8_t verdict, int32_t label, int32_t suggested);

enum { TN_OVERLAY_NAME_BYTES = 24 };
/* "overlay-f3.h5"; fold < 0, the student's: "overlay.h5". */
void tn_overlay_name(int fold, char out[TN_OVERLAY_NAME_BYTES]);

/* Publish an overlay in folder, and add its contents to the digest. soft: n = 0: none. Local. Errors TN_EIO. */
tn_status tn_overlay_write(const char *folder, int fold, int round, int64_t N, const tn_judgement *j,
                           const tn_soft *soft, tn_hash *digest);

/* Read the overlay of a cell's round and fold. Where no filter came before (tn_is_filtered) all rows are kept. verdict_out (N); suggested_out (N) or NULL. Local.
 * Errors  TN_EARG the filter is not done; TN_EFORMAT damaged, or of another data set. */
tn_status tn_overlay_read(const tn_cfg *cfg, const tn_cell *cell, int64_t N, uint8_t *verdict_out,
                          int32_t *suggested_out);
/* Read its soft targets for a net of K classes; where no filter came before: none. The caller frees *out. Local. Errors as above; those of tn_soft_read. */
tn_status tn_overlay_soft(const tn_cfg *cfg, const tn_cell *cell, int64_t N, int K, tn_soft *out);

#endif
