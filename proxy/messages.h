/* SPDX-License-Identifier: MIT
 *
 * WebSocket through a relay: both directions of STREAM behind a 101, message
 * by message. Each message becomes an event; hooks that want messages see it
 * whole and may change it. What nobody changes goes on byte for byte, and
 * where no hook wants messages nothing waits for the end of one. */
#ifndef PROXY_MESSAGES_H
#define PROXY_MESSAGES_H

#include "proxy/filter.h"
#include "proxy/hook.h"

struct end;
struct messages;
struct relay;

/* Behind this answer to an upgrade: WebSocket that can be followed? NULL if
 * not, or when memory is out: then it is bytes. `protocol` is the value of
 * Upgrade, `extensions` that of Sec-WebSocket-Extensions; either may be
 * NULL. */
struct messages *messages_open(struct relay *relay, const char *protocol,
                               const char *extensions);
void messages_close(struct messages *messages); /* NULL: nothing happens */

/* What a condition can know of a message that a hook is shown. */
struct filter_subject messages_subject(const struct flow *flow,
                                       const struct socket_message *message);

/* A whole message of this end is kept until a hook has made up its mind. */
bool messages_wait(const struct messages *messages, const struct end *from);

/* Pass on what this end's input holds. WAIT: a hook needs time. CUT: a rule of
 * RFC 6455 is broken, a hook wants it, or an end is gone. */
enum hook_act messages_pass(struct messages *messages, struct end *from);

#endif
