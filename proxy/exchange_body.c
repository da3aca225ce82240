/* SPDX-License-Identifier: MIT
 *
 * The bodies of an exchange: kept for the hooks that want them, shown, and
 * passed on, changed or as they came. */
#include "proxy/exchange_parts.h"

#include "proxy/answer.h"
#include "proxy/facts.h"
#include "proxy/mill.h"
#include "proxy/pour.h"
#include "proxy/wish.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    ROOM_MOST = 128 * 1024,
    FRAMING_MOST = 256 * 1024, /* of chunks around such a body */
    PASS_MOST = 44 * 1024,     /* then it is sent: a block holds this and one
                                  more TLS record */
};

/* ---- bodies -------------------------------------------------------------- */

int half_parse_piece(struct half *half, struct span *data,
                     struct http1_fault *fault)
{
    *data = (struct span){0};
    size_t len = half_body_done(half) ? 0 : half_unparsed(half);
    if (!len)
        return 0;
    ssize_t used = http1_body_read(&half->body, half_front(half) + half->parsed,
                                   len, data, fault);
    if (used <= 0)
        return (int)used;
    data->at += (uint32_t)half->parsed;
    half->parsed += (size_t)used;
    note_body(&half->note, half_front(half) + data->at, data->len);
    return 1;
}

static enum step stop_collecting(struct half *half, bool has_body)
{
    if (!has_body)
        buf_free(&half->message.body);
    half->message.has_body = half->collected = has_body;
    half->state = HALF_ASK;
    half->hungry = false;
    return STEP_ON;
}

/* All of the body is there: take its coding off. One that we cannot take off
 * is passed on, unseen by the hooks. */
static enum step collected(struct exchange *exchange, struct half *half)
{
    struct message *message = &half->message;
    bool decoded = !message_decode(message, wish_most(exchange->relay));
    if (!decoded && mill_is_bomb(message))
        message->coding = CODEC_UNKNOWN;
    return stop_collecting(half, decoded);
}

/* Room for what is known to come, before the first piece does; not for more
 * than a page, because whoever names a length need not send it. */
static void make_room(struct half *half)
{
    uint64_t blind = http1_body_blind(&half->body);
    if (half->body.framing == HTTP1_LENGTH && blind && blind <= ROOM_MOST &&
        !half->message.body.bytes)
        (void)buf_reserve(&half->message.body, (size_t)blind);
}

enum step step_collect(struct exchange *exchange, struct half *half)
{
    struct http1_fault fault;
    struct span data;
    size_t most = wish_most(exchange->relay);
    int got;
    make_room(half);
    while ((got = half_parse_piece(half, &data, &fault)) > 0) {
        if (buf_append(&half->message.body, half_front(half) + data.at,
                       data.len))
            return STEP_CUT;
        if (buf_len(&half->message.body) > most ||
            half->parsed - half->head_len > most + FRAMING_MOST)
            return stop_collecting(half, false);
    }
    if (got < 0)
        return step_malformed(exchange, half, &fault);
    if (half_body_done(half))
        return collected(exchange, half);
    half->hungry = true;
    if (!half_ended(half))
        return STEP_WAITS;
    if (half->body.framing == HTTP1_TO_CLOSE &&
        half->from->hears == END_TOLD_BYE)
        return collected(exchange, half);
    /* Cut short: let the other end see exactly what came. */
    return stop_collecting(half, false);
}

/* ---- hooks --------------------------------------------------------------- */

static enum hook_act question(const struct hook *hook, struct relay *relay,
                              void *about)
{
    struct half *half = about;
    if (half->message.kind == HTTP1_REQUEST)
        return hook->on_request ? hook->on_request(hook->config, &relay->flow,
                                                   &half->message)
                                : HOOK_PASS;
    return hook->on_response
               ? hook->on_response(hook->config, &relay->flow, &half->message)
               : HOOK_PASS;
}

/* What the hooks made of it. -1: it cannot be sent. */
static int write_changed(struct half *half, struct buf *out)
{
    bool naive = half->ask->wants & HOOK_WANTS_NAIVE_LENGTH;
    /* A body that is still on its way cannot be replaced. */
    if (!half->collected && !half_body_done(half))
        half->message.has_body = false;
    if (message_send(&half->message, naive, out))
        return -1;
    /* Without a body the head alone was open to change. */
    if (half->message.has_body)
        return 0;
    return buf_append(out, half_front(half) + half->head_len,
                      half->parsed - half->head_len);
}

/* The server answers what it was asked. With or without a body makes a
 * difference that the victim cannot see, so nothing may follow. */
static void follow_method(struct exchange *exchange, struct half *half)
{
    const char *method = half->message.method;
    if (half != &exchange->request || !strcmp(exchange->method, method))
        return;
    if (!strcmp(exchange->method, "HEAD") || !strcmp(method, "HEAD"))
        half->keep_alive = false;
    snprintf(exchange->method, sizeof exchange->method, "%s", method);
}

