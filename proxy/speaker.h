/* SPDX-License-Identifier: MIT
 *
 * One leg of a relay whose connection carries streams: it speaks HTTP/2
 * (h2.c), or HTTP/1.1 one stream at a time (h1.c), towards a server over
 * several connections (lanes.c). A speaker turns the bytes of its end into
 * messages of streams, and messages into bytes. What is done with them in
 * between is not its business (stream.h). */
#ifndef PROXY_SPEAKER_H
#define PROXY_SPEAKER_H

#include "proxy/end.h"

#include <stdbool.h>
#include <stdint.h>

struct message;
struct speaker;
struct stream;
struct streams;
struct way;

/* Error codes of RFC 9113 7, the words in which streams end on either leg. */
enum stream_error {
    STREAM_NO_ERROR = 0,
    STREAM_PROTOCOL_ERROR = 1,
    STREAM_INTERNAL_ERROR = 2,
    STREAM_REFUSED = 7, /* nothing was done about it: it may be asked again */
    STREAM_CANCEL = 8,
    STREAM_CALM = 11, /* ENHANCE_YOUR_CALM */
};

enum speaker_mood {
    SPEAKER_TALKS,
    SPEAKER_LEAVES, /* no further request; what is open comes to its end */
    SPEAKER_GONE,   /* nothing comes or goes any more */
};

/* What some speakers have no use for may be NULL, where that is said. */
struct speaker_calls {
    /* Take what the end brought, and tell the streams. True if something
     * came. */
    bool (*hear)(struct speaker *speaker);
    /* Can this message begin now? Always so in HTTP/2. If not, its stream is
     * woken when it can. */
    bool (*ready)(struct speaker *speaker, const struct way *way);
    /* Begin it. False: it cannot be said in this language. */
    bool (*head)(struct speaker *speaker, struct way *way);
    /* There is more of its body, or no more will come. May be NULL. */
    void (*more)(struct speaker *speaker, struct way *way);
    /* An interim response (1xx); the message is borrowed. NULL towards servers
     * only. */
    void (*interim)(struct speaker *speaker, struct way *way,
                    struct message *message);
    /* The other side took so many bytes of what came from here. May be NULL. */
    void (*taken)(struct speaker *speaker, struct stream *stream, size_t len);
    /* End this stream here. May be NULL. */
    void (*reset)(struct speaker *speaker, struct stream *stream,
                  uint32_t error);
    /* Give the end what it takes. True if something went. */
    bool (*flush)(struct speaker *speaker);
    /* No new streams, and why. NULL towards servers only. */
    void (*goodbye)(struct speaker *speaker, uint32_t error);
    /* A message has begun to come and is not whole. NULL towards servers
     * only. */
    bool (*head_pending)(const struct speaker *speaker);
    /* More bytes are needed to go on, however many wait already. May be
     * NULL: never. */
    bool (*hungry)(const struct speaker *speaker);
    void (*free)(struct speaker *speaker);
};

struct speaker {
    const struct speaker_calls *calls;
    struct streams *streams;
    struct end *end;
    enum speaker_mood mood;
    bool h2;
    bool cut; /* it ended in the middle of a message (HTTP/1.1 only) */
    uint64_t in_at, in_end; /* where the bytes being read now came in */
};

/* For streams_speak(), which knows which. NULL when memory is out. */
struct speaker *h2_speaker_new(struct streams *streams, struct end *end);
struct speaker *h1_speaker_new(struct streams *streams, struct end *end);
/* Of the server's leg, where the victim speaks HTTP/2 and the server does not.
 * It becomes relay->lanes, which outlives it. */
struct speaker *lanes_speaker_new(struct streams *streams);

/* A connection that had carried others ended, and the server said not a byte to
 * the request that was on its way there, which was a head and no more. */
bool h1_went_stale(const struct speaker *speaker);
struct speaker *streams_speak(struct streams *streams, struct end *end,
                              bool h2);

#endif
