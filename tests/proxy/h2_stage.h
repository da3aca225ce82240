/* SPDX-License-Identifier: MIT
 *
 * Victims and servers that speak HTTP/2, on the stage of stage.h: an nghttp2
 * session of the test's own over an actor's socket, in clear. What comes is
 * written down as text, stream by stream. */
#ifndef TESTS_PROXY_H2_STAGE_H
#define TESTS_PROXY_H2_STAGE_H

#include "tests/proxy/stage.h"

#include <nghttp2/nghttp2.h>

enum { SEEN_MOST = 512 };

/* What came of one stream. */
struct seen {
    int32_t id;
    char head[2048]; /* "name: value\n" of each field, 1xx too */
    char after[256]; /* of the trailers */
    struct buf body;
    bool begun, ended, closed;
    uint32_t error; /* it was closed with */
    unsigned heads;
};

struct framer {
    struct actor actor;
    nghttp2_session *session;
    struct seen seen[SEEN_MOST];
    unsigned count;
    bool goaway;
    uint32_t goaway_error;
    bool holds; /* takes no bytes of bodies: no WINDOW_UPDATE */
    uint32_t settings[8];
};

/* A body on its way out. */
struct said {
    const char *bytes;
    size_t len, at;
    const char *trailer; /* "name" of a trailer whose value is "end" */
    bool endless;
};

STAGE struct seen *framer_seen(struct framer *framer, int32_t id)
{
    for (unsigned i = 0; i < framer->count; i++)
        if (framer->seen[i].id == id)
            return &framer->seen[i];
    assert_true(framer->count < SEEN_MOST);
    struct seen *seen = &framer->seen[framer->count++];
    seen->id = id;
    return seen;
}

STAGE int framer_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                           const uint8_t *name, size_t name_len,
                           const uint8_t *value, size_t value_len,
                           uint8_t flags, void *context)
{
    (void)session;
    (void)flags;
    struct seen *seen = framer_seen(context, frame->hd.stream_id);
    bool after = buf_len(&seen->body) || seen->heads > 8;
    char *to = after ? seen->after : seen->head;
    size_t room = after ? sizeof seen->after : sizeof seen->head;
    size_t used = strlen(to);
    snprintf(to + used, room - used, "%.*s: %.*s\n", (int)name_len, name,
             (int)value_len, value);
    return 0;
}

STAGE int framer_on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                         const uint8_t *bytes, size_t len, void *context)
{
    (void)flags;
    struct framer *framer = context;
    struct seen *seen = framer_seen(framer, id);
    assert_int_equal(buf_append(&seen->body, bytes, len), 0);
    nghttp2_session_consume_connection(session, len);
    if (!framer->holds)
        nghttp2_session_consume_stream(session, id, len);
    return 0;
}

STAGE int framer_on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                          void *context)
{
    (void)session;
    struct framer *framer = context;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        framer->goaway = true;
        framer->goaway_error = frame->goaway.error_code;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS)
        for (size_t i = 0; i < frame->settings.niv; i++)
            if (frame->settings.iv[i].settings_id < 8)
                framer->settings[frame->settings.iv[i].settings_id] =
                    frame->settings.iv[i].value;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        framer_seen(framer, frame->hd.stream_id)->begun = true;
        framer_seen(framer, frame->hd.stream_id)->heads++;
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        framer_seen(framer, frame->hd.stream_id)->ended = true;
    return 0;
}

STAGE int framer_on_close(nghttp2_session *session, int32_t id, uint32_t error,
                          void *context)
{
    (void)session;
    struct seen *seen = framer_seen(context, id);
    seen->closed = true;
    seen->error = error;
    return 0;
}

