/* SPDX-License-Identifier: MIT
 *
 * CONNECT: which server it is, and the way there. A name may have several
 * addresses, and a victim that asks a proxy may go from server to server. */
#include "proxy/relay_parts.h"

#include "proxy/base/dial_loop.h"
#include "proxy/facts.h"
#include "proxy/intercept.h"

#include <stdio.h>
#include <string.h>

/* ---- which one ----------------------------------------------------------- */

/* Without an operator's word and without transparency, the victim's own. */
static int target_as_named(struct relay *relay, struct err *err)
{
    const struct flow *flow = &relay->flow;
    const struct http1_head *head = &relay->worker->head;
    int port = relay_port(relay);
    const char *name = flow->server_name;
    size_t len = name ? strlen(name) : 0;
    if (!flow->tls && relay->protocol == TARGET_HTTP && !relay->victim_h2 &&
        !relay->http_begun) {
        name = (const char *)buf_head(&relay->victim.in) + head->host.at;
        len = head->host.len;
    }
    if (relay->victim_h2) {
        name = relay->authority;
        len = name ? strlen(name) : 0;
    }
    relay->target.tls = flow->tls;
    if (len && !target_from_host(name, len, port, &relay->target))
        return 0;
    err_set(err, relay->victim_h2
                     ? "HTTP/2 without TLS names its server in its first "
                       "request, which did not come; for a victim that waits "
                       "for the server's word before, give the proxy "
                       "--upstream"
                     : "the victim named no server");
    return -1;
}

/* As IPv6 writes it, so that ::ffff:127.0.0.1 is 127.0.0.1 (RFC 4291
 * 2.5.5.2). */
static struct in6_addr host_bytes(const union address *address)
{
    struct in6_addr bytes = {{{[10] = 0xff, [11] = 0xff}}};
    if (address->any.sa_family == AF_INET6)
        return address->v6.sin6_addr;
    memcpy(&bytes.s6_addr[12], &address->v4.sin_addr, 4);
    return bytes;
}

static bool same_host(const union address *a, const union address *b)
{
    struct in6_addr one = host_bytes(a), other = host_bytes(b);
    return IN6_ARE_ADDR_EQUAL(&one, &other);
}

/* 0.0.0.0 and :: are whatever address this host has. */
static bool is_any_host(const union address *address)
{
    static const union address none = {.v4 = {.sin_family = AF_INET}};
    return same_host(address, &none) ||
           (address->any.sa_family == AF_INET6 &&
            IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr));
}

static bool is_loopback(const union address *address)
{
    struct in6_addr host = host_bytes(address);
    return IN6_IS_ADDR_LOOPBACK(&host) ||
           (IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == 127);
}

/* Does a connection to `server` come in here? A listener of all addresses is
 * met at those that we know to be this host's. */
static bool leads_to(const struct way_in *way, const struct flow *flow)
{
    const union address *server = &flow->server;
    if (address_port(server) != address_port(&way->address))
        return false;
    return same_host(server, &way->address) || is_any_host(server) ||
           (is_any_host(&way->address) &&
            (same_host(server, &flow->listener) || is_loopback(server)));
}

/* Would we connect to ourselves? Whoever is taken over meant another host; if
 * not, a host on the way to an address of its own takes that same address as
 * its source, unless it is given another one. */
static bool is_ourselves(const struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    const struct flow *flow = &relay->flow;
    if (relay->way->mode == WAY_KEEP && !relay->sent_to)
        return intercept_is_own(&flow->server);
    if (relay->way->mode == WAY_TRANSPARENT && !relay->sent_to)
        return same_host(&flow->peer, &flow->listener);
    for (unsigned i = 0; i < options->ways_count; i++)
        if (leads_to(&options->ways[i], flow))
            return true;
    return false;
}

/* Fill in target and flow.server. */
static int find_server(struct relay *relay, struct err *err)
{
    const struct target *upstream = way_target(relay->way);
    struct flow *flow = &relay->flow;
    flow->server.any.sa_family = 0;
    if (relay->sent_to) {
        /* Nobody else is asked. */
    } else if (upstream) {
        relay->target = *upstream;
    } else if (way_takes_over(relay->way)) {
        flow->server = flow->listener;
        relay->target.tls = flow->tls;
        if (!flow->tls)
            relay->target.starttls =
                starttls_by_port(address_port(&flow->listener));
    } else if (!relay->asked && !*relay->target.host &&
               target_as_named(relay, err)) {
        return -1;
    }
    if (!flow->server.any.sa_family &&
        dial_resolve_nth(relay_target(relay)->host, relay_target(relay)->port,
                         relay->server_index, &flow->server, err))
        return -1;
    relay->forbidden = dial_check(&flow->server, err);
    if (relay->forbidden)
        return -1;
    relay->forbidden = is_ourselves(relay);
    if (relay->forbidden)
        err_set(err, "the server that %s is this proxy itself",
                relay->sent_to ? "a rule sends this to" : "the victim wants");
    return relay->forbidden ? -1 : 0;
}

/* ---- the way there ------------------------------------------------------- */

static void on_connect(uv_write_t *request, int status)
{
    struct relay *relay = request->data;
    if (relay->server.closing)
        return; /* it was given up */
    relay->connect_status = status;
    if (status == UV_ECONNREFUSED)
        wire_refused(&relay->server.link);
    relay_advance(relay);
}

