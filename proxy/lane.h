/* SPDX-License-Identifier: MIT
 *
 * One connection of several to a server of HTTP/1.1 (lanes.h): the way there,
 * with a handshake of its own where the server speaks TLS, and its end. Which
 * stream it carries is not known here. */
#ifndef PROXY_LANE_H
#define PROXY_LANE_H

#include "proxy/end.h"
#include "proxy/speaker.h"

enum lane_state {
    LANE_CONNECTS,
    LANE_SHAKES, /* TLS */
    LANE_TALKS,  /* it has a speaker */
    LANE_GONE,   /* closed; libuv may have the handle still */
};

struct lane {
    struct relay *relay;
    struct lane *next;
    enum lane_state state;
    struct end *end; /* its own, or the relay's server */
    struct end own;
    union address local;     /* of its own end; family 0: not connected */
    int connect_status;      /* 1: under way */
    struct speaker *speaker; /* NULL: none */
    uint64_t deadline;       /* of the loop's milliseconds; 0: none */
};

/* NULL when memory is out. */
struct lane *lane_new(struct relay *relay);

/* Begin to connect. -1 with a sentence, reported as an event: close it. */
int lane_dial(struct lane *lane, struct err *err);

/* The relay's connection, which is there already. NULL when memory is out. */
struct lane *lane_of_relay(struct relay *relay);

/* Go on as far as possible: 1 it is connected, 0 not yet, -1 it never will be:
 * `err` and the event say why, *out_status is what HTTP says to that. */
int lane_approach(struct lane *lane, int *out_status, struct err *err);

/* Give the handle back; again: nothing. */
void lane_close(struct lane *lane, bool reset);

/* libuv has nothing of it any more. */
bool lane_is_free(const struct lane *lane);
void lane_free(struct lane *lane);

#endif
