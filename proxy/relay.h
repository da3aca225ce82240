/* SPDX-License-Identifier: MIT
 *
 * One proxied connection: its two ends and its states, nothing else. A relay
 * owns itself: it begins with relay_accept() and is freed when libuv has given
 * its last handle back, after the loop turns that this takes. */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "certs/forge.h"
#include "proxy/ask.h"
#include "proxy/end.h"
#include "proxy/exchange.h"
#include "proxy/flow.h"
#include "proxy/hook.h"
#include "proxy/sight.h"
#include "proxy/target.h"
#include "proxy/way.h"

#include <stdbool.h>
#include <uv.h>

#define RELAY_STATES(X)                                                        \
    X(INTRO)      /* a balancer's head says who the victim is */               \
    X(GREET)      /* what the victim asks of a proxy: CONNECT, SOCKS */        \
    X(HELLO)      /* read the victim's ClientHello or request line */          \
    X(CONNECT)    /* TCP to the server it wanted */                            \
    X(SERVER_TLS) /* handshake with the server: the real chain */              \
    X(VICTIM_TLS) /* handshake with the victim: ours */                        \
    X(STREAM)     /* both ways, through the hooks */                           \
    X(DRAIN)      /* all is said; a moment for a victim that may go on */      \
    X(CLOSING)    /* waiting for libuv to give the handles back */

enum relay_state {
#define X(name) RELAY_##name,
    RELAY_STATES(X)
#undef X
};

/* What the victim of a proxy that it knows of has asked for so far. */
enum relay_asked {
    ASKED_NOTHING,
    ASKED_URL,     /* the server of one request */
    ASKED_TUNNEL,  /* bytes to and from a server; not answered yet */
    ASKED_GRANTED, /* and it was told that it has them */
};

/* The server cannot be had, and this is what is answered in its place by who
 * has nothing better. Zeroed: it can, or nobody has tried. */
struct absence {
    int status;
    const char *reason; /* in the flow's arena */
};

enum relay_socks { SOCKS_GREETING, SOCKS_LOGIN, SOCKS_REQUEST };

struct lanes;
struct streams;
struct worker;

struct relay {
    struct worker *worker;
    const struct way_in *way;    /* by which the victim came in */
    struct relay *before, *next; /* in the worker's list */
    enum relay_state state;
    struct flow flow;
    struct end victim, server;
    unsigned handles; /* libuv's; 0 in CLOSING: this is freed */

    uv_timer_t timer; /* the only one; see relay_wait() */
    uint64_t began;   /* of the loop's milliseconds */
    uint64_t deadline, timer_due, last;
    bool timed_out;
    bool advancing, again; /* relay_advance() is under way; was called */

    int connect_status;     /* 1: under way */
    unsigned server_index;  /* of the addresses that its name has */
    bool server_going;      /* the one before has to close first */
    enum relay_asked asked; /* way_is_asked() */
    enum relay_socks socks;
    const char *login;  /* that it gave, "user:password"; NULL */
    bool turned_away;   /* we have no room for it: no more than a word */
    bool met;           /* it is known who the victim is, and was told */
    const char *misled; /* why the head of a balancer is refused; NULL */
    struct target target;
    /* A hook wants this request to go there (message.h); NULL: to `target`. */
    const struct target *sent_to;
    enum target_protocol protocol;
    struct sight *sight; /* of a sealed flow; NULL: nobody wants to know */
    const char *refusal; /* why the server is not even tried; NULL */
    bool forbidden;      /* because it is outside of the walls */
    const char *trouble; /* what went wrong and is on no line yet; NULL */
    struct absence absent;
    const char *sni;       /* that the victim sent; NULL: none */
    const char *authority; /* of its first request, when that is HTTP/2 in
                              clear and nothing else names its server; NULL */
    bool unnamed;          /* HELLO: such a request has not come yet */
    struct forge_plan plan;
    struct alpn_list alpn; /* what the victim offered and may have; lies in the
                              arena of the flow */
    bool wants_staple;     /* the victim asked for an OCSP response */

    struct exchange exchange; /* of STREAM, when it is HTTP/1.1 */
    struct streams *streams;  /* instead, with HTTP/2 on some leg */
    struct lanes *lanes; /* their ways to a server of HTTP/1.1; NULL: none */
    bool victim_h2;      /* the victim speaks it, and said so at once */
    bool http_begun;     /* which of the two it is is settled */
    bool tunnel;         /* STREAM is bytes, not HTTP */
    /* Those bytes may change to TLS; NULL: they may not. In the arena. */
    struct starttls *starttls;
    struct messages *messages; /* of a WebSocket; NULL: it is none */
    bool head_pending;         /* a head is being waited for: see its time */
    bool drain_blocked;        /* DRAIN: the victim has not taken all yet */
    struct ask asks[2];        /* hooks that are being asked, for each way */
    unsigned held;             /* questions that a hook needs time for */

    /* What a hook is being shown, for flow_where(). */
    enum event_leg shown_leg;
    uint64_t shown_at, shown_len;
    const union address *shown_local; /* of a stream that has a lane, or will
                                         have one; NULL: the flow's */

    enum flow_end why;
    bool reset; /* close with RST: the end was not a clean one */
    int victim_alert, server_alert; /* that they sent; -1: none */
    int own_alert; /* that ended a handshake from our side; -1: none */
};

/* Take the connection that `listener` offers. `way` must outlive it. */
void relay_accept(struct worker *worker, const struct way_in *way,
                  uv_stream_t *listener);

/* No descriptor is left. libuv keeps one back for that, but several loops race
 * for it, and a loop without it would accept in vain for ever. So a lane that
 * nobody uses goes, or else the newest flow; false if there is none. */
bool relay_shed(struct worker *worker);

/* The worker stops: end at once if nothing is under way, else soon. */
void relay_stop(struct relay *relay);

/* Bytes of buffers that it holds now. Not counted: OpenSSL's own, and texts
 * of the flow, which the limits of heads bound. */
size_t relay_held(const struct relay *relay);

/* For the line that a person reads: what went wrong first. */
void relay_note_trouble(struct relay *relay, const char *sentence);

/* For the parts of a relay. Look at everything again and go on as far as
 * possible. */
void relay_advance(struct relay *relay);
void relay_handle_closed(struct relay *relay);
const char *relay_state_name(enum relay_state state);

/* Can the server be told something now? */
bool relay_has_server(struct relay *relay);

/* The server has gone, or is to go; the victim stays. */
void relay_leave_server(struct relay *relay);

/* Nobody has tried since. */
static inline void relay_forget_absence(struct relay *relay)
{
    relay->absent.status = 0;
}

/* Requests come as to a proxy, with a URL, and go on as to their server. */
static inline bool relay_forwards(const struct relay *relay)
{
    return relay->way->mode == WAY_HTTP && relay->asked <= ASKED_URL;
}

/* The server that the request under way is for. */
static inline const struct target *relay_target(const struct relay *relay)
{
    return relay->sent_to ? relay->sent_to : &relay->target;
}

/* The port of servers that are named without one. */
static inline int relay_port(const struct relay *relay)
{
    return relay->way->port ? relay->way->port
                            : address_port(&relay->flow.listener);
}

#endif
