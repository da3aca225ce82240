/* SPDX-License-Identifier: MIT */
#include "proxy/dns_parts.h"

#include "proxy/event.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 128, UNSENT_MOST = 4 * (DNS_MOST + 2) };

/* ---- the end ------------------------------------------------------------- */

void dns_relay_release(struct dns_relay *relay)
{
    if (--relay->handles)
        return;
    void (*on_gone)(void *context) = relay->on_gone;
    void *context = relay->context;
    free(relay);
    on_gone(context);
}

static void on_own_closed(uv_handle_t *handle)
{
    dns_relay_release(handle->data);
}

/* ---- visitors ------------------------------------------------------------ */

static void on_visitor_closed(uv_handle_t *handle)
{
    struct dns_visitor *visitor = handle->data;
    struct dns_relay *relay = visitor->relay;
    if (!--visitor->handles) {
        buf_free(&visitor->in);
        free(visitor);
    }
    dns_relay_release(relay);
}

static void close_visitor(struct dns_visitor *visitor)
{
    if (visitor->over)
        return;
    visitor->over = true;
    *visitor->link = visitor->next;
    if (visitor->next)
        visitor->next->link = visitor->link;
    visitor->relay->visitors_count--;
    struct dns_query *next;
    for (struct dns_query *it = visitor->relay->queries; it; it = next) {
        next = it->next;
        if (it->visitor != visitor)
            continue;
        it->visitor = NULL;
        dns_query_end(it);
    }
    uv_close((uv_handle_t *)&visitor->tcp, on_visitor_closed);
    uv_close((uv_handle_t *)&visitor->idle, on_visitor_closed);
}

static void on_idle(uv_timer_t *timer)
{
    struct dns_visitor *visitor = timer->data;
    if (visitor->queries)
        uv_timer_again(timer); /* theirs end first */
    else
        close_visitor(visitor);
}

void dns_visitor_done(struct dns_visitor *visitor)
{
    visitor->queries--;
    if (visitor->ended && !visitor->queries && !visitor->over &&
        !uv_stream_get_write_queue_size((uv_stream_t *)&visitor->tcp))
        close_visitor(visitor);
}

/* All whole messages that have come. -1: nonsense. */
static int take_messages(struct dns_visitor *visitor)
{
    struct buf *in = &visitor->in;
    ssize_t used = 0;
    while (!visitor->over &&
           (used = dns_frame(buf_head(in), buf_len(in))) > 0) {
        struct dns_place place = {visitor->in_at, (uint64_t)used};
        int rc = dns_query_take(visitor->relay, visitor, &visitor->address,
                                buf_head(in) + 2, (size_t)used - 2, &place);
        if (rc)
            return -1;
        buf_consume(in, (size_t)used);
        visitor->in_at += (uint64_t)used;
    }
    return visitor->over || used < 0 ? -1 : 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct dns_visitor *visitor = handle->data;
    (void)suggested;
    out->base = (char *)buf_reserve(&visitor->in, 4096);
    out->len = out->base ? 4096 : 0;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct dns_visitor *visitor = stream->data;
    (void)buf;
    if (visitor->over || !got)
        return;
    if (got == UV_EOF && visitor->queries) {
        visitor->ended = true; /* RFC 7766 6.2.4: answers may still come */
        uv_read_stop(stream);
        return;
    }
    if (got > 0) {
        buf_filled(&visitor->in, (size_t)got);
        uv_timer_again(&visitor->idle);
    }
    if (got < 0 || take_messages(visitor))
        close_visitor(visitor);
}

static struct dns_visitor *visitor_new(struct dns_relay *relay)
{
    struct dns_visitor *visitor = calloc(1, sizeof *visitor);
    if (!visitor)
        return NULL;
    visitor->relay = relay;
    uv_tcp_init(relay->worker->loop, &visitor->tcp);
    uv_timer_init(relay->worker->loop, &visitor->idle);
    visitor->tcp.data = visitor->idle.data = visitor;
    visitor->handles = 2;
    relay->handles += 2;
    visitor->next = relay->visitors;
    visitor->link = &relay->visitors;
    if (visitor->next)
        visitor->next->link = &visitor->next;
    relay->visitors = visitor;
    relay->visitors_count++;
    return visitor;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dns_relay *relay = listener->data;
    struct dns_visitor *visitor = status ? NULL : visitor_new(relay);
    int len = sizeof visitor->address;
    if (!visitor) {
        if (!status)
            relay->worker->drop(relay->worker, listener);
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&visitor->tcp) ||
        relay->visitors_count > DNS_VISITORS_MOST ||
        uv_tcp_getpeername(&visitor->tcp, &visitor->address.any, &len) ||
        uv_read_start((uv_stream_t *)&visitor->tcp, on_alloc, on_read))
        close_visitor(visitor);
    else
        uv_timer_start(&visitor->idle, on_idle, DNS_PATIENCE_MS,
                       DNS_PATIENCE_MS);
}

/* ---- to a victim --------------------------------------------------------- */

struct sending {
    uv_write_t write;
    struct dns_visitor *visitor;
    uint8_t bytes[];
};

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = (struct sending *)write;
    struct dns_visitor *visitor = sending->visitor;
    free(sending);
    if (status || (visitor->ended && !visitor->queries))
        close_visitor(visitor);
}

