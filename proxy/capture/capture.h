/* SPDX-License-Identifier: MIT
 *
 * The capture of a run, from the runner's side. A process of its own writes
 * the file, outside the namespaces of the lab; it is fed through a socket (see
 * feed.h) and ends at the end of its input, so that killing the runner never
 * cuts a block. The runner parses nothing that came from the network.
 *
 *   capture_start(&plan, &capture, &err);
 *   ... start `mitmlab feed` with capture_feed_fd() as its descriptor ...
 *   capture_feed_given(capture);
 *   capture_sync(capture, 5000, &err);    feed runs: nothing is missed now
 *   ... acts; capture_secret() for every tls.key event ...
 *   capture_sync(capture, 2000, &err);    all frames so far are in the file
 *   ... index_refresh(), index_frame_of() (index.h) ...
 *   capture_stop(capture, &counts, &err);
 *   capture_finish(&finish, &err);        names, secrets, comments */
#ifndef PROXY_CAPTURE_CAPTURE_H
#define PROXY_CAPTURE_CAPTURE_H

#include "certs/err.h"
#include "proxy/capture/pcapng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of TLS secrets. keys.log is written in any case. */
enum capture_secrets {
    CAPTURE_SECRETS_ALL,   /* in the capture: it opens decrypted */
    CAPTURE_SECRETS_NONE,  /* never in it: the lesson is that it stays closed */
    CAPTURE_SECRETS_AFTER, /* the same for us; the guide hands keys.log out */
};

struct capture_plan {
    const char *path;      /* RUN/capture.pcapng; replaced if it exists */
    const char *keys_path; /* RUN/keys.log, mode 0600; NULL: none */
    const char *comment;   /* "mitmlab lab03, seed 7"; NULL: none */
    enum capture_secrets secrets;
};

struct capture;

/* Forks the writer, which ignores the terminal's signals. */
int capture_start(const struct capture_plan *plan, struct capture **out,
                  struct err *err);

/* The socket for the feeder, as its descriptor 3 or with --fd N (stdin will
 * do: --fd 0). Borrowed; close the runner's copy with capture_feed_given()
 * once the feeder has been started. A second call does nothing. */
int capture_feed_fd(const struct capture *capture);
void capture_feed_given(struct capture *capture);

/* One line in the format of RFC 9850, without newline. A line that is not, or
 * that came before, is ignored. -1 only when the writer is gone. */
int capture_secret(struct capture *capture, const char *line, struct err *err);

/* Blocks until everything captured so far is in the file. The first call also
 * waits for the feeder to come up. -1: it took longer, or the feeder or the
 * writer has died or could not start (the sentence says which and why). */
int capture_sync(struct capture *capture, int timeout_ms, struct err *err);

struct capture_counts {
    uint64_t packets; /* in the file: the number of the last frame */
    uint64_t dropped; /* the kernel had no room for them */
    uint64_t lost;    /* seen, but not written: see `why` */
    bool complete;    /* dropped and lost are 0 and nothing went wrong */
    char why[256];    /* "capture incomplete after packet 31 (disk full)", or
                         "" when complete */
};
/* Current at any time, without asking the writer. */
void capture_counts(const struct capture *capture, struct capture_counts *out);

/* Tells the feeder to drain and leave, waits for the writer to end (2 s at
 * most, then it is killed and the file repaired) and frees `capture`. Always
 * frees; -1 when the file is not what it should be, with EXIT_PARTIAL. */
int capture_stop(struct capture *capture, struct capture_counts *out_counts,
                 struct err *err);

/* Rewrites a stopped capture for people: names of hosts, secrets before the
 * first packet (tshark does not decrypt otherwise), comments on frames. Order
 * and numbers of the packets stay. Goes through PATH.tmp and rename(2); when
 * that fails, the old file stands. */
struct capture_comment {
    uint64_t frame; /* from 1; several comments on one frame are joined */
    const char *text;
};
struct capture_finish {
    const char *path;
    const char *keys_path; /* where the secrets come from; NULL: the capture */
    enum capture_secrets secrets;
    const char *comment; /* of the whole file; NULL: the old one stays */
    const struct pcapng_name *names;
    size_t names_count;
    const struct capture_comment *comments;
    size_t comments_count;
};
int capture_finish(const struct capture_finish *finish, struct err *err);

#endif
