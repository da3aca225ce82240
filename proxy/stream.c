/* SPDX-License-Identifier: MIT
 *
 * A stream's two ways: what came in is kept until hooks have seen it
 * (stream_hooks.c) and the other leg takes it. The rules of either version of
 * HTTP are the speakers' (h1.c, h2.c), which end is alive and which is not is
 * known in streams.c. */
#include "proxy/stream.h"

#include "proxy/facts.h"
#include "proxy/relay.h"
#include "proxy/stream_parts.h"
#include "proxy/streams.h"
#include "proxy/wish.h"
#include "proxy/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------- */

struct stream *stream_new(struct streams *streams, uint32_t number)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->streams = streams;
    stream->number = number;
    stream->request = (struct way){.stream = stream,
                                   .from = streams->victim,
                                   .to = streams->server,
                                   .length = -1};
    stream->response = (struct way){.stream = stream,
                                    .from = streams->server,
                                    .to = streams->victim,
                                    .length = -1};
    return stream;
}

struct event_where stream_where(const struct stream *stream, enum event_leg leg)
{
    const struct relay *relay = stream->streams->relay;
    struct event_where where =
        facts_where(leg == LEG_VICTIM ? &relay->victim : &relay->server);
    if (leg == LEG_SERVER && stream->local.any.sa_family)
        where.opener = &stream->local;
    return where;
}

void way_write_note(struct way *way, bool whole)
{
    struct event_where victim = stream_where(way->stream, LEG_VICTIM);
    struct event_where server = stream_where(way->stream, LEG_SERVER);
    bool up = way_is_request(way);
    note_write_at(&way->note, up ? &victim : &server, up ? &server : &victim,
                  whole);
}

void way_close_mill(struct way *way)
{
    mill_drop_editors(&way_relay(way)->flow, &way->message);
    mill_free(way->mill);
    way->mill = NULL;
    buf_free(&way->raw);
}

static void close_way(struct way *way)
{
    way_write_note(way, way->whole && !way->cut && way->state == WAY_DONE);
    note_close(&way->note);
    ask_abandon(&way->ask, &way->message);
    way_close_mill(way);
    message_close(&way->message);
    buf_free(&way->body);
    arena_free(&way->arena);
}

void stream_free(struct stream *stream)
{
    if (stream->line.method_len)
        note_line_write(
            &stream->line, stream->streams->relay, &stream->request.message,
            stream->response.message.status ? &stream->response.message : NULL);
    close_way(&stream->request);
    close_way(&stream->response);
    free(stream);
}

/* ---- endings ------------------------------------------------------------- */

/* Nobody waits for this stream any more. */
static void give_up(struct stream *stream)
{
    stream->over = true;
    ask_abandon(&stream->request.ask, &stream->request.message);
    ask_abandon(&stream->response.ask, &stream->response.message);
    buf_free(&stream->request.body);
    buf_free(&stream->response.body);
    buf_free(&stream->request.raw);
    buf_free(&stream->response.raw);
    streams_wake(stream);
}

static void reset_leg(struct stream *stream, struct speaker *speaker,
                      bool *open, uint32_t error)
{
    if (!*open || !speaker)
        return;
    *open = false;
    if (speaker->calls->reset)
        speaker->calls->reset(speaker, stream, error);
}

void stream_reset(struct stream *stream, uint32_t error)
{
    struct streams *streams = stream->streams;
    reset_leg(stream, streams->victim, &stream->on_victim, error);
    reset_leg(stream, stream->request.to, &stream->on_server, error);
    give_up(stream);
}

static int fill_answer(struct way *way, int status, const char *sentence)
{
    static const char type[] = "text/plain; charset=utf-8";
    char length[24];
    struct message *message = &way->message;
    way_close_mill(way);
    message_close(message);
    *message = (struct message){.kind = HTTP1_RESPONSE,
                                .arena = &way->arena,
                                .status = status,
                                .major = 1,
                                .minor = 1,
                                .reason = message_reason(status)};
    buf_clear(&way->body);
    if (buf_printf(&way->body, "mitmlab: %s\n", sentence))
        return -1;
    snprintf(length, sizeof length, "%zu", buf_len(&way->body));
    way->length = (int64_t)buf_len(&way->body);
    return message_set_field(message, "content-type", type) ||
           message_set_field(message, "content-length", length);
}