/* The rest of the request goes nowhere. A server that takes no more may have
 * said something before: one that refuses an upload answers, and hangs up. */
static enum step half_deaf(struct exchange *exchange, struct half *half)
{
    note_write(&half->note, half->from, half->to, false);
    half->keep_alive = exchange->last = false;
    half->state = HALF_DONE;
    if (exchange->response.state == HALF_IDLE)
        exchange->response.state = HALF_HEAD;
    return STEP_ON;
}

void half_changed(struct exchange *exchange, const struct half *half)
{
    if (half == &exchange->request)
        exchange->line.request_changed = true;
    else
        exchange->line.response_changed = true;
}

static enum step send_changed(struct exchange *exchange, struct half *half)
{
    struct buf out = {0};
    int bad = write_changed(half, &out);
    half->note.sent_at = end_output_at(half->to);
    if (bad && half->answered) {
        buf_free(&out);
        return step_answer(exchange, 502, "what a hook answered is no HTTP");
    }
    if (bad && message_is_safe(&half->message)) {
        buf_free(&out); /* memory is out: what was to go cannot */
        return STEP_CUT;
    }
    if (bad) {
        /* A name or value that would break the message: as it came, then. */
        fprintf(stderr, "mitmlab: what a hook made of a message is no HTTP; "
                        "it goes on unchanged\n");
        half_close_mill(half);
        buf_free(&out);
        return STEP_ON;
    }
    follow_method(exchange, half);
    /* That a URL became a path is no change that anybody made. */
    if (half->forwards && !half->edited && !half->mill)
        note_translated(&half->note, &half->message);
    else
        note_changed(&half->note, &half->message);
    if (half != &exchange->request || half->edited)
        half_changed(exchange, half);
    bad = end_send(half->to, buf_head(&out), buf_len(&out));
    half->note.sent_end = end_output_at(half->to);
    buf_free(&out);
    if (bad)
        return half_unheard(exchange, half);
    buf_consume(half_input(half), half->parsed);
    half->parsed = 0;
    if (half->message.has_body)
        half->body.done = true;
    return STEP_ON;
}

/* The server is not asked. Leave to send a body was not given, and who sends
 * it nevertheless cannot be told from who does not (RFC 9110 10.1.1). */
static void swallow_request(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    request->swallow = true;
    request->state = HALF_BODY;
    if (!exchange->expects || exchange->said_continue ||
        half_body_done(request))
        return;
    buf_consume(half_input(request), request->parsed);
    request->parsed = 0;
    (void)half_deaf(exchange, request);
}

/* A hook has written the response; the hooks of responses see it next. */
static enum step take_answer(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    struct half *response = &exchange->response;
    assert(request->message.answer);
    swallow_request(exchange);
    response->message = *request->message.answer;
    request->message.answer = NULL;
    response->message.ask = response->ask;
    response->built = response->collected = response->answered = true;
    response->parsed = response->head_len = 0;
    response->keep_alive = true;
    response->body = (struct http1_body){.framing = HTTP1_NONE, .done = true};
    response->state = HALF_ASK;
    exchange_remember_request(exchange);
    bool last = !request->keep_alive || !request->message.minor;
    request->keep_alive = !last;
    return last && message_set_field(&response->message, "Connection", "close")
               ? STEP_CUT
               : STEP_ON;
}

/* Of an answer of ours there is no other form than the one it has now. */
static enum step send_answered(struct exchange *exchange, struct half *half)
{
    exchange->line.status = half->message.status;
    note_answered(&half->note, buf_len(&half->message.body));
    return send_changed(exchange, half);
}

/* Nobody is there any more for whom a hook could take its time. */
static bool gave_up(struct exchange *exchange, const struct half *half)
{
    struct end *victim = &exchange->relay->victim;
    if (!(half->ask->wants & HOOK_WANTS_VICTIM))
        return false;
    end_decrypt(victim, buf_len(end_input(victim)) + 1);
    return victim->hears != END_HEARS;
}

enum step step_ask(struct exchange *exchange, struct half *half)
{
    struct relay *relay = exchange->relay;
    enum hook_act act = HOOK_PASS;
    end_flush(half->to);
    if (end_blocked(half->to))
        return STEP_WAITS;
    if (half->built) {
        relay->shown_leg = half->from->leg;
        relay->shown_at = end_input_at(half->from);
        relay->shown_len = end_input_end(half->from) - relay->shown_at;
        if (!half->from->tls.ssl)
            relay->shown_len = half->parsed;
        act = ask_hooks(relay, half->ask, question, half);
        relay->shown_leg = LEG_NONE;
    }
    half->edited = act == HOOK_CHANGED;
    return exchange_decided(exchange, half, act);
}

