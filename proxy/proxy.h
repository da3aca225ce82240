/* SPDX-License-Identifier: MIT
 *
 * The intercepting proxy: listens, accepts, stops, and owns every relay. It
 * attacks nobody by itself; what it is to do with the traffic comes in as
 * hooks (hook.h), and what it saw goes out as events (event.h).
 *
 * A `struct proxy` is one loop's worth of it. proxy_run() starts one a worker
 * and blocks; tests open one on a loop of their own. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "certs/err.h"
#include "certs/forge.h"
#include "proxy/base/dial.h"
#include "proxy/hook.h"
#include "proxy/pass.h"
#include "proxy/tls.h"
#include "proxy/way.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { PROXY_LISTEN_MOST = 16, PROXY_HOOKS_MOST = 12, PROXY_WORKERS_MOST = 64 };

struct filter_subject;
struct keylog;
struct wire;

enum proxy_line_kind {
    PROXY_LINE_HTTP,    /* one exchange */
    PROXY_LINE_TLS,     /* TLS that we opened and that never came to one */
    PROXY_LINE_BYTES,   /* a flow that was neither, or what followed a 101 */
    PROXY_LINE_MESSAGE, /* one message of a WebSocket; its bytes are the body
                           of the subject */
    PROXY_LINE_LOST,    /* nothing came of it, and `reason` says why */
};

/* Something is over, or has passed, for a person. Texts are bytes of the network, as they
 * came: escape them. */
struct proxy_line {
    enum proxy_line_kind kind;
    const union address *victim;
    const char *method, *host, *target; /* NULL: no HTTP was spoken */
    size_t method_len, host_len, target_len;
    int status;                    /* 0: none */
    uint64_t up_bytes, down_bytes; /* of the bodies, or of all; MESSAGE: one of
                                      them is 0 */
    bool tls;
    bool request_changed, response_changed; /* by a hook */
    uint64_t ms;                            /* how long it took */
    const char *version; /* "h2", "h2 to h1", "h1 to h2"; NULL: HTTP/1.1. DNS:
                            the type that was asked for */
    const char *verdict; /* "accepted", "refused", NULL: not known; "passed":
                            TLS that was left alone */
    const char *how;     /* alert name or close style, NULL. DNS: the answer */
    const char *spoken;  /* BYTES: "raw", "ws", "dns", "tls" that was left
                            alone. MESSAGE: "text", "binary", "close" ...
                            LOST: "http", "socks", "raw" */
    bool dropped;        /* MESSAGE: by a hook */
    const char *detail;  /* DNS: the records of the answer, a line each; NULL */
    const char *reason;  /* why it went wrong: the server is out of reach, a
                            rule is broken ...; NULL */
    const struct filter_subject *subject; /* the same, for a condition */
};

/* Where HTTP/2 is spoken. BOTH: where both ends agree to, else nowhere; VICTIM
 * and SERVER: on that leg only, and what goes on is translated. */
enum proxy_h2 { PROXY_H2_BOTH, PROXY_H2_OFF, PROXY_H2_VICTIM, PROXY_H2_SERVER };

/* Borrowed until the proxy has ended. Zero means the default everywhere. */
struct proxy_options {
    struct way_in ways[PROXY_LISTEN_MOST];
    unsigned ways_count;
    bool share_ports; /* several workers listen on them */

    struct forge_signers signers; /* none: TLS is refused */
    struct tls_terms terms;       /* of both legs */
    int introduce; /* 1 or 2: servers hear first who the victim is, by this
                      version of the PROXY protocol; 0: they do not */
    bool insecure_upstream; /* go on whatever the server shows */
    bool mimic_defects;     /* what is wrong there is wrong here */
    struct pass *pass;      /* whose TLS is left alone; NULL: nobody's */
    struct keylog *keylog;  /* gets all TLS secrets; NULL */
    struct wire *wire;      /* gets a copy of all bytes; NULL */

    struct hook *const *hooks;
    unsigned hooks_count;
    unsigned lenient;     /* HTTP1_LENIENT_* */
    size_t body_most;     /* bodies kept for hooks; 0: 1 MiB */
    unsigned relays_most; /* 0: from RLIMIT_NOFILE */
    unsigned lanes_most;  /* connections to a server of HTTP/1.1 for one victim
                             of HTTP/2; 0: six */
    unsigned idle_ms;     /* 0: two minutes */
    unsigned head_ms;     /* for a whole head or handshake; 0: ten seconds */
    unsigned connect_ms;  /* 0: five seconds */
    unsigned drain_ms;    /* for a victim to hang up; 0: two seconds */
    bool trace;           /* flow.state events */
    bool heartbeat;       /* one event a second */
    bool line_heads; /* subjects of lines shall have the fields of both heads */
    bool line_bodies; /* and the bodies, which are kept for it */
    void *h2_memory;  /* an nghttp2_mem, for those who count; NULL */
    enum proxy_h2 h2; /* on which legs */

    /* proxy_run() listens; these ways have their true ports. */
    void (*on_ready)(void *context, const struct way_in *ways);
    /* An exchange is over; may come from any worker's thread. */
    void (*on_line)(void *context, const struct proxy_line *line);
    /* Once a second, if there is a heartbeat. */
    void (*on_second)(void *context);
    void *context;
};

struct proxy;

/* Listen and serve on `loop`. The proxy frees itself when proxy_stop() has
 * been called and the loop has given its last handle back. */
int proxy_open(uv_loop_t *loop, const struct proxy_options *options,
               struct proxy **out, struct err *err);

/* Stop listening; idle flows end at once, others within two seconds. */
void proxy_stop(struct proxy *proxy);

/* The address that listener `index` really has (its port may have been 0). */
const union address *proxy_address(const struct proxy *proxy, unsigned index);
unsigned proxy_flows(const struct proxy *proxy);

/* What it takes right now, and has done. */
struct proxy_counts {
    unsigned flows;
    size_t held, held_most; /* bytes in buffers: of all flows, of the worst */
    uint64_t poured;        /* bytes that went through without a look */
};
void proxy_count(const struct proxy *proxy, struct proxy_counts *out);

/* Serve with `workers` threads until SIGTERM or SIGINT; writes the `ready`
 * event when all listen. */
int proxy_run(const struct proxy_options *options, unsigned workers,
              struct err *err);

#endif
