/* SPDX-License-Identifier: MIT
 *
 * A request that is to go on needs a server that listens. One that left while
 * nothing was asked, or that could not be had before, is tried anew, once a
 * request. What was sent to one that then died is not sent again: the victim
 * sees a connection that ended. */
#include "proxy/exchange_parts.h"

#include <stdio.h>

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

enum step step_dial(struct exchange *exchange, struct half *half)
{
    struct relay *relay = exchange->relay;
    const struct absence *absent = &relay->absent;
    if (relay_has_server(relay))
        return exchange_decided(exchange, half, half->act);
    if (absent->status)
        return answer_absent(exchange, absent->status, absent->reason);
    if (exchange->dialled)
        return answer_absent(exchange, 502,
                             "the server ended the connection before it was "
                             "asked");
    exchange->dialled = true;
    return STEP_DIAL;
}

/* ---- one that dies without a word ---------------------------------------- */

/* A victim that asks us hears why. One that asks its server sees what that one
 * did, as it would without us, and may ask again by the same rule (RFC 9112
 * 9.3.1): what it means that a connection ended now, only the victim knows. */
static enum step hang_up(struct exchange *exchange, const char *sentence)
{
    struct relay *relay = exchange->relay;
    if (relay->why == FLOW_DONE)
        relay->why = FLOW_FAILED;
    if (options_of(exchange)->on_line)
        exchange->line.reason = arena_text(&exchange->arena, sentence);
    switch (relay->server.hears) {
    case END_LOST:
        return STEP_CUT;
    case END_TRUNCATED:
        return STEP_TRUNCATED;
    case END_HEARS:
    case END_TOLD_BYE:
        break;
    }
    return STEP_OVER;
}

enum step step_server_died(struct exchange *exchange)
{
    const struct relay *relay = exchange->relay;
    char sentence[96];
    /* It says that of us: the victim never met it. */
    if (relay->server_alert >= 0) {
        snprintf(sentence, sizeof sentence,
                 "the server ended TLS with alert %s",
                 tls_alert_name(relay->server_alert));
        return answer_absent(exchange, 502, sentence);
    }
    snprintf(sentence, sizeof sentence,
             "the server %s the connection without an answer",
             relay->server.hears == END_LOST ? "reset" : "ended");
    return exchange->request.forwards ? answer_absent(exchange, 502, sentence)
                                      : hang_up(exchange, sentence);
}
