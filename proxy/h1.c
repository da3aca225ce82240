/* SPDX-License-Identifier: MIT
 *
 * The speaker of HTTP/1.1 beside one of HTTP/2 on the other leg: one stream
 * at a time, in order, on one connection (of several to a server: lanes.h). What was translated is read by our own parser before a
 * byte of it goes out: whatever a header block of HTTP/2 could smuggle, the
 * server gets one message, and it ends where we say. */
#include "proxy/authority.h"
#include "proxy/facts.h"
#include "proxy/h2_fields.h"
#include "proxy/relay.h"
#include "proxy/stream.h"
#include "proxy/streams.h"
#include "proxy/trailers.h"
#include "proxy/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    PIECE_MOST = 16 * 1024, /* of a body, for one record or chunk */
    INTERIM_MOST = 64,      /* 1xx before one response */
    DISCARD_MOST = 1024 * 1024,
};

struct h1_speaker {
    struct speaker base;
    bool serves;            /* towards the victim */
    struct stream *current; /* NULL: none, or one that nobody waits for */
    bool discards;          /* the rest of a response that nobody waits for */
    bool last;              /* no message behind this one */
    bool served;            /* it has carried others before */
    bool bare;              /* what it carries now is no more than a head */
    bool hungry;

    struct http1_scan scan;
    struct http1_body body;
    bool in_body, came; /* a head came; all of its message did */
    bool keep_alive;    /* as that head says */
    int minor;
    unsigned interims;
    size_t discarded;
    struct buf trailer; /* bytes of its section so far */
    char method[32];    /* that the server is asked with */

    struct buf out; /* written, but the end took no more */
    bool writes, chunked, went;
};

static struct h1_speaker *h1_of(struct speaker *speaker)
{
    return (struct h1_speaker *)speaker;
}

static struct way *way_from(const struct h1_speaker *h1)
{
    if (!h1->current)
        return NULL;
    return h1->serves ? &h1->current->request : &h1->current->response;
}

static struct way *way_to(const struct h1_speaker *h1)
{
    if (!h1->current)
        return NULL;
    return h1->serves ? &h1->current->response : &h1->current->request;
}

/* ---- one exchange after the other ---------------------------------------- */

static void end_connection(struct h1_speaker *h1)
{
    buf_free(&h1->trailer);
    h1->current = NULL;
    h1->discards = false;
    h1->base.mood = SPEAKER_GONE;
}

/* Is the exchange over, and what then? */
static void finish(struct h1_speaker *h1)
{
    struct stream *stream = h1->current;
    bool early = h1->serves && h1->went && !h1->came;
    if (!early && !(h1->came && (h1->went || h1->discards)))
        return;
    if (stream) {
        *(h1->serves ? &stream->on_victim : &stream->on_server) = false;
        streams_wake(stream);
    }
    bool over = early || h1->last || !h1->keep_alive;
    h1->current = NULL;
    h1->discards = h1->in_body = h1->came = h1->went = h1->writes = false;
    h1->interims = 0;
    h1->served = true;
    if (over)
        end_connection(h1);
}

bool h1_went_stale(const struct speaker *speaker)
{
    const struct h1_speaker *h1 = (const struct h1_speaker *)speaker;
    return h1->served && h1->bare && !h1->in_body && !h1->interims &&
           !buf_len(end_input(speaker->end));
}

/* ---- what comes ---------------------------------------------------------- */

static void place_input(struct speaker *speaker, size_t len)
{
    struct end *end = speaker->end;
    speaker->in_at = end_input_at(end);
    speaker->in_end = end->tls.ssl ? end_input_end(end) : speaker->in_at + len;
}

static const struct http1_fault no_connect = {
    .rule = "RFC 9110 9.3.6",
    .sentence = "this proxy stands on the path and is not asked to CONNECT",
    .status = 501,
    .name = "connect",
};

static const struct http1_fault no_tunnel = {
    .rule = "RFC 9113 8.6",
    .sentence = "101 to a request that was translated",
    .status = 502,
    .name = "upgrade-unasked",
};

static void take_head(struct h1_speaker *h1, struct way *way, size_t used,
                      struct http1_fault *fault)
{
    const struct http1_head *head = &h1->base.end->relay->worker->head;
    struct buf *in = end_input(h1->base.end);
    place_input(&h1->base, used);
    h1->in_body = true;
    h1->keep_alive = head->keep_alive;
    h1->minor = head->minor;
    http1_body_init(&h1->body, head, h1->scan.lenient);
    if (message_init(&way->message, &way->arena, head, (char *)buf_head(in))) {
        end_connection(h1);
        return;
    }
    if (head->framing == HTTP1_LENGTH)
        way->length = (int64_t)head->length;
    h1->last |= head->framing == HTTP1_TO_CLOSE;
    stream_came_head(way, fault);
    if (buf_len(in))
        buf_consume(in, used);
}

