/* SPDX-License-Identifier: MIT
 *
 * A request that is to go on needs a server that listens. One that left while
 * nothing was asked, or that could not be had before, is tried anew, once a
 * request. What was sent to one that then died without a word is sent again,
 * if the rule of again.h allows it and all of it is still here: once, because
 * the connection is a fresh one then. */
#include "proxy/exchange_parts.h"

#include "proxy/again.h"

#include <stdio.h>

enum { REPLAY_MOST = 64 * 1024 }; /* of a request that is kept for that */

/* ---- our own word, where nobody has a better one ------------------------- */

/* What the events are to tell of it: a message like any other. */
static void tell_answer(struct exchange *exchange, int status,
                        const char *sentence)
{
    struct relay *relay = exchange->relay;
    struct note *note = &exchange->response.note;
    struct message own = {.kind = HTTP1_RESPONSE,
                          .arena = &exchange->arena,
                          .major = 1,
                          .minor = 1,
                          .status = status,
                          .reason = message_reason(status)};
    char text[512];
    int len = snprintf(text, sizeof text, "mitmlab: %s\n", sentence);
    size_t most = sizeof text - 1;
    size_t have = (size_t)len < most ? (size_t)len : most;
    note_answered(note, have);
    note->sent_at = end_output_at(&relay->victim);
    if (message_set_field(&own, "Content-Type", "text/plain; charset=utf-8") ||
        message_set_field(&own, "Connection", "close") ||
        message_set_body(&own, text, have))
        note_close(note);
    else
        note_changed(note, &own);
    message_close(&own);
}

static enum step answer_absent(struct exchange *exchange, int status,
                               const char *sentence)
{
    struct relay *relay = exchange->relay;
    struct half *request = &exchange->request;
    struct note *note = &exchange->response.note;
    note_write(&request->note, request->from, request->to,
               half_body_done(request));
    if (relay->why == FLOW_DONE)
        relay->why = status == 504 ? FLOW_TIMEOUT : FLOW_FAILED;
    if (!exchange->answering)
        tell_answer(exchange, status, sentence);
    enum step step = step_answer(exchange, status, sentence);
    note->sent_end = end_output_at(&relay->victim);
    note_write(note, &relay->server, &relay->victim, true);
    return step;
}

void exchange_follow(struct exchange *exchange)
{
    struct relay *relay = exchange->relay;
    const struct half *request = &exchange->request;
    const struct target *to = request->built ? request->message.server : NULL;
    if (to == relay->sent_to)
        return;
    relay_leave_server(relay);
    relay_forget_absence(relay);
    relay->sent_to = to;
    exchange->dialled = false;
}

/* ---- reaching it --------------------------------------------------------- */

static enum step reach(struct exchange *exchange)
{
    struct relay *relay = exchange->relay;
    const struct absence *absent = &relay->absent;
    if (relay_has_server(relay))
        return STEP_ON;
    if (absent->status)
        return answer_absent(exchange, absent->status, absent->reason);
    if (exchange->dialled)
        return answer_absent(exchange, 502,
                             "the server ended the connection before it was "
                             "asked");
    exchange->dialled = true;
    return STEP_DIAL;
}

enum step step_dial(struct exchange *exchange, struct half *half)
{
    enum step step = reach(exchange);
    return step == STEP_ON ? exchange_decided(exchange, half, half->act) : step;
}

/* ---- once more ----------------------------------------------------------- */

void exchange_keep(struct exchange *exchange, const void *bytes, size_t len,
                   bool whole)
{
    struct worker *worker = exchange->relay->worker;
    struct buf *kept = &exchange->replay;
    bool keep = whole && !exchange->asked && len <= REPLAY_MOST &&
                again_is_fair(&exchange->relay->server, exchange->method);
    if (!keep || worker_lend_slip(worker, kept) || buf_append(kept, bytes, len))
        worker_discard(worker, kept);
    exchange->asked = true;
}

static enum step no_answer(struct exchange *exchange)
{
    const struct relay *relay = exchange->relay;
    char sentence[96];
    if (relay->server_alert >= 0)
        snprintf(sentence, sizeof sentence,
                 "the server ended TLS with alert %s",
                 tls_alert_name(relay->server_alert));
    else
        snprintf(sentence, sizeof sentence,
                 "the server %s the connection without an answer",
                 relay->server.hears == END_LOST ? "reset" : "ended");
    return answer_absent(exchange, 502, sentence);
}

enum step step_server_died(struct exchange *exchange)
{
    struct relay *relay = exchange->relay;
    /* For whom nobody waits any more nothing is asked twice. */
    bool again = buf_len(&exchange->replay) && !exchange->heard &&
                 again_is_fair(&relay->server, exchange->method) &&
                 relay->victim.hears == END_HEARS;
    if (!again)
        return no_answer(exchange);
    exchange->replays = true;
    exchange->dialled = false;
    relay_leave_server(relay);
    return STEP_ON;
}

static void note_replay(struct exchange *exchange, struct note *note,
                        const struct http1_head *head, size_t at)
{
    struct http1_body body;
    struct http1_fault fault;
    struct span data;
    ssize_t used = 1;
    const char *bytes = (const char *)buf_head(&exchange->replay);
    size_t len = buf_len(&exchange->replay);
    note_head(note, &exchange->relay->victim, head, bytes);
    note->answered = true; /* how it came has been told */
    http1_body_init(&body, head, options_of(exchange)->lenient);
    while (!body.done && used > 0 && at < len) {
        data = (struct span){0};
        used = http1_body_read(&body, bytes + at, len - at, &data, &fault);
        note_body(note, bytes + at + data.at, data.len);
        at += used > 0 ? (size_t)used : 0;
    }
}

/* What goes out once more is told once more, by its place there: what reads
 * the events finds the answer on the same connection. */
static int send_again(struct exchange *exchange)
{
    struct relay *relay = exchange->relay;
    struct http1_scan scan = {.lenient = options_of(exchange)->lenient};
    struct http1_head *head = &relay->worker->head;
    struct http1_fault fault;
    struct note note = {0};
    const struct buf *kept = &exchange->replay;
    ssize_t len = http1_head_read(&scan, HTTP1_REQUEST, NULL,
                                  (const char *)buf_head(kept), buf_len(kept),
                                  head, &fault);
    if (len > 0)
        note_replay(exchange, &note, head, (size_t)len);
    note.sent_at = end_output_at(&relay->server);
    int bad = end_send(&relay->server, buf_head(kept), buf_len(kept));
    note.sent_end = end_output_at(&relay->server);
    note_write(&note, &relay->victim, &relay->server, true);
    note_close(&note);
    return bad;
}

enum step step_replay(struct exchange *exchange)
{
    bool waits = exchange->relay->victim.hears == END_HEARS;
    enum step step = waits ? reach(exchange) : no_answer(exchange);
    if (step != STEP_ON)
        return step;
    exchange->replays = false;
    (void)send_again(exchange); /* else it is heard to have died */
    return STEP_ON;
}