/* What the server would say is not asked for any more. */
void stream_leave_server(struct stream *stream, uint32_t error)
{
    reset_leg(stream, stream->request.to, &stream->on_server, error);
    if (stream->request.state != WAY_DONE) {
        ask_abandon(&stream->request.ask, &stream->request.message);
        buf_clear(&stream->request.body);
        way_close_mill(&stream->request);
        stream->request.cut |= !stream->request.whole;
        stream->request.state = WAY_DONE;
    }
}

void stream_answer(struct stream *stream, int status, const char *sentence)
{
    struct way *way = &stream->response;
    if (way->state >= WAY_PASS || stream->over) {
        stream_reset(stream, STREAM_INTERNAL_ERROR);
        return;
    }
    stream_leave_server(stream, STREAM_CANCEL);
    ask_abandon(&way->ask, &way->message);
    note_close(&way->note);
    if (fill_answer(way, status, sentence)) {
        stream_reset(stream, STREAM_INTERNAL_ERROR);
        return;
    }
    stream->line.status = status;
    if (way_relay(way)->worker->options->on_line)
        stream->line.reason = arena_text(&way->arena, sentence);
    way_relay(way)->trouble = NULL; /* this line says it */
    way->owed = 0;
    way->whole = true;
    way->cut = false;
    way->state = WAY_READY;
    if (stream->asked_head)
        buf_clear(&way->body);
    streams_wake(stream);
}

/* ---- what comes ---------------------------------------------------------- */

static void refuse(struct way *way, const struct http1_fault *fault)
{
    bool request = way_is_request(way);
    int status = request ? fault->status : 502;
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s%s (%s)",
             request ? "" : "the server's response is malformed: ",
             fault->sentence, fault->rule);
    facts_refused(way->from->end, fault->rule, fault->sentence, 0, status);
    stream_answer(way->stream, status, sentence);
}

/* To a server of HTTP/1.1 a body that fits goes in one piece, so that a
 * length which is not its own is known before the first byte is out. */
static bool goes_at_once(const struct way *way)
{
    return way_is_request(way) && way->to && !way->to->h2 && way->length >= 0 &&
           way->length <= STREAM_WINDOW;
}

bool way_may_collect(const struct way *way)
{
    struct relay *relay = way_relay(way);
    return way->length <= (int64_t)wish_most(relay) &&
           !message_is_bodyless(&way->message) &&
           wish_looks(relay, way_is_request(way)) &&
           wish_body(relay, &way->message);
}

static void came_request(struct way *way)
{
    struct stream *stream = way->stream;
    struct relay *relay = way_relay(way);
    relay->flow.exchanges++;
    stream->asked_head = !strcmp(way->message.method, "HEAD");
    if (relay->worker->options->on_line)
        note_line_message(&stream->line, relay, &way->message);
    stream->line.version = !way->from->h2            ? "h1 to h2"
                           : !way->to || way->to->h2 ? "h2"
                                                     : "h2 to h1";
}

void way_came_response(struct way *way)
{
    struct stream *stream = way->stream;
    const struct message *request = &stream->request.message;
    struct message *response = &way->message;
    response->method = request->method;
    response->target = request->target;
    response->host = request->host;
    response->request = request;
    stream->line.status = response->status;
    /* The length of a body that was not asked for: a hook made it so. */
    if (!stream->asked_head && !strcmp(request->method, "HEAD"))
        message_remove_field(response, "content-length");
}

static uint32_t number_on(const struct stream *stream,
                          const struct speaker *speaker)
{
    return (uint32_t)(speaker == stream->streams->victim ? stream->victim_id
                                                         : stream->server_id);
}

void stream_came_head(struct way *way, const struct http1_fault *fault)
{
    if (way->stream->over || way->state != WAY_IDLE)
        return;
    way->message.ask = &way->ask;
    if (!fault && way_is_request(way))
        came_request(way);
    else if (!fault)
        way_came_response(way);
    else if (way_is_request(way) && way->message.method)
        note_line_message(&way->stream->line, way_relay(way), &way->message);
    if (fault) {
        refuse(way, fault);
        return;
    }
    note_message(&way->note, &way->message, way->from->in_at,
                 number_on(way->stream, way->from));
    way->note.end = way->from->in_end;
    way->state =
        way_may_collect(way) || goes_at_once(way) ? WAY_COLLECT : WAY_ASK;
    way->stream->streams->moved = true;
    streams_wake(way->stream);
}

