/* SPDX-License-Identifier: MIT
 *
 * The speaker of HTTP/2: one nghttp2 session over the buffers of an end. No
 * socket is nghttp2's: frames are given to it as they come, one at a time, so
 * that each has its place; what it has to say is pulled while the end takes
 * it.
 *
 * The window of the connection is opened at once and that of a stream when
 * the other leg has taken its bytes, so a slow reader costs its own window and
 * holds up nobody else. */
#include "proxy/authority.h"
#include "proxy/facts.h"
#include "proxy/h2_fields.h"
#include "proxy/relay.h"
#include "proxy/stream.h"
#include "proxy/streams.h"
#include "proxy/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAGIC = 24, /* bytes of the client's preface */
    FRAME_HEADER = 9,
    CONNECTION_WINDOW = 16 * 1024 * 1024,
    GATHER_MOST = 16 * 1024,      /* one TLS record */
    IDLE_FRAMES_MOST = 10 * 1000, /* that bring nothing, in a row */
    QUEUE_MOST = 2 * 1000,        /* frames that the peer does not take */
    GIVEN_UP_MOST = 200,          /* rapid reset, CVE-2023-44487 */
    INTERIM_MOST = 64,            /* 1xx before one response */
};

struct h2_speaker {
    struct speaker base;
    nghttp2_session *session;
    bool serves; /* towards the victim */
    bool calm;   /* told to calm down: nothing is heard any more */
    struct h2_block block;
    bool in_block; /* a header block has begun and not ended */

    uint64_t frame_left; /* of the frame that is being read */
    uint8_t header[FRAME_HEADER];
    unsigned header_have;
    uint64_t frame_at; /* where it began */
    unsigned idle_frames, interims;

    struct buf gather;   /* frames for one record */
    uint64_t out_at;     /* of its first byte */
    struct way *touched; /* ways with bytes in it */
};

static struct h2_speaker *h2_of(struct speaker *speaker)
{
    return (struct h2_speaker *)speaker;
}

static int32_t *id_on(struct h2_speaker *h2, struct stream *stream)
{
    return h2->serves ? &stream->victim_id : &stream->server_id;
}

static bool *open_on(struct h2_speaker *h2, struct stream *stream)
{
    return h2->serves ? &stream->on_victim : &stream->on_server;
}

/* The way on which messages come from this leg. */
static struct way *way_from(struct h2_speaker *h2, struct stream *stream)
{
    return h2->serves ? &stream->request : &stream->response;
}

static struct stream *stream_at(struct h2_speaker *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

/* ---- defences ------------------------------------------------------------ */

/* A peer that makes work and brings nothing (RFC 9113 10.5). */
static int calm_down(struct h2_speaker *h2, const char *sentence)
{
    if (h2->calm)
        return 0;
    h2->calm = true;
    facts_refused(h2->base.end, "RFC 9113 10.5", sentence, 0, 0);
    nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
}

static int count_idle(struct h2_speaker *h2)
{
    return ++h2->idle_frames > IDLE_FRAMES_MOST
               ? calm_down(h2, "one frame after the other that brings nothing")
               : 0;
}

/* ---- what nghttp2 tells -------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session,
                            const nghttp2_frame *frame, void *context)
{
    struct h2_speaker *h2 = context;
    struct streams *streams = h2->base.streams;
    int32_t id = frame->hd.stream_id;
    struct stream *stream = stream_at(h2, id);
    bool first = frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    h2->in_block = true;
    if (first && h2->serves) {
        stream = streams_add(streams);
        if (!stream)
            return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id,
                                             NGHTTP2_REFUSED_STREAM);
        stream->victim_id = id;
        stream->on_victim = true;
        nghttp2_session_set_stream_user_data(session, id, stream);
        streams_wake(stream);
    }
    /* A response may have another one behind it (1xx); what follows the last
     * head is a trailer. */
    bool trailers = stream && way_from(h2, stream)->message.major;
    h2_block_begin(&h2->block, h2->serves ? HTTP1_REQUEST : HTTP1_RESPONSE,
                   trailers);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
                     void *context)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct h2_speaker *h2 = context;
    nghttp2_vec name_bytes = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec value_bytes = nghttp2_rcbuf_get_buf(value);
    h2_block_add(&h2->block, &name_bytes, &value_bytes);
    if (h2->block.bytes > H2_BLOCK_FLOOD) {
        calm_down(h2, "a header block without an end");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

/* nghttp2 would leave such a field out and go on. */
static int on_invalid_header(nghttp2_session *session,
                             const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *context)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)value;
    (void)flags;
    struct h2_speaker *h2 = context;
    facts_refused(h2->base.end, "RFC 9113 8.2.1",
                  "a byte in a header field that may not be there", 0, 400);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The rest of what nghttp2 finds wrong by itself; it resets the stream. */
