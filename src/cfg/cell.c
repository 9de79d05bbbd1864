/* cell.c - names of cells and of their folders. */
#include "cfg/cell.h"

#include <inttypes.h>
#include <math.h>

void tn_cell_name(const tn_cell *cell, char out[TN_CELL_NAME_BYTES]) {
    if (tn_is_student(cell))
        snprintf(out, TN_CELL_NAME_BYTES, "student-s%d-x%" PRId64, cell->size_px, cell->seed);
    else
        snprintf(out, TN_CELL_NAME_BYTES, "r%d-f%d-s%d-x%" PRId64, cell->round, cell->fold, cell->size_px, cell->seed);
}

tn_status tn_cell_folder(const tn_cfg *cfg, const char *stage, const tn_cell *cell, char out[TN_PATH_BYTES]) {
    char name[TN_CELL_NAME_BYTES];
    tn_cell_name(cell, name);
    return tn_path(out, "%s/%s/%s", cfg->run_dir, stage, name);
}

bool tn_is_student(const tn_cell *cell) {
    return cell->round == TN_ROUND_OF_STUDENT;
}

tn_cell tn_student_cell(const tn_cfg *cfg) {
    return (tn_cell){.round = TN_ROUND_OF_STUDENT,
                     .fold = -1,
                     .size_px = cfg->train.sizes_px[cfg->train.n_sizes - 1], /* sizes_px and seeds ascend */
                     .seed = cfg->train.seeds[0]};
}

bool tn_is_filtered(const tn_cfg *cfg, int round) {
    return round > 0 || round == TN_ROUND_OF_STUDENT || cfg->self.probe;
}

const char *tn_filter_verb(int round) {
    return round > 0 ? "filter" : round == TN_ROUND_OF_STUDENT ? "distil" : "probe";
}

tn_status tn_filter_folder(const tn_cfg *cfg, int round, char out[TN_PATH_BYTES]) {
    return round == TN_ROUND_OF_STUDENT ? tn_path(out, "%s/distil/targets", cfg->run_dir)
                                        : tn_path(out, "%s/filter/r%d", cfg->run_dir, round);
}

int tn_predict_px(const tn_cfg *cfg, int size_px) {
    return (int)lround(cfg->predict.size_factor * size_px);
}

int tn_cell_count(const tn_cfg *cfg) {
    return cfg->folds.count * cfg->train.n_sizes * cfg->train.n_seeds;
}

tn_cell tn_cell_nth(const tn_cfg *cfg, int round, int i) {
    int seed = i % cfg->train.n_seeds, rest = i / cfg->train.n_seeds;
    int size = cfg->train.n_sizes - 1 - rest / cfg->folds.count; /* sizes_px ascends */
    return (tn_cell){.round = round,
                     .fold = rest % cfg->folds.count,
                     .size_px = cfg->train.sizes_px[size],
                     .seed = cfg->train.seeds[seed]};
}

void tn_cell_list(const tn_cfg *cfg, int round, tn_cell *out) {
    for (int f = 0; f < cfg->folds.count; f++)
        for (int s = 0; s < cfg->train.n_sizes; s++)
            for (int x = 0; x < cfg->train.n_seeds; x++)
                *out++ = (tn_cell){
                    .round = round, .fold = f, .size_px = cfg->train.sizes_px[s], .seed = cfg->train.seeds[x]};
}
