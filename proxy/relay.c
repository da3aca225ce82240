/* SPDX-License-Identifier: MIT
 *
 * The table of states. Callbacks note what happened; relay_advance() asks the
 * state's step what comes next; relay_enter() alone writes it. */
#include "proxy/relay.h"

#include "proxy/answer.h"
#include "proxy/facts.h"
#include "proxy/leaf.h"
#include "proxy/worker.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IDLE_MS = 120 * 1000,
    HEAD_MS = 10 * 1000,
    CONNECT_MS = 5 * 1000,
    DRAIN_MS = 2 * 1000,
    STOP_MS = 1500,
    TURNED_AWAY_MOST = 8,   /* that may hear of it at a time */
    READ_AHEAD = 16 * 1024, /* bytes of an end that wait for the other */
};

static atomic_uint_least64_t last_flow;

const char *relay_state_name(enum relay_state state)
{
    static const char *const names[] = {
#define X(name) #name,
        RELAY_STATES(X)
#undef X
    };
    return names[state];
}

static const struct proxy_options *options_of(const struct relay *relay)
{
    return relay->worker->options;
}

/* ---- time ---------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

/* The timer may be due earlier than needed, never later. */
static void relay_wait(struct relay *relay, unsigned ms)
{
    relay->deadline = uv_now(relay->worker->loop) + ms;
    if (relay->last && relay->deadline > relay->last)
        relay->deadline = relay->last;
    if (relay->timer_due && relay->timer_due <= relay->deadline)
        return;
    relay->timer_due = relay->deadline;
    uint64_t now = uv_now(relay->worker->loop);
    uv_timer_start(&relay->timer, on_timer,
                   relay->deadline > now ? relay->deadline - now : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct relay *relay = timer->data;
    uint64_t now = uv_now(relay->worker->loop);
    relay->timer_due = 0;
    if (relay->state == RELAY_CLOSING)
        return;
    if (now < relay->deadline) {
        relay_wait(relay, (unsigned)(relay->deadline - now));
        return;
    }
    relay->timed_out = true;
    relay_advance(relay);
}

static unsigned chosen(unsigned ms, unsigned otherwise)
{
    return ms ? ms : otherwise;
}

static unsigned head_ms(const struct relay *relay)
{
    return chosen(options_of(relay)->head_ms, HEAD_MS);
}

/* ---- going wrong --------------------------------------------------------- */

static enum relay_state over(struct relay *relay, enum flow_end why)
{
    if (relay->why == FLOW_DONE)
        relay->why = why;
    return RELAY_DRAIN;
}

static enum relay_state cut(struct relay *relay, enum flow_end why)
{
    if (relay->why == FLOW_DONE)
        relay->why = why;
    relay->reset = true;
    return RELAY_CLOSING;
}

static bool intercepts_tls(const struct relay *relay)
{
    return relay->flow.tls && !relay->passes_tls;
}

/* The victim cannot get what it wants from us; say so in its language. */
static enum relay_state fail(struct relay *relay, int status, int alert,
                             const char *reason)
{
    struct end *victim = &relay->victim;
    if (relay->protocol == TARGET_HTTP && !relay->flow.tls) {
        exchange_answer(&relay->exchange, status, reason);
        return over(relay, FLOW_FAILED);
    }
    if (!intercepts_tls(relay) || victim->tls.ssl)
        return cut(relay, FLOW_FAILED);
    struct buf out = {0};
    if (!tls_refuse(&out, alert)) {
        facts_tls_calls.on_alert(victim, true, SSL3_AL_FATAL, alert,
                                 victim->out_total, buf_len(&out));
        end_send(victim, buf_head(&out), buf_len(&out));
    }
    buf_free(&out);
    return over(relay, FLOW_FAILED);
}

/* ---- HELLO --------------------------------------------------------------- */

static enum hook_act ask_hello(const struct hook *hook, struct relay *relay,
                               void *about)
{
    return hook->on_hello ? hook->on_hello(hook->config, &relay->flow, about)
                          : HOOK_PASS;
}

static void keep_alpn(struct relay *relay, const struct hello *hello)
{
    for (unsigned i = 0; i < hello->alpn_count; i++)
        if (strncmp(hello->alpn[i], "h2", 2) &&
            strncmp(hello->alpn[i], "h3", 2))
            memcpy(relay->alpn[relay->alpn_count++], hello->alpn[i],
                   sizeof hello->alpn[i]);
}

static int note_hello(struct relay *relay, const struct hello *hello,
                      size_t len)
{
    struct flow *flow = &relay->flow;
    flow->tls = true;
    facts_hello(relay, hello, len);
    keep_alpn(relay, hello);
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
        return relay->victim.fin_in ? cut(relay, FLOW_DONE) : RELAY_HELLO;
    if (used < 0) {
        relay->flow.tls = true;
        facts_refused(relay, "RFC 8446 4.1.2", why, 0, 400);
        return fail(relay, 400, SSL3_AD_ILLEGAL_PARAMETER, why);
    }
    if (!relay->flow.tls && note_hello(relay, &hello, (size_t)used))
        return cut(relay, FLOW_FAILED);
    relay->shown_leg = LEG_VICTIM;
    relay->shown_at = 0;
    relay->shown_len = (uint64_t)used;
    enum hook_act act = ask_hooks(relay, &relay->asks[0], ask_hello, &hello);
    relay->shown_leg = LEG_NONE;
    if (act == HOOK_CUT)
        return cut(relay, FLOW_CUT);
    return act == HOOK_WAIT ? RELAY_HELLO : RELAY_CONNECT;
}

static enum relay_state hello_http(struct relay *relay)
{
    switch (exchange_peek(&relay->exchange)) {
    case 0:
        return RELAY_HELLO;
    case 1:
        return RELAY_CONNECT;
    default:
        return over(relay, FLOW_REFUSED);
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

static enum relay_state step_hello(struct relay *relay)
{
    const struct end *victim = &relay->victim;
    const struct target *upstream = options_of(relay)->upstream;
    /* Nothing is looked at on the way to tcp://, where servers may speak
     * first. */
    if (upstream && upstream->protocol == TARGET_RAW && !upstream->tls) {
        relay->protocol = TARGET_RAW;
        return RELAY_CONNECT;
    }
    size_t len = buf_len(&victim->in);
    if (!len)
        return victim->fin_in ? RELAY_CLOSING : RELAY_HELLO;
    if (hello_looks_like_tls(buf_head(&victim->in), len)) {
        relay->passes_tls = !relay->worker->leaves;
        return hello_tls(relay);
    }
    int protocol = guess_protocol(relay);
    if (protocol < 0)
        return victim->fin_in ? RELAY_CLOSING : RELAY_HELLO;
    relay->protocol = (enum target_protocol)protocol;
    return protocol == TARGET_HTTP ? hello_http(relay) : RELAY_CONNECT;
}

/* ---- CONNECT ------------------------------------------------------------- */

static int port_of(const union address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port
                                                    : address->v4.sin_port);
}

/* Without an operator's word and without transparency, the victim's own. */
static int target_as_named(struct relay *relay, struct err *err)
{
    const struct flow *flow = &relay->flow;
    const struct http1_head *head = &relay->worker->head;
    int port = port_of(&flow->listener);
    const char *name = flow->server_name;
    size_t len = name ? strlen(name) : 0;
    if (!flow->tls && relay->protocol == TARGET_HTTP) {
        name = (const char *)buf_head(&relay->victim.in) + head->host.at;
        len = head->host.len;
    }
    relay->target.tls = flow->tls;
    if (len && !target_from_host(name, len, port, &relay->target))
        return 0;
    err_set(err, "the victim named no server");
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
    return port_of(&flow->server) == port_of(&flow->listener) &&
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
    else if (relay->protocol == TARGET_HTTP && head->host.len)
        flow->server_name = arena_copy(
            &flow->arena, buf_head(&relay->victim.in) + head->host.at,
            head->host.len);
}

static void begin_connect(struct relay *relay)
{
    struct err err = ERR_INIT;
    relay->connect_status = UV_EAI_NONAME;
    relay_wait(relay, chosen(options_of(relay)->connect_ms, CONNECT_MS));
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

static enum relay_state unreachable(struct relay *relay, int status)
{
    char address[ADDRESS_TEXT], reason[512];
    address_text(&relay->flow.server, address);
    if (relay->refusal)
        snprintf(reason, sizeof reason, "%s", relay->refusal);
    else
        snprintf(reason, sizeof reason, "the server at %s: %s", address,
                 uv_strerror(status));
    facts_unreachable(relay, reason);
    return fail(relay, status == UV_ETIMEDOUT ? 504 : 502,
                relay->refusal ? SSL_AD_UNRECOGNIZED_NAME
                               : SSL3_AD_HANDSHAKE_FAILURE,
                reason);
}

static enum relay_state step_connect(struct relay *relay)
{
    struct end *server = &relay->server;
    int len = sizeof relay->flow.local;
    if (relay->connect_status > 0)
        return RELAY_CONNECT;
    if (relay->connect_status < 0)
        return unreachable(relay, relay->connect_status);
    uv_tcp_getsockname(&server->tcp, &relay->flow.local.any, &len);
    end_ready(server);
    facts_opened(server);
    if (relay->passes_tls)
        return RELAY_STREAM;
    if (relay->target.tls)
        return RELAY_SERVER_TLS;
    return relay->flow.tls ? RELAY_VICTIM_TLS : RELAY_STREAM;
}

/* ---- SERVER_TLS ---------------------------------------------------------- */

/* Which name must the server prove? The one that the operator or the victim
 * gave; without any, the address that the victim's packets went to. */
static const char *server_identity(struct relay *relay, char text[ADDRESS_TEXT])
{
    const union address *server = &relay->flow.server;
    if (*relay->target.host)
        return relay->target.host;
    if (relay->flow.server_name)
        return relay->flow.server_name;
    int bad = server->any.sa_family == AF_INET6
                  ? uv_ip6_name(&server->v6, text, ADDRESS_TEXT)
                  : uv_ip4_name(&server->v4, text, ADDRESS_TEXT);
    return bad ? "" : text;
}

static int begin_server_tls(struct relay *relay, struct err *err)
{
    struct end *server = &relay->server;
    char address[ADDRESS_TEXT] = "";
    const char *alpn[9] = {"http/1.1"};
    for (unsigned i = 0; i < relay->alpn_count; i++)
        alpn[i] = relay->alpn[i];
    if (relay->flow.tls && !relay->alpn_count)
        alpn[0] = NULL;
    const char *identity = server_identity(relay, address);
    struct tls_wish wish = {.verify_name = identity, .alpn = alpn};
    wish.server_name = target_is_number(&relay->target) || !*identity
                           ? relay->flow.server_name
                           : identity;
    server->tls.in = &server->in;
    server->tls.out = &server->out;
    server->tls.calls = &facts_tls_calls;
    server->tls.owner = server;
    server->tls.verify_insecure = options_of(relay)->insecure_upstream;
    return tls_connect(relay->worker->tls, &server->tls, &wish, err);
}

static enum relay_state server_tls_failed(struct relay *relay)
{
    const struct end *server = &relay->server;
    char reason[512];
    if (server->tls.verify_code != X509_V_OK) {
        facts_original(relay);
        facts_upstream(relay);
        snprintf(reason, sizeof reason,
                 "the server's certificate does not verify: %s",
                 X509_verify_cert_error_string(server->tls.verify_code));
    } else {
        snprintf(reason, sizeof reason, "the server ended the TLS handshake");
    }
    facts_unreachable(relay, reason);
    return fail(relay, 502, SSL3_AD_HANDSHAKE_FAILURE, reason);
}

static void server_tls_done(struct relay *relay)
{
    struct end *server = &relay->server;
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(server->tls.ssl, &alpn, &len);
    if (len < sizeof relay->victim.tls.alpn)
        memcpy(relay->victim.tls.alpn, alpn ? alpn : (const uint8_t *)"", len);
    facts_original(relay);
    facts_upstream(relay);
    facts_done(server);
}

static enum relay_state step_server_tls(struct relay *relay)
{
    struct end *server = &relay->server;
    struct err err = ERR_INIT;
    if (!server->tls.ssl && begin_server_tls(relay, &err))
        return fail(relay, 502, SSL_AD_INTERNAL_ERROR, err.text);
    if (worker_lend(relay->worker, &server->out))
        return cut(relay, FLOW_FAILED);
    switch (tls_handshake(&server->tls)) {
    case TLS_WAIT:
        return server->hears == END_LOST ? server_tls_failed(relay)
                                         : RELAY_SERVER_TLS;
    case TLS_DONE:
        server_tls_done(relay);
        return relay->flow.tls ? RELAY_VICTIM_TLS : RELAY_STREAM;
    default:
        return server_tls_failed(relay);
    }
}

/* ---- VICTIM_TLS ---------------------------------------------------------- */

static enum hook_act ask_cert(const struct hook *hook, struct relay *relay,
                              void *about)
{
    return hook->on_server_cert
               ? hook->on_server_cert(hook->config, &relay->flow, about,
                                      &relay->plan)
               : HOOK_PASS;
}

static X509 *original_of(const struct relay *relay)
{
    return relay->server.tls.ssl
               ? SSL_get0_peer_certificate(relay->server.tls.ssl)
               : NULL;
}

/* The forged leaf carries the name that the victim asked for: its SNI, else
 * the address that it wanted to reach. */
static void plan_name(struct relay *relay)
{
    const union address *address = &relay->flow.listener;
    char text[ADDRESS_TEXT] = "";
    if (relay->plan.server_name)
        return;
    relay->plan.server_name = relay->sni;
    if (relay->sni)
        return;
    if (address->any.sa_family == AF_INET6)
        uv_ip6_name(&address->v6, text, sizeof text);
    else
        uv_ip4_name(&address->v4, text, sizeof text);
    relay->plan.server_name = arena_text(&relay->flow.arena, text);
}

/* What the server sent behind its leaf; empty if there is none. */
static STACK_OF(X509) * chain_of(const struct relay *relay)
{
    STACK_OF(X509) *above = sk_X509_new_null();
    STACK_OF(X509) *sent = relay->server.tls.ssl
                               ? SSL_get_peer_cert_chain(relay->server.tls.ssl)
                               : NULL;
    for (int i = 1; above && i < sk_X509_num(sent); i++)
        sk_X509_push(above, sk_X509_value(sent, i));
    return above;
}

static const struct forged *forge(struct relay *relay, struct err *err)
{
    STACK_OF(X509) *chain = chain_of(relay);
    relay->plan.chain = sk_X509_num(chain) > 0 ? chain : NULL;
    const struct forged *forged = leaves_get(
        relay->worker->leaves, original_of(relay), &relay->plan, err);
    relay->plan.chain = NULL;
    sk_X509_free(chain);
    return forged;
}

static int begin_victim_tls(struct relay *relay, struct err *err)
{
    struct end *victim = &relay->victim;
    const struct forged *forged = forge(relay, err);
    if (!forged)
        return -1;
    victim->tls.in = &victim->in;
    victim->tls.out = &victim->out;
    victim->tls.calls = &facts_tls_calls;
    victim->tls.owner = victim;
    victim->tls.in_ended = victim->fin_in;
    if (tls_accept(relay->worker->tls, &victim->tls, forged, err))
        return -1;
    facts_forged(relay, forged);
    return 0;
}

/* Before the first step of the victim's handshake. */
static enum relay_state choose_certificate(struct relay *relay)
{
    struct err err = ERR_INIT;
    plan_name(relay);
    switch (ask_hooks(relay, &relay->asks[1], ask_cert, original_of(relay))) {
    case HOOK_CUT:
        return cut(relay, FLOW_CUT);
    case HOOK_WAIT:
        return RELAY_VICTIM_TLS;
    case HOOK_PASS:
    case HOOK_CHANGED:
        break;
    }
    if (!begin_victim_tls(relay, &err))
        return RELAY_VICTIM_TLS;
    fprintf(stderr, "mitmlab: flow %llu: %s\n",
            (unsigned long long)relay->flow.id, err.text);
    facts_unreachable(relay, err.text);
    tls_close(&relay->victim.tls);
    return fail(relay, 502,
                err.code == EXIT_CONTAINMENT ? SSL_AD_UNRECOGNIZED_NAME
                                             : SSL_AD_INTERNAL_ERROR,
                err.text);
}

static enum relay_state shake_victim(struct relay *relay)
{
    struct end *victim = &relay->victim;
    if (worker_lend(relay->worker, &victim->out))
        return cut(relay, FLOW_FAILED);
    enum tls_result result = tls_handshake(&victim->tls);
    /* With a suite agreed on, OpenSSL has written its certificate too. */
    relay->certificate_out |= SSL_get_pending_cipher(victim->tls.ssl) != NULL;
    switch (result) {
    case TLS_DONE:
        facts_done(victim);
        return RELAY_STREAM;
    case TLS_WAIT:
        return victim->hears == END_LOST ? cut(relay, FLOW_REFUSED)
                                         : RELAY_VICTIM_TLS;
    default:
        return over(relay, FLOW_REFUSED);
    }
}

static enum relay_state step_victim_tls(struct relay *relay)
{
    if (!relay->victim.tls.ssl) {
        enum relay_state next = choose_certificate(relay);
        if (!relay->victim.tls.ssl)
            return next;
    }
    return shake_victim(relay);
}

/* ---- STREAM -------------------------------------------------------------- */

static enum hook_act ask_data(const struct hook *hook, struct relay *relay,
                              void *about)
{
    struct end *from = about;
    return hook->on_data ? hook->on_data(hook->config, &relay->flow,
                                         from->peer->leg, end_input(from))
                         : HOOK_PASS;
}

/* Bytes of one direction of something that is not HTTP. */
static enum hook_act pass_bytes(struct relay *relay, struct end *from)
{
    struct end *to = from->peer;
    struct buf *in = end_input(from);
    relay->shown_leg = from->leg;
    relay->shown_at = end_input_at(from);
    relay->shown_len = end_input_end(from) - relay->shown_at;
    if (!from->tls.ssl)
        relay->shown_len = buf_len(in);
    enum hook_act act =
        ask_hooks(relay, &relay->asks[from->leg == LEG_SERVER], ask_data, from);
    relay->shown_leg = LEG_NONE;
    if (act == HOOK_CUT || act == HOOK_WAIT)
        return act;
    if (buf_len(in) && end_send(to, buf_head(in), buf_len(in))) {
        relay->why = FLOW_FAILED;
        return HOOK_CUT;
    }
    buf_clear(in);
    return act;
}

static bool is_bytes(const struct relay *relay)
{
    return relay->tunnel || relay->passes_tls || relay->protocol == TARGET_RAW;
}

/* RELAY_STREAM: nothing decided. */
static enum relay_state pump(struct relay *relay, struct end *from)
{
    struct end *to = from->peer;
    for (;;) {
        end_flush(to);
        if (end_blocked(to))
            return RELAY_STREAM;
        end_decrypt(from, 1);
        if (!buf_len(end_input(from)))
            break;
        enum hook_act act = pass_bytes(relay, from);
        if (act == HOOK_WAIT)
            return RELAY_STREAM;
        if (act == HOOK_CUT)
            return cut(relay, FLOW_CUT);
    }
    if (from->hears == END_LOST)
        return cut(relay, FLOW_FAILED);
    if (from->hears != END_HEARS)
        end_finish(to, from->hears == END_TRUNCATED);
    return RELAY_STREAM;
}

static enum relay_state stream_bytes(struct relay *relay)
{
    struct end *victim = &relay->victim, *server = &relay->server;
    if (pump(relay, victim) != RELAY_STREAM ||
        pump(relay, server) != RELAY_STREAM)
        return RELAY_CLOSING;
    /* A goodbye that goes out later may be the last that anybody hears. */
    end_flush(victim);
    end_flush(server);
    bool done = victim->hears != END_HEARS && server->hears != END_HEARS &&
                !end_blocked(victim) && !end_blocked(server);
    relay_wait(relay, chosen(options_of(relay)->idle_ms, IDLE_MS));
    return done ? over(relay, FLOW_DONE) : RELAY_STREAM;
}

static enum relay_state truncated(struct relay *relay)
{
    end_finish(&relay->victim, true);
    end_finish(&relay->server, true);
    return over(relay, FLOW_FAILED);
}

/* `head`: one has begun. Its time counts from there, whatever drips in. */
static void wait_for_head(struct relay *relay, bool head)
{
    if (!head)
        relay_wait(relay, chosen(options_of(relay)->idle_ms, IDLE_MS));
    else if (!relay->head_pending)
        relay_wait(relay, head_ms(relay));
    relay->head_pending = head;
}

/* Inside TLS the first bytes say what it is; nothing has looked at them. */
static bool knows_protocol(struct relay *relay)
{
    struct end *victim = &relay->victim;
    if (relay->protocol != TARGET_GUESS || relay->passes_tls)
        return true;
    if (relay->target.protocol != TARGET_GUESS) {
        relay->protocol = relay->target.protocol;
        return true;
    }
    end_decrypt(victim, TARGET_GUESS_MOST);
    end_decrypt(&relay->server, 1);
    struct buf *in = end_input(victim);
    int http =
        buf_len(in) ? target_looks_like_http(buf_head(in), buf_len(in)) : -1;
    /* Servers of HTTP do not speak first. */
    if (http < 0 && buf_len(end_input(&relay->server)))
        http = 0;
    if (http >= 0)
        relay->protocol = http ? TARGET_HTTP : TARGET_RAW;
    relay->head_pending = http < 0 && relay->head_pending;
    return http >= 0;
}

/* Nothing said yet may last; a word that has begun must end. */
static enum relay_state wait_for_word(struct relay *relay)
{
    wait_for_head(relay, buf_len(end_input(&relay->victim)));
    return relay->victim.hears == END_HEARS && relay->server.hears == END_HEARS
               ? RELAY_STREAM
               : over(relay, FLOW_DONE);
}

static enum relay_state step_stream(struct relay *relay)
{
    if (!knows_protocol(relay))
        return wait_for_word(relay);
    if (is_bytes(relay))
        return stream_bytes(relay);
    switch (exchange_step(&relay->exchange)) {
    case EXCHANGE_WAITS:
        wait_for_head(relay, exchange_head_pending(&relay->exchange));
        return RELAY_STREAM;
    case EXCHANGE_OVER:
        return over(relay, FLOW_DONE);
    case EXCHANGE_TRUNCATED:
        return truncated(relay);
    case EXCHANGE_REFUSED:
        return over(relay, FLOW_REFUSED);
    case EXCHANGE_CUT:
        return cut(relay, FLOW_FAILED);
    case EXCHANGE_TUNNEL:
        return stream_bytes(relay);
    }
    return RELAY_STREAM;
}

/* ---- DRAIN --------------------------------------------------------------- */

/* A slow reader may take its time for what was said; only then it is to hang
 * up soon. */
static void wait_in_drain(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    bool blocked = end_blocked(&relay->victim) && relay->why != FLOW_TIMEOUT;
    if (blocked)
        relay_wait(relay, chosen(options->idle_ms, IDLE_MS));
    else if (relay->drain_blocked)
        relay_wait(relay, chosen(options->drain_ms, DRAIN_MS));
    relay->drain_blocked = blocked;
}

/* A close(2) with bytes unread becomes a reset, which would destroy the last
 * response on its way. So what still comes is read, and thrown away; with TLS
 * it also tells what the victim thinks of us. */
static enum relay_state step_drain(struct relay *relay)
{
    struct end *victim = &relay->victim, *server = &relay->server;
    do {
        buf_clear(end_input(victim));
        if (victim->tls.finished)
            end_decrypt(victim, 1);
    } while (victim->tls.ssl && buf_len(&victim->clear));
    if (!victim->tls.finished || victim->hears != END_HEARS)
        buf_clear(&victim->in);
    buf_clear(&server->in);
    /* The FIN goes out here: nothing may come that would call us again. */
    end_flush(victim);
    end_flush(server);
    bool out = victim->says == END_FINISHED && !end_blocked(victim) &&
               (!server->open || !end_blocked(server));
    wait_in_drain(relay);
    bool gone = victim->fin_in || victim->hears == END_LOST;
    return gone && (out || victim->hears == END_LOST) ? RELAY_CLOSING
                                                      : RELAY_DRAIN;
}

static void begin_drain(struct relay *relay)
{
    end_finish(&relay->victim, false);
    end_finish(&relay->server, false);
    relay->drain_blocked = true; /* until the first look says otherwise */
}

/* ---- CLOSING ------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    relay_handle_closed(handle->data);
}

/* A flow that ended without an exchange has a line of its own. */
static void write_verdict(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    const char *how = NULL;
    const char *verdict = facts_verdict(relay, &how);
    const char *name = relay->flow.server_name;
    if (!options->on_line || !intercepts_tls(relay) || relay->flow.exchanges)
        return;
    struct proxy_line line = {.victim = &relay->flow.victim,
                              .tls = true,
                              .host = name,
                              .host_len = name ? strlen(name) : 0,
                              .verdict = verdict,
                              .how = how};
    options->on_line(options->context, &line);
}

static void tell_hooks(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i]->on_end)
            options->hooks[i]->on_end(options->hooks[i]->config, &relay->flow,
                                      relay->why);
}

static void begin_closing(struct relay *relay)
{
    if (relay->reset && relay->server.tls.ssl)
        relay->server.tls.broken = true;
    exchange_close(&relay->exchange);
    write_verdict(relay);
    tell_hooks(relay);
    facts_ended(relay);
    end_close(&relay->victim, relay->reset);
    end_close(&relay->server, relay->reset);
    uv_close((uv_handle_t *)&relay->timer, on_timer_closed);
}

static void unlink_relay(struct relay *relay)
{
    struct worker *worker = relay->worker;
    if (relay->before)
        relay->before->next = relay->next;
    else
        worker->first = relay->next;
    if (relay->next)
        relay->next->before = relay->before;
    worker->count--;
}

void relay_handle_closed(struct relay *relay)
{
    struct worker *worker = relay->worker;
    if (--relay->handles)
        return;
    unlink_relay(relay);
    end_free(&relay->victim);
    end_free(&relay->server);
    arena_free(&relay->flow.arena);
    free(relay);
    worker->on_relay_gone(worker);
}

/* ---- the table ----------------------------------------------------------- */

static enum relay_state step_closing(struct relay *relay)
{
    (void)relay;
    return RELAY_CLOSING;
}

static enum relay_state (*const steps[])(struct relay *) = {
    [RELAY_HELLO] = step_hello,           [RELAY_CONNECT] = step_connect,
    [RELAY_SERVER_TLS] = step_server_tls, [RELAY_VICTIM_TLS] = step_victim_tls,
    [RELAY_STREAM] = step_stream,         [RELAY_DRAIN] = step_drain,
    [RELAY_CLOSING] = step_closing,
};

/* The only writer of the state. */
static void relay_enter(struct relay *relay, enum relay_state state)
{
    if (options_of(relay)->trace) {
        facts_state(relay, state);
        fprintf(stderr, "relay %llu: %s -> %s\n",
                (unsigned long long)relay->flow.id,
                relay_state_name(relay->state), relay_state_name(state));
    }
    relay->state = state;
    switch (state) {
    case RELAY_CONNECT:
        begin_connect(relay);
        break;
    case RELAY_SERVER_TLS:
    case RELAY_VICTIM_TLS:
        relay_wait(relay, head_ms(relay));
        break;
    case RELAY_DRAIN:
        begin_drain(relay);
        break;
    case RELAY_CLOSING:
        begin_closing(relay);
        break;
    case RELAY_HELLO:
    case RELAY_STREAM:
        break;
    }
}

/* Time is up. */
static enum relay_state late(struct relay *relay)
{
    relay->timed_out = false;
    if (relay->why == FLOW_DONE)
        relay->why = FLOW_TIMEOUT;
    if (relay->last)
        return RELAY_CLOSING;
    bool head = relay->protocol == TARGET_HTTP &&
                exchange_head_pending(&relay->exchange);
    switch (relay->state) {
    case RELAY_HELLO:
    case RELAY_STREAM:
        if (!head)
            return relay->state == RELAY_HELLO ? RELAY_CLOSING : RELAY_DRAIN;
        facts_refused(relay, "RFC 9110 15.5.9",
                      "the request did not come in time", 0, 408);
        exchange_answer(&relay->exchange, 408,
                        "the request did not come in time");
        return RELAY_DRAIN;
    case RELAY_CONNECT:
        return unreachable(relay, UV_ETIMEDOUT);
    case RELAY_SERVER_TLS:
        facts_unreachable(relay, "the server's TLS handshake takes too long");
        return fail(relay, 504, SSL3_AD_HANDSHAKE_FAILURE,
                    "the server's TLS handshake takes too long");
    case RELAY_VICTIM_TLS:
    case RELAY_DRAIN:
    case RELAY_CLOSING:
        break;
    }
    return RELAY_CLOSING;
}

/* An end is read while little of it waits, or while what waits is not enough
 * to go on with. Bodies kept for hooks and heads have limits of their own. */
static bool should_read(const struct relay *relay, const struct end *end)
{
    bool victim = end->leg == LEG_VICTIM;
    size_t waits = buf_len(&end->in) + buf_len(&end->clear);
    const struct half *half =
        victim ? &relay->exchange.request : &relay->exchange.response;
    switch (relay->state) {
    case RELAY_HELLO:
        return victim && waits < HELLO_MOST + READ_AHEAD &&
               !relay->asks[0].held;
    case RELAY_CONNECT:
        return false;
    case RELAY_SERVER_TLS:
        return !victim;
    case RELAY_VICTIM_TLS:
        return victim;
    case RELAY_STREAM:
        /* What comes behind bytes that a hook holds has not been shown to
         * it, and must not go with them. */
        if (is_bytes(relay) && relay->asks[!victim].held)
            return false;
        return waits < READ_AHEAD || (half->hungry && !relay->tunnel);
    case RELAY_DRAIN:
        return victim;
    case RELAY_CLOSING:
        return false;
    }
    return false;
}

static void settle(struct relay *relay)
{
    end_flush(&relay->victim);
    end_flush(&relay->server);
    end_read(&relay->victim, should_read(relay, &relay->victim));
    if (relay->state != RELAY_CONNECT)
        end_read(&relay->server, should_read(relay, &relay->server));
}

void relay_advance(struct relay *relay)
{
    relay->again = true;
    if (relay->advancing)
        return;
    relay->advancing = true;
    while (relay->again && relay->state != RELAY_CLOSING) {
        relay->again = false;
        enum relay_state next =
            relay->timed_out ? late(relay) : steps[relay->state](relay);
        if (next != relay->state) {
            relay_enter(relay, next);
            relay->again = true;
        } else {
            settle(relay);
        }
    }
    relay->advancing = false;
}

/* ---- the beginning ------------------------------------------------------- */

static int make_hook_states(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    for (unsigned i = 0; i < options->hooks_count; i++) {
        size_t size = options->hooks[i]->flow_bytes;
        if (!size)
            continue;
        relay->flow.hook_state[i] = arena_alloc(&relay->flow.arena, size);
        if (!relay->flow.hook_state[i])
            return -1;
    }
    return 0;
}

static void link_relay(struct relay *relay)
{
    struct worker *worker = relay->worker;
    relay->next = worker->first;
    if (worker->first)
        worker->first->before = relay;
    worker->first = relay;
    worker->count++;
}

static struct relay *relay_new(struct worker *worker)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return NULL;
    relay->worker = worker;
    relay->victim.peer = &relay->server;
    relay->server.peer = &relay->victim;
    relay->server.relay = relay;
    relay->server.leg = LEG_SERVER;
    relay->victim_alert = -1;
    relay->flow.id = ++last_flow;
    relay->flow.relay = relay;
    exchange_init(&relay->exchange, relay);
    uv_timer_init(worker->loop, &relay->timer);
    relay->timer.data = relay;
    relay->handles = 1;
    link_relay(relay);
    return relay;
}

