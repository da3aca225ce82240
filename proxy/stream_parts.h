/* SPDX-License-Identifier: MIT
 *
 * What stream.c (what comes and what goes) and stream_hooks.c (what hooks make
 * of it) share with each other only. */
#ifndef PROXY_STREAM_PARTS_H
#define PROXY_STREAM_PARTS_H

#include "proxy/stream.h"
#include "proxy/streams.h"

static inline struct relay *way_relay(const struct way *way)
{
    return way->stream->streams->relay;
}

static inline bool way_is_request(const struct way *way)
{
    return way == &way->stream->request;
}

/* ---- stream.c ------------------------------------------------------------ */

/* No hook edits this body any more. */
void way_close_mill(struct way *way);

/* What the server would say is not asked for any more. */
void stream_leave_server(struct stream *stream, uint32_t error);

/* Some hook wants this body, and it may fit. */
bool way_may_collect(const struct way *way);

/* The message is a response, from the server or from a hook. */
void way_came_response(struct way *way);

/* `len` bytes of what came are taken: its sender may send as many. */
void way_pay(struct way *way, size_t len);

/* ---- stream_hooks.c ------------------------------------------------------ */

/* True: the state is another one now, look again. */
bool way_collect(struct way *way);
bool way_ask(struct way *way);

/* For the line that a person reads: a hook changed it. */
void way_note_change(struct way *way);

#endif
