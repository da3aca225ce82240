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
    struct speaker *victim, *server; /* server: NULL when out of reach */
    struct stream *first, *awake, *awake_last;
    unsigned count;
    uint32_t last;           /* number of the newest */
    unsigned past, given_up; /* ended; of these by the victim, too early */
    bool moved;              /* a message did, in this step */
    bool leaving;            /* both were told that no more will be heard */
    int down_status;         /* without a server: what is answered */
    const char *down_why;    /* in the flow's arena */
};

/* NULL when memory is out. */
struct streams *streams_open(struct relay *relay, bool victim_h2,
                             bool server_h2);
/* Without a server: every request is answered like this. */
struct streams *streams_open_down(struct relay *relay, int status,
                                  const char *why);
void streams_free(struct streams *streams);

enum exchange_next streams_step(struct streams *streams);

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
