/* SPDX-License-Identifier: MIT
 *
 * One exchange of a connection that carries several: a request and its
 * response, each on its way from one leg to the other. The speakers of both
 * legs put in what comes (stream_came_*) and take out what goes (way_*); in
 * between, hooks are asked. Nothing here knows how either leg writes it.
 *
 * A way goes IDLE -> (COLLECT ->) ASK -> READY -> PASS -> DONE. What waits in
 * `body` is bounded by the window of the leg it came from: that is opened only
 * when the other leg has taken bytes; or, of a body that hooks edit as it
 * passes, when their mill has, which stops while enough waits in `body`. */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include "proxy/ask.h"
#include "proxy/base/arena.h"
#include "proxy/base/buf.h"
#include "proxy/http1.h"
#include "proxy/message.h"
#include "proxy/mill.h"
#include "proxy/note.h"
#include "proxy/speaker.h"

enum {
    STREAM_WINDOW = 128 * 1024, /* bytes of one way that may wait */
};

enum way_state {
    WAY_IDLE,    /* no head yet */
    WAY_COLLECT, /* keep the body for a hook */
    WAY_ASK,     /* ask the hooks */
    WAY_READY,   /* as soon as the other leg is */
    WAY_PASS,    /* pass it on as it comes */
    WAY_DONE,    /* all of it went out, or nobody hears it */
};

struct way {
    struct stream *stream;
    struct speaker *from, *to;
    enum way_state state;
    struct arena arena; /* of the message */
    struct message message;
    struct message before; /* as it was when the first hook was asked */
    bool shown;            /* it was */
    struct message_field *trailers; /* NULL: none */
    unsigned trailers_count;
    bool whole;        /* no more will come */
    bool cut;          /* and what came is not all of it */
    bool answered;     /* a response of a hook: no server said it */
    struct buf body;   /* came, and did not go yet; with its coding */
    struct mill *mill; /* hooks edit the body as it passes; NULL */
    struct buf raw;    /* came, and the mill has not taken it */
    size_t owed;       /* so many of these were not yet said to be taken */
    int64_t length;    /* Content-Length as it came; -1: none */
    struct ask ask;
    struct note note;
    struct way *next_touched; /* its bytes are in what is being gathered */
    bool touched;
};

struct stream {
    struct streams *streams;
    struct stream *before, *next; /* all of them */
    struct stream *next_awake, *next_settling;
    bool awake, settling;
    uint32_t number;              /* for people, and for flow_resume() */
    int32_t victim_id, server_id; /* HTTP/2's own; 0: not there */
    bool on_victim, on_server;    /* that leg knows of it still */
    bool over;                    /* nothing more is to be done but close */
    bool asked_head;              /* the victim's method was HEAD */
    bool said_continue;           /* we did: the server's own is dropped */
    bool asked_again;             /* stream_again() */
    bool bare;                    /* to a server of HTTP/2 its request went as a
                                     head and no more */
    union address local; /* from where the server was asked; family 0: from
                            the flow's */
    bool waited;         /* for a hook: the server may be back */
    struct way request, response;
    struct note_line line;
};

struct stream *stream_new(struct streams *streams, uint32_t number);
void stream_free(struct stream *stream);

/* The head of a way is there, in way->message, which lives in way->arena.
 * `fault` is what is wrong with it, NULL: nothing. */
void stream_came_head(struct way *way, const struct http1_fault *fault);
/* -1: memory is out. */
int stream_came_body(struct way *way, const void *bytes, size_t len);
void stream_came_all(struct way *way);
/* An interim response; the message is borrowed. */
void stream_came_interim(struct way *way, struct message *message);
/* This leg ended the stream, with an error of its own or of the peer's. */
void stream_came_reset(struct stream *stream, struct speaker *from,
                       uint32_t error);

/* The connection on which it went to the server is no more, and to ask again on
 * another one is fair: do so, unless it has been done before. False:
 * nothing was done. */
bool stream_again(struct stream *stream);

/* It waits for the next connection: the server refused it on the one that it
 * is about to end. */
bool stream_outlives_server(const struct stream *stream);

/* The place of events on one of its legs. */
struct event_where stream_where(const struct stream *stream,
                                enum event_leg leg);

/* Go on as far as possible. */
void stream_advance(struct stream *stream);

/* End it on both legs. */
void stream_reset(struct stream *stream, uint32_t error);
/* Answer in the server's place; resets if it is too late for that. */
void stream_answer(struct stream *stream, int status, const char *sentence);

/* For the speaker that sends it: `len` bytes of way->body went out; and all
 * of the message did. */
void way_took(struct way *way, size_t len);
void way_went_all(struct way *way);
/* Nothing but the end is left to be sent. */
static inline bool way_empty(const struct way *way)
{
    return way->whole && !way->mill && !buf_len(&way->body);
}
/* Too much waits for more to be read, where there is no window. */
static inline bool way_is_full(const struct way *way)
{
    return buf_len(&way->body) + buf_len(&way->raw) >= STREAM_WINDOW;
}
/* Write its events; `whole`: it came to its end. */
void way_write_note(struct way *way, bool whole);
/* The speaker that writes to `end` has put this into bytes at..to there. */
void way_went(struct way *way, uint64_t at, uint64_t to);

#endif
