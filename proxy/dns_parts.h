/* SPDX-License-Identifier: MIT
 *
 * What dns_relay.c (the victims' side) and dns_query.c (one question, the
 * resolver's side) share with each other only. */
#ifndef PROXY_DNS_PARTS_H
#define PROXY_DNS_PARTS_H

#include "proxy/dns.h"
#include "proxy/dns_relay.h"
#include "proxy/hook.h"
#include "proxy/worker.h"

/* A victim's connection over TCP; it goes when nothing is under way. */
struct dns_visitor {
    struct dns_relay *relay;
    struct dns_visitor *next, **link;
    uv_tcp_t tcp;
    uv_timer_t idle;
    union address address;
    struct buf in;
    uint64_t in_at, out_at; /* bytes before those in `in`, and sent */
    unsigned queries, handles;
    bool ended; /* the victim asks no more */
    bool over;
};

struct dns_relay {
    struct worker *worker;
    const struct way_in *way;
    union address resolver;
    uv_udp_t udp;
    uv_tcp_t tcp;
    struct dns_visitor *visitors;
    struct dns_query *queries;
    unsigned queries_count, visitors_count, handles;
    bool stopping;
    void (*on_gone)(void *context);
    void *context;
    uint8_t datagram[DNS_MOST + 1];
};

/* One question. */
struct dns_query {
    struct dns_relay *relay;
    struct dns_query *next, **link;
    struct dns_visitor *visitor; /* NULL: it came by UDP, or who asked left */
    struct flow flow;
    bool tcp;
    struct dns_message asked;
    struct buf bytes; /* as the victim sent them */
    uint16_t id;      /* towards the resolver */
    uint64_t began;   /* on the clock of the loop */
    union {
        uv_handle_t handle;
        uv_udp_t udp;
        uv_tcp_t tcp;
    } server;
    uv_connect_t connect;
    uv_write_t write;
    struct buf out, in;
    uv_timer_t timer;
    unsigned handles;
    bool over;
};

/* Where in its TCP connection the message is; NULL: it is a datagram. */
struct dns_place {
    uint64_t at, len;
};

/* A victim says something: find out what, and see to it. -1: it is nonsense.
 * `visitor` is NULL for a datagram, which came from `victim`. */
int dns_query_take(struct dns_relay *relay, struct dns_visitor *visitor,
                   const union address *victim, const uint8_t *bytes,
                   size_t len, const struct dns_place *place);

/* Nothing more comes of it. It is freed a little later. */
void dns_query_end(struct dns_query *query);

/* Send to the victim; -1 when it cannot be reached any more. `*out_at` is
 * where in its connection the message begins. */
int dns_relay_send(struct dns_query *query, const uint8_t *bytes, size_t len,
                   uint64_t *out_at);

/* A query of this visitor is over. */
void dns_visitor_done(struct dns_visitor *visitor);

/* A handle of the relay has closed, or of what belongs to it. */
void dns_relay_release(struct dns_relay *relay);

#endif
