/* SPDX-License-Identifier: MIT */
#include "proxy/trailers.h"

#include "proxy/worker.h"

#include <string.h>
#include <strings.h>

bool trailer_is_fit(const char *name)
{
    static const char *const unfit[] = {
        /* framing, and this connection */
        "transfer-encoding",
        "content-length",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        /* routing, and what is asked for */
        "host",
        "expect",
        "max-forwards",
        "pragma",
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        /* who asks */
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "cookie",
        "set-cookie",
        /* what is to be done with the response */
        "age",
        "cache-control",
        "date",
        "expires",
        "location",
        "retry-after",
        "vary",
        "warning",
        /* what its body is */
        "content-encoding",
        "content-range",
        "content-type",
    };
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++)
        if (!strcasecmp(name, unfit[i]))
            return false;
    return true;
}

static int copy(const struct http1_head *head, const char *bytes,
                struct message *to)
{
    for (unsigned i = 0; i < head->fields_count; i++) {
        struct span name = head->fields[i].name, value = head->fields[i].value;
        const char *text = arena_copy(to->arena, bytes + name.at, name.len);
        if (!text)
            return -1;
        if (trailer_is_fit(text) &&
            message_add_field(to, text, name.len, bytes + value.at, value.len))
            return -1;
    }
    return 0;
}

/* The parser of heads knows what fields are. */
void trailers_read(struct worker *worker, const struct buf *section,
                   unsigned lenient, struct arena *arena,
                   struct message_field **out, unsigned *out_count)
{
    struct http1_scan scan = {.lenient = lenient};
    struct message fields = {.arena = arena};
    struct http1_fault fault;
    struct buf head = {0};
    if (buf_append_text(&head, "HTTP/1.1 200 OK\r\n") ||
        buf_append(&head, buf_head(section), buf_len(section)))
        goto out;
    const char *bytes = (const char *)buf_head(&head);
    if (http1_head_read(&scan, HTTP1_RESPONSE, NULL, bytes, buf_len(&head),
                        &worker->head, &fault) > 0 &&
        !copy(&worker->head, bytes, &fields)) {
        *out = fields.fields;
        *out_count = fields.fields_count;
    }
out:
    buf_free(&head);
}
