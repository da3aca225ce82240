/* SPDX-License-Identifier: MIT
 *
 * How a relay begins, and how it ends: accepted or turned away, told to stop,
 * closed, and freed when libuv has given its last handle back. */
#include "proxy/relay_parts.h"

#include "proxy/facts.h"
#include "proxy/filter.h"
#include "proxy/lanes.h"
#include "proxy/messages.h"
#include "proxy/mill.h"
#include "proxy/streams.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TURNED_AWAY_MOST = 8 }; /* that may hear of it at a time */

static void on_timer_closed(uv_handle_t *handle)
{
    relay_handle_closed(handle->data);
}

/* ---- the beginning ------------------------------------------------------- */

static int make_hook_states(struct relay *relay)
{
    static_assert(sizeof relay->flow.hook_state / sizeof(void *) ==
                      PROXY_HOOKS_MOST,
                  "a slot for each hook");
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

static struct relay *relay_new(struct worker *worker, const struct way_in *way)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return NULL;
    relay->worker = worker;
    relay->way = way;
    relay->state = way->proxied ? RELAY_INTRO : relay_first(relay);
    relay->victim.peer = &relay->server;
    relay->server.peer = &relay->victim;
    relay->server.relay = relay;
    relay->server.leg = LEG_SERVER;
    relay->victim_alert = relay->server_alert = relay->own_alert = -1;
    relay->flow.id = flow_number();
    relay->began = uv_now(worker->loop);
    relay->flow.relay = relay;
    exchange_init(&relay->exchange, relay);
    uv_timer_init(worker->loop, &relay->timer);
    relay->timer.data = relay;
    relay->handles = 1;
    link_relay(relay);
    return relay;
}

static int greet(struct relay *relay, uv_stream_t *listener)
{
    struct flow *flow = &relay->flow;
    struct end *victim = &relay->victim;
    int len = sizeof flow->peer;
    if (end_open(victim, relay, LEG_VICTIM) ||
        uv_accept(listener, (uv_stream_t *)&victim->tcp))
        return -1;
    /* Even to say no takes a descriptor for a moment. */
    if (relay->worker->count > relay->worker->most + TURNED_AWAY_MOST)
        return -1;
    /* One that has reset already is nobody any more. */
    if (uv_tcp_getpeername(&victim->tcp, &flow->peer.any, &len))
        return -1;
    len = sizeof flow->listener;
    uv_tcp_getsockname(&victim->tcp, &flow->listener.any, &len);
    flow->victim = flow->peer;
    flow->entrance = flow->listener;
    return make_hook_states(relay);
}

void relay_accept(struct worker *worker, const struct way_in *way,
                  uv_stream_t *listener)
{
    struct relay *relay = relay_new(worker, way);
    if (!relay) {
        worker->drop(worker, listener);
        return;
    }
    if (greet(relay, listener)) {
        relay->state = RELAY_CLOSING;
        end_close(&relay->victim, false);
        uv_close((uv_handle_t *)&relay->timer, on_timer_closed);
        return;
    }
    if (relay->state != RELAY_INTRO)
        relay_meet(relay, 0);
    relay->turned_away = worker->count > worker->most;
    if (relay->turned_away)
        relay->why = FLOW_REFUSED;
    relay_wait(relay, relay_first_ms(relay));
    relay_advance(relay);
}

/* A lane that waits for its next request is missed the least. */
static bool shed_lane(const struct worker *worker)
{
    for (struct relay *it = worker->first; it; it = it->next)
        if (it->lanes && lanes_shed(it->lanes))
            return true;
    return false;
}

bool relay_shed(struct worker *worker)
{
    struct relay *relay = worker->first;
    if (shed_lane(worker))
        return true;
    while (relay && relay->state == RELAY_CLOSING)
        relay = relay->next;
    if (!relay)
        return false;
    relay_enter(relay, relay_cut(relay, FLOW_REFUSED));
    return true;
}

void relay_stop(struct relay *relay)
{
    bool idle = relay->state == RELAY_INTRO || relay->state == RELAY_GREET ||
                relay->state == RELAY_HELLO ||
                (relay->state == RELAY_STREAM && !relay->tunnel &&
                 relay->protocol == TARGET_HTTP &&
                 (relay->streams ? streams_idle(relay->streams)
                                 : exchange_idle(&relay->exchange)));
    if (relay->state == RELAY_CLOSING || relay->last)
        return;
    if (relay->streams && relay->state == RELAY_STREAM)
        streams_leave(relay->streams);
    relay_wait(relay, idle ? 0 : STOP_MS);
    relay->last = relay->deadline;
}

static size_t half_held(const struct half *half)
{
    const struct note *note = &half->note;
    return half->message.body.room + note->head.room + note->body.room +
           note->sent_head.room + note->sent_body.room + half->milled.room +
           mill_held(half->mill);
}

