/* SPDX-License-Identifier: MIT
 *
 * A half goes HEAD -> (COLLECT ->) ASK -> BODY -> DONE. While it works, the
 * message stays at the front of the input of the end it came from, and
 * `parsed` says how far it is understood; what goes on unchanged is sent from
 * there in one piece and only then consumed. */
#include "proxy/exchange.h"

#include "proxy/answer.h"
#include "proxy/authority.h"
#include "proxy/facts.h"
#include "proxy/forward.h"
#include "proxy/messages.h"
#include "proxy/pour.h"
#include "proxy/relay.h"
#include "proxy/wish.h"
#include "proxy/worker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    FRAMING_MOST = 256 * 1024, /* of chunks around such a body */
    PASS_MOST = 44 * 1024,     /* then it is sent: a block holds this and one
                                  more TLS record */
};

/* What one step of a half comes to. */
enum step {
    STEP_WAITS, /* for bytes, room or a hook */
    STEP_ON,    /* something was done: look again */
    STEP_OVER,
    STEP_TRUNCATED,
    STEP_REFUSED,
    STEP_CUT,
    STEP_GREET,
};

static const struct proxy_options *options_of(const struct exchange *exchange)
{
    return exchange->relay->worker->options;
}

/* ---- life ---------------------------------------------------------------- */

static void start_halves(struct exchange *exchange)
{
    exchange->request.state = HALF_HEAD;
    exchange->response.state = HALF_IDLE;
    exchange->said_continue = exchange->answering = false;
}

void exchange_init(struct exchange *exchange, struct relay *relay)
{
    unsigned lenient = relay->worker->options->lenient;
    *exchange = (struct exchange){
        .relay = relay,
        .request = {.from = &relay->victim,
                    .to = &relay->server,
                    .ask = &relay->asks[0]},
        .response = {.from = &relay->server,
                     .to = &relay->victim,
                     .ask = &relay->asks[1]},
    };
    exchange->request.scan.lenient = lenient;
    exchange->response.scan.lenient = lenient;
    start_halves(exchange);
}

static void forget_message(struct half *half)
{
    if (half->built)
        message_close(&half->message);
    half->built = false;
}

static void finish(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    struct half *response = &exchange->response;
    if (exchange->line.method_len)
        note_line_write(&exchange->line, exchange->relay,
                        request->built ? &request->message : NULL,
                        response->built ? &response->message : NULL);
    exchange->line.method_len = 0;
    forget_message(request);
    forget_message(response);
    arena_free(&exchange->arena);
}

void exchange_close(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    struct half *response = &exchange->response;
    if (!exchange->relay)
        return;
    note_write(&request->note, request->from, request->to, false);
    note_write(&response->note, response->from, response->to, false);
    note_close(&request->note);
    note_close(&response->note);
    if (request->built)
        ask_abandon(request->ask, &request->message);
    if (response->built)
        ask_abandon(response->ask, &response->message);
    finish(exchange);
}

bool exchange_idle(const struct exchange *exchange)
{
    return exchange->request.state == HALF_HEAD &&
           !buf_len(end_input(exchange->request.from));
}

bool exchange_head_pending(const struct exchange *exchange)
{
    return exchange->request.state == HALF_HEAD &&
           buf_len(end_input(exchange->request.from));
}

/* ---- answers of our own -------------------------------------------------- */

bool exchange_answer(struct exchange *exchange, int status,
                     const char *sentence)
{
    struct buf out = {0};
    if (exchange->answering)
        return false;
    bool sent =
        !answer_write(&out, status, sentence) &&
        !end_send(&exchange->relay->victim, buf_head(&out), buf_len(&out));
    buf_free(&out);
    exchange->line.status = status;
    exchange->answering = true;
    return sent;
}

static enum step answer(struct exchange *exchange, int status,
                        const char *sentence)
{
    return exchange_answer(exchange, status, sentence) ? STEP_REFUSED
                                                       : STEP_CUT;
}

/* Nobody follows such a server out of HTTP: the next request would be bytes
 * that no hook sees. */
static const struct http1_fault unasked = {
    .rule = "RFC 9110 15.2.2",
    .sentence = "101 to a request that asked for no other protocol",
    .status = 502,
    .name = "upgrade-unasked",
};

