/* SPDX-License-Identifier: MIT
 *
 * What a proxy that the victim knows of makes of a request, so that the server
 * does not see that there was one. No Via is added: whoever intercepts does
 * not sign. */
#ifndef PROXY_FORWARD_H
#define PROXY_FORWARD_H

#include "proxy/message.h"

/* The URL becomes a path, Host is what the URL says, whatever the field said
 * (RFC 9112 3.2.2); what was meant for the proxy alone is taken out
 * (RFC 9110 7.6.1, 11.7.2). 0, or -1 when memory is out. */
int forward_request(struct message *request);

#endif
