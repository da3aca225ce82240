/* SPDX-License-Identifier: MIT
 *
 * STREAM: HTTP goes to the exchange; everything else is bytes, and passes
 * here. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"
#include "proxy/messages.h"
#include "proxy/pour.h"
#include "proxy/streams.h"
#include "proxy/wish.h"

#include <string.h>

/* ---- STREAM -------------------------------------------------------------- */

static enum hook_act ask_data(const struct hook *hook, struct relay *relay,
                              void *about)
{
    struct end *from = about;
    return hook->on_data ? hook->on_data(hook->config, &relay->flow,
                                         from->peer->leg, end_input(from))
                         : HOOK_PASS;
}

/* ---- STARTTLS ------------------------------------------------------------ */

int relay_may_change(struct relay *relay)
{
    relay->starttls = arena_alloc(&relay->flow.arena, sizeof *relay->starttls);
    if (!relay->starttls)
        return -1;
    starttls_init(relay->starttls, relay->target.starttls);
    return 0;
}

/* What this end said waits for the other's word. */
static bool held_back(const struct relay *relay, const struct end *from)
{
    return relay->starttls &&
           starttls_holds(relay->starttls, from->leg == LEG_VICTIM
                                               ? STARTTLS_VICTIM
                                               : STARTTLS_SERVER);
}

/* How much of what is there may go on. */
static size_t passes(struct relay *relay, struct end *from)
{
    struct buf *in = end_input(from);
    if (!relay->starttls)
        return buf_len(in);
    return starttls_feed(relay->starttls,
                         from->leg == LEG_VICTIM ? STARTTLS_VICTIM
                                                 : STARTTLS_SERVER,
                         buf_head(in), buf_len(in));
}

/* Both agreed. What they said too early, and in clear, is thrown away: inside
 * TLS it would be taken for their word (RFC 3207 4.2). */
static enum relay_state change_to_tls(struct relay *relay)
{
    struct buf *up = &relay->victim.in, *down = &relay->server.in;
    facts_starttls(relay, buf_len(up), buf_len(down));
    buf_clear(up);
    buf_clear(down);
    relay->starttls = NULL;
    relay->target.starttls = STARTTLS_NONE;
    relay->target.tls = true;
    relay_wait(relay, relay_head_ms(relay));
    return RELAY_HELLO;
}

/* ---- bytes --------------------------------------------------------------- */

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
    struct ask *ask = &relay->asks[from->leg == LEG_SERVER];
    if (relay->sight && !ask->held) /* else it has been looked at */
        sight_look(relay->sight, from->leg == LEG_VICTIM, buf_head(in),
                   buf_len(in));
    enum hook_act act = ask_hooks(relay, ask, ask_data, from);
    relay->shown_leg = LEG_NONE;
    if (act == HOOK_CUT || act == HOOK_WAIT)
        return act;
    size_t len = passes(relay, from);
    if (len && end_send(to, buf_head(in), len)) {
        relay->why = FLOW_FAILED;
        return HOOK_CUT;
    }
    buf_consume(in, len);
    return act;
}

bool relay_is_bytes(const struct relay *relay)
{
    return relay->tunnel || relay->flow.sealed || relay->protocol == TARGET_RAW;
}

/* Behind a whole block there is usually more of the same. What comes when that
 * is over is read again. */
static int pour_bytes(struct relay *relay, struct end *from)
{
    if (relay->starttls || relay->messages || wish_bytes(relay) ||
        !pour_can(from) || end_blocked(from->peer))
        return 0;
    ssize_t got = pour(from, UINT64_MAX);
    from->pours = false;
    return got < 0 ? -1 : 0;
}

/* RELAY_STREAM: nothing decided. */
static enum relay_state pump(struct relay *relay, struct end *from)
{
    struct end *to = from->peer;
    bool many = false;
    for (;;) {
        end_flush(to);
        if (end_blocked(to))
            return RELAY_STREAM;
        end_decrypt(from, 1);
        bool waits = relay->messages && messages_wait(relay->messages, from);
        if (!waits && (!buf_len(end_input(from)) || held_back(relay, from)))
            break;
        many |= buf_len(end_input(from)) >= POUR_LEAST / 2;
        enum hook_act act = relay->messages
                                ? messages_pass(relay->messages, from)
                                : pass_bytes(relay, from);
        if (act == HOOK_WAIT)
            return RELAY_STREAM;
        if (act == HOOK_CUT)
            return relay_cut(relay, FLOW_CUT);
    }
    if (many && pour_bytes(relay, from))
        return relay_cut(relay, FLOW_FAILED);
    if (from->hears == END_LOST)
        return relay_cut(relay, FLOW_FAILED);
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
    if (relay->starttls) {
        if (relay->starttls->agreed)
            return change_to_tls(relay);
        /* The server's no sets free what the victim said behind its wish. */
        if (pump(relay, victim) != RELAY_STREAM)
            return RELAY_CLOSING;
    }
    /* A goodbye that goes out later may be the last that anybody hears. */
    end_flush(victim);
    end_flush(server);
    bool done = victim->hears != END_HEARS && server->hears != END_HEARS &&
                !end_blocked(victim) && !end_blocked(server);
    relay_wait(relay, relay_ms(options_of(relay)->idle_ms, IDLE_MS));
    return done ? relay_over(relay, FLOW_DONE) : RELAY_STREAM;
}

