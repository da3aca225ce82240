/* SPDX-License-Identifier: MIT
 *
 * A half goes HEAD -> (COLLECT ->) ASK -> BODY -> DONE. While it works, the
 * message stays at the front of the input of the end it came from, and
 * `parsed` says how far it is understood; what goes on unchanged is sent from
 * there in one piece and only then consumed. */
#include "proxy/exchange_parts.h"

#include "proxy/answer.h"
#include "proxy/facts.h"

#include <stdio.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------- */

static void start_halves(struct exchange *exchange)
{
    exchange->request.state = HALF_HEAD;
    exchange->response.state = HALF_IDLE;
    exchange->said_continue = exchange->answering = false;
    exchange->dialled = false;
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

void half_forget(struct half *half)
{
    half_close_mill(half);
    if (half->built)
        message_close(&half->message);
    half->built = false;
}

static void finish(struct exchange *exchange)
{
    struct half *request = &exchange->request;
    struct half *response = &exchange->response;
    if (exchange->line.method_len) {
        if (!exchange->line.reason)
            exchange->line.reason = exchange->relay->trouble;
        exchange->relay->trouble = NULL;
        note_line_write(&exchange->line, exchange->relay,
                        request->built ? &request->message : NULL,
                        response->built ? &response->message : NULL);
    }
    exchange->line.method_len = 0;
    half_forget(request);
    half_forget(response);
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

bool exchange_was_last(const struct exchange *exchange)
{
    return exchange_idle(exchange) && exchange->last;
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
    if (exchange->relay->worker->options->on_line)
        exchange->line.reason = arena_text(&exchange->arena, sentence);
    exchange->answering = true;
    return sent;
}

enum step step_answer(struct exchange *exchange, int status,
                      const char *sentence)
{
    return exchange_answer(exchange, status, sentence) ? STEP_REFUSED
                                                       : STEP_CUT;
}

/* A message breaks a rule: it goes no further, and the victim hears why. */
enum step step_malformed(struct exchange *exchange, const struct half *half,
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
    return step_answer(exchange, status, sentence);
}

bool exchange_refuse(struct exchange *exchange, const struct http1_fault *fault)
{
    return step_malformed(exchange, &exchange->request, fault) == STEP_REFUSED;
}

/* ---- the two together ---------------------------------------------------- */

static enum step step_half(struct exchange *exchange, struct half *half)
{
    switch (half->state) {
    case HALF_HEAD:
        return half == &exchange->request ? step_request_head(exchange)
                                          : step_response_head(exchange);
    case HALF_COLLECT:
        return step_collect(exchange, half);
    case HALF_ASK:
        return step_ask(exchange, half);
    case HALF_DIAL:
        return step_dial(exchange, half);
    case HALF_BODY:
        return step_pass_body(exchange, half);
    case HALF_IDLE:
    case HALF_DONE:
        return STEP_WAITS;
    }
    return STEP_WAITS;
}

/* The server spoke while nothing was asked. One that just hangs up is tried
 * anew when there is something to ask. */
static bool server_spoke(struct exchange *exchange)
{
    struct half *response = &exchange->response;
    if (exchange->request.state != HALF_HEAD || !response->from->open)
        return false;
    end_decrypt(response->from, 1);
    if (buf_len(half_input(response)))
        return true;
    if (half_ended(response))
        relay_leave_server(exchange->relay);
    return false;
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
    relay_forget_absence(exchange->relay);
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
    if (server_spoke(exchange))
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

/* Before TLS 1.3 who hears a goodbye throws away what it has not sent yet (RFC
 * 5246 7.2.1, RFC 8446 6.1). */
static bool may_hear_bye(const struct end *server)
{
    return !server->tls.ssl || SSL_version(server->tls.ssl) >= TLS1_3_VERSION;
}

/* A victim that has asked its last still waits for the answer. */
static void forward_half_close(struct exchange *exchange)
{
    const struct half *request = &exchange->request;
    if (request->state != HALF_DONE || !may_hear_bye(request->to))
        return;
    end_decrypt(request->from, 1);
    if (!buf_len(half_input(request)) && request->from->hears == END_TOLD_BYE)
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
    case STEP_DIAL:
        return EXCHANGE_DIAL;
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
    size_t used = exchange_read_head(exchange, &exchange->request, &step);
    return used ? (ssize_t)used : step == STEP_WAITS ? 0 : -1;
}