static void turn_away(struct end *victim)
{
    static const char sentence[] = "too many connections";
    struct buf out = {0};
    if (!answer_write(&out, 503, sentence))
        end_send(victim, buf_head(&out), buf_len(&out));
    buf_free(&out);
}

static int greet(struct relay *relay, uv_stream_t *listener)
{
    struct flow *flow = &relay->flow;
    struct end *victim = &relay->victim;
    int len = sizeof flow->victim;
    if (end_open(victim, relay, LEG_VICTIM) ||
        uv_accept(listener, (uv_stream_t *)&victim->tcp))
        return -1;
    /* Even to say no takes a descriptor for a moment. */
    if (relay->worker->count > relay->worker->most + TURNED_AWAY_MOST)
        return -1;
    uv_tcp_getpeername(&victim->tcp, &flow->victim.any, &len);
    len = sizeof flow->listener;
    uv_tcp_getsockname(&victim->tcp, &flow->listener.any, &len);
    end_ready(victim);
    return make_hook_states(relay);
}

static void on_dropped(uv_handle_t *handle)
{
    struct worker *worker = handle->data;
    worker->dropping = false;
}

/* libuv offers nothing more until this connection is taken. */
static void drop(struct worker *worker, uv_stream_t *listener)
{
    if (worker->dropping || uv_tcp_init(worker->loop, &worker->dropped))
        return;
    worker->dropping = true;
    worker->dropped.data = worker;
    uv_accept(listener, (uv_stream_t *)&worker->dropped);
    uv_close((uv_handle_t *)&worker->dropped, on_dropped);
}

void relay_accept(struct worker *worker, uv_stream_t *listener)
{
    struct relay *relay = relay_new(worker);
    if (!relay) {
        drop(worker, listener);
        return;
    }
    if (greet(relay, listener)) {
        relay->state = RELAY_CLOSING;
        end_close(&relay->victim, false);
        uv_close((uv_handle_t *)&relay->timer, on_timer_closed);
        return;
    }
    facts_opened(&relay->victim);
    relay_wait(relay, head_ms(relay));
    if (worker->count > worker->most) {
        turn_away(&relay->victim);
        relay_enter(relay, over(relay, FLOW_REFUSED));
    }
    relay_advance(relay);
}

void relay_stop(struct relay *relay)
{
    bool idle =
        relay->state == RELAY_HELLO ||
        (relay->state == RELAY_STREAM && !relay->tunnel &&
         relay->protocol == TARGET_HTTP && exchange_idle(&relay->exchange));
    if (relay->state == RELAY_CLOSING || relay->last)
        return;
    relay_wait(relay, idle ? 0 : STOP_MS);
    relay->last = relay->deadline;
}
