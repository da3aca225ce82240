/* SPDX-License-Identifier: MIT
 *
 * The only door between the proxy and an attack. Callbacks come on the loop
 * thread of the flow, in the order below. Leave NULL what you do not need: a
 * hook that wants no body never makes the proxy buffer one. */
#ifndef PROXY_HOOK_H
#define PROXY_HOOK_H

#include "proxy/flow.h"
#include "proxy/message.h"

#include <openssl/x509.h>

struct dns_message;
struct forge_plan;
struct hello;

enum hook_act {
    HOOK_PASS,    /* as it is */
    HOOK_CHANGED, /* I edited it; send what it is now */
    HOOK_ANSWER,  /* on_request only: the victim gets what message_answer()
                     holds, the server is not asked, nor is a hook behind */
    HOOK_CUT,     /* close both ends at once; in HTTP/2: this stream, on
                     both legs, and nothing else */
    HOOK_WAIT,    /* hold it until hook_resume(), hook_wake(), flow_resume() */
};

enum hook_wants {
    HOOK_WANTS_REQUEST_BODY = 1 << 0,
    HOOK_WANTS_RESPONSE_BODY = 1 << 1,
    HOOK_WANTS_NAIVE_LENGTH = 1 << 2, /* leave Content-Length as it was, wrong
                                         or not: a lesson of its own */
    HOOK_WANTS_VICTIM = 1 << 3,       /* whom it lets wait must stay: one that
                                         hangs up meanwhile has given up */
    HOOK_ANSWERS = 1 << 4, /* may answer in the server's place: victims of TLS
                              are served even where there is no server whose
                              certificate could be copied */
};

/* A message of a WebSocket (RFC 6455 5.6), on its way to one side. */
struct socket_message {
    enum event_leg to;
    bool text;       /* else binary */
    bool dropped;    /* CHANGED: it goes nowhere */
    struct buf body; /* edit it; inflated if it came compressed */
};

/* A question of DNS, and what is said to it: whole messages, without the
 * length that TCP puts before them. */
struct dns_talk {
    const struct dns_message *asked; /* dns.h; also the question's end in
                                        `answer` */
    const uint8_t *query;            /* its bytes */
    bool tcp;
    struct buf *answer; /* empty: nobody has been asked yet */
};

enum flow_end { FLOW_DONE, FLOW_CUT, FLOW_REFUSED, FLOW_FAILED, FLOW_TIMEOUT };

struct hook {
    const char *name;
    void *config;      /* handed to every callback; the owner of the hook
                          frees it after the proxy has stopped */
    unsigned wants;    /* HOOK_WANTS_* and HOOK_ANSWERS */
    size_t flow_bytes; /* zeroed memory per flow, see flow_hook_state() */

    /* The victim named its server; nothing has been answered yet. */
    enum hook_act (*on_hello)(void *config, struct flow *flow,
                              const struct hello *hello);
    /* The server proved who it is; `real` is NULL where it speaks no TLS or is
     * not there. Edit plan to choose what the victim sees. */
    enum hook_act (*on_server_cert)(void *config, struct flow *flow, X509 *real,
                                    struct forge_plan *plan);
    /* Of those that a body is wanted of: of this one too? Its head is there,
     * and of a response also the request. NULL: of every one. */
    bool (*wants_body)(void *config, struct flow *flow,
                       const struct message *head);
    /* One HTTP message, of HTTP/1.1 and HTTP/2 alike; its body is there if it
     * was wanted and fits. In HTTP/2 several of a flow are under way at a
     * time: flow->stream says which one this is, and waiting holds up this
     * one only. */
    enum hook_act (*on_request)(void *config, struct flow *flow,
                                struct message *request);
    enum hook_act (*on_response)(void *config, struct flow *flow,
                                 struct message *response);
    /* A piece of a body that on_request or on_response asked for with
     * hook_edit_body(): decoded, and behind those that came before. Edit it;
     * what is not yours to decide until more has come, keep in `state`, and put
     * it in front of a later one. With `end` it is the last one, maybe empty;
     * `piece` NULL: there will be no end. Neither asks for `state` again. PASS,
     * CHANGED or CUT. */
    enum hook_act (*on_body)(void *config, struct flow *flow,
                             struct message *message, void *state,
                             struct buf *piece, bool end);
    /* A message that this hook lets wait will not be sent any more. */
    void (*on_abandon)(void *config, struct flow *flow,
                       struct message *message);
    /* One message of a WebSocket, whole; control frames are not shown. One
     * that does not fit is not either. It waits for socket_resume(),
     * socket_wake() or flow_resume(). */
    enum hook_act (*on_message)(void *config, struct flow *flow,
                                struct socket_message *message);
    /* A question of DNS, each a flow of its own, of which nothing else is
     * shown; flow_hook_state() has nothing for it. Comes twice: with an empty
     * answer, where ANSWER means that one was put there and the resolver need
     * not be asked, and with what the resolver says, which may be CHANGED. CUT:
     * the victim hears nothing. There is no WAIT. */
    enum hook_act (*on_dns)(void *config, struct flow *flow,
                            struct dns_talk *talk);
    /* Clear bytes of a flow that is not HTTP, on the way to `to`. */
    enum hook_act (*on_data)(void *config, struct flow *flow, enum event_leg to,
                             struct buf *data);
    /* Last call for this flow; its arena goes when we return. */
    void (*on_end)(void *config, struct flow *flow, enum flow_end why);
};

/* From on_request or on_response, of a body that is not there (has_body is
 * false): the hook edits it while it passes, whatever its length, with
 * on_body. The message goes out without its Content-Length (in chunks, or to
 * a reader of HTTP/1.0 up to the end of the connection), and without digests of
 * the body that was. When there is nothing to be edited, on_body comes with
 * `piece` NULL: the message has no body, its coding is not known, or it is a
 * request of HTTP/1.0, which must say how long it is. -1 when memory is out. */
int hook_edit_body(struct message *message, void *state);

/* A hook let this message wait and has made up its mind: anything but
 * HOOK_WAIT. On the flow's thread; not from inside a callback. */
void hook_resume(struct message *message, enum hook_act act);

/* The same by itself after so many milliseconds; return HOOK_WAIT behind it.
 * hook_resume() may come first. -1 when memory is out. */
int hook_wake(struct message *message, unsigned ms, enum hook_act act);

/* The same for a message of a WebSocket: PASS, CHANGED or CUT. */
void socket_resume(struct flow *flow, enum event_leg to, enum hook_act act);
int socket_wake(struct flow *flow, enum event_leg to, unsigned ms,
                enum hook_act act);

/* From any thread, while the flow lives: let the flow's thread call `call`.
 * That the flow still lives then is for the hook to know: on_abandon() and
 * on_end() came first if it does not. -1 when memory is out. */
int hook_post(struct flow *flow, void (*call)(void *argument), void *argument);

#endif