/* A message breaks a rule: it goes no further, and the victim hears why. */
static enum step malformed(struct exchange *exchange, const struct half *half,
                           const struct http1_fault *fault)
{
    bool request = half == &exchange->request;
    int status = request ? fault->status : 502;
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s%s (%s, byte %zu)",
             request ? "" : "the server's response is malformed: ",
             fault->sentence, fault->rule, fault->offset);
    facts_refused(half->from, fault->rule, fault->sentence, fault->offset,
                  status);
    return answer(exchange, status, sentence);
}

bool exchange_refuse(struct exchange *exchange, const struct http1_fault *fault)
{
    return malformed(exchange, &exchange->request, fault) == STEP_REFUSED;
}

/* ---- input --------------------------------------------------------------- */

static struct buf *input(const struct half *half)
{
    return end_input(half->from);
}

/* The bytes behind what is parsed. Decrypts more when there are none. */
static size_t unparsed(struct half *half)
{
    struct buf *in = input(half);
    if (buf_len(in) <= half->parsed) {
        end_decrypt(half->from, half->parsed + 1);
        in = input(half);
    }
    return buf_len(in) - half->parsed;
}

static const char *front(const struct half *half)
{
    return (const char *)buf_head(input(half));
}

/* No byte will follow those that are in the input. */
static bool ended(const struct half *half)
{
    return half->from->hears != END_HEARS;
}

/* ---- heads --------------------------------------------------------------- */

static enum step no_head_any_more(struct exchange *exchange, struct half *half)
{
    bool lost = half->from->hears == END_LOST;
    if (half == &exchange->request)
        return lost ? STEP_CUT : STEP_OVER;
    return answer(exchange, 502,
                  buf_len(input(half))
                      ? "the server ended in the middle of a response"
                      : "the server ended without a response");
}

