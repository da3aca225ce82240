/* SPDX-License-Identifier: MIT
 *
 * TLS over a pair of buffers: no socket, and no copy but OpenSSL's own. What
 * the wire brought is put into `in`, what is to go out appears in `out`. Both
 * of a relay's ends are a `struct tls_side`; tests let two of them talk to
 * each other in memory.
 *
 * 0-RTT and renegotiation are off, and so is session resumption unless a
 * policy wants it: every conversation shows its certificate, which is what
 * this is all about. */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include "certs/err.h"
#include "certs/forge.h"
#include "proxy/base/buf.h"
#include "proxy/policy.h"
#include "proxy/session.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct tls;
struct tls_side;

/* What is noticed along the way. `at` and `len` are the record's place in its
 * direction of the TCP stream. NULL members are not called. */
struct tls_calls {
    void (*on_alert)(void *owner, bool sent, int level, int code, uint64_t at,
                     uint64_t len);
    void (*on_key)(void *owner, const char *line);
    /* The first ClientHello of our own goes out; without record headers. */
    void (*on_hello)(void *owner, const uint8_t *message, size_t len);
};

/* One side of one conversation. Set in, out, calls and owner, then call
 * tls_accept() or tls_connect(). Zeroed means: no TLS here. */
struct tls_side {
    SSL *ssl;
    struct buf *in, *out;
    const struct tls_calls *calls;
    void *owner;

    bool in_ended;   /* nothing will come into `in` any more */
    bool finished;   /* the handshake is complete */
    bool said_bye;   /* close_notify came in */
    bool broken;     /* a fatal failure; nothing can be said any more */
    bool greeted;    /* our ClientHello has gone out */
    bool shown;      /* our certificate has gone out */
    bool asked;      /* the server wants a certificate of us */
    bool no_tls;     /* broken: what came has not the form of TLS */
    bool littered;   /* OpenSSL holds buffers that it will not release */
    uint64_t bytes;  /* application bytes read */
    uint64_t in_at;  /* offset of the next record to come in */
    uint64_t out_at; /* offset of the next record to go out */
    uint64_t read_at, read_len; /* the last record that came in */
    uint64_t sent_at, sent_len; /* the last record that went out */
    uint64_t clear_at; /* record of the first byte in the clear buffer */

    int verify_code, verify_depth; /* of the first check that failed */
    bool verify_insecure;
    struct alpn_name alpn;     /* victim side: what to choose if it is offered;
                              borrowed until the handshake is complete */
    struct sessions *sessions; /* server side, with resumption: where its
                                  sessions are kept ... */
    char *server;              /* ... and under which name */
};

enum tls_result {
    TLS_DONE,      /* what was asked for is there */
    TLS_WAIT,      /* the wire must bring more */
    TLS_CLOSED,    /* the peer said close_notify */
    TLS_TRUNCATED, /* the peer ended without it */
    TLS_FAILED,    /* an alert, or nonsense; see on_alert */
};

/* What each leg insists on. Zeroed is the default of everything. */
struct tls_terms {
    struct policy victim, server;
    X509_STORE *trust; /* of servers; NULL: nothing verifies */

    /* Shown to servers that ask for it; NULL: none. */
    X509 *client_cert;
    EVP_PKEY *client_key;
    STACK_OF(X509) * client_chain;

    /* Whatever a victim shows is taken, and tls_side tells what it is worth. */
    bool ask_client_cert;
    X509_STORE *client_trust;        /* NULL: nothing verifies */
    STACK_OF(X509) * client_issuers; /* whom to name when asking; NULL: none */

    unsigned char ticket_key[SESSION_TICKET_KEY]; /* see session_serve() */

    bool no_keys; /* nobody wants on_key: OpenSSL spells out ten secrets for
                     each connection, with a printf() for each byte */
};

/* Both sides of conversations on these terms, which are copied; what they
 * point to is borrowed until tls_free(). Terms that OpenSSL refuses are refused
 * here. */
int tls_open(const struct tls_terms *terms, struct tls **out, struct err *err);
void tls_free(struct tls *tls);

/* Be the server, with this certificate. -1 when OpenSSL refuses it. */
int tls_accept(struct tls *tls, struct tls_side *side,
               const struct forged *forged, struct err *err);

/* A context as tls_accept() uses, for the caller to change and to free; NULL
 * when memory is out. And: be the server with it; what it shows is up to it. */
SSL_CTX *tls_server_context(void);
int tls_accept_by(struct tls *tls, struct tls_side *side, SSL_CTX *context,
                  struct err *err);

struct tls_wish {
    const char *server_name; /* SNI; NULL or an address: none is sent */
    const char *verify_name; /* that the certificate must show */
    struct alpn_list alpn;   /* at most ALPN_OFFER_MOST */
    const char *session;     /* under which name sessions with this server are
                                kept; NULL: none is */
    bool staple;             /* ask for a stapled OCSP response */
};

/* Be a client. A certificate that does not verify ends the handshake, unless
 * `side->verify_insecure`; verify_code tells either way. */
int tls_connect(struct tls *tls, struct tls_side *side,
                const struct tls_wish *wish, struct err *err);

/* Before the victim's handshake: what to staple, if it asks. Copied. */
int tls_staple(struct tls_side *side, const unsigned char *bytes, size_t len);

enum tls_result tls_handshake(struct tls_side *side);

/* Decrypt into `clear` until it holds `most` bytes or more. */
enum tls_result tls_read(struct tls_side *side, struct buf *clear, size_t most);

/* Encrypt all of it into `out`. 0, or -1 when that side is broken. */
int tls_write(struct tls_side *side, const void *bytes, size_t len);

/* Put a close_notify into `out`. */
void tls_goodbye(struct tls_side *side);

void tls_close(struct tls_side *side);

/* A fatal alert in clear, for a conversation without an SSL object yet. */
int tls_refuse(struct buf *out, int code);

/* As RFC 8446 6 spells it; "alert_NN" is not in there. */
const char *tls_alert_name(int code);

#endif
