/*
 * predict.h - computes class probabilities of the rows that a cell's model was not trained on.
 *
 *   TN_TRY(tn_predict(run, cfg, index, shards, &cell));       // train/<cell> -> predict/<cell>/predictions.h5
 *   TN_TRY(tn_predict_new(run, cfg, data_dir, index, shards, &chosen.member[i]));   // new images
 *
 * Rows     the cell's own fold (out-of-fold) and all rows with fold -1 (test, unlabelled), ascending
 * Formula  p = mean over predict.views, in double
 * Memory   the index, and on every rank the rows that all ranks compute before rank 0 writes them (tn_predict_wave_lanes)
 */
#ifndef TN_PREDICT_PREDICT_H
#define TN_PREDICT_PREDICT_H

#include "base/run.h"
#include "cfg/cell.h"
#include "data/index.h"
#include "data/shard.h"
#include "predict/ensemble_spec.h"

/* Predict with the kept model of a cell, and publish predict/<cell>/. If it is done already, it is only reported. Collective.
 * Errors  TN_EARG the cell is not trained, or the folder was made with other settings; TN_EUNFINISHED stopped on request; TN_EIO,
 *         TN_EFORMAT, TN_ENOMEM. */
tn_status tn_predict(tn_run *run, const tn_cfg *cfg, const tn_index *index, const tn_shards *shards,
                     const tn_cell *cell);

/* Predict all usable rows of new images, into data_dir/predict/<cell>. index: from tn_spec_index. Collective.
 * Errors  as above; TN_EARG the model was trained again since the run was reduced, or data_dir/predict/<cell> belongs to another
 *         run's models. */
tn_status tn_predict_new(tn_run *run, const tn_cfg *cfg, const char *data_dir, const tn_index *index,
                         const tn_shards *shards, const tn_spec_member *member);

/* Are the predictions of a trained cell done, with the present settings, model and data set? Local.
 * Errors  those of tn_train_digest; TN_EARG made with other settings. */
tn_status tn_predict_done(const tn_cfg *cfg, const tn_cell *cell, bool *out);

#endif
