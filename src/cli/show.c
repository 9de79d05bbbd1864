/* show.c - tenfold show: what a file is. */
#include "cli/args.h"

#include "suite/show.h"

static tn_status run(const tn_args *args) {
    return tn_show(args->word[0], stdout);
}

const tn_verb tn_verb_show = {
    .name = "show",
    .words = "FILE",
    .least_words = 1,
    .most_words = 1,
    .options = 0,
    .summary = "what a file is: checkpoint, weights, HDF5, DONE, plan, journal, table",
    .help =
        "Looks at a file of a run (or at a folder, by its DONE or plan.json), or at weights of another program, and\n"
        "says what it holds: net, size and images seen of a checkpoint, kind and shapes of HDF5, settings and inputs\n"
        "of a DONE, the points of a journal. What carries a hash is compared with it. Changes nothing. A file that is\n"
        "damaged, or nothing of these, is an error that says so: exit code 4.\n\n"
        "example: tenfold show results/quickstart/train/r0-f0-s48-x1/best.safetensors",
    .run = run,
};
