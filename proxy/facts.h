/* SPDX-License-Identifier: MIT
 *
 * What a relay reports of itself, as events: how it began and ended, and all
 * that TLS showed. HTTP messages are reported by note.h. */
#ifndef PROXY_FACTS_H
#define PROXY_FACTS_H

#include "proxy/end.h"
#include "proxy/hello.h"
#include "proxy/proxy_head.h"
#include "proxy/relay.h"

/* The leg of one end, nowhere in particular. */
struct event_where facts_where(const struct end *end);

void facts_opened(const struct end *end);
void facts_state(const struct relay *relay, enum relay_state to);
void facts_ended(const struct relay *relay);
/* This way to a server is over, and the flow goes on. */
void facts_left(const struct end *server);
/* `login`: what it gave us for a password's sake, NULL. */
void facts_asked(const struct relay *relay, const struct target *target,
                 const char *login);
/* A head said who the victim is; `len` bytes of it. */
void facts_proxied(const struct relay *relay, const struct proxy_head *head,
                   size_t len);
void facts_unreachable(const struct end *server, const char *reason);
void facts_refused(const struct end *from, const char *rule,
                   const char *sentence, size_t offset, int status);

/* What this leg's client offers; `len` bytes of records. */
void facts_hello(const struct end *end, const struct hello *hello, size_t len);
/* The victim was asked for a certificate, or a server asked us. */
void facts_client_cert(const struct end *end);
/* Both agreed on TLS; so much was said too early. */
void facts_starttls(const struct relay *relay, size_t up, size_t down);
void facts_upstream(const struct end *server);
void facts_original(const struct end *server);
void facts_forged(const struct relay *relay, const struct forged *forged);

/* Of TLS that is left alone. */
void facts_passed(const struct relay *relay, const char *why, const char *rule);
extern const struct sight_calls facts_sight_calls; /* owner is the relay */

void facts_done(const struct end *end);

/* Once, when a TLS flow is over. Returns what was decided, or NULL if the
 * victim never came to decide; *how is its manner then. */
const char *facts_verdict(const struct relay *relay, const char **how);

/* For struct tls_side: owner is the end. */
extern const struct tls_calls facts_tls_calls;

#endif