void stream_came_interim(struct way *way, struct message *message)
{
    struct stream *stream = way->stream;
    bool ours_was_first = message->status == 100 && stream->said_continue;
    if (stream->over || way->state != WAY_IDLE || ours_was_first)
        return;
    stream->streams->moved = true;
    way->to->calls->interim(way->to, way, message);
}

void way_pay(struct way *way, size_t len)
{
    len = len < way->owed ? len : way->owed;
    way->owed -= len;
    if (len && way->from && way->from->calls->taken)
        way->from->calls->taken(way->from, way->stream, len);
}

int stream_came_body(struct way *way, const void *bytes, size_t len)
{
    struct stream *stream = way->stream;
    bool unheard = stream->over || way->state == WAY_DONE ||
                   (stream->asked_head && !way_is_request(way)) ||
                   way->state == WAY_IDLE;
    stream->streams->moved = true;
    way->owed += len;
    if (!unheard) {
        note_body(&way->note, bytes, len);
        way->note.end = way->from->in_end;
        if (buf_append(way->mill ? &way->raw : &way->body, bytes, len))
            return -1;
    }
    /* What is kept for a hook has a limit of its own. */
    if (unheard || way->state == WAY_COLLECT)
        way_pay(way, len);
    if (!stream->over)
        streams_wake(stream);
    return 0;
}

void stream_came_all(struct way *way)
{
    if (way->whole)
        return;
    way->whole = true;
    way->note.end = way->from->in_end;
    streams_wake(way->stream);
}

/* The server says that it has not begun to act, on what was asked by whatever
 * method (RFC 9113 8.7): by REFUSED_STREAM, or by a GOAWAY with the number of
 * an earlier stream. A victim of HTTP/2 hears so, and asks again if it likes;
 * one of HTTP/1.1 cannot be told. */
static bool ask_refused_again(struct stream *stream, uint32_t error)
{
    return error == STREAM_REFUSED && !stream->streams->victim->h2 &&
           stream->bare && stream_again(stream);
}

bool stream_outlives_server(const struct stream *stream)
{
    return stream->asked_again && stream->streams->server &&
           stream->request.to == stream->streams->server &&
           stream->request.to->h2;
}

/* The server wants to hear no more, or will say no more. */
static void server_reset(struct stream *stream, uint32_t error)
{
    struct way *response = &stream->response;
    if (ask_refused_again(stream, error))
        return;
    if (response->whole || response->state == WAY_DONE) {
        stream_leave_server(stream, error);
        streams_wake(stream);
        return;
    }
    stream_leave_server(stream, error);
    bool told = stream->streams->victim->h2 && stream->request.to->h2;
    if (!told && response->state < WAY_PASS)
        stream_answer(stream, 502,
                      error == STREAM_REFUSED
                          ? "the server refused the request"
                          : "the server gave up on the request");
    else
        stream_reset(stream,
                     error == STREAM_NO_ERROR ? STREAM_INTERNAL_ERROR : error);
}

void stream_came_reset(struct stream *stream, struct speaker *from,
                       uint32_t error)
{
    struct streams *streams = stream->streams;
    if (from != streams->victim) {
        stream->on_server = false;
        if (!stream->over)
            server_reset(stream, error);
        return;
    }
    stream->on_victim = false;
    if (stream->over)
        return;
    streams->given_up++;
    stream_reset(stream, STREAM_CANCEL);
}

/* What was told of it is told once more, of the way out only. */
static void note_again(struct way *way)
{
    if (!way->note.open) {
        note_message(&way->note, &way->message, 0, 0);
        way->note.answered = true;
    }
    way->note.sent_at = way->note.sent_end = 0;
}

bool stream_again(struct stream *stream)
{
    struct way *way = &stream->request;
    if (stream->over || stream->asked_again || way->state < WAY_PASS ||
        stream->response.state != WAY_IDLE)
        return false;
    stream->asked_again = true;
    stream->on_server = stream->response.cut = false;
    note_again(way);
    way->state = WAY_READY;
    streams_wake(stream);
    return true;
}

