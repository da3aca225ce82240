/* SPDX-License-Identifier: MIT
 *
 * Chains of servers that have verified a moment ago. Each connection shows the
 * same one again, and its signatures cost as much as half a handshake.
 *
 * Only what verified without any fault is remembered, by a SHA-256 over every
 * byte of the chain as it was sent and the name that it had to show, for five
 * minutes at most and never beyond the validity of one of its certificates.
 * What is trusted does not change while a struct verified lives. The signature
 * that proves the server's key is no part of this: it is checked each time.
 * There are no revocation lists in a verdict, so none can be missed. */
#ifndef PROXY_VERIFIED_H
#define PROXY_VERIFIED_H

#include <openssl/x509_vfy.h>
#include <stdbool.h>

struct verified;

struct verified *verified_new(void); /* NULL: memory is out */
void verified_free(struct verified *verified);

/* Would X509_verify_cert() say yes again? `now` is in seconds. */
bool verified_has(struct verified *verified, X509_STORE_CTX *store,
                  long long now);

/* It has just said yes, and no callback let a fault pass. */
void verified_keep(struct verified *verified, X509_STORE_CTX *store,
                   long long now);

#endif
