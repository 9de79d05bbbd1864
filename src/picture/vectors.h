/* vectors.h - functions that are compiled for several kinds of processors, of which the system chooses one when the program is loaded. */
#ifndef TN_PICTURE_VECTORS_H
#define TN_PICTURE_VECTORS_H

/* Before a function. The bits of its results do not depend on the kind, as the compiler neither fuses nor reorders operations. Sanitizers
 * cannot start with such functions. */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__ &&                   \
    !defined __SANITIZE_THREAD__
#define TN_FOR_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TN_FOR_VECTORS
#endif

#endif