size_t relay_held(const struct relay *relay)
{
    return end_held(&relay->victim) + end_held(&relay->server) +
           half_held(&relay->exchange.request) +
           half_held(&relay->exchange.response) +
           (relay->streams ? streams_held(relay->streams) : 0) +
           (relay->lanes ? lanes_held(relay->lanes) : 0);
}

/* ---- the end ------------------------------------------------------------- */

/* What the flow was beside HTTP; NULL: nothing, or no server was reached. */
static const char *spoken(const struct relay *relay)
{
    if (relay->misled)
        return "proxied";
    /* Its end may be closed already, while the victim was seen out. */
    if (!relay->flow.local.any.sa_family)
        return NULL;
    if (relay->messages)
        return "ws";
    if (relay->tunnel)
        return "raw";
    if (relay->flow.sealed)
        return "tls";
    return relay->protocol == TARGET_RAW ? "raw" : NULL;
}

/* What was asked of us, where nothing came of it. */
static const char *wanted(const struct relay *relay)
{
    if (relay->way->mode == WAY_SOCKS && relay->asked != ASKED_GRANTED)
        return "socks";
    return relay->protocol == TARGET_HTTP ? "http" : "raw";
}

/* A flow that ended without an exchange has a line of its own, and so have
 * bytes, and what went wrong without either. */
static void write_line(const struct relay *relay, const char *verdict,
                       const char *how)
{
    const struct proxy_options *options = options_of(relay);
    const struct flow *flow = &relay->flow;
    const struct end *victim = &relay->victim;
    const char *bytes = spoken(relay);
    const char *name = flow->server_name;
    bool tls = flow->tls && !flow->exchanges;
    if (!bytes && !tls && !relay->trouble)
        return;
    if (!name && *relay->target.host)
        name = relay->target.host;
    struct proxy_line line = {.kind = bytes ? PROXY_LINE_BYTES
                                      : tls ? PROXY_LINE_TLS
                                            : PROXY_LINE_LOST,
                              .spoken = bytes ? bytes : wanted(relay),
                              .reason = relay->trouble,
                              .victim = &flow->victim,
                              .tls = flow->tls,
                              .host = name,
                              .host_len = name ? strlen(name) : 0,
                              .up_bytes = bytes ? victim->in_total : 0,
                              .down_bytes = bytes ? end_output_at(victim) : 0,
                              .ms = uv_now(relay->worker->loop) - relay->began,
                              .verdict = flow->sealed ? "passed" : verdict,
                              .how = how};
    struct filter_subject subject = {
        .moment = FILTER_AT_END,
        .kind = relay->misled ? "raw"
                : bytes       ? bytes
                : tls         ? "tls"
                              : line.spoken,
        .tls = flow->tls,
        .victim = &flow->victim,
        .server = &flow->server,
        .flow = flow->id,
        .sni = {flow->tls ? name : NULL, flow->tls ? line.host_len : 0},
        .host = {name, line.host_len},
        .verdict = {verdict, verdict ? strlen(verdict) : 0},
        .size_known = bytes != NULL,
        .size = line.up_bytes + line.down_bytes,
        .ms_known = true,
        .ms = line.ms};
    line.subject = &subject;
    options->on_line(options->context, &line);
}

static void write_verdict(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    const char *how = NULL;
    const char *verdict =
        relay->misled ? "refused" : facts_verdict(relay, &how);
    /* What it refused it was shown, and it took nothing else. */
    if (verdict && !relay->victim.tls.bytes)
        pass_note_refusal(options->pass, &relay->flow.victim,
                          &relay->flow.server, relay->sni);
    if (options->on_line)
        write_line(relay, verdict, how);
}

static void tell_hooks(struct relay *relay)
{
    const struct proxy_options *options = options_of(relay);
    for (unsigned i = 0; i < options->hooks_count; i++)
        if (options->hooks[i]->on_end)
            options->hooks[i]->on_end(options->hooks[i]->config, &relay->flow,
                                      relay->why);
}

void relay_begin_closing(struct relay *relay)
{
    if (relay->reset && relay->server.tls.ssl)
        relay->server.tls.broken = true;
    exchange_close(&relay->exchange);
    streams_free(relay->streams);
    relay->streams = NULL;
    for (unsigned i = 0; i < 2; i++)
        ask_abandon(&relay->asks[i], NULL);
    write_verdict(relay);
    messages_close(relay->messages);
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
    if (--relay->handles) {
        if (relay->server_going && !relay->server.closing &&
            relay->state == RELAY_CONNECT)
            relay_begin_connect(relay);
        return;
    }
    unlink_relay(relay);
    end_free(&relay->victim);
    end_free(&relay->server);
    lanes_free(relay->lanes);
    sight_free(relay->sight);
    arena_free(&relay->flow.arena);
    free(relay);
    worker->on_relay_gone(worker);
}
