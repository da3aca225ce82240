/* SPDX-License-Identifier: MIT
 *
 * HELLO: what the victim speaks. When it has asked for a tunnel the server is
 * connected already, else it is known from here which one it is. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"
#include "proxy/h2_peek.h"
#include "proxy/streams.h"

#include <string.h>

/* ---- TLS ----------------------------------------------------------------- */

/* The way to the server; in a tunnel and behind STARTTLS it stands already. */
static enum relay_state after_hello(struct relay *relay)
{
    if (relay->absent.status)
        return relay_without_server(relay);
    return relay->server.open ? relay_connected(relay) : RELAY_CONNECT;
}

static enum hook_act ask_hello(const struct hook *hook, struct relay *relay,
                               void *about)
{
    return hook->on_hello ? hook->on_hello(hook->config, &relay->flow, about)
                          : HOOK_PASS;
}

/* May the victim have this protocol? */
static bool may_choose(const struct relay *relay, struct alpn_name alpn)
{
    const struct proxy_options *options = options_of(relay);
    bool h2 = options->h2 == PROXY_H2_BOTH || options->h2 == PROXY_H2_VICTIM;
    return policy_speaks(&options->terms.victim, alpn) &&
           (h2 || !alpn_is(alpn, "h2"));
}

static int keep_alpn(struct relay *relay, const struct hello *hello)
{
    struct alpn_name name;
    uint8_t *kept = hello->alpn.len
                        ? arena_alloc(&relay->flow.arena, hello->alpn.len)
                        : NULL;
    size_t len = 0;
    for (size_t at = 0; kept && alpn_next(hello->alpn, &at, &name);) {
        if (!may_choose(relay, name))
            continue;
        memcpy(kept + len, name.bytes - 1, 1U + name.len);
        len += 1U + name.len;
    }
    relay->alpn = (struct alpn_list){kept, len};
    return hello->alpn.len && !kept ? -1 : 0;
}

static int note_hello(struct relay *relay, const struct hello *hello,
                      size_t len)
{
    struct flow *flow = &relay->flow;
    flow->tls = true;
    relay->wants_staple = hello->status_request;
    facts_hello(&relay->victim, hello, len);
    if (keep_alpn(relay, hello))
        return -1;
    if (!*hello->server_name)
        return 0;
    relay->sni = arena_text(&flow->arena, hello->server_name);
    flow->server_name = relay->sni;
    return relay->sni ? 0 : -1;
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
    return act == HOOK_WAIT ? RELAY_HELLO : after_hello(relay);
}

/* ---- what else ----------------------------------------------------------- */

static enum relay_state hello_http(struct relay *relay)
{
    ssize_t len = exchange_peek(&relay->exchange);
    if (len < 0)
        return relay_over(relay, FLOW_REFUSED);
    return len ? after_hello(relay) : RELAY_HELLO;
}

/* What does the victim speak? -1: not known yet. */
static int guess_protocol(struct relay *relay)
{
    const struct target *upstream = way_target(relay->way);
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
    const struct target *upstream = way_target(relay->way);
    if (relay->server.open)
        return false;
    if (upstream)
        return upstream->protocol == TARGET_RAW && !upstream->tls;
    return way_takes_over(relay->way) &&
           starttls_by_port(address_port(&relay->flow.listener));
}

/* Both agreed on TLS, and then the victim says something else. */
static enum relay_state broken_promise(struct relay *relay)
{
    facts_refused(&relay->victim, "RFC 8446 5.1",
                  "after STARTTLS the victim did not begin TLS", 0, 400);
    return relay_cut(relay, FLOW_FAILED);
}

/* Nothing but a request will say where this goes. */
static bool must_be_named(const struct relay *relay)
{
    return !way_target(relay->way) && !way_takes_over(relay->way) &&
           !relay->asked;
}

/* False: the request that names the server is still to come. */
static bool learn_authority(struct relay *relay)
{
    const struct buf *in = &relay->victim.in;
    char name[H2_PEEK_NAME];
    int there = h2_peek_authority(buf_head(in), buf_len(in), name);
    if (there > 0)
        relay->authority = arena_text(&relay->flow.arena, name);
    return there || buf_len(in) >= HELLO_MOST;
}

