/* SPDX-License-Identifier: MIT
 *
 * All streams of a relay of which at least one leg speaks HTTP/2, and its two
 * speakers: the counterpart of exchange.h, which is HTTP/1.1 on both legs. */
#ifndef PROXY_STREAMS_H
#define PROXY_STREAMS_H

#include "proxy/exchange.h"
#include "proxy/speaker.h"

struct relay;
struct stream;

enum {
    STREAMS_MOST = 100, /* of a victim at a time (RFC 9113 6.5.2 advises it) */
};

struct streams {
    struct relay *relay;
    struct speaker *victim, *server; /* server: NULL while out of reach */
    struct stream *first, *awake, *awake_last;
    unsigned count;
    uint32_t last;           /* number of the newest */
    unsigned past, given_up; /* ended; of these by the victim, too early */
    uint64_t calm_till; /* when time was over, before a piece of a frame came */
    bool moved;         /* a message did, in this step */
    bool leaving;       /* both were told that no more will be heard */
    bool seeks;         /* a request waits for a server to be dialled */
    int down_status;    /* without a server: what is answered ... */
    const char *down_why; /* ... in the flow's arena ... */
    uint32_t down_last;   /* ... to streams up to this; others dial first */
    bool forbidden;       /* to all of them, and no hook is asked */
};

/* NULL when memory is out. */
struct streams *streams_open(struct relay *relay, bool victim_h2,
                             bool server_h2);
/* Without a server: what relay->absent says is the answer to the first
 * request; and to all of them, whatever hooks say. */
struct streams *streams_open_absent(struct relay *relay, bool victim_h2);
struct streams *streams_open_forbidden(struct relay *relay, int status,
                                       const char *why);
void streams_free(struct streams *streams);

enum exchange_next streams_step(struct streams *streams);

/* streams_dial.c. Behind EXCHANGE_DIAL: the server is there, and speaks
 * HTTP/2 or not; or relay->absent says why it is not. -1: memory is out. */
int streams_dialled(struct streams *streams, bool server_h2);
/* A server that is gone is not spoken to any more. */
void streams_bury_server(struct streams *streams);
/* Its request is ready and there is no server: it waits for one, or hears why
 * there is none. */
void streams_want_server(struct stream *stream);

bool streams_idle(const struct streams *streams);
bool streams_head_pending(const struct streams *streams);
bool streams_hungry(const struct streams *streams, const struct end *end);
/* Say that no more is heard, and send it. */
void streams_leave(struct streams *streams);
/* Bytes of memory in its messages. */
size_t streams_held(const struct streams *streams);

/* For the speakers. NULL when there are too many. */
struct stream *streams_add(struct streams *streams);
void streams_wake(struct stream *stream);

/* The connection preface of HTTP/2 (RFC 9113 3.4): 1 these bytes begin with
 * it, 0 they do not, -1 need more. */
int streams_looks_like_h2(const uint8_t *bytes, size_t len);

#endif
