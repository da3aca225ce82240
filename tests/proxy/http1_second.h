/* SPDX-License-Identifier: MIT
 *
 * A second reader of HTTP/1: llhttp, the parser of Node.js, compiled from the
 * sources that Debian ships (package node-llhttp). Without HAVE_LLHTTP there
 * is nothing here. */
#ifndef TESTS_PROXY_HTTP1_SECOND_H
#define TESTS_PROXY_HTTP1_SECOND_H

#ifdef HAVE_LLHTTP

#include "proxy/base/buf.h"
#include "proxy/http1.h"

#include <llhttp.h>

struct second {
    llhttp_t parser;
    struct buf bodies; /* of all messages, one behind the other */
    unsigned messages;
};

static inline int second_on_body(llhttp_t *parser, const char *bytes,
                                 size_t len)
{
    struct second *second = parser->data;
    return buf_append(&second->bodies, bytes, len);
}

/* llhttp leaves it to its caller to know that a 304 has no body, whatever its
 * Content-Length says (RFC 9112 6.3, rule 1): 1 tells it so. */
static inline int second_on_headers_complete(llhttp_t *parser)
{
    return parser->type == HTTP_RESPONSE && parser->status_code == 304;
}

static inline int second_on_message_complete(llhttp_t *parser)
{
    struct second *second = parser->data;
    second->messages++;
    return 0;
}

static inline llhttp_errno_t ask_llhttp(enum http1_kind kind, const char *bytes,
                                        size_t len, struct second *second)
{
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_body = second_on_body;
    settings.on_headers_complete = second_on_headers_complete;
    settings.on_message_complete = second_on_message_complete;
    *second = (struct second){0};
    llhttp_init(&second->parser,
                kind == HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    second->parser.data = second;
    return llhttp_execute(&second->parser, bytes, len);
}

#endif
#endif
