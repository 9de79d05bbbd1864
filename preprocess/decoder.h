/*
 * decoder.h - converts image files to the bytes that a shard stores, in a child process. All functions are local.
 *
 *   tn_decoder *d = NULL;
 *   TN_TRY(tn_decoder_open(cfg, &halt, &d));
 *   for each file:  TN_TRY(tn_decoder_read(d, path, &found));  ...  free(found.bytes);
 *   tn_decoder_close(&d);
 *
 * Image libraries crash, hang or leak on some files. They run in a child, which is started with the first image and used for all
 * images; this process reads the files. If the child ends while it decodes an image, a new one gets the same image again. Only an image
 * that also ends the new child is quarantined, because the first child may have been damaged by an earlier image. So the result
 * depends on the image alone, not on the rank.
 *
 * A row is quarantined for permanent properties of its file: it does not exist; it is not a regular file, or empty; it cannot be
 * decoded; the decoder crashes on it, or computes longer than a minute and 0.25 us per pixel of preprocess.max_pixels.
 * Temporary failures never cost a row; they fail the run: any other read error; a child killed from outside.
 * Fork   under MPI: the child does not call MPI, and dies with its parent.
 * Cost   one copy of the file to the child, one of the stored bytes back
 */
#ifndef TN_PREPROCESS_DECODER_H
#define TN_PREPROCESS_DECODER_H

#include "base/stop_broadcast.h"
#include "cfg/cfg.h"
#include "preprocess/image.h"

typedef struct {
    int w, h;
    uint64_t content_hash; /* xxh3 of the file's bytes */
    uint64_t perceptual_hash;
    unsigned char *bytes; /* what the shard stores; the caller frees */
    size_t n_bytes;
    char reason[TN_REASON_BYTES]; /* why it cannot be used; "" = good */
    bool halted;                  /* decoding was ended by a stop: nothing is known about the image */
} tn_found;

/* The beginning of the reason of a file that does not exist. */
#define TN_REASON_UNREAD "cannot be read: "

typedef struct tn_decoder tn_decoder;
/* halt: checked once a second while an image is decoded; NULL: never. cfg and halt must live as long as the decoder. Errors TN_ENOMEM. */
tn_status tn_decoder_open(const tn_cfg *cfg, tn_stop_broadcast *halt, tn_decoder **out);
void tn_decoder_close(tn_decoder **d);

/* Read and decode a file. A file that cannot be used is no error: out->reason says why. After an error there are no bytes.
 * Errors  TN_EIO the file cannot be read now, or no child can be started: names the file; TN_ENOMEM, also if the child was killed from
 *         outside twice. */
tn_status tn_decoder_read(tn_decoder *d, const char *path, tn_found *out);

#endif
