/* SPDX-License-Identifier: MIT
 *
 * What is known about one intercepted connection. The proxy fills it in as it
 * learns; hooks read it. Everything in it lives in the flow's arena and goes
 * with it. */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include "proxy/base/arena.h"
#include "proxy/base/dial.h"
#include "proxy/event.h"

#include <stdbool.h>
#include <stdint.h>

struct relay;

struct flow {
    uint64_t id;             /* 1, 2, 3 ... in this process */
    union address victim;    /* who opened the connection; behind a balancer
                                whom its head names */
    union address entrance;  /* what the victim connected to, as it sees it */
    union address peer;      /* who really did, and to which address of ours: */
    union address listener;  /* these two decide, the others are shown */
    union address server;    /* where we connect to; family 0: not yet */
    union address local;     /* our end towards the server */
    const char *server_name; /* SNI, Host or URL; NULL: not known yet */
    bool tls;                /* the victim speaks TLS */
    bool sealed;             /* and it goes through as it is: what on_data is
                                shown are records */
    unsigned exchanges;      /* HTTP requests seen so far */
    uint32_t stream;         /* that a hook is being shown; HTTP/1.1: 0 */
    struct arena arena;
    struct relay *relay;  /* the proxy's own; hooks leave it alone */
    void *hook_state[12]; /* one slot per registered hook */
};

/* A new one; from any thread. */
uint64_t flow_number(void);

/* The zeroed memory that this hook asked for. */
struct hook;
void *flow_hook_state(const struct flow *flow, const struct hook *hook);

/* An event on one leg of the flow, with the place of the bytes that the hook
 * is being shown right now. */
struct event_where flow_where(const struct flow *flow, enum event_leg leg);

/* A hook returned HOOK_WAIT and goes on, as if it had said HOOK_CHANGED.
 * Messages have hook_resume(), which says more. */
void flow_resume(struct flow *flow);

/* The same by itself after so many milliseconds, for what on_data is shown on
 * the way to `to`; return HOOK_WAIT behind it. -1 when memory is out. */
int flow_wake(struct flow *flow, enum event_leg to, unsigned ms);

#endif