static int on_invalid_frame(nghttp2_session *session,
                            const nghttp2_frame *frame, int error,
                            void *context)
{
    (void)session;
    struct h2_speaker *h2 = context;
    bool message =
        error == NGHTTP2_ERR_HTTP_HEADER || error == NGHTTP2_ERR_HTTP_MESSAGING;
    h2->in_block &= frame->hd.type != NGHTTP2_HEADERS;
    facts_refused(
        h2->base.end, message ? "RFC 9113 8.1.1" : "RFC 9113 5.4",
        message ? "the message is malformed" : nghttp2_strerror(error), 0, 400);
    return 0;
}

static void take_trailers(struct h2_speaker *h2, struct way *way)
{
    struct message *from = &h2->block.message;
    struct message to = {.arena = &way->arena};
    for (unsigned i = 0; i < from->fields_count; i++)
        if (message_add_field(
                &to, from->fields[i].name, strlen(from->fields[i].name),
                from->fields[i].value, strlen(from->fields[i].value)))
            return; /* trailers may be dropped (RFC 9110 6.5.1) */
    way->trailers = to.fields;
    way->trailers_count = to.fields_count;
}

static void take_head(struct h2_speaker *h2, struct way *way,
                      const struct http1_fault *fault)
{
    struct h2_block *block = &h2->block;
    const char *length = message_field(&block->message, "content-length");
    if (way->state != WAY_IDLE)
        return;
    way->arena = block->arena;
    way->message = block->message;
    way->message.arena = &way->arena;
    block->arena = (struct arena){0};
    way->length = length ? strtoll(length, NULL, 10) : -1;
    if (!h2->serves)
        way->message.reason = message_reason(way->message.status);
    stream_came_head(way, fault);
}

static void end_block(struct h2_speaker *h2, struct stream *stream)
{
    struct way *way = way_from(h2, stream);
    struct message *message = &h2->block.message;
    struct http1_fault fault;
    h2->in_block = false;
    h2->base.in_at = h2->frame_at;
    bool wrong =
        h2_block_is_wrong(&h2->block, &fault) ||
        (h2->serves && !h2->block.trailers &&
         authority_leads_elsewhere(h2->base.end->relay, message->host, &fault));
    if (h2->block.trailers && wrong)
        stream_reset(stream, STREAM_PROTOCOL_ERROR);
    else if (h2->block.trailers)
        take_trailers(h2, way);
    else if (!wrong && !h2->serves && message->status < 200 &&
             ++h2->interims > INTERIM_MOST)
        stream_reset(stream, STREAM_CALM);
    else if (!wrong && !h2->serves && message->status < 200)
        stream_came_interim(way, message);
    else
        take_head(h2, way, wrong ? &fault : NULL);
    h2_block_free(&h2->block);
}