static void learn_server_name(struct relay *relay)
{
    struct flow *flow = &relay->flow;
    const struct http1_head *head = &relay->worker->head;
    if (flow->server_name && relay->asked != ASKED_URL)
        return;
    if (*relay->target.host)
        flow->server_name = arena_text(&flow->arena, relay->target.host);
    else if (relay->protocol == TARGET_HTTP && !relay->victim_h2 &&
             !relay->http_begun && head->host.len)
        flow->server_name = arena_copy(
            &flow->arena, buf_head(&relay->victim.in) + head->host.at,
            head->host.len);
}

/* False: the one before has not gone yet. */
static bool server_is_fresh(struct relay *relay)
{
    relay_leave_server(relay);
    relay->server_going = relay->server.closing;
    return !relay->server_going;
}

int relay_dial(struct relay *relay, struct end *server, uv_write_cb on_connect,
               int *out_status, struct err *err)
{
    if (relay->way->mode == WAY_KEEP &&
        intercept_take_source(&server->tcp, &relay->flow.peer, err))
        return -1;
    if (dial_at_once(&server->write, &server->tcp, &relay->flow.server,
                     on_connect, out_status, err))
        return -1;
    end_record_dial(server);
    if (*out_status == UV_ECONNREFUSED)
        wire_refused(&server->link);
    return 0;
}

static void refuse_with(struct relay *relay, const struct err *err)
{
    relay->refusal = arena_text(&relay->flow.arena, err->text);
}

void relay_begin_connect(struct relay *relay)
{
    struct err err = ERR_INIT;
    bool fresh = server_is_fresh(relay);
    relay->connect_status = fresh ? UV_EAI_NONAME : DIAL_UNDER_WAY;
    relay->refusal = NULL;
    relay->forbidden = false;
    relay->server_alert = -1;
    relay_forget_absence(relay);
    relay_wait(relay, relay_ms(options_of(relay)->connect_ms, CONNECT_MS));
    if (!fresh)
        return;
    if (find_server(relay, &err)) {
        refuse_with(relay, &err);
    } else if (!end_open(&relay->server, relay, LEG_SERVER)) {
        learn_server_name(relay);
        relay->server.write.data = relay;
        if (relay_dial(relay, &relay->server, on_connect,
                       &relay->connect_status, &err)) {
            refuse_with(relay, &err);
            relay->connect_status = UV_ECONNREFUSED;
        }
    }
    relay_advance(relay);
}

/* A server of the lab may listen on one of its addresses only (RFC 8305 5
 * would try them side by side; here the order is part of the lab). */
bool relay_tries_next(struct relay *relay)
{
    struct err ignored = ERR_INIT;
    union address next;
    if (relay->refusal || !*relay_target(relay)->host ||
        dial_resolve_nth(relay_target(relay)->host, relay_target(relay)->port,
                         relay->server_index + 1, &next, &ignored))
        return false;
    relay->server_index++;
    relay_begin_connect(relay);
    return true;
}

enum relay_state relay_unreachable(struct relay *relay, int status)
{
    char address[ADDRESS_TEXT], reason[512];
    address_text(&relay->flow.server, address);
    if (relay->refusal)
        snprintf(reason, sizeof reason, "%s", relay->refusal);
    else
        snprintf(reason, sizeof reason, "the server at %s: %s", address,
                 uv_strerror(status));
    facts_unreachable(&relay->server, reason);
    int alert =
        relay->refusal ? SSL_AD_UNRECOGNIZED_NAME : SSL3_AD_HANDSHAKE_FAILURE;
    /* No hook has a say in what is outside of the walls. */
    if (relay->forbidden && !relay->streams)
        return relay_fail(relay, 403, alert, reason);
    return relay_absent(relay, status == UV_ETIMEDOUT ? 504 : 502, alert,
                        reason);
}

enum relay_state relay_connected(struct relay *relay)
{
    relay->head_pending = false;
    /* What the victim asked a proxy for did not say whether it is TLS. */
    if (relay->asked == ASKED_GRANTED)
        relay->target.tls = relay->flow.tls;
    if (relay->http_begun)
        return relay_target(relay)->tls ? RELAY_SERVER_TLS : RELAY_STREAM;
    if (relay->target.starttls && relay_may_change(relay))
        return relay_cut(relay, FLOW_FAILED);
    if (relay_lets_pass(relay))
        return RELAY_STREAM;
    if (relay->target.tls)
        return RELAY_SERVER_TLS;
    return relay->flow.tls ? RELAY_VICTIM_TLS : RELAY_STREAM;
}

enum relay_state relay_step_connect(struct relay *relay)
{
    struct end *server = &relay->server;
    int len = sizeof relay->flow.local;
    if (relay->connect_status > 0)
        return RELAY_CONNECT;
    if (relay->connect_status < 0)
        return relay_tries_next(relay)
                   ? RELAY_CONNECT
                   : relay_unreachable(relay, relay->connect_status);
    uv_tcp_getsockname(&server->tcp, &relay->flow.local.any, &len);
    end_ready(server);
    end_record(server, 0);
    facts_opened(server);
    relay_introduce(server);
    return relay->asked == ASKED_TUNNEL ? relay_grant(relay)
                                        : relay_connected(relay);
}
