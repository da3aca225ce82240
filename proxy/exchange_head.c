/* SPDX-License-Identifier: MIT
 *
 * The heads of an exchange: what the request asks and the response says, and
 * what follows from it for the body. */
#include "proxy/exchange_parts.h"

#include "proxy/authority.h"
#include "proxy/facts.h"
#include "proxy/forward.h"
#include "proxy/messages.h"
#include "proxy/wish.h"

#include <stdio.h>
#include <string.h>

/* Nobody follows such a server out of HTTP: the next request would be bytes
 * that no hook sees. */
static const struct http1_fault unasked = {
    .rule = "RFC 9110 15.2.2",
    .sentence = "101 to a request that asked for no other protocol",
    .status = 502,
    .name = "upgrade-unasked",
};

static enum step no_head_any_more(struct exchange *exchange, struct half *half)
{
    bool lost = half->from->hears == END_LOST;
    if (half == &exchange->request)
        return lost ? STEP_CUT : STEP_OVER;
    if (buf_len(half_input(half)))
        return step_answer(exchange, 502,
                           "the server ended in the middle of a response");
    return step_server_died(exchange);
}

/* > 0: length of the head, which is in worker->head; 0: *out says what now. */
size_t exchange_read_head(struct exchange *exchange, struct half *half,
                          enum step *out)
{
    bool request = half == &exchange->request;
    struct http1_fault fault;
    half->hungry = false;
    for (;;) {
        size_t len = buf_len(half_input(half));
        ssize_t used =
            !len ? 0
                 : http1_head_read(&half->scan,
                                   request ? HTTP1_REQUEST : HTTP1_RESPONSE,
                                   exchange->method, half_front(half), len,
                                   &exchange->relay->worker->head, &fault);
        if (used > 0 && request &&
            authority_is_wrong(exchange->relay, &exchange->relay->worker->head,
                               half_front(half), &fault))
            used = -1;
        if (used > 0)
            return (size_t)used;
        if (used < 0) {
            *out = step_malformed(exchange, half, &fault);
            return 0;
        }
        end_decrypt(half->from, len + 1);
        if (buf_len(half_input(half)) > len)
            continue;
        half->hungry = true;
        *out = half_ended(half) ? no_head_any_more(exchange, half) : STEP_WAITS;
        return 0;
    }
}

static bool may_collect(const struct exchange *exchange,
                        const struct half *half, const struct http1_head *head)
{
    switch (head->framing) {
    case HTTP1_LENGTH:
        return half->built && head->length <= wish_most(exchange->relay) &&
               wish_body(exchange->relay, &half->message);
    case HTTP1_CHUNKED:
    case HTTP1_TO_CLOSE:
        return half->built && wish_body(exchange->relay, &half->message);
    case HTTP1_NONE:
    case HTTP1_TUNNEL:
        return false;
    }
    return false;
}

bool half_body_done(const struct half *half)
{
    return half->body.done || half->body.framing == HTTP1_NONE ||
           half->body.framing == HTTP1_TUNNEL;
}

/* What both kinds of head have in common. -1 when memory is out. */
static int take_head(struct exchange *exchange, struct half *half, size_t used)
{
    const struct http1_head *head = &exchange->relay->worker->head;
    bool request = half == &exchange->request;
    half->head_len = (uint32_t)used;
    half->parsed = used;
    half->keep_alive = head->keep_alive;
    half->collected = half->swallow = half->answered = false;
    http1_body_init(&half->body, head, options_of(exchange)->lenient);
    half->fresh = half->body;
    note_head(&half->note, half->from, head, half_front(half));
    half_forget(half);
    half->forwards = request && relay_forwards(exchange->relay);
    if (!half->forwards && !wish_looks(exchange->relay, request))
        return 0;
    if (message_init(&half->message, &exchange->arena, head, half_front(half)))
        return -1;
    half->message.ask = half->ask;
    half->message.bodyless = half_body_done(half);
    half->built = true;
    return half->forwards ? forward_request(&half->message) : 0;
}