static int came_headers(struct h2_speaker *h2, struct stream *stream,
                        const nghttp2_frame *frame)
{
    if (h2->in_block)
        end_block(h2, stream);
    h2->idle_frames = 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        h2->interims = 0;
        stream_came_all(way_from(h2, stream));
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *context)
{
    (void)session;
    struct h2_speaker *h2 = context;
    struct stream *stream = stream_at(h2, frame->hd.stream_id);
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        return stream ? came_headers(h2, stream, frame) : count_idle(h2);
    case NGHTTP2_DATA:
        if (stream && ends)
            stream_came_all(way_from(h2, stream));
        return frame->hd.length || ends ? 0 : count_idle(h2);
    case NGHTTP2_GOAWAY:
        if (h2->base.mood == SPEAKER_TALKS)
            h2->base.mood = SPEAKER_LEAVES;
        h2->base.streams->moved = true;
        return 0;
    default:
        return count_idle(h2);
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                   const uint8_t *bytes, size_t len, void *context)
{
    (void)flags;
    struct h2_speaker *h2 = context;
    struct stream *stream = stream_at(h2, id);
    h2->idle_frames = 0;
    nghttp2_session_consume_connection(session, len);
    if (!stream)
        return nghttp2_session_consume_stream(session, id, len);
    if (stream_came_body(way_from(h2, stream), bytes, len))
        stream_reset(stream, STREAM_INTERNAL_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error,
                           void *context)
{
    struct h2_speaker *h2 = context;
    struct stream *stream = stream_at(h2, id);
    (void)session;
    if (!stream)
        return 0;
    *id_on(h2, stream) = 0;
    bool was_open = *open_on(h2, stream);
    *open_on(h2, stream) = false;
    struct way *way = way_from(h2, stream);
    struct way *other = h2->serves ? &stream->response : &stream->request;
    bool complete = way->whole && other->state == WAY_DONE && !error;
    if (was_open && !complete) {
        way->cut |= !way->whole;
        stream_came_reset(stream, &h2->base, error);
    }
    streams_wake(stream);
    if (h2->serves && h2->base.streams->given_up > GIVEN_UP_MOST &&
        h2->base.streams->given_up > h2->base.streams->past / 2)
        calm_down(h2, "one request after the other taken back");
    return 0;
}

/* ---- what goes ----------------------------------------------------------- */

static uint64_t out_now(const struct h2_speaker *h2)
{
    return h2->base.end->tls.ssl ? h2->out_at
                                 : h2->out_at + buf_len(&h2->gather);
}

/* Bytes of this way are in what is being gathered. */
static void touch(struct h2_speaker *h2, struct way *way)
{
    if (!way->note.open)
        return;
    way_went(way, out_now(h2), out_now(h2) + 1);
    if (way->touched)
        return;
    way->touched = true;
    way->next_touched = h2->touched;
    h2->touched = way;
}

/* All of what was gathered is out. */
static void untouch(struct h2_speaker *h2)
{
    struct way *way = h2->touched;
    for (; way; way = way->next_touched) {
        way_went(way, h2->out_at, end_output_at(h2->base.end));
        way->touched = false;
    }
    h2->touched = NULL;
}

static struct way *way_to(struct h2_speaker *h2, struct stream *stream)
{
    return h2->serves ? &stream->response : &stream->request;
}

static int before_frame(nghttp2_session *session, const nghttp2_frame *frame,
                        void *context)
{
    (void)session;
    struct h2_speaker *h2 = context;
    struct stream *stream = frame->hd.type == NGHTTP2_HEADERS
                                ? stream_at(h2, frame->hd.stream_id)
                                : NULL;
    if (stream && way_to(h2, stream)->state >= WAY_PASS)
        touch(h2, way_to(h2, stream));
    return 0;
}

static int end_body(struct h2_speaker *h2, struct way *way, int32_t id,
                    uint32_t *flags)
{
    struct h2_list list;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (way->cut)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (way->trailers_count &&
        !h2_list_trailers(&way->arena, way->trailers, way->trailers_count,
                          &list) &&
        !nghttp2_submit_trailer(h2->session, id, list.fields, list.count))
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    way_went_all(way);
    return 0;
}

static ssize_t on_pull(nghttp2_session *session, int32_t id, uint8_t *to,
                       size_t most, uint32_t *flags,
                       nghttp2_data_source *source, void *context)
{
    (void)session;
    struct h2_speaker *h2 = context;
    struct way *way = source->ptr;
    size_t len = buf_len(&way->body);
    len = len < most ? len : most;
    if (way->stream->over)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!len && !way_empty(way))
        return NGHTTP2_ERR_DEFERRED;
    touch(h2, way);
    h2->idle_frames = 0;
    if (len) {
        memcpy(to, buf_head(&way->body), len);
        way_took(way, len);
    }
    if (way_empty(way)) {
        int rc = end_body(h2, way, id, flags);
        if (rc)
            return rc;
    }
    return (ssize_t)len;
}

/* Gather frames for one record. False: nghttp2 has no more to say. */
static bool gather(struct h2_speaker *h2)
{
    struct end *end = h2->base.end;
    h2->out_at = end_output_at(end);
    if (worker_lend(end->relay->worker, &h2->gather))
        return false;
    while (buf_len(&h2->gather) < GATHER_MOST) {
        const uint8_t *bytes;
        ssize_t len = nghttp2_session_mem_send(h2->session, &bytes);
        if (len < 0)
            h2->base.mood = SPEAKER_GONE;
        if (len <= 0)
            break;
        if (buf_append(&h2->gather, bytes, (size_t)len)) {
            h2->base.mood = SPEAKER_GONE;
            break;
        }
    }
    return buf_len(&h2->gather);
}

