/* SPDX-License-Identifier: MIT
 *
 * Certificate authorities of one run. Every CA made here says what it is in
 * its subject, lives a day (from an hour ago), and is constrained by critical
 * name constraints on root and intermediate: DNS, e-mail and URI under
 * lab.test, and the lab's addresses. */
#ifndef CERTS_CA_H
#define CERTS_CA_H

#include "certs/err.h"

#include <openssl/x509.h>
#include <stdbool.h>

/* Something that can sign leaves. */
struct ca {
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) * above; /* what a server sends after the leaf: `cert` if it
                               is an intermediate, and what stands above it, but
                               not the root unless `send_root` */
    X509 *root;             /* the anchor; may be == cert, NULL if unknown */
    bool send_root;
};

/* Frees the certificates and wipes the key. */
void ca_free(struct ca *ca);

/* Lab CA: a root, an intermediate signed by it, and the root's key destroyed.
 * `title` goes into the subjects ("lab14"). */
int ca_make_lab(const char *title, struct ca **out, struct err *err);

/* The attacker's CA: a self-signed root with its key, same constraints. */
int ca_make_rogue(const char *title, struct ca **out, struct err *err);

/* A root with the subject of `real`'s root, and another key (t04). */
int ca_make_lookalike(const struct ca *real, struct ca **out, struct err *err);

/* DIR holds ca.crt (the signer first, then what stands above it) and ca.key
 * (0600, or it is not loaded), and root.crt when the root is another one.
 * Saving makes DIR (0700) if it is not there. */
int ca_load(const char *dir, struct ca **out, struct err *err);
/* The same for a CA that somebody brings along: a key that others may read is
 * a warning on stderr only. */
int ca_load_foreign(const char *dir, struct ca **out, struct err *err);
int ca_save(const struct ca *ca, const char *dir, struct err *err);

/* True for lab.test and names below it, localhost, and lab addresses: nothing
 * is ever signed for anything else, whatever CA is loaded. */
bool ca_may_name(const char *name);
bool ca_may_address(const unsigned char *bytes, size_t len);

/* An ordinary server certificate: P-256, `names` (count of them; addresses
 * become IP entries), serverAuth, a day. The chain to send is leaf +
 * ca->above. Both out_* are the caller's. */
int ca_issue(const struct ca *ca, const char *const *names, unsigned count,
             X509 **out_leaf, EVP_PKEY **out_key, struct err *err);

/* What the certificate says of its own standing. */
struct ca_standing {
    const char *responder; /* URL to ask whether it was revoked (OCSP); NULL */
    bool must_staple;      /* the server has to bring the answer (RFC 7633) */
};
int ca_issue_with(const struct ca *ca, const char *const *names, unsigned count,
                  const struct ca_standing *standing, X509 **out_leaf,
                  EVP_PKEY **out_key, struct err *err);

#endif
