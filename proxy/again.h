/* SPDX-License-Identifier: MIT
 *
 * One rule for asking a server twice, whichever way its request went: the
 * connection had answered before, this time it ended without a word, and
 * asking twice is as good as asking once (RFC 9110 9.2.2, RFC 9112 9.3.1). That
 * is a server which closed what it thought was idle, and did not see the
 * request. One that ends a fresh connection without a word, or any with an alert
 * of TLS, has answered in its way: whoever looks is to see that, and it is not
 * to have twice the load. */
#ifndef PROXY_AGAIN_H
#define PROXY_AGAIN_H

#include "proxy/end.h"
#include "proxy/message.h"

/* Whether it ended without a word, and was asked once only, the caller knows.
 */
static inline bool again_is_fair(const struct end *server, const char *method)
{
    return server->answered && !server->alerted && method_is_idempotent(method);
}

#endif