static bool flush(struct speaker *speaker)
{
    struct h2_speaker *h2 = h2_of(speaker);
    struct end *end = speaker->end;
    bool any = false;
    while (speaker->mood != SPEAKER_GONE && end->says == END_SAYS) {
        end_flush(end);
        if (end_blocked(end) || !gather(h2))
            break;
        any = true;
        if (end_send(end, buf_head(&h2->gather), buf_len(&h2->gather)))
            speaker->mood = SPEAKER_GONE;
        buf_clear(&h2->gather);
        untouch(h2);
    }
    worker_take_back(end->relay->worker, &h2->gather);
    if (nghttp2_session_get_outbound_queue_size(h2->session) > QUEUE_MOST)
        calm_down(h2, "answers to its frames are not read");
    if (!nghttp2_session_want_read(h2->session) &&
        !nghttp2_session_want_write(h2->session))
        speaker->mood = SPEAKER_GONE;
    return any;
}

static bool head(struct speaker *speaker, struct way *way)
{
    struct h2_speaker *h2 = h2_of(speaker);
    struct stream *stream = way->stream;
    const char *scheme = speaker->end->tls.ssl ? "https" : "http";
    nghttp2_data_provider body = {.source.ptr = way, .read_callback = on_pull};
    bool empty = way_empty(way) && !way->trailers_count && !way->cut;
    struct h2_list list;
    if (h2_list_make(&way->message, scheme, &list))
        return false;
    if (way->from && !way->from->h2) {
        struct message sent = way->message;
        sent.major = 2;
        note_translated(&way->note, &sent);
    }
    if (h2->serves)
        return !nghttp2_submit_response(h2->session, stream->victim_id,
                                        list.fields, list.count,
                                        empty ? NULL : &body) &&
               (!empty || (way_went_all(way), true));
    int32_t id =
        nghttp2_submit_request(h2->session, NULL, list.fields, list.count,
                               empty ? NULL : &body, stream);
    if (id < 0)
        return false;
    stream->server_id = id;
    stream->bare = empty;
    if (empty)
        way_went_all(way);
    return true;
}

static void more(struct speaker *speaker, struct way *way)
{
    struct h2_speaker *h2 = h2_of(speaker);
    if (buf_len(&way->body) || way_empty(way))
        nghttp2_session_resume_data(h2->session, *id_on(h2, way->stream));
}

static bool ready(struct speaker *speaker, const struct way *way)
{
    (void)speaker;
    (void)way;
    return true;
}

static void interim(struct speaker *speaker, struct way *way,
                    struct message *message)
{
    struct h2_speaker *h2 = h2_of(speaker);
    struct message copy = *message;
    struct arena arena = {0};
    struct h2_list list;
    copy.arena = &arena;
    if (!h2_list_make(&copy, "", &list))
        nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE,
                               way->stream->victim_id, NULL, list.fields,
                               list.count, NULL);
    arena_free(&arena);
}

static void taken(struct speaker *speaker, struct stream *stream, size_t len)
{
    struct h2_speaker *h2 = h2_of(speaker);
    int32_t id = *id_on(h2, stream);
    if (id > 0)
        nghttp2_session_consume_stream(h2->session, id, len);
}

static void reset(struct speaker *speaker, struct stream *stream,
                  uint32_t error)
{
    struct h2_speaker *h2 = h2_of(speaker);
    int32_t id = *id_on(h2, stream);
    if (id > 0)
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, error);
}

static void goodbye(struct speaker *speaker, uint32_t error)
{
    struct h2_speaker *h2 = h2_of(speaker);
    int32_t last =
        h2->serves ? nghttp2_session_get_last_proc_stream_id(h2->session) : 0;
    nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, error, NULL, 0);
}

/* ---- what comes ---------------------------------------------------------- */

/* How many of these bytes belong to the frame that is under way, or, when a
 * new one begins, to that. */