/* ---- what goes ----------------------------------------------------------- */

/* Let the mill work until enough waits for the other leg. */
static void grind(struct way *way)
{
    enum mill_says says = MILL_FULL;
    while (says == MILL_FULL && buf_len(&way->body) < MILL_ENOUGH) {
        size_t used, len = buf_len(&way->raw);
        const uint8_t *bytes = len ? buf_head(&way->raw) : NULL;
        bool end = way->whole && !way->cut;
        says = mill_step(way->mill, bytes, len, end, &used, &way->body);
        if (used)
            buf_consume(&way->raw, used);
        if (used)
            way_pay(way, used);
    }
    if (mill_changed(way->mill)) {
        way->note.changed = true;
        way_note_change(way);
    }
    if (says == MILL_HUNGRY && mill_flush(way->mill, &way->body))
        says = MILL_BROKEN;
    if (says == MILL_OVER || (says == MILL_HUNGRY && way->cut))
        way_close_mill(way);
    if (says == MILL_BROKEN)
        stream_reset(way->stream, STREAM_INTERNAL_ERROR);
}

/* Where a request cannot go any more. */
static void no_server(struct stream *stream)
{
    const struct streams *streams = stream->streams;
    if (!streams->server)
        streams_want_server(stream);
    else if (streams->victim->h2)
        stream_reset(stream, STREAM_REFUSED);
    else
        stream_answer(stream, 502, "the server ended the connection");
}

static bool begin(struct way *way)
{
    struct stream *stream = way->stream;
    if (way_is_request(way) && (!way->to || way->to->mood != SPEAKER_TALKS)) {
        if (!stream_outlives_server(stream))
            no_server(stream);
        return false;
    }
    if (!way->to->calls->ready(way->to, way))
        return false;
    way->state = WAY_PASS;
    if (way_is_request(way)) {
        stream->on_server = true;
        way->note.sent_stream = 0;
    }
    if (way->to->calls->head(way->to, way))
        return true;
    stream->on_server &= !way_is_request(way);
    way->state = WAY_READY;
    if (way_is_request(way))
        stream_answer(stream, 400,
                      "the request has no counterpart in the version of HTTP "
                      "that the server speaks");
    else
        stream_reset(stream, STREAM_INTERNAL_ERROR);
    return false;
}

static void advance_way(struct way *way)
{
    for (;;) {
        if (way->mill && !way->stream->over)
            grind(way);
        if (way->stream->over)
            return;
        switch (way->state) {
        case WAY_COLLECT:
            if (!way_collect(way))
                return;
            break;
        case WAY_ASK:
            if (!way_ask(way))
                return;
            break;
        case WAY_READY:
            if (!begin(way))
                return;
            break;
        case WAY_PASS:
            if (way->to->calls->more)
                way->to->calls->more(way->to, way);
            return;
        case WAY_IDLE:
        case WAY_DONE:
            return;
        }
    }
}

void stream_advance(struct stream *stream)
{
    advance_way(&stream->request);
    advance_way(&stream->response);
    if (stream->over || stream->response.state != WAY_DONE ||
        stream->request.state != WAY_DONE)
        return;
    stream->over = true;
    /* The server did not want to hear all of it (RFC 9113 8.1). */
    if (!stream->request.whole)
        reset_leg(stream, stream->streams->victim, &stream->on_victim,
                  STREAM_NO_ERROR);
}

void way_took(struct way *way, size_t len)
{
    buf_consume(&way->body, len);
    way->stream->streams->moved = true;
    if (way->mill)
        streams_wake(way->stream);
    else
        way_pay(way, len);
    if (!buf_len(&way->body))
        buf_free(&way->body);
}

void way_went_all(struct way *way)
{
    struct note_line *line = &way->stream->line;
    way->state = WAY_DONE;
    *(way_is_request(way) ? &line->up_bytes : &line->down_bytes) =
        way->note.body_bytes;
    streams_wake(way->stream);
}

void way_went(struct way *way, uint64_t at, uint64_t to)
{
    if (!way->note.sent_end)
        way->note.sent_at = at;
    way->note.sent_end = to;
    /* What is closed has no number any more. */
    if (number_on(way->stream, way->to))
        way->note.sent_stream = number_on(way->stream, way->to);
}
