/* SPDX-License-Identifier: MIT
 *
 * The steps that every certificate is made of; ca.c and forge.c put them
 * together. Each returns false with the reason in OpenSSL's queue. */
#ifndef CERTS_MINT_H
#define CERTS_MINT_H

#include <openssl/x509v3.h>
#include <stdbool.h>

enum { MINT_HOUR = 3600, MINT_DAY = 24 * MINT_HOUR };

/* Random, positive, and as long as `like` (NULL: 16 bytes). */
bool mint_serial(X509 *cert, const ASN1_INTEGER *like);

/* From and until, in seconds from now. */
bool mint_validity(X509 *cert, long from, long until);

/* "bank.lab.test" -> a DNS entry, "192.0.2.7" -> an IP entry. */
GENERAL_NAME *mint_name(const char *text);

/* Adds the entry for `text` to `names`. */
bool mint_push_name(GENERAL_NAMES *names, const char *text);

/* Common name. Left out if `text` is longer than the 64 characters that X.520
 * gives it, and for an address: clients hold a common name that looks like a
 * host against the DNS constraints of the CA. */
bool mint_common_name(X509_NAME *subject, const char *text);

/* An extension behind those that are there already. */
bool mint_add(X509 *cert, int nid, void *value, bool critical);
bool mint_add_text(X509 *cert, int nid, const char *value);

/* An extension that nobody may know, by number; its value is a NULL. */
bool mint_add_foreign(X509 *cert, const char *oid, bool critical);

/* Subject key identifier of cert's key; authority key identifier that points
 * at `issuer`'s. */
bool mint_key_id(X509 *cert);
bool mint_issuer_key_id(X509 *cert, X509 *issuer);

/* With SHA-256, or the digest of that name. */
bool mint_sign(X509 *cert, EVP_PKEY *key);
bool mint_sign_with(X509 *cert, EVP_PKEY *key, const char *digest);

/* All of an ordinary server certificate but issuer, authority key identifier
 * and signature. NULL on failure. */
X509 *mint_server(const char *const *names, unsigned count, EVP_PKEY *key);

#endif