static size_t next_piece(struct h2_speaker *h2, const uint8_t *bytes,
                         size_t len)
{
    size_t piece = 0;
    if (!h2->frame_left) {
        if (!h2->header_have)
            h2->frame_at = h2->base.in_at;
        while (piece < len && h2->header_have < FRAME_HEADER)
            h2->header[h2->header_have++] = bytes[piece++];
        if (h2->header_have < FRAME_HEADER)
            return piece;
        h2->header_have = 0;
        h2->frame_left = (uint64_t)h2->header[0] << 16 |
                         (uint64_t)h2->header[1] << 8 | h2->header[2];
    }
    size_t rest = len - piece;
    rest = rest < h2->frame_left ? rest : (size_t)h2->frame_left;
    h2->frame_left -= rest;
    return piece + rest;
}

static void place_input(struct speaker *speaker, size_t len)
{
    struct end *end = speaker->end;
    speaker->in_at = end_input_at(end);
    speaker->in_end = end->tls.ssl ? end_input_end(end) : speaker->in_at + len;
}

static bool hear(struct speaker *speaker)
{
    struct h2_speaker *h2 = h2_of(speaker);
    struct end *end = speaker->end;
    bool any = false;
    while (speaker->mood != SPEAKER_GONE) {
        end_decrypt(end, 1);
        struct buf *in = end_input(end);
        if (!buf_len(in))
            break;
        any = true;
        place_input(speaker, 0);
        size_t len = next_piece(h2, buf_head(in), buf_len(in));
        place_input(speaker, len);
        ssize_t used =
            h2->calm ? (ssize_t)len
                     : nghttp2_session_mem_recv(h2->session, buf_head(in), len);
        if (used < 0) {
            facts_refused(end, "RFC 9113 5.4.1", nghttp2_strerror((int)used), 0,
                          0);
            h2->calm = true;
            if (used == NGHTTP2_ERR_NOMEM)
                speaker->mood = SPEAKER_GONE;
            else
                nghttp2_session_terminate_session(
                    h2->session, used == NGHTTP2_ERR_FLOODED
                                     ? NGHTTP2_ENHANCE_YOUR_CALM
                                     : NGHTTP2_PROTOCOL_ERROR);
        }
        buf_consume(in, len);
    }
    return any;
}

static bool head_pending(const struct speaker *speaker)
{
    const struct h2_speaker *h2 = (const struct h2_speaker *)speaker;
    /* The body of a frame of DATA is no head, and may take its time. */
    return h2->in_block || h2->header_have ||
           (h2->frame_left && h2->header[3] != NGHTTP2_DATA);
}

/* ---- life ---------------------------------------------------------------- */

static void speaker_free(struct speaker *speaker)
{
    struct h2_speaker *h2 = h2_of(speaker);
    nghttp2_session_del(h2->session);
    h2_block_free(&h2->block);
    worker_discard(speaker->end->relay->worker, &h2->gather);
    free(h2);
}

static const struct speaker_calls calls = {
    .hear = hear,
    .ready = ready,
    .head = head,
    .more = more,
    .interim = interim,
    .taken = taken,
    .reset = reset,
    .flush = flush,
    .goodbye = goodbye,
    .head_pending = head_pending,
    .free = speaker_free,
};

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *to;
    if (nghttp2_session_callbacks_new(&to))
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(to,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(to, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(
        to, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        to, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(to, before_frame);
    return to;
}

static int make_session(struct h2_speaker *h2)
{
    nghttp2_mem *memory = h2->base.end->relay->worker->options->h2_memory;
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = NULL;
    int rc = callbacks ? nghttp2_option_new(&option) : -1;
    if (!rc) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        rc = h2->serves ? nghttp2_session_server_new3(&h2->session, callbacks,
                                                      h2, option, memory)
                        : nghttp2_session_client_new3(&h2->session, callbacks,
                                                      h2, option, memory);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

static int introduce(struct h2_speaker *h2)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_BLOCK_MOST},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MOST},
    };
    /* What a server pushes was asked for by nobody. */
    if (!h2->serves)
        settings[2] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    return nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof *settings) ||
           nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE,
                                                 0, CONNECTION_WINDOW);
}

struct speaker *h2_speaker_new(struct streams *streams, struct end *end)
{
    struct h2_speaker *h2 = calloc(1, sizeof *h2);
    if (!h2)
        return NULL;
    h2->base = (struct speaker){
        .calls = &calls, .streams = streams, .end = end, .h2 = true};
    h2->serves = end->leg == LEG_VICTIM;
    h2->frame_left = h2->serves ? MAGIC : 0;
    if (make_session(h2) || introduce(h2)) {
        speaker_free(&h2->base);
        return NULL;
    }
    return &h2->base;
}
