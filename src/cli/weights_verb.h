/* weights_verb.h - parts of the verb `weights` that have their own files. */
#ifndef TN_CLI_WEIGHTS_VERB_H
#define TN_CLI_WEIGHTS_VERB_H

#include "cli/args.h"

/* `tenfold weights verify`: prints the comparison on stdout. Local. Errors TN_EFORMAT the logits differ, or a file is damaged. */
tn_status tn_weights_verify(const tn_args *args);

#endif
