/* SPDX-License-Identifier: MIT
 *
 * The table of states. Callbacks note what happened; relay_advance() asks the
 * state's step what comes next; relay_enter() alone writes it. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"
#include "proxy/lanes.h"
#include "proxy/streams.h"

#include <stdio.h>

const char *relay_state_name(enum relay_state state)
{
    static const char *const names[] = {
#define X(name) #name,
        RELAY_STATES(X)
#undef X
    };
    return names[state];
}

/* ---- time ---------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

/* The timer may be due earlier than needed, never later. */
void relay_wait(struct relay *relay, unsigned ms)
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
    /* Nobody else is late while a hook takes its time. */
    if (relay->held && relay->state != RELAY_CONNECT &&
        relay->state != RELAY_SERVER_TLS && !relay->last &&
        now >= relay->deadline)
        relay->deadline = now + relay_ms(options_of(relay)->idle_ms, IDLE_MS);
    if (now < relay->deadline) {
        relay_wait(relay, (unsigned)(relay->deadline - now));
        return;
    }
    relay->timed_out = true;
    relay_advance(relay);
}

/* ---- going wrong --------------------------------------------------------- */

enum relay_state relay_over(struct relay *relay, enum flow_end why)
{
    if (relay->why == FLOW_DONE)
        relay->why = why;
    return RELAY_DRAIN;
}

enum relay_state relay_cut(struct relay *relay, enum flow_end why)
{
    if (relay->why == FLOW_DONE)
        relay->why = why;
    relay->reset = true;
    return RELAY_CLOSING;
}

void relay_note_trouble(struct relay *relay, const char *sentence)
{
    if (options_of(relay)->on_line && !relay->trouble && *sentence)
        relay->trouble = arena_text(&relay->flow.arena, sentence);
}

/* It was read as far as its head, to know where it goes. */
static void note_request(struct relay *relay)
{
    struct note_line *line = &relay->exchange.line;
    if (options_of(relay)->on_line && !line->method_len &&
        exchange_peek(&relay->exchange) > 0)
        note_line_asked(line, relay, &relay->worker->head,
                        (const char *)buf_head(&relay->victim.in));
}

/* The victim cannot get what it wants from us; say so in its language. */
enum relay_state relay_fail(struct relay *relay, int status, int alert,
                            const char *reason)
{
    struct end *victim = &relay->victim;
    if (relay->asked == ASKED_TUNNEL)
        return relay_deny(relay, status, reason);
    if (relay->victim_h2) {
        relay->streams = streams_open_forbidden(relay, status, reason);
        relay->http_begun = true;
        relay->why = FLOW_FAILED;
        return relay->streams ? RELAY_STREAM : relay_cut(relay, FLOW_FAILED);
    }
    if (relay->protocol == TARGET_HTTP && !relay->flow.tls) {
        note_request(relay);
        exchange_answer(&relay->exchange, status, reason);
        return relay_over(relay, FLOW_FAILED);
    }
    if (!intercepts_tls(relay) || victim->tls.ssl)
        return relay_cut(relay, FLOW_FAILED);
    struct buf out = {0};
    if (!tls_refuse(&out, alert)) {
        facts_tls_calls.on_alert(victim, true, SSL3_AL_FATAL, alert,
                                 victim->out_total, buf_len(&out));
        end_send(victim, buf_head(&out), buf_len(&out));
    }
    buf_free(&out);
    return relay_over(relay, FLOW_FAILED);
}

/* ---- DRAIN --------------------------------------------------------------- */

/* A slow reader may take its time for what was said; only then it is to hang
 * up soon. */
static void wait_in_drain(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    bool blocked = end_blocked(&relay->victim) && relay->why != FLOW_TIMEOUT;
    if (blocked)
        relay_wait(relay, relay_ms(options->idle_ms, IDLE_MS));
    else if (relay->drain_blocked)
        relay_wait(relay, relay_ms(options->drain_ms, DRAIN_MS));
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
    struct end *server = &relay->server;
    if (relay->lanes)
        lanes_close(relay->lanes);
    end_finish(&relay->victim, false);
    /* Both of them have said all: nothing is left to wait for. */
    if (server->open && server->fin_in && !server->tls.ssl &&
        !end_blocked(server))
        end_close(server, false);
    else
        end_finish(server, false);
    relay->drain_blocked = true; /* until the first look says otherwise */
}

/* ---- the table ----------------------------------------------------------- */

static enum relay_state step_closing(struct relay *relay)
{
    (void)relay;
    return RELAY_CLOSING;
}

static enum relay_state (*const steps[])(struct relay *) = {
    [RELAY_INTRO] = relay_step_intro,
    [RELAY_GREET] = relay_step_greet,
    [RELAY_HELLO] = relay_step_hello,
    [RELAY_CONNECT] = relay_step_connect,
    [RELAY_SERVER_TLS] = relay_step_server_tls,
    [RELAY_VICTIM_TLS] = relay_step_victim_tls,
    [RELAY_STREAM] = relay_step_stream,
    [RELAY_DRAIN] = step_drain,
    [RELAY_CLOSING] = step_closing,
};

