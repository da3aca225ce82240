/* SPDX-License-Identifier: MIT
 *
 * TLS sessions that may be taken up again: those that servers gave us, kept by
 * the server's name, and those that we give to victims. There is no 0-RTT
 * either way. */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include "proxy/policy.h"

enum { SESSION_TICKET_KEY = 80 }; /* bytes that OpenSSL wants */

struct sessions;

struct sessions *sessions_new(void); /* NULL: memory is out */
void sessions_free(struct sessions *sessions);

/* Contexts, as the policy of their leg says. With a key that is not all zeros
 * other contexts of the same key know the tickets, too. */
void session_serve(SSL_CTX *context, const struct policy *policy,
                   const unsigned char key[SESSION_TICKET_KEY]);
void session_ask(SSL_CTX *context, const struct policy *policy);

/* Go on with what is known of this server, if anything. A session of TLS 1.3
 * is forgotten with that (RFC 8446 C.4). */
void sessions_offer(struct sessions *sessions, const char *server, SSL *ssl);

/* What the server gave; -1: not kept, and the session stays the caller's. */
int sessions_keep_take(struct sessions *sessions, const char *server,
                       SSL_SESSION *session);

/* A victim's session is good only where the same would be shown again. */
void session_bind(SSL *ssl, const void *shown, size_t len);

#endif
