/* SPDX-License-Identifier: MIT
 *
 * Bodies of an exchange that hooks edit while they pass: nothing of them is
 * kept, so they may have any length, and how long they will be nobody knows
 * when the head goes out. */
#include "proxy/exchange_parts.h"

#include "proxy/mill.h"

#include <stdio.h>

static struct flow *flow_of(const struct half *half)
{
    return &half->from->relay->flow;
}

/* ---- heads --------------------------------------------------------------- */

/* HTTP/1.0 knows no chunks: whoever writes or reads it. */
static bool is_old(const struct half *half)
{
    const struct message *message = &half->message;
    return !message->minor || (message->request && !message->request->minor);
}

/* A length is not true any more, so chunks or the end of the connection say
 * where the body ends. Bodies that came with either keep it. */
static int reframe(struct half *half)
{
    if (half->body.framing != HTTP1_LENGTH)
        return 0;
    half->chunks = !is_old(half);
    if (half->chunks)
        return message_set_field(&half->message, "Transfer-Encoding",
                                 "chunked");
    half->keep_alive = false;
    return message_set_field(&half->message, "Connection", "close");
}

/* A request ends nowhere else than where its head says. */
static bool can_mill(const struct exchange *exchange, const struct half *half)
{
    return mill_wanted(&half->message) && !half->collected && !half->answered &&
           (half != &exchange->request || !is_old(half) ||
            half->body.framing != HTTP1_LENGTH);
}

bool half_open_mill(struct exchange *exchange, struct half *half)
{
    struct message *message = &half->message;
    if (!half->built || !message->editors)
        return false;
    /* What another hook set in the place of a body that is on its way. */
    message->has_body &= half->collected || half->answered;
    if (can_mill(exchange, half))
        half->mill = mill_new(flow_of(half), message, &half->note);
    if (!half->mill) {
        mill_drop_editors(flow_of(half), message);
        return false;
    }
    /* What was kept of the body was not enough, and is read anew. */
    buf_free(&message->body);
    note_body_again(&half->note);
    half->body = half->fresh;
    half->parsed = half->head_len;
    half->chunks = half->body.framing == HTTP1_CHUNKED;
    half->rest = (struct span){0};
    if (half->ask->wants & HOOK_WANTS_NAIVE_LENGTH)
        return false;
    bool fixed = mill_fix_fields(message);
    return reframe(half) ? false : fixed;
}

void half_close_mill(struct half *half)
{
    if (half->built)
        mill_drop_editors(flow_of(half), &half->message);
    mill_free(half->mill);
    half->mill = NULL;
    buf_free(&half->milled);
}

/* ---- bodies -------------------------------------------------------------- */

/* Nothing of the body is still to come. */
static bool all_came(struct half *half)
{
    return half_body_done(half) ||
           (half->body.framing == HTTP1_TO_CLOSE &&
            half->from->hears == END_TOLD_BYE && !half_unparsed(half));
}

/* Fill `milled` as far as it goes. *out_got: 0 when there was nothing left to
 * read, -1 for nonsense. */
static enum mill_says grind(struct half *half, int *out_got,
                            struct http1_fault *fault)
{
    for (*out_got = 1;;) {
        size_t used;
        const char *bytes =
            half->rest.len ? half_front(half) + half->rest.at : NULL;
        enum mill_says says = mill_step(half->mill, bytes, half->rest.len,
                                        all_came(half), &used, &half->milled);
        half->rest.at += (uint32_t)used;
        half->rest.len -= (uint32_t)used;
        bool over = says == MILL_OVER && all_came(half);
        if (over || says == MILL_FULL || says == MILL_BROKEN)
            return says;
        if (half->parsed)
            buf_consume(half_input(half), half->parsed);
        half->parsed = 0;
        half->rest = (struct span){0};
        *out_got = half_parse_piece(half, &half->rest, fault);
        if (*out_got < 0 || (!*out_got && !all_came(half)))
            return MILL_HUNGRY;
    }
}

/* Send what was made, framed. -1: it cannot be sent. */
static int send_milled(struct half *half, bool over)
{
    struct buf *made = &half->milled;
    char size[24];
    size_t len = buf_len(made);
    int bad = 0;
    if (half->chunks && len) {
        int digits = snprintf(size, sizeof size, "%zx\r\n", len);
        bad = end_send(half->to, size, (size_t)digits) ||
              buf_append_text(made, "\r\n");
    }
    if (half->chunks && over)
        bad = bad || buf_append_text(made, "0\r\n\r\n");
    if (buf_len(made))
        bad = bad || end_send(half->to, buf_head(made), buf_len(made));
    buf_clear(made);
    half->note.sent_end = end_output_at(half->to);
    return bad ? -1 : 0;
}

static enum step mill_over(struct exchange *exchange, struct half *half)
{
    if (half->parsed)
        buf_consume(half_input(half), half->parsed);
    half->parsed = 0;
    mill_free(half->mill);
    half->mill = NULL;
    buf_free(&half->milled);
    return half_done(exchange, half);
}

enum step step_mill_body(struct exchange *exchange, struct half *half)
{
    struct http1_fault fault;
    int got;
    half->hungry = false;
    end_flush(half->to);
    if (end_blocked(half->to))
        return STEP_WAITS;
    /* A head that stayed as it was still lies in front. */
    if (half->parsed == half->head_len && half->head_len &&
        half_send_parsed(exchange, half))
        return half_unheard(exchange, half);
    half->head_len = 0;
    exchange->answering |= half == &exchange->response;
    enum mill_says says = grind(half, &got, &fault);
    if (!got && says == MILL_HUNGRY && mill_flush(half->mill, &half->milled))
        says = MILL_BROKEN;
    if (mill_changed(half->mill)) {
        half->note.changed = true;
        half_changed(exchange, half);
    }
    bool made = buf_len(&half->milled);
    if (send_milled(half, says == MILL_OVER))
        return half_unheard(exchange, half);
    if (half == &exchange->request && exchange->response.state == HALF_IDLE)
        exchange->response.state = HALF_HEAD;
    if (got < 0)
        return step_malformed(exchange, half, &fault);
    if (says == MILL_BROKEN)
        return STEP_CUT;
    if (says == MILL_OVER)
        return mill_over(exchange, half);
    if (says == MILL_FULL || made)
        return STEP_ON;
    half->hungry = true;
    return half_ended(half) ? half_cut_short(half) : STEP_WAITS;
}
