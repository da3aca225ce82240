/* SPDX-License-Identifier: MIT
 *
 * The beginning of each direction is enough: what follows is either encrypted
 * or more of the same. */
#include "labs/report/record_packets.h"

#include "proxy/event.h"
#include "proxy/hello.h"
#include "proxy/sight.h"
#include "proxy/tls.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl3.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MOST = 256 << 10, LINE_MOST = 200 };

/* One connection, as it is told. */
struct stream {
    const struct index_frame *first;
    struct index_tuple tuple;
    struct buf *out;
    uint64_t number;
    uint8_t *up, *down; /* their beginnings */
    size_t up_len, down_len;
};

/* ---- writing events ------------------------------------------------------ */

static void begin(struct stream *stream, const char *kind, bool up, uint64_t at,
                  uint64_t len)
{
    const struct index_tuple *tuple = &stream->tuple;
    uint64_t t = stream->first->time_ns; /* more than a number in JSON holds */
    t = t > INT64_MAX ? INT64_MAX : t;
    buf_printf(stream->out,
               "{\"t\":%" PRIu64 ",\"place\":\"capture\",\"kind\":\"%s\","
               "\"flow\":%" PRIu64 ",\"tuple\":[\"%s\",%u,\"%s\",%u],"
               "\"dir\":\"%s\",\"at\":%" PRIu64 ",\"len\":%" PRIu64
               ",\"data\":{",
               t, kind, stream->number, tuple->src, tuple->src_port, tuple->dst,
               tuple->dst_port, up ? "up" : "down", at, len);
}

static void finish(struct stream *stream)
{
    buf_append_text(stream->out, "}}\n");
}

static void on_alert(void *owner, bool from_victim, int level, int code,
                     uint64_t at, uint64_t len)
{
    struct stream *stream = owner;
    begin(stream, "tls.alert", from_victim, at, len);
    buf_printf(stream->out, "\"level\":\"%s\",\"code\":%d,\"name\":\"%s\"",
               level == SSL3_AL_FATAL ? "fatal" : "warning", code,
               tls_alert_name(code));
    finish(stream);
}

static void on_certs(void *owner, STACK_OF(X509) * certs, uint64_t at,
                     uint64_t len)
{
    struct stream *stream = owner;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    if (bio && PEM_write_bio_X509(bio, sk_X509_value(certs, 0)) == 1) {
        long pem = BIO_get_mem_data(bio, &text);
        begin(stream, "tls.cert", false, at, len);
        buf_append_text(stream->out, "\"role\":\"seen\",\"chain\":[");
        event_append_text(stream->out, text, (size_t)pem, SIZE_MAX);
        buf_append_text(stream->out, "]");
        finish(stream);
    }
    BIO_free(bio);
    ERR_clear_error();
}

static void tell_hello(struct stream *stream)
{
    struct hello hello;
    const char *why;
    uint8_t *scratch = malloc(HELLO_MOST);
    ssize_t used =
        scratch ? hello_read(stream->up, stream->up_len, scratch, &hello, &why)
                : 0;
    if (used > 0) {
        begin(stream, "tls.hello", true, 0, (uint64_t)used);
        buf_append_text(stream->out, "\"sni\":");
        event_append_text(stream->out, hello.server_name,
                          strlen(hello.server_name), SIZE_MAX);
        finish(stream);
    }
    free(scratch);
}

static void tell_tls(struct stream *stream)
{
    static const struct sight_calls calls = {on_certs, on_alert};
    tell_hello(stream);
    struct sight *sight = sight_new(&calls, stream);
    if (!sight)
        return;
    sight_look(sight, false, stream->down, stream->down_len);
    sight_look(sight, true, stream->up, stream->up_len);
    sight_free(sight);
}

/* ---- HTTP in clear ------------------------------------------------------- */

/* The first line; 0: it is not all there, or too long. */
static size_t first_line(const uint8_t *bytes, size_t len)
{
    size_t most = len < LINE_MOST * 20 ? len : LINE_MOST * 20;
    const uint8_t *end = most ? memchr(bytes, '\n', most) : NULL;
    size_t line = end ? (size_t)(end - bytes) : 0;
    return line && bytes[line - 1] == '\r' ? line - 1 : line;
}

/* "GET /path HTTP/1.1": the first and the second word. */
static void tell_request(struct stream *stream, size_t len)
{
    const uint8_t *line = stream->up;
    const uint8_t *blank = memchr(line, ' ', len);
    const uint8_t *last = memrchr(line, ' ', len);
    if (!blank || last == blank || len < 10 ||
        memcmp(line + len - 8, "HTTP/1.", 7) != 0)
        return;
    begin(stream, "http.request", true, 0, len);
    buf_append_text(stream->out, "\"method\":");
    event_append_text(stream->out, line, (size_t)(blank - line), LINE_MOST);
    buf_append_text(stream->out, ",\"target\":");
    event_append_text(stream->out, blank + 1, (size_t)(last - blank - 1),
                      LINE_MOST);
    finish(stream);
}

/* "HTTP/1.1 200 OK" */
static void tell_response(struct stream *stream, size_t len)
{
    const uint8_t *line = stream->down;
    unsigned status = 0;
    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0)
        return;
    for (unsigned i = 9; i < 12; i++)
        status = status * 10 + (line[i] - '0') % 10u;
    begin(stream, "http.response", false, 0, len);
    buf_printf(stream->out, "\"status\":%u,\"reason\":", status);
    event_append_text(stream->out, line + (len > 13 ? 13 : len),
                      len > 13 ? len - 13 : 0, LINE_MOST);
    finish(stream);
}

/* ---- connections --------------------------------------------------------- */

static void tell(const struct capture_index *index, struct stream *stream)
{
    stream->up_len =
        index_bytes_of(index, &stream->tuple, INDEX_UP, 0,
                       stream->first->time_ns, stream->up, LOOK_MOST);
    stream->down_len =
        index_bytes_of(index, &stream->tuple, INDEX_DOWN, 0,
                       stream->first->time_ns, stream->down, LOOK_MOST);
    begin(stream, "flow.open", true, 0, 0);
    finish(stream);
    if (stream->up_len && hello_looks_like_tls(stream->up, stream->up_len)) {
        tell_tls(stream);
        return;
    }
    size_t request = first_line(stream->up, stream->up_len);
    size_t response = first_line(stream->down, stream->down_len);
    if (request)
        tell_request(stream, request);
    if (response)
        tell_response(stream, response);
}

void record_packets(const struct capture_index *index, struct buf *out)
{
    struct stream stream = {.out = out};
    stream.up = malloc(LOOK_MOST);
    stream.down = malloc(LOOK_MOST);
    uint64_t count = index_count(index);
    for (uint64_t i = 1; stream.up && stream.down && i <= count; i++) {
        struct index_frame frame;
        if (index_frame(index, i, &frame) || !frame.tcp ||
            frame.stream < stream.number || frame.stream >= RECORD_STREAMS_MOST)
            continue; /* streams are numbered as they begin */
        stream.number = frame.stream + 1;
        stream.first = &frame;
        stream.tuple = (struct index_tuple){frame.src, frame.packet.src_port,
                                            frame.dst, frame.packet.dst_port};
        tell(index, &stream);
    }
    free(stream.up);
    free(stream.down);
}
