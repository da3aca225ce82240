/* SPDX-License-Identifier: MIT
 *
 * How captured frames travel from the process that sees them to the process
 * that writes the file: messages on a SOCK_SEQPACKET socket, both ends.
 *
 *   feeder -> writer   INTERFACE*, then FRAMES ..., SYNC, DROPS, TROUBLE, END
 *   writer -> feeder   SYNC n; end of file: drain, send END, exit
 *
 * `mitmlab feed` and `mitmlab recorder` are feeders; their socket is
 * descriptor 3 or the one named by --fd. There is no other control channel:
 * the writer asks on the same socket. On SYNC n a feeder forwards everything
 * that it can see by then and answers SYNC n, so a sync that comes back means
 * that all earlier frames are in the file. SIGTERM is the same as end of file.
 *
 * Both ends run on one machine from one program, so numbers are in native
 * order; the writer nevertheless checks every length, because feeders touch
 * hostile bytes. */
#ifndef PROXY_CAPTURE_FEED_H
#define PROXY_CAPTURE_FEED_H

#include "certs/err.h"
#include "proxy/base/buf.h"

#include <stdint.h>
#include <sys/types.h>

enum {
    FEED_FD = 3,
    FEED_BATCH = 64 << 10,      /* a message is sent when it is this long */
    FEED_FRAME_MOST = 80 << 10, /* longer frames are cut */
    FEED_MESSAGE_MOST = 160 << 10,
    FEED_INTERFACES_MOST = 32,
    FEED_TEXT_MOST = 256,
};

enum feed_kind {
    FEED_INTERFACE = 1, /* link, snaplen, name NUL description NUL */
    FEED_FRAMES,        /* struct feed_frame and bytes, again and again */
    FEED_SYNC,          /* number */
    FEED_DROPS,         /* per interface: received and dropped so far */
    FEED_TROUBLE,       /* a sentence: why the feeder cannot go on */
    FEED_END,           /* nothing follows */
    FEED_EVENTS,        /* bytes of events, see pcapng_put_events() */
};

/* One frame; in a FEED_FRAMES message `len` bytes follow this struct, padded
 * to eight. */
struct feed_frame {
    uint64_t time_ns;
    uint32_t interface; /* number of the FEED_INTERFACE, from 0 */
    uint32_t flags;     /* enum pcapng_flags */
    uint32_t len, original;
    uint32_t comment_len; /* a comment of so many bytes follows the frame */
    uint32_t zero;
};

struct feed_interface {
    const char *name, *description;
    uint16_t link;
    uint32_t snaplen;
};

/* ---- the feeder's end --------------------------------------------------- */

struct feed {
    int fd;
    struct buf batch;
    uint64_t sent; /* frames so far */
};

/* Zeroed `feed`; the descriptor stays the caller's. */
void feed_init(struct feed *feed, int fd);
void feed_close(struct feed *feed);

/* Each returns 0, or -1 when the writer is gone. A frame may wait in the batch
 * until feed_flush(); everything else flushes first. */
int feed_interface(struct feed *feed, const struct feed_interface *interface);
int feed_frame(struct feed *feed, const struct feed_frame *frame,
               const void *bytes, const char *comment);
/* Bytes of any length, which the file will have in this order. */
int feed_events(struct feed *feed, const char *bytes, size_t len);
int feed_flush(struct feed *feed);
int feed_sync(struct feed *feed, uint64_t number);
int feed_drops(struct feed *feed, uint32_t interface, uint64_t received,
               uint64_t dropped);
int feed_trouble(struct feed *feed, const char *sentence);
int feed_end(struct feed *feed);

/* Look for a request of the writer without blocking. 1: *out_sync is to be
 * answered; 0: nothing now; -1: end of file, drain and leave. */
int feed_asked(struct feed *feed, uint64_t *out_sync);

/* ---- the writer's end --------------------------------------------------- */

/* What a message says; each may be called several times for one message.
 * Texts and bytes live until the handler returns. */
struct feed_handlers {
    void (*on_interface)(void *context, const struct feed_interface *interface);
    void (*on_frame)(void *context, const struct feed_frame *frame,
                     const uint8_t *bytes, const char *comment);
    void (*on_events)(void *context, const char *bytes, size_t len);
    void (*on_sync)(void *context, uint64_t number);
    void (*on_drops)(void *context, uint32_t interface, uint64_t received,
                     uint64_t dropped);
    void (*on_trouble)(void *context, const char *sentence);
    void (*on_end)(void *context);
};

/* Decode one message. 0, or -1 when it is nonsense (what came before the
 * nonsense has been handled). Pure: a test calls it with bytes. */
int feed_decode(const uint8_t *message, size_t len,
                const struct feed_handlers *handlers, void *context);

/* Ask the feeder for a sync; 0 or -1 when it is gone. */
int feed_ask(int fd, uint64_t number);

/* A connected pair of sockets for the two ends, close-on-exec. */
int feed_pair(int out_ends[2], struct err *err);

#endif
