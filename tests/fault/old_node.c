/* old_node.c - tenfold on a node with an older processor: $TN_OLD_ISA names the best instruction set that it has. */
#include "dev/dev.h"

#include <stdlib.h>
#include <string.h>

tn_isa tn_isa_best(void) {
    const char *name = getenv("TN_OLD_ISA");
    int isa = 0;
    while (name && strcmp(tn_isa_words[isa], name) != 0) isa++;
    return (tn_isa)isa;
}