static enum relay_state truncated(struct relay *relay)
{
    end_finish(&relay->victim, true);
    end_finish(&relay->server, true);
    return relay_over(relay, FLOW_FAILED);
}

/* `head`: one has begun. Its time counts from there, whatever drips in. */
static void wait_for_head(struct relay *relay, bool head)
{
    if (!head)
        relay_wait(relay, relay_ms(options_of(relay)->idle_ms, IDLE_MS));
    else if (!relay->head_pending)
        relay_wait(relay, relay_head_ms(relay));
    relay->head_pending = head;
}

static bool chose_h2(const struct end *end)
{
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    if (end->tls.ssl)
        SSL_get0_alpn_selected(end->tls.ssl, &alpn, &len);
    return len == 2 && !memcmp(alpn, "h2", 2);
}

/* Where nothing was agreed on in TLS, the server is spoken to as the victim
 * speaks, or as the operator says. */
static bool server_speaks_h2(const struct relay *relay, bool victim_h2)
{
    enum proxy_h2 wish = options_of(relay)->h2;
    if (relay->server.tls.ssl)
        return chose_h2(&relay->server);
    return wish == PROXY_H2_SERVER || (victim_h2 && wish == PROXY_H2_BOTH);
}

/* Does either leg speak HTTP/2? */
static int open_streams(struct relay *relay)
{
    bool victim = relay->victim_h2 || chose_h2(&relay->victim);
    bool server = server_speaks_h2(relay, victim);
    if ((!victim && !server) || relay_forwards(relay))
        return 0;
    relay->streams = relay->server.open ? streams_open(relay, victim, server)
                                        : streams_open_absent(relay, victim);
    return relay->streams ? 0 : -1;
}

/* The server of streams was dialled anew. */
static int go_on(struct relay *relay)
{
    struct streams *streams = relay->streams;
    return streams && streams->seeks
               ? streams_dialled(streams,
                                 server_speaks_h2(relay, streams->victim->h2))
               : 0;
}

/* Inside TLS the first bytes say what it is; nothing has looked at them. */
static bool knows_protocol(struct relay *relay)
{
    struct end *victim = &relay->victim;
    if (relay->protocol != TARGET_GUESS || relay->flow.sealed)
        return true;
    if (chose_h2(victim) || chose_h2(&relay->server)) {
        relay->protocol = TARGET_HTTP;
        return true;
    }
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
               : relay_over(relay, FLOW_DONE);
}

/* Frames that are no part of a message do not keep a connection alive; one
 * that is not whole yet has the time of a head, and when it is, what was left
 * of the time before goes on. */
static void wait_for_frame(struct relay *relay)
{
    struct streams *streams = relay->streams;
    bool pending = streams_head_pending(streams);
    bool begins = pending && !relay->head_pending;
    bool ends = !pending && relay->head_pending;
    uint64_t now = uv_now(relay->worker->loop);
    unsigned idle = relay_ms(options_of(relay)->idle_ms, IDLE_MS);
    if (streams->moved)
        streams->calm_till = now + idle;
    else if (begins)
        streams->calm_till = relay->deadline;
    if (begins)
        relay_wait(relay, relay_head_ms(relay));
    else if (ends || (streams->moved && !pending))
        relay_wait(relay, streams->calm_till > now
                              ? (unsigned)(streams->calm_till - now)
                              : idle);
    relay->head_pending = pending;
}

static void wait_for_next(struct relay *relay)
{
    if (relay->streams)
        wait_for_frame(relay);
    else
        wait_for_head(relay, exchange_head_pending(&relay->exchange));
}

/* A victim that said it would ask no more, and has all that it asked for, need
 * not be waited for (RFC 9112 9.6). With TLS it may still say what it thinks of
 * us, and a capture is to show how it leaves. */
static bool seen_out(const struct relay *relay)
{
    const struct end *victim = &relay->victim, *server = &relay->server;
    return !relay->streams && exchange_was_last(&relay->exchange) &&
           !victim->tls.ssl && !server->tls.ssl && !options_of(relay)->wire &&
           !end_blocked(victim) && !end_blocked(server) &&
           end_all_heard(victim);
}

enum relay_state relay_step_stream(struct relay *relay)
{
    if (!knows_protocol(relay))
        return wait_for_word(relay);
    if (relay_is_bytes(relay))
        return relay->server.open ? stream_bytes(relay)
                                  : relay_cut(relay, FLOW_FAILED);
    if ((!relay->http_begun && open_streams(relay)) || go_on(relay))
        return relay_cut(relay, FLOW_FAILED);
    relay->http_begun = true;
    switch (relay->streams ? streams_step(relay->streams)
                           : exchange_step(&relay->exchange)) {
    case EXCHANGE_WAITS:
        wait_for_next(relay);
        return RELAY_STREAM;
    case EXCHANGE_OVER:
        return seen_out(relay) ? RELAY_CLOSING : relay_over(relay, FLOW_DONE);
    case EXCHANGE_TRUNCATED:
        return truncated(relay);
    case EXCHANGE_REFUSED:
        return relay_over(relay, FLOW_REFUSED);
    case EXCHANGE_CUT:
        return relay_cut(relay, FLOW_FAILED);
    case EXCHANGE_TUNNEL:
        return stream_bytes(relay);
    case EXCHANGE_GREET:
        return RELAY_GREET;
    case EXCHANGE_DIAL:
        return relay_redial(relay);
    }
    return RELAY_STREAM;
}
