/*
 * decoder.h - image files to the bytes that a shard holds; a process of its own decodes them.
 *
 *
 *   tn_decoder *d = NULL;
 *   TN_TRY(tn_decoder_open(cfg, &halt, &d));
 *   for each file:  TN_TRY(tn_decoder_read(d, path, &found));  ...  free(found.bytes);
 *   tn_decoder_close(&d);
 *
 * Strangers' images reach libraries that crash, hang or leak on some. They run in a child, which is started with the
 * first image and serves until the end; this process reads the files. A child that ends with an image in hand is
 * replaced, and the new one is given the same image again: only what ends a fresh child too is the image's fault, since
 * the first may have suffered from an image before it. So the verdict depends on the image alone, whatever the rank.
 *
 * Facts of the data quarantine a row: there is no such file; it is no regular file, or empty; it cannot be decoded; the
 * decoder crashes on it, or computes for more than a minute and 0.25 us per pixel of preprocess.max_pixels.
 * Failures of the moment never cost a row, they fail the run: any other error of reading; a child killed from outside.
 * Fork   under MPI: the child calls nothing of MPI, and dies with its parent.
 * Cost   one copy of the file to the child, one of the stored bytes back
 */
#ifndef TN_PREPROCESS_DECODER_H
#define TN_PREPROCESS_DECODER_H

#include "cfg/cfg.h"
#include "base/stop_broadcast.h"
#include "preprocess/image.h"

typedef struct {
    int w, h;
    uint64_t content_hash; /* xxh3 of the file's bytes */
    uint64_t perceptual_hash;
    unsigned char *bytes; /* what the shard stores; the caller frees */
    size_t n_bytes;
    char reason[TN_REASON_BYTES]; /* why it cannot be used; "" = good */
    bool halted;                  /* left because of a halt: nothing is known */
} tn_found;

/* How the reason of a file begins that is not there. */
#define TN_REASON_UNREAD "cannot be read: "

typedef struct tn_decoder tn_decoder;
/* halt: asked once a second while an image is decoded; NULL: nobody is. Both live as long as the decoder. TN_ENOMEM. */
tn_status tn_decoder_open(const tn_cfg *cfg, tn_stop_broadcast *halt, tn_decoder **out);
void tn_decoder_close(tn_decoder **d);

/* A file that cannot be used is not an error: out->reason says why. On an error there are no bytes.
 * Errors  TN_EIO the file cannot be read now, no child can be started: names the file; TN_ENOMEM, also when the child
 *         was killed from outside twice. */
tn_status tn_decoder_read(tn_decoder *d, const char *path, tn_found *out);

#endif