/* HTTP/2 at once, by prior knowledge (RFC 9113 3.3)? -1: not known yet. */
static int speaks_h2(struct relay *relay)
{
    const struct buf *in = &relay->victim.in;
    int h2 = options_of(relay)->h2 == PROXY_H2_OFF
                 ? 0
                 : streams_looks_like_h2(buf_head(in), buf_len(in));
    relay->unnamed = h2 > 0 && must_be_named(relay) && !learn_authority(relay);
    if (relay->unnamed)
        return -1;
    if (h2 > 0) {
        relay->victim_h2 = true;
        relay->protocol = TARGET_HTTP;
    }
    return h2;
}

/* It will not be named: that is said in HTTP/2. */
enum relay_state relay_hello_late(struct relay *relay)
{
    relay->unnamed = false;
    relay->victim_h2 = true;
    relay->protocol = TARGET_HTTP;
    return RELAY_CONNECT;
}

/* No room for it. Silence tells nobody how to say so: the victim has a moment
 * to show what it speaks, and TLS hears an alert, HTTP a 503, others the end
 * of the connection. */
enum relay_state relay_turn_away(struct relay *relay)
{
    static const char sentence[] = "too many connections";
    const struct buf *in = &relay->victim.in;
    if (!buf_len(in) && !relay->victim.fin_in)
        return relay->state;
    relay->flow.tls = hello_looks_like_tls(buf_head(in), buf_len(in));
    int protocol = guess_protocol(relay);
    relay_note_trouble(relay, sentence);
    if (relay->flow.tls)
        return relay_fail(relay, 503, SSL_AD_INTERNAL_ERROR, sentence);
    if (protocol == TARGET_HTTP)
        exchange_answer(&relay->exchange, 503, sentence);
    return relay_over(relay, FLOW_REFUSED);
}

/* In a tunnel nobody has to speak: the server may, or the victim may leave.
 * Where TLS was promised, it is the victim's turn. */
static enum relay_state hello_silent(struct relay *relay)
{
    const struct end *server = &relay->server;
    bool ended = relay->victim.fin_in;
    if (!server->open || relay->target.tls)
        return ended ? RELAY_CLOSING : RELAY_HELLO;
    if (!ended && !buf_len(&server->in) && !server->fin_in)
        return RELAY_HELLO;
    relay->protocol = TARGET_RAW;
    return relay_connected(relay);
}

/* A first word that has begun must end. */
static void time_first_word(struct relay *relay)
{
    if (relay->head_pending || (!relay->server.open && !relay->absent.status))
        return;
    relay_wait(relay, relay_head_ms(relay));
    relay->head_pending = true;
}

enum relay_state relay_step_hello(struct relay *relay)
{
    const struct end *victim = &relay->victim;
    if (relay->turned_away)
        return server_speaks_first(relay) ? relay_over(relay, FLOW_REFUSED)
                                          : relay_turn_away(relay);
    if (server_speaks_first(relay)) {
        relay->protocol = TARGET_RAW;
        return RELAY_CONNECT;
    }
    size_t len = buf_len(&victim->in);
    if (!len)
        return hello_silent(relay);
    time_first_word(relay);
    if (hello_looks_like_tls(buf_head(&victim->in), len)) {
        relay->flow.sealed = !relay->worker->leaves || relay->way->pass_tls;
        return hello_tls(relay);
    }
    if (relay->server.open && relay->target.tls)
        return broken_promise(relay);
    int h2 = speaks_h2(relay);
    if (h2)
        return h2 > 0           ? after_hello(relay)
               : victim->fin_in ? RELAY_CLOSING
                                : RELAY_HELLO;
    int protocol = guess_protocol(relay);
    if (protocol < 0)
        return victim->fin_in ? RELAY_CLOSING : RELAY_HELLO;
    relay->protocol = (enum target_protocol)protocol;
    return protocol == TARGET_HTTP ? hello_http(relay) : after_hello(relay);
}
