/* SPDX-License-Identifier: MIT
 *
 * What the files of the relay share with each other and with nobody else: a
 * step for each state, the ways in which a flow goes wrong, and time. */
#ifndef PROXY_RELAY_PARTS_H
#define PROXY_RELAY_PARTS_H

#include "proxy/relay.h"
#include "proxy/worker.h"

enum { READ_AHEAD = 16 * 1024 }; /* bytes of an end that wait for the other */

/* For what the options do not say. */
enum {
    IDLE_MS = 120 * 1000,
    HEAD_MS = 10 * 1000,
    CONNECT_MS = 5 * 1000,
    DRAIN_MS = 2 * 1000,
    STOP_MS = 1500,
};

static inline const struct proxy_options *options_of(const struct relay *relay)
{
    return relay->worker->options;
}

static inline unsigned relay_ms(unsigned ms, unsigned otherwise)
{
    return ms ? ms : otherwise;
}

static inline unsigned relay_head_ms(const struct relay *relay)
{
    return relay_ms(options_of(relay)->head_ms, HEAD_MS);
}

/* For the first word of a victim, or for its last one. */
static inline unsigned relay_first_ms(const struct relay *relay)
{
    return relay->turned_away ? relay_ms(options_of(relay)->drain_ms, DRAIN_MS)
                              : relay_head_ms(relay);
}

static inline bool intercepts_tls(const struct relay *relay)
{
    return relay->flow.tls && !relay->flow.sealed;
}

/* A step looks at one state and says which comes next; the same one: it waits
 * for libuv, for a hook or for the timer. */
enum relay_state relay_step_intro(struct relay *relay);
enum relay_state relay_step_greet(struct relay *relay);
enum relay_state relay_step_hello(struct relay *relay);
enum relay_state relay_step_connect(struct relay *relay);
enum relay_state relay_step_server_tls(struct relay *relay);
enum relay_state relay_step_victim_tls(struct relay *relay);
enum relay_state relay_step_stream(struct relay *relay);

/* HELLO took too long, and the victim waits for a word in HTTP/2. */
enum relay_state relay_hello_late(struct relay *relay);

/* How the victim begins with us, when it has been said who it is. */
static inline enum relay_state relay_first(const struct relay *relay)
{
    return way_is_asked(relay->way) ? RELAY_GREET : RELAY_HELLO;
}

/* It is known who the victim is, as well as it will be, from a head of so many
 * bytes or without one: events and a capture of it begin. Once. */
void relay_meet(struct relay *relay, size_t head);

/* No head came that can be read. */
enum relay_state relay_mislead(struct relay *relay, const char *why);

/* The server, just connected, hears whose connection it is, if servers are to
 * hear that. */
void relay_introduce(struct end *server);

/* Is the victim's TLS left alone? The server is known by now. Decides, reports
 * it, and begins to look. */
bool relay_lets_pass(struct relay *relay);

/* The server is connected: what comes next? */
enum relay_state relay_connected(struct relay *relay);

/* Connect to the server of the flow, as dial_at_once(); server->write.data is
 * the caller's; and shake hands with it, on this end,
 * once more or for the first time. A failure is reported as an event, but for
 * one of our own making; either way `err` says what it was. */
int relay_dial(struct relay *relay, struct end *server, uv_write_cb on_connect,
               int *out_status, struct err *err);
enum tls_result relay_shake_server(struct relay *relay, struct end *server,
                                   struct err *err);

/* It cannot be had, or fails in its TLS. Where requests are read they still
 * are, and hooks may answer them (relay_absent.c); elsewhere the victim hears
 * `alert`, or what relay_fail() makes of it. */
enum relay_state relay_absent(struct relay *relay, int status, int alert,
                              const char *reason);

/* A tunnel leads nowhere, and this is what the victim says inside it. */
enum relay_state relay_without_server(struct relay *relay);

/* Try once more, for a request that is there. */
enum relay_state relay_redial(struct relay *relay);

/* The name of the server has another address: it will be tried. */
bool relay_tries_next(struct relay *relay);

/* What the victim asked of us: it has it, or it cannot have it. */
enum relay_state relay_grant(struct relay *relay);
enum relay_state relay_deny(struct relay *relay, int status,
                            const char *reason);

/* Say in the victim's language that there is no room for it. */
enum relay_state relay_turn_away(struct relay *relay);

/* What is done once, when a state is entered. */
void relay_begin_connect(struct relay *relay);
void relay_begin_closing(struct relay *relay);

/* The only writer of the state. */
void relay_enter(struct relay *relay, enum relay_state state);

/* Start the time of this state anew. */
void relay_wait(struct relay *relay, unsigned ms);

/* Four ways to go on when a flow cannot; the first reason counts. All is said:
 * see it out of the door. Reset both ends. Tell the victim in its language
 * that it cannot get what it wants. The same, for a server out of reach. */
enum relay_state relay_over(struct relay *relay, enum flow_end why);
enum relay_state relay_cut(struct relay *relay, enum flow_end why);
enum relay_state relay_fail(struct relay *relay, int status, int alert,
                            const char *reason);
enum relay_state relay_unreachable(struct relay *relay, int status);

/* STREAM begins in clear and may go back to HELLO, for TLS: see starttls.h.
 * -1 when memory is out. */
int relay_may_change(struct relay *relay);

/* STREAM is bytes in both directions, not HTTP. */
bool relay_is_bytes(const struct relay *relay);

#endif
