/* SPDX-License-Identifier: MIT
 *
 * What the hooks of a proxy wish to see. What none of them wishes for streams
 * through, and costs neither memory nor time. */
#ifndef PROXY_WISH_H
#define PROXY_WISH_H

#include "proxy/message.h"

struct relay;

/* Does one look at heads? If not, no message is built. A hook of responses
 * wants to know what was asked. */
bool wish_looks(const struct relay *relay, bool request);

/* Does one want the body of this message? Its head is there. */
bool wish_body(struct relay *relay, const struct message *head);

/* Does one look at the messages of a WebSocket? */
bool wish_messages(const struct relay *relay);

/* Does one look at the bytes of what is not HTTP? */
bool wish_bytes(const struct relay *relay);

/* Larger bodies are not kept; they stream past the hooks. */
size_t wish_most(const struct relay *relay);

#endif