/* A victim that waits for leave to send a body that we want first. */
static void say_continue(struct exchange *exchange)
{
    static const char leave[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange->said_continue =
        !end_send(&exchange->relay->victim, leave, sizeof leave - 1);
}

void exchange_remember_method(struct exchange *exchange, const char *method,
                              size_t len)
{
    size_t most = sizeof exchange->method - 1;
    len = len < most ? len : most;
    memcpy(exchange->method, method, len);
    exchange->method[len] = 0;
}

enum step step_request_head(struct exchange *exchange)
{
    enum step step = STEP_WAITS;
    struct half *half = &exchange->request;
    const struct http1_head *head = &exchange->relay->worker->head;
    size_t used = exchange_read_head(exchange, half, &step);
    if (!used)
        return step;
    if (relay_forwards(exchange->relay) &&
        authority_moves(exchange->relay, head, half_front(half))) {
        exchange->relay->sent_to = NULL;
        return STEP_GREET;
    }
    exchange->last = !head->keep_alive;
    exchange_remember_method(exchange, half_front(half) + head->method.at,
                             head->method.len);
    if (options_of(exchange)->on_line)
        note_line_asked(&exchange->line, exchange->relay, head,
                        half_front(half));
    if (!strcmp(exchange->method, "CONNECT"))
        return step_answer(
            exchange, 501,
            "this way in leads to a server already; CONNECT is for "
            "--listen http@ADDRESS:PORT (RFC 9110 9.3.6)");
    exchange->upgrade = head->upgrade;
    if (take_head(exchange, half, used))
        return STEP_CUT;
    exchange->relay->flow.exchanges++;
    half->state = HALF_ASK;
    exchange->expects = head->expect_continue;
    if (may_collect(exchange, half, head)) {
        half->state = HALF_COLLECT;
        if (head->expect_continue)
            say_continue(exchange);
    }
    return STEP_ON;
}

/* 100, 103 and the like pass as they come, and another head follows. */
static enum step interim(struct exchange *exchange, size_t used, int status)
{
    struct half *half = &exchange->response;
    bool ours_was_first = status == 100 && exchange->said_continue;
    if (!ours_was_first && end_send(half->to, half_front(half), used))
        return STEP_CUT;
    buf_consume(half_input(half), used);
    return STEP_ON;
}

/* A response's message also says what was asked for. */
void exchange_remember_request(struct exchange *exchange)
{
    struct message *response = &exchange->response.message;
    const struct message *request = &exchange->request.message;
    if (!exchange->response.built || !exchange->request.built)
        return;
    response->method = request->method;
    response->target = request->target;
    response->host = request->host;
    response->request = request;
}

/* The value of a field in the arena, NULL if there is none. */
static const char *value_of(struct exchange *exchange, const struct half *half,
                            const char *name)
{
    const struct http1_head *head = &exchange->relay->worker->head;
    const struct http1_field *field =
        http1_field(head, half_front(half), name, NULL);
    return field ? arena_copy(&exchange->arena,
                              half_front(half) + field->value.at,
                              field->value.len)
                 : NULL;
}

/* Behind a 101: messages of a WebSocket, if it is one. */
static void follow_messages(struct exchange *exchange, const struct half *half)
{
    exchange->relay->messages =
        messages_open(exchange->relay, value_of(exchange, half, "Upgrade"),
                      value_of(exchange, half, "Sec-WebSocket-Extensions"));
}

enum step step_response_head(struct exchange *exchange)
{
    enum step step = STEP_WAITS;
    struct half *half = &exchange->response;
    const struct http1_head *head = &exchange->relay->worker->head;
    /* Of interim responses there may be any number. */
    half->hungry = false;
    end_flush(half->to);
    if (end_blocked(half->to))
        return STEP_WAITS;
    size_t used = exchange_read_head(exchange, half, &step);
    if (!used)
        return step;
    if (head->status < 200 && head->status != 101)
        return interim(exchange, used, head->status);
    if (head->framing == HTTP1_TUNNEL && !exchange->upgrade)
        return step_malformed(exchange, half, &unasked);
    if (take_head(exchange, half, used))
        return STEP_CUT;
    exchange->line.status = head->status;
    exchange_remember_request(exchange);
    if (head->framing == HTTP1_TUNNEL)
        follow_messages(exchange, half);
    half->state = may_collect(exchange, half, head) ? HALF_COLLECT : HALF_ASK;
    return STEP_ON;
}
