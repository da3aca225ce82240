/* SPDX-License-Identifier: MIT
 *
 * Which server a request names (its URL, its Host), held against itself and
 * against the server that its connection leads to. */
#ifndef PROXY_AUTHORITY_H
#define PROXY_AUTHORITY_H

#include "proxy/http1.h"
#include "proxy/target.h"

#include <stdbool.h>

struct relay;

/* True when the request must not be passed on, and *fault says why: it names
 * two servers (RFC 9112 3.2.2), or another one than the first request of its
 * connection did (RFC 9110 15.5.20). `bytes` is where the spans of the head
 * lead. */
bool authority_is_wrong(const struct relay *relay,
                        const struct http1_head *head, const char *bytes,
                        struct http1_fault *fault);

/* The same of a request in HTTP/2, whose names agree with each other. */
bool authority_leads_elsewhere(const struct relay *relay, const char *host,
                               struct http1_fault *fault);

/* What a request to a proxy asks for: CONNECT names a host and a port, any
 * other a URL (RFC 9112 3.2.2, RFC 9110 9.3.6). False with *fault when it names
 * no server that way. */
bool authority_asked(const struct http1_head *head, const char *bytes,
                     struct target *out, struct http1_fault *fault);

/* True when this request to a proxy is no matter between the victim and the
 * server that the connection leads to: it names another one, or a tunnel. */
bool authority_moves(const struct relay *relay, const struct http1_head *head,
                     const char *bytes);

#endif