STAGE void framer_open(struct framer *framer, struct actor actor, bool serves)
{
    nghttp2_session_callbacks *calls;
    nghttp2_option *option;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 200}};
    *framer = (struct framer){.actor = actor};
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_header_callback(calls, framer_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls,
                                                              framer_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls,
                                                         framer_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls,
                                                           framer_on_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    /* Tests say what must not be said. */
    nghttp2_option_set_no_http_messaging(option, 1);
    if (serves)
        nghttp2_session_server_new2(&framer->session, calls, framer, option);
    else
        nghttp2_session_client_new2(&framer->session, calls, framer, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    nghttp2_submit_settings(framer->session, 0, settings, 1);
}

STAGE void framer_leaves(struct framer *framer)
{
    nghttp2_session_del(framer->session);
    for (unsigned i = 0; i < framer->count; i++)
        buf_free(&framer->seen[i].body);
    actor_leaves(&framer->actor);
}

/* Hear what came and say what there is to say. */
STAGE void framer_turns(struct framer *framer)
{
    struct actor *actor = &framer->actor;
    const uint8_t *bytes;
    ssize_t len;
    if (actor->fd < 0)
        return;
    actor_listens(actor);
    if (buf_len(&actor->got)) {
        nghttp2_session_mem_recv(framer->session, buf_head(&actor->got),
                                 buf_len(&actor->got));
        buf_clear(&actor->got);
    }
    while (!actor->reset && !actor->eof &&
           (len = nghttp2_session_mem_send(framer->session, &bytes)) > 0)
        for (size_t at = 0; at < (size_t)len;) {
            ssize_t sent =
                send(actor->fd, bytes + at, (size_t)len - at, MSG_NOSIGNAL);
            if (sent > 0)
                at += (size_t)sent;
            else if (errno != EAGAIN)
                return;
            else
                stage_turn(actor->stage);
        }
}

STAGE void framers_rest(struct framer *one, struct framer *other)
{
    for (int i = 0; i < 20; i++) {
        framer_turns(one);
        if (other)
            framer_turns(other);
        stage_turn(one->actor.stage);
    }
}

/* Both go on until this holds. */
#define FRAMERS_UNTIL(one, other, what)                                        \
    do {                                                                       \
        for (int turn_ = 0; turn_ < PATIENCE_TURNS && !(what); turn_++) {      \
            framer_turns(one);                                                 \
            if (other)                                                         \
                framer_turns(other);                                           \
            stage_turn((one)->actor.stage);                                    \
        }                                                                      \
        assert_true(what);                                                     \
    } while (0)

STAGE ssize_t framer_says(nghttp2_session *session, int32_t id, uint8_t *to,
                          size_t most, uint32_t *flags,
                          nghttp2_data_source *source, void *context)
{
    (void)context;
    struct said *said = source->ptr;
    size_t left = said->len - said->at, len = left < most ? left : most;
    memcpy(to, said->bytes + said->at, len);
    said->at += len;
    if (said->at < said->len)
        return (ssize_t)len;
    if (said->endless)
        return len ? (ssize_t)len : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (said->trailer) {
        nghttp2_nv field = {(uint8_t *)said->trailer, (uint8_t *)"end",
                            strlen(said->trailer), 3, 0};
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, id, &field, 1);
    }
    return (ssize_t)len;
}

/* "name: value\n" lines, pseudo fields too. Copied names would be made lower
 * case, and those are borrowed until the frame is out. */
STAGE unsigned framer_fields(char *text, nghttp2_nv *out, unsigned most)
{
    unsigned count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && count < most;
         line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strstr(line + 1, ": ");
        assert_non_null(colon);
        *colon = 0;
        out[count++] =
            (nghttp2_nv){(uint8_t *)line, (uint8_t *)colon + 2, strlen(line),
                         strlen(colon + 2), NGHTTP2_NV_FLAG_NO_COPY_NAME};
    }
    return count;
}

#define H2_GET                                                                 \
    ":method: GET\n:scheme: http\n:authority: bank.lab.test\n:path: /\n"
#define H2_POST                                                                \
    ":method: POST\n:scheme: http\n:authority: bank.lab.test\n:path: /\n"
#define H2_OK ":status: 200\n"

/* `said` must live until it is said; NULL: no body. Returns the stream. */
STAGE int32_t framer_asks(struct framer *framer, const char *head,
                          struct said *said)
{
    char text[4096];
    nghttp2_nv fields[128];
    nghttp2_data_provider body = {.source.ptr = said,
                                  .read_callback = framer_says};
    snprintf(text, sizeof text, "%s", head);
    unsigned count = framer_fields(text, fields, 128);
    int32_t id = nghttp2_submit_request(framer->session, NULL, fields, count,
                                        said ? &body : NULL, NULL);
    assert_true(id > 0);
    framer_turns(framer);
    return id;
}

STAGE void framer_answers(struct framer *framer, int32_t id, const char *head,
                          struct said *said)
{
    char text[4096];
    nghttp2_nv fields[128];
    nghttp2_data_provider body = {.source.ptr = said,
                                  .read_callback = framer_says};
    snprintf(text, sizeof text, "%s", head);
    unsigned count = framer_fields(text, fields, 128);
    assert_int_equal(nghttp2_submit_response(framer->session, id, fields, count,
                                             said ? &body : NULL),
                     0);
    framer_turns(framer);
}

STAGE void seen_is(const struct seen *seen, const char *body)
{
    size_t len = buf_len(&seen->body);
    if (len != strlen(body) ||
        (len && memcmp(buf_head(&seen->body), body, len)))
        fail_msg("expected \"%s\", heard \"%.*s\"", body, (int)len,
                 len ? (char *)buf_head(&seen->body) : "");
}

#endif
