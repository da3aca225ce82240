/* SPDX-License-Identifier: MIT
 *
 * The proxy as a victim's way to its resolver: one listener, of UDP and of TCP
 * at the same address. Each question becomes a flow of its own, with an id and
 * a port of its own towards the resolver, which is asked in the way in which
 * the victim asked. Hooks see the question, and then what the resolver says. */
#ifndef PROXY_DNS_RELAY_H
#define PROXY_DNS_RELAY_H

#include "certs/err.h"
#include "proxy/way.h"

struct dns_relay;
struct worker;

enum {
    DNS_QUERIES_MOST = 512,  /* under way at a time */
    DNS_VISITORS_MOST = 128, /* TCP connections of victims */
    DNS_PATIENCE_MS = 5000,  /* with a resolver, and with an idle victim */
};

/* Serve on `worker`'s loop. The sockets are bound, not listening, and taken in
 * any case. `way` is borrowed; its target names the resolver. `on_gone` is
 * called when, after dns_relay_stop(), the last handle has closed; by then the
 * relay is freed. -1: *out is NULL, or a relay that is to be stopped. */
int dns_relay_open(struct worker *worker, const struct way_in *way,
                   int udp_take, int tcp_take, void (*on_gone)(void *context),
                   void *context, struct dns_relay **out, struct err *err);

/* At once: what is under way ends without an answer. */
void dns_relay_stop(struct dns_relay *relay);

#endif