static int send_framed(struct dns_visitor *visitor, const uint8_t *bytes,
                       size_t len, uint64_t *out_at)
{
    uv_stream_t *stream = (uv_stream_t *)&visitor->tcp;
    struct sending *sending = malloc(sizeof *sending + 2 + len);
    if (!sending)
        return -1;
    sending->visitor = visitor;
    sending->bytes[0] = (uint8_t)(len >> 8);
    sending->bytes[1] = (uint8_t)len;
    memcpy(sending->bytes + 2, bytes, len);
    uv_buf_t buf = uv_buf_init((char *)sending->bytes, (unsigned)(2 + len));
    if (uv_stream_get_write_queue_size(stream) > UNSENT_MOST ||
        uv_write(&sending->write, stream, &buf, 1, on_sent)) {
        free(sending);
        return -1;
    }
    *out_at = visitor->out_at;
    visitor->out_at += 2 + len;
    uv_timer_again(&visitor->idle);
    return 0;
}

int dns_relay_send(struct dns_query *query, const uint8_t *bytes, size_t len,
                   uint64_t *out_at)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
    *out_at = 0;
    if (len > DNS_MOST)
        return -1;
    if (query->tcp)
        return query->visitor ? send_framed(query->visitor, bytes, len, out_at)
                              : -1;
    return uv_udp_try_send(&query->relay->udp, &buf, 1,
                           &query->flow.victim.any) == (int)len
               ? 0
               : -1;
}

/* ---- from a victim, by UDP ----------------------------------------------- */

static void on_datagram_alloc(uv_handle_t *handle, size_t suggested,
                              uv_buf_t *out)
{
    struct dns_relay *relay = handle->data;
    (void)suggested;
    *out = uv_buf_init((char *)relay->datagram, sizeof relay->datagram);
}

static void on_datagram(uv_udp_t *udp, ssize_t got, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct dns_relay *relay = udp->data;
    union address victim = {0};
    (void)flags;
    if (got < 0 || !from || relay->stopping)
        return;
    memcpy(&victim, from,
           from->sa_family == AF_INET6 ? sizeof victim.v6 : sizeof victim.v4);
    (void)dns_query_take(relay, NULL, &victim, (const uint8_t *)buf->base,
                         (size_t)got, NULL);
}

/* ---- the beginning ------------------------------------------------------- */

/* A resolver that is ourselves would be asked for ever. */
static int find_resolver(struct dns_relay *relay, struct err *err)
{
    const struct proxy_options *options = relay->worker->options;
    const struct target *target = &relay->way->target;
    union address *resolver = &relay->resolver;
    if (dial_resolve(target->host, target->port, resolver, err) ||
        dial_check(resolver, err))
        return -1;
    for (unsigned i = 0; i < options->ways_count; i++) {
        const union address *own = &options->ways[i].address;
        if (own->any.sa_family != resolver->any.sa_family ||
            memcmp(own, resolver, address_len(own)))
            continue;
        err_code(err, EXIT_USAGE,
                 "the resolver dns://%s:%d is this listener itself; name "
                 "another one",
                 target->host, target->port);
        return -1;
    }
    return 0;
}

static int start(struct dns_relay *relay, int *udp, int *tcp)
{
    int rc = uv_udp_open(&relay->udp, *udp);
    if (rc)
        return rc;
    *udp = -1;
    rc = uv_tcp_open(&relay->tcp, *tcp);
    if (rc)
        return rc;
    *tcp = -1;
    rc = uv_udp_recv_start(&relay->udp, on_datagram_alloc, on_datagram);
    return rc ? rc
              : uv_listen((uv_stream_t *)&relay->tcp, BACKLOG, on_connection);
}

int dns_relay_open(struct worker *worker, const struct way_in *way,
                   int udp_take, int tcp_take, void (*on_gone)(void *context),
                   void *context, struct dns_relay **out, struct err *err)
{
    int rc = -1;
    *out = NULL;
    struct dns_relay *relay = calloc(1, sizeof *relay);
    if (relay) {
        *relay = (struct dns_relay){.worker = worker,
                                    .way = way,
                                    .on_gone = on_gone,
                                    .context = context};
    } else {
        err_set(err, "start the proxy: out of memory");
    }
    if (relay && !find_resolver(relay, err)) {
        uv_udp_init(worker->loop, &relay->udp);
        uv_tcp_init(worker->loop, &relay->tcp);
        relay->udp.data = relay->tcp.data = relay;
        relay->handles = 2;
        rc = start(relay, &udp_take, &tcp_take);
        *out = relay;
        if (rc)
            err_set(err, "listen for questions of DNS: %s", uv_strerror(rc));
    } else {
        free(relay);
    }
    if (udp_take >= 0)
        close(udp_take);
    if (tcp_take >= 0)
        close(tcp_take);
    return rc ? -1 : 0;
}

void dns_relay_stop(struct dns_relay *relay)
{
    if (relay->stopping)
        return;
    relay->stopping = true;
    while (relay->visitors)
        close_visitor(relay->visitors);
    while (relay->queries)
        dns_query_end(relay->queries);
    uv_close((uv_handle_t *)&relay->udp, on_own_closed);
    uv_close((uv_handle_t *)&relay->tcp, on_own_closed);
}