/* It breaks a rule, so nothing behind it can be read. */
static void refuse(struct h1_speaker *h1, struct way *way,
                   const struct http1_fault *fault)
{
    h1->last = true;
    h1->in_body = h1->came = true;
    if (!h1->serves)
        h1->writes = true; /* see reset() */
    place_input(&h1->base, 1);
    buf_clear(end_input(h1->base.end));
    if (way)
        stream_came_head(way, fault);
    if (!h1->serves)
        end_connection(h1);
}

static void take_request(struct h1_speaker *h1, ssize_t used,
                         struct http1_fault *fault)
{
    struct relay *relay = h1->base.end->relay;
    const struct http1_head *head = &relay->worker->head;
    const char *bytes = (char *)buf_head(end_input(h1->base.end));
    struct stream *stream = streams_add(h1->base.streams);
    if (!stream) {
        end_connection(h1);
        return;
    }
    stream->on_victim = true;
    h1->current = stream;
    if (used > 0 && authority_is_wrong(relay, head, bytes, fault))
        used = -1;
    if (used > 0 && head->method.len == 7 &&
        !memcmp(bytes + head->method.at, "CONNECT", 7)) {
        *fault = no_connect;
        used = -1;
    }
    if (used < 0)
        refuse(h1, &stream->request, fault);
    else
        take_head(h1, &stream->request, (size_t)used, NULL);
}

static void take_interim(struct h1_speaker *h1, size_t used)
{
    const struct http1_head *head = &h1->base.end->relay->worker->head;
    struct buf *in = end_input(h1->base.end);
    struct arena arena = {0};
    struct message message;
    struct way *way = way_from(h1);
    if (++h1->interims > INTERIM_MOST)
        end_connection(h1);
    else if (way && !message_init(&message, &arena, head, (char *)buf_head(in)))
        stream_came_interim(way, &message);
    arena_free(&arena);
    buf_consume(in, used);
}

static void take_response(struct h1_speaker *h1, ssize_t used,
                          struct http1_fault *fault)
{
    const struct http1_head *head = &h1->base.end->relay->worker->head;
    struct way *way = way_from(h1);
    if (used < 0) {
        refuse(h1, way, fault);
    } else if (head->status == 101) {
        *fault = no_tunnel;
        refuse(h1, way, fault);
    } else if (head->status < 200) {
        take_interim(h1, (size_t)used);
    } else if (way) {
        take_head(h1, way, (size_t)used, NULL);
    } else {
        h1->in_body = true;
        h1->keep_alive = head->keep_alive;
        h1->last |= head->framing == HTTP1_TO_CLOSE;
        http1_body_init(&h1->body, head, h1->scan.lenient);
        buf_consume(end_input(h1->base.end), (size_t)used);
    }
}

/* The end fell silent while more was expected, or between two messages. */
static bool ended(struct h1_speaker *h1)
{
    struct way *way = way_from(h1);
    if (h1->base.end->hears == END_HEARS)
        return false;
    if (h1->serves && !way) {
        end_connection(h1);
    } else if (h1->in_body && h1->body.framing == HTTP1_TO_CLOSE &&
               h1->base.end->hears == END_TOLD_BYE) {
        h1->came = true;
        if (way)
            stream_came_all(way);
    } else if (way) {
        way->cut = true;
        h1->base.cut = h1->serves;
        end_connection(h1);
    } else {
        end_connection(h1);
    }
    return true;
}

/* True: something was understood. */
static bool hear_head(struct h1_speaker *h1)
{
    struct end *end = h1->base.end;
    struct relay *relay = end->relay;
    struct http1_fault fault;
    for (;;) {
        struct buf *in = end_input(end);
        size_t len = buf_len(in);
        ssize_t used =
            len ? http1_head_read(&h1->scan,
                                  h1->serves ? HTTP1_REQUEST : HTTP1_RESPONSE,
                                  h1->method, (char *)buf_head(in), len,
                                  &relay->worker->head, &fault)
                : 0;
        if (used && h1->serves)
            take_request(h1, used, &fault);
        else if (used)
            take_response(h1, used, &fault);
        if (used)
            return true;
        end_decrypt(end, len + 1);
        if (buf_len(end_input(end)) > len)
            continue;
        h1->hungry = true;
        return ended(h1);
    }
}

