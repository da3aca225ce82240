/* SPDX-License-Identifier: MIT
 *
 * What the files of the exchange share with each other and with nobody else:
 * the steps of a half, and how it looks at what came in. */
#ifndef PROXY_EXCHANGE_PARTS_H
#define PROXY_EXCHANGE_PARTS_H

#include "proxy/exchange.h"
#include "proxy/relay.h"
#include "proxy/worker.h"

/* What one step of a half comes to. */
enum step {
    STEP_WAITS, /* for bytes, room or a hook */
    STEP_ON,    /* something was done: look again */
    STEP_OVER,
    STEP_TRUNCATED,
    STEP_REFUSED,
    STEP_CUT,
    STEP_GREET,
    STEP_DIAL,
};

static inline const struct proxy_options *
options_of(const struct exchange *exchange)
{
    return exchange->relay->worker->options;
}

static inline struct buf *half_input(const struct half *half)
{
    return end_input(half->from);
}

/* The bytes behind what is parsed. Decrypts more when there are none. */
static inline size_t half_unparsed(struct half *half)
{
    struct buf *in = half_input(half);
    if (buf_len(in) <= half->parsed) {
        end_decrypt(half->from, half->parsed + 1);
        in = half_input(half);
    }
    return buf_len(in) - half->parsed;
}

static inline const char *half_front(const struct half *half)
{
    return (const char *)buf_head(half_input(half));
}

/* No byte will follow those that are in the input. */
static inline bool half_ended(const struct half *half)
{
    return half->from->hears != END_HEARS;
}

/* exchange_head.c: a head is read, and what it says is kept. */

/* > 0: length of the head, which is in worker->head; 0: *out says what
 * now. */
size_t exchange_read_head(struct exchange *exchange, struct half *half,
                          enum step *out);
/* A response's message also says what was asked for. */
void exchange_remember_request(struct exchange *exchange);
enum step step_request_head(struct exchange *exchange);
enum step step_response_head(struct exchange *exchange);
void exchange_remember_method(struct exchange *exchange, const char *method,
                              size_t len);
bool half_body_done(const struct half *half);

/* exchange_body.c: the body is kept for the hooks, they are asked, and what
 * they leave goes on. */
enum step step_collect(struct exchange *exchange, struct half *half);
enum step step_ask(struct exchange *exchange, struct half *half);
/* The hooks have said what is to be done with it. */
enum step exchange_decided(struct exchange *exchange, struct half *half,
                           enum hook_act act);
enum step step_pass_body(struct exchange *exchange, struct half *half);
/* Understand one more piece of body. > 0 progress, 0 none, -1 nonsense. */
int half_parse_piece(struct half *half, struct span *data,
                     struct http1_fault *fault);
/* What is parsed goes on as it came. */
int half_send_parsed(struct exchange *exchange, struct half *half);
/* The line that people read says so. */
void half_changed(struct exchange *exchange, const struct half *half);
enum step half_done(struct exchange *exchange, struct half *half);
/* The end we read from fell silent in the middle of a body. */
enum step half_cut_short(struct half *half);
/* It cannot be sent. */
enum step half_unheard(struct exchange *exchange, struct half *half);

/* exchange_mill.c: bodies that hooks edit while they pass. Once the hooks have
 * been asked: true if the head has to be another one. */
bool half_open_mill(struct exchange *exchange, struct half *half);
void half_close_mill(struct half *half);
enum step step_mill_body(struct exchange *exchange, struct half *half);

/* exchange_dial.c: the server is reached, left for another, or found dead. */
enum step step_dial(struct exchange *exchange, struct half *half);

/* A hook sends this request to another server than the one before went to, or
 * does so no more: the server that there is gets left. */
void exchange_follow(struct exchange *exchange);
/* It ended without a word of an answer. */
enum step step_server_died(struct exchange *exchange);

/* exchange.c: we answer, or a message breaks a rule and goes no further. */
enum step step_answer(struct exchange *exchange, int status,
                      const char *sentence);
enum step step_malformed(struct exchange *exchange, const struct half *half,
                         const struct http1_fault *fault);
void half_forget(struct half *half);

#endif
