/* SPDX-License-Identifier: MIT
 *
 * What hold.c (stopping and letting go) and hold_words.c (commands) share with
 * each other only. */
#ifndef ATTACKS_HOLD_PARTS_H
#define ATTACKS_HOLD_PARTS_H

#include "attacks/hold.h"
#include "proxy/filter.h"

#include <uv.h>

/* One message that waits. Whoever has the lock may use it; `real` belongs to
 * the flow's thread. */
struct held {
    unsigned number;
    struct hold *hold;
    struct flow *flow;
    struct message *real; /* NULL: it will not be sent any more */
    bool is_socket;       /* a message of a WebSocket: its copy is a body, a
                             host and a target, and instead of `real` it is */
    struct socket_message *socket;
    struct message copy;
    struct arena arena;
    uint64_t since;    /* uv_hrtime() */
    bool changed;      /* the copy was */
    bool decided;      /* it is on its way to the flow's thread */
    enum hook_act act; /* what was decided */
    struct held *next;
};

struct hold {
    struct hook hook;
    uv_mutex_t lock;
    struct filter *filter; /* NULL: stop nothing */
    char *filter_text;
    struct held *first, **last;
    unsigned numbers; /* that were given */
    hold_notice *notice;
    void *context;
};

/* With the lock: send it on its way. It is not held any more afterwards. */
int hold_decide(struct held *held, enum hook_act act, struct err *err);

/* "3  POST bank.lab.test/login  request, 12 bytes" */
int hold_line(const struct held *held, struct buf *out);

/* Safe letters: what is no printable ASCII becomes \xNN, but for line feeds if
 * `lines`. */
int hold_escape(struct buf *out, const void *bytes, size_t len, bool lines);

#endif