static bool body_done(const struct h1_speaker *h1)
{
    return h1->body.done || h1->body.framing == HTTP1_NONE ||
           h1->body.framing == HTTP1_TUNNEL;
}

/* Of the `used` bytes that were just read, those behind the last chunk. */
static void keep_trailer(struct h1_speaker *h1, const char *bytes, size_t used)
{
    const struct http1_body *body = &h1->body;
    uint64_t first = body->offset - used;
    size_t skip = body->trailer_at > first ? body->trailer_at - first : 0;
    /* What does not fit in memory is dropped, as trailers may be. */
    if (body->trailer_at && way_from(h1) &&
        buf_append(&h1->trailer, bytes + skip, used - skip))
        buf_clear(&h1->trailer);
}

static void take_trailer(struct h1_speaker *h1, struct way *way)
{
    if (way && buf_len(&h1->trailer) > strlen("\r\n"))
        trailers_read(h1->base.end->relay->worker, &h1->trailer,
                      h1->scan.lenient, &way->arena, &way->trailers,
                      &way->trailers_count);
    buf_free(&h1->trailer);
}

static bool hear_body(struct h1_speaker *h1)
{
    struct end *end = h1->base.end;
    struct way *way = way_from(h1);
    struct http1_fault fault;
    struct span data = {0};
    if (body_done(h1)) {
        h1->came = true;
        take_trailer(h1, way);
        if (way)
            stream_came_all(way);
        return true;
    }
    end_decrypt(end, 1);
    struct buf *in = end_input(end);
    /* Its end is seen however much waits. */
    if (!buf_len(in)) {
        h1->hungry = true;
        return ended(h1);
    }
    if (way && way->state != WAY_COLLECT && way_is_full(way))
        return false;
    const char *bytes = (char *)buf_head(in);
    ssize_t used =
        http1_body_read(&h1->body, bytes, buf_len(in), &data, &fault);
    if (used < 0) {
        facts_refused(end, fault.rule, fault.sentence, fault.offset,
                      h1->serves ? fault.status : 502);
        if (way)
            way->cut = true;
        h1->base.cut = h1->serves;
        end_connection(h1);
        return true;
    }
    place_input(&h1->base, (size_t)used);
    keep_trailer(h1, bytes, (size_t)used);
    if (data.len && way && stream_came_body(way, bytes + data.at, data.len))
        stream_reset(way->stream, STREAM_INTERNAL_ERROR);
    buf_consume(in, (size_t)used);
    h1->discarded = way ? 0 : h1->discarded + (size_t)used;
    if (h1->discarded > DISCARD_MOST)
        end_connection(h1);
    return used > 0;
}

/* Bytes that nobody asked for, or the end of an idle connection. */
static bool hear_idle_server(struct h1_speaker *h1)
{
    struct end *end = h1->base.end;
    end_decrypt(end, 1);
    if (!buf_len(end_input(end)) && end->hears == END_HEARS)
        return false;
    buf_clear(end_input(end));
    end_connection(h1);
    return true;
}

/* All has come of it, and not all has gone. A server that hangs up now is not
 * seen by anybody else inside TLS. */
static bool hear_end(struct h1_speaker *h1)
{
    if (!h1->serves)
        end_decrypt(h1->base.end, 1);
    return false;
}

static bool hear(struct speaker *speaker)
{
    struct h1_speaker *h1 = h1_of(speaker);
    bool any = false, more = true;
    h1->hungry = false;
    while (more && speaker->mood != SPEAKER_GONE) {
        if (h1->came)
            more = hear_end(h1);
        else if (h1->in_body)
            more = hear_body(h1);
        else if (!h1->serves && !h1->current && !h1->discards)
            more = hear_idle_server(h1);
        else if (h1->serves && h1->current)
            more = false;
        else
            more = hear_head(h1);
        finish(h1);
        any |= more;
    }
    return any;
}

/* ---- heads that go ------------------------------------------------------- */

/* Who waits for trailers says so on every connection anew; in HTTP/2 there is
 * nothing else that TE may say (RFC 9113 8.2.2). */
static int ask_for_trailers(const struct message *from, struct message *to)
{
    const char *te = message_field(from, "te");
    if (from->kind != HTTP1_REQUEST || from->major != 2 || !te ||
        strcasecmp(te, "trailers"))
        return 0;
    return message_add_field(to, "te", 2, te, strlen(te)) ||
           message_add_field(to, "connection", 10, "te", 2);
}