enum step exchange_decided(struct exchange *exchange, struct half *half,
                           enum hook_act act)
{
    bool request = half == &exchange->request;
    if (act == HOOK_PASS && half->forwards)
        act = HOOK_CHANGED;
    if (request && (act == HOOK_PASS || act == HOOK_CHANGED))
        exchange_follow(exchange);
    if (request && (act == HOOK_PASS || act == HOOK_CHANGED) &&
        !relay_has_server(exchange->relay)) {
        half->act = act;
        half->state = HALF_DIAL;
        return STEP_ON;
    }
    if ((act == HOOK_PASS || act == HOOK_CHANGED) &&
        half_open_mill(exchange, half))
        act = HOOK_CHANGED;
    switch (act) {
    case HOOK_CUT:
        exchange->relay->why = FLOW_CUT;
        return STEP_CUT;
    case HOOK_WAIT:
        /* A server that was not there may be when this goes on. */
        if (request)
            relay_forget_absence(exchange->relay);
        return gave_up(exchange, half) ? STEP_CUT : STEP_WAITS;
    case HOOK_ANSWER:
        return take_answer(exchange);
    case HOOK_CHANGED:
        half->state = HALF_BODY;
        exchange->answering |= !request;
        return half->answered ? send_answered(exchange, half)
                              : send_changed(exchange, half);
    case HOOK_PASS:
        half->state = HALF_BODY;
        exchange->answering |= half->answered;
        if (half->answered)
            return send_answered(exchange, half);
        if (half->built && !exchange->relay->worker->options->line_bodies)
            buf_free(&half->message.body);
        half->note.sent_at = end_output_at(half->to);
        return STEP_ON;
    }
    return STEP_CUT;
}

/* ---- passing on ---------------------------------------------------------- */

int half_send_parsed(struct exchange *exchange, struct half *half)
{
    if (!half->parsed)
        return 0;
    exchange->answering |= half == &exchange->response;
    if (!half->swallow && end_send(half->to, half_front(half), half->parsed))
        return -1;
    buf_consume(half_input(half), half->parsed);
    half->parsed = 0;
    if (!half->swallow)
        half->note.sent_end = end_output_at(half->to);
    return 0;
}

enum step half_done(struct exchange *exchange, struct half *half)
{
    half->note.end = end_input_end(half->from);
    uint64_t *bytes = half == &exchange->request ? &exchange->line.up_bytes
                                                 : &exchange->line.down_bytes;
    *bytes = half->note.body_bytes;
    note_write(&half->note, half->from, half->to, true);
    half->note.body_bytes = 0;
    half->state = HALF_DONE;
    if (half == &exchange->request)
        exchange->response.state = exchange->response.state == HALF_IDLE
                                       ? HALF_HEAD
                                       : exchange->response.state;
    return STEP_ON;
}

enum step half_cut_short(struct half *half)
{
    if (half->from->hears == END_LOST)
        return STEP_CUT;
    /* Without a close_notify this is an end that anybody could have made. */
    if (half->body.framing == HTTP1_TO_CLOSE &&
        half->from->hears == END_TOLD_BYE)
        return STEP_ON;
    return STEP_TRUNCATED;
}

enum step half_unheard(struct exchange *exchange, struct half *half)
{
    return half == &exchange->request ? half_deaf(exchange, half) : STEP_CUT;
}

/* Nobody looks at what comes next: the hooks have had their turn, the note has
 * all that it shows, and it is content whatever it is. */
static bool may_pour(const struct half *half)
{
    return http1_body_blind(&half->body) >= POUR_LEAST && !half->parsed &&
           !half->swallow && note_is_full(&half->note) && pour_can(half->from);
}

/* Through the kernel. What else there is to do is step_pass_body()'s business. */
static int pour_body(struct half *half)
{
    ssize_t got = pour(half->from, http1_body_blind(&half->body));
    if (got < 0)
        return -1;
    http1_body_skip(&half->body, (uint64_t)got);
    note_body_unseen(&half->note, (uint64_t)got);
    half->note.sent_end = end_output_at(half->to);
    return 0;
}

enum step step_pass_body(struct exchange *exchange, struct half *half)
{
    struct http1_fault fault;
    struct span data;
    if (half->mill)
        return step_mill_body(exchange, half);
    half->hungry = false;
    end_flush(half->to);
    if (end_blocked(half->to))
        return STEP_WAITS;
    if (may_pour(half) && pour_body(half))
        return half_unheard(exchange, half);
    int got = 1;
    while (half->parsed < PASS_MOST &&
           (got = half_parse_piece(half, &data, &fault)) > 0)
        ;
    bool passed = half->parsed;
    if (half_send_parsed(exchange, half))
        return half_unheard(exchange, half);
    if (half == &exchange->request && exchange->response.state == HALF_IDLE)
        exchange->response.state = HALF_HEAD;
    if (got < 0)
        return step_malformed(exchange, half, &fault);
    if (half_body_done(half))
        return half_done(exchange, half);
    if (passed)
        return STEP_ON;
    half->hungry = true;
    if (!half_ended(half))
        return STEP_WAITS;
    enum step step = half_cut_short(half);
    return step == STEP_ON ? half_done(exchange, half) : step;
}
