/*
 * student.h - the settings of the student: the one model that is trained on the ensemble's out-of-fold predictions. All functions are
 * local.
 *
 *   tn_cfg *its = malloc(sizeof *its);  *its = *cfg;  tn_cfg_student(its);
 *   tn_train_cell(run, its, index, shards, &cell, &how);          // cell = tn_student_cell(its)
 */
#ifndef TN_CFG_STUDENT_H
#define TN_CFG_STUDENT_H

#include "cfg/cfg.h"

/* Training length of the student in images seen: distil.images, or three times train.images (docs/decisions/student.md). */
int64_t tn_student_images(const tn_cfg *cfg);

/* Change the settings of a run to those of its student: its net, length and first weights; targets as they are. What would
 * change the targets once more is switched off, because the ensemble learned with it: label smoothing, class weights, logit adjustment;
 * and what protects from wrong labels, because the given ones are not used: the consistency loss, filters. Without pretrained
 * weights nothing is frozen. */
void tn_cfg_student(tn_cfg *cfg);

#endif