/* Fields as they are said in HTTP/1.1; those about the connection are ours. */
static int copy_fields(const struct message *from, struct message *to)
{
    bool request = from->kind == HTTP1_REQUEST;
    const char *host = message_field(from, "host");
    if (!host)
        host = from->host;
    if (request &&
        (!host || message_add_field(to, "host", 4, host, strlen(host))))
        return -1;
    for (unsigned i = 0; i < from->fields_count; i++) {
        const struct message_field *field = &from->fields[i];
        if (h2_is_about_connection(field->name) ||
            !strcasecmp(field->name, "te") ||
            (request && !strcasecmp(field->name, "host")))
            continue;
        if (message_add_field(to, field->name, strlen(field->name),
                              field->value, strlen(field->value)))
            return -1;
    }
    return ask_for_trailers(from, to);
}

/* How will the other end know where the body ends? */
static enum http1_framing choose_framing(struct h1_speaker *h1,
                                         const struct way *way)
{
    const struct message *message = &way->message;
    bool nothing = way_empty(way) && !way->trailers_count && !way->cut;
    if (message_is_bodyless(message) || (h1->serves && way->stream->asked_head))
        return HTTP1_NONE;
    if (message_field(message, "content-length"))
        return HTTP1_LENGTH;
    if (nothing && !h1->serves)
        return HTTP1_NONE;
    if (h1->serves && !h1->minor)
        return HTTP1_TO_CLOSE;
    return HTTP1_CHUNKED;
}

static int add_framing(struct h1_speaker *h1, struct message *sent,
                       enum http1_framing framing)
{
    struct streams *streams = h1->base.streams;
    if (framing == HTTP1_CHUNKED &&
        message_add_field(sent, "transfer-encoding", 17, "chunked", 7))
        return -1;
    if (!h1->serves)
        return 0;
    h1->last |= framing == HTTP1_TO_CLOSE || !h1->keep_alive || !h1->came ||
                streams->leaving;
    return h1->last ? message_add_field(sent, "connection", 10, "close", 5) : 0;
}

/* What an honest reader makes of it must be what we mean. */
static bool reads_as_meant(const struct h1_speaker *h1, const struct buf *out,
                           const char *method, enum http1_framing framing)
{
    struct relay *relay = h1->base.end->relay;
    struct http1_head *head = &relay->worker->head;
    struct http1_scan scan = {0};
    struct http1_fault fault;
    enum http1_kind kind = h1->serves ? HTTP1_RESPONSE : HTTP1_REQUEST;
    ssize_t used = http1_head_read(&scan, kind, method, (char *)buf_head(out),
                                   buf_len(out), head, &fault);
    if (used < 0)
        facts_refused(h1->base.end->peer, fault.rule, fault.sentence,
                      fault.offset, h1->serves ? 502 : fault.status);
    return used == (ssize_t)buf_len(out) &&
           (head->framing == framing ||
            (framing == HTTP1_LENGTH && head->framing == HTTP1_NONE));
}

static bool head(struct speaker *speaker, struct way *way)
{
    struct h1_speaker *h1 = h1_of(speaker);
    const struct message *message = &way->message;
    enum http1_framing framing = choose_framing(h1, way);
    struct message sent = *message;
    sent.major = sent.minor = 1;
    sent.fields = NULL;
    sent.fields_count = sent.fields_room = 0;
    sent.has_body = false;
    if (!message_is_safe(message) || copy_fields(message, &sent) ||
        add_framing(h1, &sent, framing))
        return false;
    struct buf text = {0};
    const char *method =
        h1->serves && way->stream->asked_head ? "HEAD" : message->method;
    bool good = !message_write(&sent, true, &text) &&
                reads_as_meant(h1, &text, method, framing) &&
                !buf_append(&h1->out, buf_head(&text), buf_len(&text));
    buf_free(&text);
    if (!good)
        return false;
    if (!h1->serves) {
        h1->current = way->stream;
        snprintf(h1->method, sizeof h1->method, "%s", message->method);
    }
    h1->chunked = framing == HTTP1_CHUNKED;
    h1->bare = framing == HTTP1_NONE;
    h1->writes = true;
    h1->went = false;
    note_translated(&way->note, &sent);
    if (framing == HTTP1_NONE)
        buf_clear(&way->body);
    return true;
}

static bool ready(struct speaker *speaker, const struct way *way)
{
    const struct h1_speaker *h1 = h1_of(speaker);
    (void)way;
    return h1->serves || (!h1->current && !h1->discards);
}