/* > 0: length of the head, which is in worker->head; 0: *out says what now. */
static size_t read_head(struct exchange *exchange, struct half *half,
                        enum step *out)
{
    bool request = half == &exchange->request;
    struct http1_fault fault;
    half->hungry = false;
    for (;;) {
        size_t len = buf_len(input(half));
        ssize_t used =
            !len ? 0
                 : http1_head_read(&half->scan,
                                   request ? HTTP1_REQUEST : HTTP1_RESPONSE,
                                   exchange->method, front(half), len,
                                   &exchange->relay->worker->head, &fault);
        if (used > 0 && request &&
            authority_is_wrong(exchange->relay, &exchange->relay->worker->head,
                               front(half), &fault))
            used = -1;
        if (used > 0)
            return (size_t)used;
        if (used < 0) {
            *out = malformed(exchange, half, &fault);
            return 0;
        }
        end_decrypt(half->from, len + 1);
        if (buf_len(input(half)) > len)
            continue;
        half->hungry = true;
        *out = ended(half) ? no_head_any_more(exchange, half) : STEP_WAITS;
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

static bool body_done(const struct half *half)
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
    note_head(&half->note, half->from, head, front(half));
    forget_message(half);
    half->forwards = request && relay_forwards(exchange->relay);
    if (!half->forwards && !wish_looks(exchange->relay, request))
        return 0;
    if (message_init(&half->message, &exchange->arena, head, front(half)))
        return -1;
    half->message.ask = half->ask;
    half->message.bodyless = body_done(half);
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

static void remember_method(struct exchange *exchange, const char *method,
                            size_t len)
{
    size_t most = sizeof exchange->method - 1;
    len = len < most ? len : most;
    memcpy(exchange->method, method, len);
    exchange->method[len] = 0;
}

static enum step request_head(struct exchange *exchange)
{
    enum step step = STEP_WAITS;
    struct half *half = &exchange->request;
    const struct http1_head *head = &exchange->relay->worker->head;
    size_t used = read_head(exchange, half, &step);
    if (!used)
        return step;
    if (relay_forwards(exchange->relay) &&
        authority_moves(exchange->relay, head, front(half)))
        return STEP_GREET;
    remember_method(exchange, front(half) + head->method.at, head->method.len);
    if (options_of(exchange)->on_line)
        note_line_asked(&exchange->line, exchange->relay, head, front(half));
    if (!strcmp(exchange->method, "CONNECT"))
        return answer(exchange, 501,
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
    if (!ours_was_first && end_send(half->to, front(half), used))
        return STEP_CUT;
    buf_consume(input(half), used);
    return STEP_ON;
}

/* A response's message also says what was asked for. */
static void remember_request(struct exchange *exchange)
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
        http1_field(head, front(half), name, NULL);
    return field ? arena_copy(&exchange->arena, front(half) + field->value.at,
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

static enum step response_head(struct exchange *exchange)
{
    enum step step = STEP_WAITS;
    struct half *half = &exchange->response;
    const struct http1_head *head = &exchange->relay->worker->head;
    /* Of interim responses there may be any number. */
    half->hungry = false;
    end_flush(half->to);
    if (end_blocked(half->to))
        return STEP_WAITS;
    size_t used = read_head(exchange, half, &step);
    if (!used)
        return step;
    if (head->status < 200 && head->status != 101)
        return interim(exchange, used, head->status);
    if (head->framing == HTTP1_TUNNEL && !exchange->upgrade)
        return malformed(exchange, half, &unasked);
    if (take_head(exchange, half, used))
        return STEP_CUT;
    exchange->line.status = head->status;
    remember_request(exchange);
    if (head->framing == HTTP1_TUNNEL)
        follow_messages(exchange, half);
    half->state = may_collect(exchange, half, head) ? HALF_COLLECT : HALF_ASK;
    return STEP_ON;
}

/* ---- bodies -------------------------------------------------------------- */

/* Understand one more piece of body. > 0 progress, 0 none, -1 nonsense. */
static int parse_piece(struct half *half, struct span *data,
                       struct http1_fault *fault)
{
    *data = (struct span){0};
    size_t len = body_done(half) ? 0 : unparsed(half);
    if (!len)
        return 0;
    ssize_t used = http1_body_read(&half->body, front(half) + half->parsed, len,
                                   data, fault);
    if (used <= 0)
        return (int)used;
    data->at += (uint32_t)half->parsed;
    half->parsed += (size_t)used;
    note_body(&half->note, front(half) + data->at, data->len);
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
    return stop_collecting(half, decoded);
}

static enum step collect(struct exchange *exchange, struct half *half)
{
    struct http1_fault fault;
    struct span data;
    size_t most = wish_most(exchange->relay);
    int got;
    while ((got = parse_piece(half, &data, &fault)) > 0) {
        if (buf_append(&half->message.body, front(half) + data.at, data.len))
            return STEP_CUT;
        if (buf_len(&half->message.body) > most ||
            half->parsed - half->head_len > most + FRAMING_MOST)
            return stop_collecting(half, false);
    }
    if (got < 0)
        return malformed(exchange, half, &fault);
    if (body_done(half))
        return collected(exchange, half);
    half->hungry = true;
    if (!ended(half))
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
    if (!half->collected && !body_done(half))
        half->message.has_body = false;
    if (message_write(&half->message, naive, out))
        return -1;
    /* Without a body the head alone was open to change. */
    if (half->message.has_body)
        return 0;
    return buf_append(out, front(half) + half->head_len,
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

static enum step send_changed(struct exchange *exchange, struct half *half)
{
    struct buf out = {0};
    int bad = write_changed(half, &out);
    half->note.sent_at = end_output_at(half->to);
    if (bad && half->answered) {
        buf_free(&out);
        return answer(exchange, 502, "what a hook answered is no HTTP");
    }
    if (bad) {
        /* A name or value that would break the message: as it came, then. */
        fprintf(stderr, "mitmlab: what a hook made of a message is no HTTP; "
                        "it goes on unchanged\n");
        buf_free(&out);
        return STEP_ON;
    }
    follow_method(exchange, half);
    note_changed(&half->note, &half->message);
    bad = end_send(half->to, buf_head(&out), buf_len(&out));
    half->note.sent_end = end_output_at(half->to);
    buf_free(&out);
    if (bad)
        return STEP_CUT;
    buf_consume(input(half), half->parsed);
    half->parsed = 0;
    if (half->message.has_body)
        half->body.done = true;
    return STEP_ON;
}

/* The rest of the request goes nowhere. */
static enum step half_deaf(struct exchange *exchange, struct half *half)
{
    note_write(&half->note, half->from, half->to, false);
    half->keep_alive = false;
    half->state = HALF_DONE;
    if (exchange->response.state == HALF_IDLE)
        exchange->response.state = HALF_HEAD;
    return STEP_ON;
}

/* The server is not asked. Leave to send a body was not given, and who sends
 * it nevertheless cannot be told from who does not (RFC 9110 10.1.1). */
static void swallow_request(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    request->swallow = true;
    request->state = HALF_BODY;
    if (!exchange->expects || exchange->said_continue || body_done(request))
        return;
    buf_consume(input(request), request->parsed);
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
    remember_request(exchange);
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

static enum step ask(struct exchange *exchange, struct half *half)
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
    if (act == HOOK_PASS && half->forwards)
        act = HOOK_CHANGED;
    switch (act) {
    case HOOK_CUT:
        relay->why = FLOW_CUT;
        return STEP_CUT;
    case HOOK_WAIT:
        return gave_up(exchange, half) ? STEP_CUT : STEP_WAITS;
    case HOOK_ANSWER:
        return take_answer(exchange);
    case HOOK_CHANGED:
        half->state = HALF_BODY;
        exchange->answering |= half == &exchange->response;
        return half->answered ? send_answered(exchange, half)
                              : send_changed(exchange, half);
    case HOOK_PASS:
        half->state = HALF_BODY;
        exchange->answering |= half->answered;
        if (half->answered)
            return send_answered(exchange, half);
        if (half->built)
            buf_free(&half->message.body);
        half->note.sent_at = end_output_at(half->to);
        return STEP_ON;
    }
    return STEP_CUT;
}

/* ---- passing on ---------------------------------------------------------- */

static int send_parsed(struct exchange *exchange, struct half *half)
{
    if (!half->parsed)
        return 0;
    exchange->answering |= half == &exchange->response;
    if (!half->swallow && end_send(half->to, front(half), half->parsed))
        return -1;
    buf_consume(input(half), half->parsed);
    half->parsed = 0;
    if (!half->swallow)
        half->note.sent_end = end_output_at(half->to);
    return 0;
}

static enum step half_done(struct exchange *exchange, struct half *half)
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

/* The end we read from fell silent in the middle of a body. */
static enum step cut_short(struct half *half)
{
    if (half->from->hears == END_LOST)
        return STEP_CUT;
    /* Without a close_notify this is an end that anybody could have made. */
    if (half->body.framing == HTTP1_TO_CLOSE &&
        half->from->hears == END_TOLD_BYE)
        return STEP_ON;
    return STEP_TRUNCATED;
}

/* It takes no more, but what it said before may still lie in the socket: a
 * server that refuses an upload answers, and hangs up. */
static bool server_is_deaf(const struct exchange *exchange,
                           const struct half *half)
{
    return half == &exchange->request && half->to->hears == END_HEARS;
}

/* Nobody looks at what comes next: the hooks have had their turn, the note has
 * all that it shows, and it is content whatever it is. */
static bool may_pour(const struct half *half)
{
    return http1_body_blind(&half->body) >= POUR_LEAST && !half->parsed &&
           !half->swallow && note_is_full(&half->note) && pour_can(half->from);
}

/* Through the kernel. What else there is to do is pass_body()'s business. */
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

static enum step pass_body(struct exchange *exchange, struct half *half)
{
    struct http1_fault fault;
    struct span data;
    half->hungry = false;
    end_flush(half->to);
    if (end_blocked(half->to))
        return STEP_WAITS;
    if (may_pour(half) && pour_body(half))
        return server_is_deaf(exchange, half) ? half_deaf(exchange, half)
                                              : STEP_CUT;
    int got = 1;
    while (half->parsed < PASS_MOST &&
           (got = parse_piece(half, &data, &fault)) > 0)
        ;
    bool passed = half->parsed;
    if (send_parsed(exchange, half))
        return server_is_deaf(exchange, half) ? half_deaf(exchange, half)
                                              : STEP_CUT;
    if (half == &exchange->request && exchange->response.state == HALF_IDLE)
        exchange->response.state = HALF_HEAD;
    if (got < 0)
        return malformed(exchange, half, &fault);
    if (body_done(half))
        return half_done(exchange, half);
    if (passed)
        return STEP_ON;
    half->hungry = true;
    if (!ended(half))
        return STEP_WAITS;
    enum step step = cut_short(half);
    return step == STEP_ON ? half_done(exchange, half) : step;
}

/* ---- the two together ---------------------------------------------------- */

static enum step step_half(struct exchange *exchange, struct half *half)
{
    switch (half->state) {
    case HALF_HEAD:
        return half == &exchange->request ? request_head(exchange)
                                          : response_head(exchange);
    case HALF_COLLECT:
        return collect(exchange, half);
    case HALF_ASK:
        return ask(exchange, half);
    case HALF_BODY:
        return pass_body(exchange, half);
    case HALF_IDLE:
    case HALF_DONE:
        return STEP_WAITS;
    }
    return STEP_WAITS;
}

/* The server hung up, or spoke, while nothing was asked. */
static bool server_left(struct exchange *exchange)
{
    struct half *response = &exchange->response;
    if (exchange->request.state != HALF_HEAD)
        return false;
    end_decrypt(response->from, 1);
    return ended(response) || buf_len(input(response));
}

static enum step both_done(struct exchange *exchange)
{
    bool again = exchange->request.keep_alive &&
                 exchange->response.keep_alive &&
                 exchange->response.body.framing != HTTP1_TO_CLOSE &&
                 !exchange->relay->worker->stopping;
    bool tunnel = exchange->response.body.framing == HTTP1_TUNNEL;
    finish(exchange);
    start_halves(exchange);
    if (tunnel)
        exchange->relay->tunnel = true;
    return again && !tunnel ? STEP_ON : STEP_OVER;
}

static enum step step_both(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    struct half *response = &exchange->response;
    /* Its last bytes are not worth an answer that nobody can hear. */
    if (request->from->hears == END_LOST)
        return STEP_CUT;
    if (server_left(exchange))
        return STEP_OVER;
    enum step up = step_half(exchange, request);
    if (up > STEP_ON)
        return up;
    enum step down = step_half(exchange, response);
    if (down > STEP_ON)
        return down;
    if (response->state == HALF_DONE && request->state == HALF_DONE)
        return both_done(exchange);
    /* It answered before it had heard all, and wants to hear no more. */
    if (response->state == HALF_DONE && !response->keep_alive)
        return STEP_OVER;
    return up == STEP_ON || down == STEP_ON ? STEP_ON : STEP_WAITS;
}

/* A victim that has asked its last still waits for the answer. */
static void forward_half_close(struct exchange *exchange)
{
    const struct half *request = &exchange->request;
    if (request->state != HALF_DONE)
        return;
    end_decrypt(request->from, 1);
    if (!buf_len(input(request)) && request->from->hears == END_TOLD_BYE)
        end_finish(request->to, false);
}

enum exchange_next exchange_step(struct exchange *exchange)
{
    enum step step;
    do {
        step = step_both(exchange);
    } while (step == STEP_ON);
    switch (step) {
    case STEP_OVER:
        return exchange->relay->tunnel ? EXCHANGE_TUNNEL : EXCHANGE_OVER;
    case STEP_TRUNCATED:
        return EXCHANGE_TRUNCATED;
    case STEP_REFUSED:
        return EXCHANGE_REFUSED;
    case STEP_CUT:
        return EXCHANGE_CUT;
    case STEP_GREET:
        return EXCHANGE_GREET;
    case STEP_WAITS:
    case STEP_ON:
        break;
    }
    forward_half_close(exchange);
    return EXCHANGE_WAITS;
}

ssize_t exchange_peek(struct exchange *exchange)
{
    enum step step = STEP_WAITS;
    size_t used = read_head(exchange, &exchange->request, &step);
    return used ? (ssize_t)used : step == STEP_WAITS ? 0 : -1;
}
