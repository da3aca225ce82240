/* SPDX-License-Identifier: MIT */
#include "proxy/h2_peek.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <string.h>

struct peek {
    char *out;
    int32_t id; /* of the first request; 0: not begun */
    bool whole, broken;
};

static int on_begin_headers(nghttp2_session *session,
                            const nghttp2_frame *frame, void *context)
{
    struct peek *peek = context;
    (void)session;
    if (!peek->id)
        peek->id = frame->hd.stream_id;
    return 0;
}

static bool is_name(const uint8_t *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && !memcmp(name, wanted, len);
}

/* Pseudo fields come first; Host may stand in for :authority. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *context)
{
    struct peek *peek = context;
    (void)session;
    (void)flags;
    if (frame->hd.stream_id != peek->id || peek->whole || *peek->out ||
        value_len >= H2_PEEK_NAME ||
        (!is_name(name, name_len, ":authority") &&
         !is_name(name, name_len, "host")))
        return 0;
    memcpy(peek->out, value, value_len);
    peek->out[value_len] = 0;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *context)
{
    struct peek *peek = context;
    (void)session;
    peek->whole |= peek->id && frame->hd.stream_id == peek->id &&
                   frame->hd.type == NGHTTP2_HEADERS;
    return 0;
}

static int on_invalid_frame(nghttp2_session *session,
                            const nghttp2_frame *frame, int error,
                            void *context)
{
    struct peek *peek = context;
    (void)session;
    (void)frame;
    (void)error;
    peek->broken = true;
    return 0;
}

static int read_all(struct peek *peek, const uint8_t *bytes, size_t len)
{
    nghttp2_session_callbacks *calls = NULL;
    nghttp2_session *session = NULL;
    ssize_t used = -1;
    if (nghttp2_session_callbacks_new(&calls))
        return -1;
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        calls, on_invalid_frame);
    if (!nghttp2_session_server_new(&session, calls, peek))
        used = nghttp2_session_mem_recv(session, bytes, len);
    /* It would end the connection: no request will be read. */
    bool ends = session && !nghttp2_session_want_read(session);
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(calls);
    return used < 0 || ends || peek->broken ? -1 : 0;
}

int h2_peek_authority(const uint8_t *bytes, size_t len, char out[H2_PEEK_NAME])
{
    struct peek peek = {.out = out};
    *out = 0;
    int bad = read_all(&peek, bytes, len);
    if (peek.whole)
        return *out ? 1 : -1;
    return bad;
}