static void interim(struct speaker *speaker, struct way *way,
                    struct message *message)
{
    struct h1_speaker *h1 = h1_of(speaker);
    struct arena arena = {0};
    struct message sent = *message;
    (void)way;
    sent.arena = &arena;
    sent.fields = NULL;
    sent.fields_count = sent.fields_room = 0;
    sent.major = sent.minor = 1;
    sent.has_body = false;
    sent.reason = message_reason(message->status);
    /* HTTP/1.0 knows no such thing (RFC 9110 15.2). */
    if (h1->minor && message_is_safe(message) && !copy_fields(message, &sent))
        (void)message_write(&sent, true, &h1->out);
    arena_free(&arena);
}

/* ---- bodies that go ------------------------------------------------------ */

static int end_body(struct h1_speaker *h1, struct way *way)
{
    int bad = 0;
    if (h1->chunked) {
        bad = buf_append_text(&h1->out, "0\r\n");
        for (unsigned i = 0; i < way->trailers_count; i++)
            if (trailer_is_fit(way->trailers[i].name))
                bad |= buf_printf(&h1->out, "%s: %s\r\n", way->trailers[i].name,
                                  way->trailers[i].value);
        bad |= buf_append_text(&h1->out, "\r\n");
    }
    h1->writes = false;
    h1->went = true;
    way_went_all(way);
    return bad;
}

/* Put the next piece behind what is to be sent. */
static int write_piece(struct h1_speaker *h1, struct way *way)
{
    size_t len = buf_len(&way->body);
    len = len < PIECE_MOST ? len : PIECE_MOST;
    int bad = 0;
    if (len) {
        if (h1->chunked)
            bad = buf_printf(&h1->out, "%zx\r\n", len);
        bad |= buf_append(&h1->out, buf_head(&way->body), len);
        if (h1->chunked)
            bad |= buf_append_text(&h1->out, "\r\n");
        way_took(way, len);
    }
    return way_empty(way) && !way->cut ? bad | end_body(h1, way) : bad;
}

static bool flush(struct speaker *speaker)
{
    struct h1_speaker *h1 = h1_of(speaker);
    struct end *end = speaker->end;
    bool any = false;
    while (speaker->mood != SPEAKER_GONE && end->says == END_SAYS) {
        struct way *way = way_to(h1);
        end_flush(end);
        if (end_blocked(end))
            break;
        if (way && h1->writes && write_piece(h1, way)) {
            end_connection(h1);
            break;
        }
        if (!buf_len(&h1->out))
            break;
        any = true;
        uint64_t at = end_output_at(end);
        if (end_send(end, buf_head(&h1->out), buf_len(&h1->out)))
            end_connection(h1);
        else if (way)
            way_went(way, at, end_output_at(end));
        buf_clear(&h1->out);
        finish(h1);
    }
    if (!buf_len(&h1->out))
        buf_free(&h1->out);
    return any;
}

/* In HTTP/1.1 a message ends early only with its connection; but a response
 * that has been asked for whole may be read and thrown away. */
static void reset(struct speaker *speaker, struct stream *stream,
                  uint32_t error)
{
    struct h1_speaker *h1 = h1_of(speaker);
    if (stream != h1->current)
        return;
    if (h1->serves) {
        h1->base.cut = error != STREAM_CANCEL;
        if (error == STREAM_CANCEL)
            end_finish(speaker->end, true);
        end_connection(h1);
    } else if (h1->writes) {
        end_connection(h1);
    } else {
        h1->current = NULL;
        h1->discards = true;
        finish(h1);
    }
}

static void goodbye(struct speaker *speaker, uint32_t error)
{
    (void)error;
    h1_of(speaker)->last = true;
}

static bool head_pending(const struct speaker *speaker)
{
    const struct h1_speaker *h1 = (const struct h1_speaker *)speaker;
    return h1->serves && !h1->current && buf_len(end_input(speaker->end));
}

static bool hungry(const struct speaker *speaker)
{
    return ((const struct h1_speaker *)speaker)->hungry;
}

static void speaker_free(struct speaker *speaker)
{
    buf_free(&h1_of(speaker)->out);
    buf_free(&h1_of(speaker)->trailer);
    free(speaker);
}

static const struct speaker_calls calls = {
    .hear = hear,
    .ready = ready,
    .head = head,
    .interim = interim,
    .reset = reset,
    .flush = flush,
    .goodbye = goodbye,
    .head_pending = head_pending,
    .hungry = hungry,
    .free = speaker_free,
};

struct speaker *h1_speaker_new(struct streams *streams, struct end *end)
{
    struct h1_speaker *h1 = calloc(1, sizeof *h1);
    if (!h1)
        return NULL;
    h1->base =
        (struct speaker){.calls = &calls, .streams = streams, .end = end};
    h1->serves = end->leg == LEG_VICTIM;
    h1->scan.lenient = end->relay->worker->options->lenient;
    return &h1->base;
}
