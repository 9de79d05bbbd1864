/* weights.h - parts of the verb `weights` in files of their own.            layer: cli, uses: learn, preprocess */
#ifndef TN_CLI_WEIGHTS_H
#define TN_CLI_WEIGHTS_H

#include "cli/args.h"

tn_status tn_weights_verify(const tn_args *args); /* TN_EFORMAT: the logits differ */

#endif
