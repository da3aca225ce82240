/* SPDX-License-Identifier: MIT
 *
 * HELLO and CONNECT: what the victim speaks, which server it wants, and the
 * way there. */
#include "proxy/relay_parts.h"

#include "proxy/base/dial_loop.h"
#include "proxy/facts.h"
#include "proxy/streams.h"

#include <stdio.h>
#include <string.h>

/* ---- HELLO --------------------------------------------------------------- */

static enum hook_act ask_hello(const struct hook *hook, struct relay *relay,
                               void *about)
{
    return hook->on_hello ? hook->on_hello(hook->config, &relay->flow, about)
                          : HOOK_PASS;
}

/* May the victim have this protocol? */
static bool may_choose(const struct relay *relay, const char *alpn)
{
    const struct proxy_options *options = options_of(relay);
    bool h2 = options->h2 == PROXY_H2_BOTH || options->h2 == PROXY_H2_VICTIM;
    return policy_speaks(&options->terms.victim, alpn) &&
           (h2 || strcmp(alpn, "h2"));
}

static void keep_alpn(struct relay *relay, const struct hello *hello)
{
    for (unsigned i = 0; i < hello->alpn_count; i++)
        if (may_choose(relay, hello->alpn[i]))
            memcpy(relay->alpn[relay->alpn_count++], hello->alpn[i],
                   sizeof hello->alpn[i]);
}

static int note_hello(struct relay *relay, const struct hello *hello,
                      size_t len)
{
    struct flow *flow = &relay->flow;
    flow->tls = true;
    relay->wants_staple = hello->status_request;
    facts_hello(&relay->victim, hello, len);
    keep_alpn(relay, hello);
    if (!*hello->server_name)
        return 0;
    relay->sni = arena_text(&flow->arena, hello->server_name);
    flow->server_name = relay->sni;
    return relay->sni ? 0 : -1;
}

/* Behind STARTTLS the way to the server stands already. */
static enum relay_state go_to_server(struct relay *relay)
{
    if (!relay->server.open)
        return RELAY_CONNECT;
    return relay_lets_pass(relay) ? RELAY_STREAM : RELAY_SERVER_TLS;
}

static enum relay_state hello_tls(struct relay *relay)
{
    struct buf *in = &relay->victim.in;
    struct hello hello;
    const char *why = "";
    ssize_t used = hello_read(buf_head(in), buf_len(in),
                              relay->worker->hello_scratch, &hello, &why);
    if (used == 0)
        return relay->victim.fin_in ? relay_cut(relay, FLOW_DONE) : RELAY_HELLO;
    if (used < 0) {
        relay->flow.tls = true;
        facts_refused(&relay->victim, "RFC 8446 4.1.2", why, 0, 400);
        return relay_fail(relay, 400, SSL3_AD_ILLEGAL_PARAMETER, why);
    }
    if (!relay->flow.tls && note_hello(relay, &hello, (size_t)used))
        return relay_cut(relay, FLOW_FAILED);
    relay->shown_leg = LEG_VICTIM;
    relay->shown_at = end_input_at(&relay->victim);
    relay->shown_len = (uint64_t)used;
    enum hook_act act = ask_hooks(relay, &relay->asks[0], ask_hello, &hello);
    relay->shown_leg = LEG_NONE;
    if (act == HOOK_CUT)
        return relay_cut(relay, FLOW_CUT);
    return act == HOOK_WAIT ? RELAY_HELLO : go_to_server(relay);
}

static enum relay_state hello_http(struct relay *relay)
{
    switch (exchange_peek(&relay->exchange)) {
    case 0:
        return RELAY_HELLO;
    case 1:
        return RELAY_CONNECT;
    default:
        return relay_over(relay, FLOW_REFUSED);
    }
}

/* What does the victim speak? -1: not known yet. */
static int guess_protocol(struct relay *relay)
{
    const struct target *upstream = options_of(relay)->upstream;
    const struct buf *in = &relay->victim.in;
    if (relay->protocol != TARGET_GUESS)
        return relay->protocol;
    if (upstream && upstream->protocol != TARGET_GUESS)
        return upstream->protocol;
    int http = target_looks_like_http(buf_head(in), buf_len(in));
    return http < 0 ? -1 : http ? TARGET_HTTP : TARGET_RAW;
}

/* On the way to tcp://, and to whatever begins in clear, servers may speak
 * first: nothing is looked at. */
static bool server_speaks_first(const struct relay *relay)
{
    const struct target *upstream = options_of(relay)->upstream;
    if (relay->server.open)
        return false;
    if (upstream)
        return upstream->protocol == TARGET_RAW && !upstream->tls;
    return options_of(relay)->transparent &&
           starttls_by_port(address_port(&relay->flow.listener));
}

/* Both agreed on TLS, and then the victim says something else. */
static enum relay_state broken_promise(struct relay *relay)
{
    facts_refused(&relay->victim, "RFC 8446 5.1",
                  "after STARTTLS the victim did not begin TLS", 0, 400);
    return relay_cut(relay, FLOW_FAILED);
}

/* HTTP/2 at once, by prior knowledge (RFC 9113 3.3)? -1: not known yet. */
static int speaks_h2(struct relay *relay)
{
    const struct buf *in = &relay->victim.in;
    int h2 = options_of(relay)->h2 == PROXY_H2_OFF
                 ? 0
                 : streams_looks_like_h2(buf_head(in), buf_len(in));
    if (h2 > 0) {
        relay->victim_h2 = true;
        relay->protocol = TARGET_HTTP;
    }
    return h2;
}

