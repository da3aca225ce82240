/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 through a relay: one request and its response at a time, in order.
 * The two are halves of the same shape, one from the victim to the server and
 * one back. What no hook changes goes on byte for byte as it came. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "proxy/base/arena.h"
#include "proxy/hook.h"
#include "proxy/http1.h"
#include "proxy/message.h"
#include "proxy/note.h"

#include <stdbool.h>
#include <stdint.h>

struct ask;
struct end;
struct mill;
struct relay;

enum half_state {
    HALF_IDLE,    /* response only: nothing was asked yet */
    HALF_HEAD,    /* read a head */
    HALF_COLLECT, /* keep the body for a hook */
    HALF_ASK,     /* ask the hooks */
    HALF_DIAL,    /* request only: the server has to be reached first */
    HALF_BODY,    /* pass it on as it comes */
    HALF_DONE,
};

struct half {
    enum half_state state;
    struct end *from, *to;
    struct ask *ask;
    struct http1_scan scan;
    struct http1_body body;
    uint32_t head_len;
    size_t parsed; /* bytes at the front of the input that are understood */
    bool keep_alive;
    bool hungry;       /* waits for bytes, and may have them */
    bool swallow;      /* request: answered by a hook, so it goes nowhere */
    bool answered;     /* response: a hook's, no byte of it is in the input */
    bool forwards;     /* request: came as to a proxy, goes on as to a server */
    bool edited;       /* a hook changed it */
    bool built;        /* `message` holds something */
    bool collected;    /* and all of the body, which is in the input still */
    enum hook_act act; /* DIAL: what the hooks have decided */
    struct message message;
    struct note note;
    struct http1_body fresh; /* how `body` was behind the head */
    struct mill *mill;       /* hooks edit the body as it passes; NULL */
    struct buf milled;       /* what they made of it, to be sent */
    struct span rest;        /* content that the mill has not taken */
    bool chunks;             /* it goes out in chunks */
};

struct exchange {
    struct relay *relay;
    struct half request, response;
    struct arena arena; /* of one exchange */
    char method[32];    /* that the server is asked with */
    bool upgrade;       /* the victim asked for another protocol */
    bool said_continue; /* we did, so the server's own is dropped */
    bool expects;       /* the victim waits for leave to send its body */
    bool last;          /* the victim said that it asks no more */
    bool answering;     /* some of the response went out */
    bool dialled;       /* the server was tried for this request */
    struct note_line line;
};

enum exchange_next {
    EXCHANGE_WAITS,
    EXCHANGE_OVER,      /* the last response is out: close behind it */
    EXCHANGE_TRUNCATED, /* the server ended early: let the victim see that */
    EXCHANGE_REFUSED,   /* we answered in the server's place */
    EXCHANGE_CUT,       /* reset both */
    EXCHANGE_TUNNEL,    /* the two agreed on another protocol */
    EXCHANGE_GREET,     /* a request to the proxy, for another server */
    EXCHANGE_DIAL,      /* the server is to be tried anew; then go on here */
};

void exchange_init(struct exchange *exchange, struct relay *relay);
enum exchange_next exchange_step(struct exchange *exchange);

/* Before a server is known: is a whole head there, and a good one? > 0: its
 * length (it is in worker->head, nothing is taken); 0 need more; -1 refused. */
ssize_t exchange_peek(struct exchange *exchange);

/* A request breaks a rule: tell, and answer. False when that is too late. */
bool exchange_refuse(struct exchange *exchange,
                     const struct http1_fault *fault);

/* Answer in the server's place. False when it is too late for that. */
bool exchange_answer(struct exchange *exchange, int status,
                     const char *sentence);

/* True when nothing is under way. */
bool exchange_idle(const struct exchange *exchange);
/* True when the victim has asked, is answered, and said that it asks no more.
 */
bool exchange_was_last(const struct exchange *exchange);
/* True when a head has begun and not ended: it must not take for ever. */
bool exchange_head_pending(const struct exchange *exchange);
void exchange_close(struct exchange *exchange);

#endif
