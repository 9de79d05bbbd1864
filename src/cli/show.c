/* show.c - tenfold show: describes a file. */
#include "cli/args.h"

#include "show/show.h"

static tn_status verb_show(const tn_args *args) {
    return tn_show(args->word[0], stdout);
}

const tn_verb tn_verb_show = {
    .name = "show",
    .words = "FILE",
    .least_words = 1,
    .most_words = 1,
    .options = 0,
    .summary = "describe a file: checkpoint, weights, HDF5, DONE, plan, journal, table",
    .help =
        "Reads a file of a run (or a folder: its DONE or plan.json), or weights of another program, and prints what\n"
        "it contains: network, size and images seen of a checkpoint, kind and shapes of an HDF5 file, settings and\n"
        "inputs of a DONE, evaluations of a journal. If the file has a hash, it is verified. Changes nothing. A file\n"
        "that is damaged or of no known kind ends with exit code 4.\n\n"
        "example: tenfold show results/quickstart/train/r0-f0-s96-x1/best.safetensors",
    .run = verb_show,
};