enum relay_state relay_step_hello(struct relay *relay)
{
    const struct end *victim = &relay->victim;
    if (server_speaks_first(relay)) {
        relay->protocol = TARGET_RAW;
        return RELAY_CONNECT;
    }
    size_t len = buf_len(&victim->in);
    if (!len)
        return victim->fin_in ? RELAY_CLOSING : RELAY_HELLO;
    if (hello_looks_like_tls(buf_head(&victim->in), len)) {
        relay->flow.sealed = !relay->worker->leaves;
        return hello_tls(relay);
    }
    if (relay->server.open)
        return broken_promise(relay);
    int h2 = speaks_h2(relay);
    if (h2)
        return h2 > 0           ? RELAY_CONNECT
               : victim->fin_in ? RELAY_CLOSING
                                : RELAY_HELLO;
    int protocol = guess_protocol(relay);
    if (protocol < 0)
        return victim->fin_in ? RELAY_CLOSING : RELAY_HELLO;
    relay->protocol = (enum target_protocol)protocol;
    return protocol == TARGET_HTTP ? hello_http(relay) : RELAY_CONNECT;
}

/* ---- CONNECT ------------------------------------------------------------- */

/* Without an operator's word and without transparency, the victim's own. */
static int target_as_named(struct relay *relay, struct err *err)
{
    const struct flow *flow = &relay->flow;
    const struct http1_head *head = &relay->worker->head;
    int port = address_port(&flow->listener);
    const char *name = flow->server_name;
    size_t len = name ? strlen(name) : 0;
    if (!flow->tls && relay->protocol == TARGET_HTTP && !relay->victim_h2) {
        name = (const char *)buf_head(&relay->victim.in) + head->host.at;
        len = head->host.len;
    }
    relay->target.tls = flow->tls;
    if (len && !target_from_host(name, len, port, &relay->target))
        return 0;
    err_set(err, relay->victim_h2
                     ? "HTTP/2 without TLS names its server in frames that "
                       "come later; this proxy needs an upstream for it"
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

/* Would we connect to ourselves? On the way to an address of its own a host
 * takes that same address as its source. */
static bool is_ourselves(const struct relay *relay)
{
    const struct flow *flow = &relay->flow;
    if (options_of(relay)->transparent)
        return same_host(&flow->victim, &flow->listener);
    return address_port(&flow->server) == address_port(&flow->listener) &&
           (same_host(&flow->server, &flow->listener) ||
            is_any_host(&flow->server));
}

/* Fill in target and flow.server. */
static int find_server(struct relay *relay, struct err *err)
{
    const struct proxy_options *options = options_of(relay);
    struct flow *flow = &relay->flow;
    if (options->upstream) {
        relay->target = *options->upstream;
    } else if (options->transparent) {
        flow->server = flow->listener;
        relay->target.tls = flow->tls;
        if (!flow->tls)
            relay->target.starttls =
                starttls_by_port(address_port(&flow->listener));
    } else if (target_as_named(relay, err)) {
        return -1;
    }
    if (!flow->server.any.sa_family &&
        dial_resolve(relay->target.host, relay->target.port, &flow->server,
                     err))
        return -1;
    if (!is_ourselves(relay))
        return 0;
    err_set(err, "the server that the victim wants is this proxy itself");
    return -1;
}

static void on_connect(uv_connect_t *request, int status)
{
    struct relay *relay = request->data;
    relay->connect_status = status;
    relay_advance(relay);
}

static void learn_server_name(struct relay *relay)
{
    struct flow *flow = &relay->flow;
    const struct http1_head *head = &relay->worker->head;
    if (flow->server_name)
        return;
    if (*relay->target.host)
        flow->server_name = arena_text(&flow->arena, relay->target.host);
    else if (relay->protocol == TARGET_HTTP && !relay->victim_h2 &&
             head->host.len)
        flow->server_name = arena_copy(
            &flow->arena, buf_head(&relay->victim.in) + head->host.at,
            head->host.len);
}

void relay_begin_connect(struct relay *relay)
{
    struct err err = ERR_INIT;
    relay->connect_status = UV_EAI_NONAME;
    relay_wait(relay, relay_ms(options_of(relay)->connect_ms, CONNECT_MS));
    if (find_server(relay, &err)) {
        relay->refusal = arena_text(&relay->flow.arena, err.text);
        return;
    }
    learn_server_name(relay);
    relay->connect.data = relay;
    if (end_open(&relay->server, relay, LEG_SERVER))
        return;
    relay->connect_status = 1;
    if (dial_start(&relay->connect, &relay->server.tcp, &relay->flow.server,
                   on_connect, &err)) {
        relay->refusal = arena_text(&relay->flow.arena, err.text);
        relay->connect_status = UV_ECONNREFUSED;
    }
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
    facts_unreachable(relay, reason);
    return relay_fail(relay, status == UV_ETIMEDOUT ? 504 : 502,
                      relay->refusal ? SSL_AD_UNRECOGNIZED_NAME
                                     : SSL3_AD_HANDSHAKE_FAILURE,
                      reason);
}

enum relay_state relay_step_connect(struct relay *relay)
{
    struct end *server = &relay->server;
    int len = sizeof relay->flow.local;
    if (relay->connect_status > 0)
        return RELAY_CONNECT;
    if (relay->connect_status < 0)
        return relay_unreachable(relay, relay->connect_status);
    uv_tcp_getsockname(&server->tcp, &relay->flow.local.any, &len);
    end_ready(server);
    facts_opened(server);
    if (relay->target.starttls && relay_may_change(relay))
        return relay_cut(relay, FLOW_FAILED);
    if (relay_lets_pass(relay))
        return RELAY_STREAM;
    if (relay->target.tls)
        return RELAY_SERVER_TLS;
    return relay->flow.tls ? RELAY_VICTIM_TLS : RELAY_STREAM;
}
