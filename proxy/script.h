/* SPDX-License-Identifier: MIT
 *
 * A hook written in Lua 5.4: a text file that defines on_request(flow),
 * on_response(flow), on_message(flow), which is for WebSockets, or
 * on_dns(flow). What a flow has stands in script_members.def (`mitmlab help
 * script`): the message's parts, to be read and assigned, what is known of the
 * connection, and answer(), delay(), drop() and abort(). on_dns comes twice,
 * with a question, and with what the resolver says to it. The
 * script has string, table, math and utf8, and no door out; it may use so much
 * memory and so many instructions a call and no more. A mistake in it is an
 * event (script.error) and a line on stderr, and what it was shown goes on
 * unchanged.
 *
 * Each thread has a Lua state of its own, so globals are not shared among
 * workers. A pattern that takes for ever cannot be stopped from inside: the
 * heartbeat stops, and whoever watches it ends the proxy. */
#ifndef PROXY_SCRIPT_H
#define PROXY_SCRIPT_H

#include "certs/err.h"
#include "proxy/hook.h"

struct script;

/* Read and check the file. `body_most` as in the proxy's options. -1 with
 * EXIT_LAB_INVALID when it is no good. */
int script_load(const char *path, size_t body_most, struct script **out,
                struct err *err);

/* Borrowed; lives as long as the script. */
struct hook *script_hook(struct script *script);

/* After the proxy has stopped. */
void script_free(struct script *script);

#endif