/* In a tunnel it is the victim's choice when to begin, unless it has promised
 * to. */
static void begin_hello(struct relay *relay)
{
    if (!relay->server.open)
        return; /* the time for its first word is running */
    relay->head_pending = false;
    relay_wait(relay, relay->target.tls
                          ? relay_head_ms(relay)
                          : relay_ms(options_of(relay)->idle_ms, IDLE_MS));
}

/* The only writer of the state. */
void relay_enter(struct relay *relay, enum relay_state state)
{
    if (options_of(relay)->trace) {
        facts_state(relay, state);
        fprintf(stderr, "relay %llu: %s -> %s\n",
                (unsigned long long)relay->flow.id,
                relay_state_name(relay->state), relay_state_name(state));
    }
    relay_meet(relay, 0);
    relay->state = state;
    switch (state) {
    case RELAY_CONNECT:
        relay_begin_connect(relay);
        break;
    case RELAY_SERVER_TLS:
    case RELAY_VICTIM_TLS:
        relay_wait(relay, relay_head_ms(relay));
        break;
    case RELAY_DRAIN:
        begin_drain(relay);
        break;
    case RELAY_CLOSING:
        relay_begin_closing(relay);
        break;
    case RELAY_HELLO:
        begin_hello(relay);
        break;
    case RELAY_STREAM:
        /* What has begun already must end, and is timed from there. */
        if (!relay->head_pending)
            relay_wait(relay, relay_ms(options_of(relay)->idle_ms, IDLE_MS));
        break;
    case RELAY_INTRO:
    case RELAY_GREET:
        break;
    }
}

static enum relay_state server_late(struct relay *relay)
{
    static const char reason[] = "the server's TLS handshake takes too long";
    if (relay->state == RELAY_CONNECT)
        return relay_tries_next(relay) ? RELAY_CONNECT
                                       : relay_unreachable(relay, UV_ETIMEDOUT);
    facts_unreachable(&relay->server, reason);
    return relay_absent(relay, 504, SSL3_AD_HANDSHAKE_FAILURE, reason);
}

/* Time is up. */
static enum relay_state late(struct relay *relay)
{
    relay->timed_out = false;
    if (!relay->last &&
        (relay->state == RELAY_CONNECT || relay->state == RELAY_SERVER_TLS))
        return server_late(relay);
    if (relay->state == RELAY_HELLO && !relay->last && relay->unnamed)
        return relay_hello_late(relay);
    if (relay->why == FLOW_DONE)
        relay->why = FLOW_TIMEOUT;
    if (relay->last)
        return RELAY_CLOSING;
    if (relay->streams) {
        streams_leave(relay->streams);
        return relay->state == RELAY_STREAM ? RELAY_DRAIN : RELAY_CLOSING;
    }
    bool head = relay->protocol == TARGET_HTTP &&
                exchange_head_pending(&relay->exchange);
    switch (relay->state) {
    case RELAY_INTRO:
        return relay_mislead(relay, "no head of the PROXY protocol came in "
                                    "time");
    case RELAY_GREET:
    case RELAY_HELLO:
    case RELAY_STREAM:
        if (!head)
            return relay->state == RELAY_STREAM ? RELAY_DRAIN : RELAY_CLOSING;
        facts_refused(&relay->victim, "RFC 9110 15.5.9",
                      "the request did not come in time", 0, 408);
        exchange_answer(&relay->exchange, 408,
                        "the request did not come in time");
        return RELAY_DRAIN;
    case RELAY_CONNECT:
    case RELAY_SERVER_TLS:
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
    /* Whoever asks TLS for one refusal after the other and reads none of them
     * is not heard until it does. */
    if (end->tls.ssl && buf_len(&end->flying) &&
        buf_len(&end->out) > READ_AHEAD)
        return false;
    /* What nobody fetches is said again and again. */
    if (end->pours && end_blocked(end->peer))
        return false;
    size_t waits = buf_len(&end->in) + buf_len(&end->clear);
    const struct half *half =
        victim ? &relay->exchange.request : &relay->exchange.response;
    /* What a hook is shown for a while does not hide that its sender left. */
    if (half->ask->held)
        waits -= half->parsed;
    switch (relay->state) {
    case RELAY_INTRO:
    case RELAY_GREET:
        return victim && waits < HELLO_MOST + READ_AHEAD;
    case RELAY_HELLO:
        return waits < (victim ? HELLO_MOST : 0) + READ_AHEAD &&
               !relay->asks[0].held;
    case RELAY_CONNECT:
        /* To stop and to start takes libuv three calls of the kernel. */
        return victim && waits < READ_AHEAD;
    case RELAY_SERVER_TLS:
        return !victim;
    case RELAY_VICTIM_TLS:
        return victim;
    case RELAY_STREAM:
        /* What comes behind bytes that a hook holds has not been shown to
         * it, and must not go with them. */
        if (relay_is_bytes(relay) && relay->asks[!victim].held)
            return false;
        if (relay->streams)
            return waits < READ_AHEAD || streams_hungry(relay->streams, end);
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
    if (relay->lanes)
        lanes_settle(relay->lanes);
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
