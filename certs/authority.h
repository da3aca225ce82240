/* SPDX-License-Identifier: MIT
 *
 * The certificate of a CA, as a table says it: proper ones for the lab, and
 * those of the gallery that lack something. Every one says in its subject what
 * it is. */
#ifndef CERTS_AUTHORITY_H
#define CERTS_AUTHORITY_H

#include "certs/keys.h"

#include <openssl/x509.h>
#include <stdbool.h>

/* What a CA of the lab may name. On root and intermediate alike, because Java
 * and others do not look at those of an anchor. Permitted subtrees only:
 * OpenSSL and GnuTLS disagree on what an exclusion of all IPv6 does to IPv4.
 * Where one address range is permitted, every other address is refused; the
 * same holds for names. */
#define AUTHORITY_LAB_NAMES                                                    \
    "critical,"                                                                \
    "permitted;DNS:lab.test,permitted;email:lab.test,"                         \
    "permitted;URI:.lab.test,permitted;IP:127.0.0.0/255.0.0.0,"                \
    "permitted;IP:192.0.2.0/255.255.255.0,"                                    \
    "permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,"                \
    "permitted;IP:2001:db8:66::/ffff:ffff:ffff:ffff::"

struct authority {
    const char *role; /* in the subject: "issuing" */
    const char *host; /* an ordinary server's certificate with this name; then
                         there is no role */
    /* Values of extensions. NULL: as is proper, "": without it. */
    const char *powers;      /* basic constraints */
    const char *usage;       /* key usage */
    const char *purposes;    /* extended key usage; proper is none */
    const char *constraints; /* name constraints; proper is none */
    bool (*edit)(X509 *cert);
    long from, until;   /* seconds from now; both 0: a day from an hour ago */
    bool old;           /* X.509 version 1, which has no extensions */
    bool root;          /* signs itself, and the victim trusts it */
    const char *digest; /* that it is signed with; NULL: SHA-256 */
    enum key_kind kind; /* 0: P-256 */
    unsigned times;     /* that many of them, each below the last; 0: one */
};

/* "mitmlab TRAINING CA lab14 root - DO NOT TRUST"; the caller's. */
X509_NAME *authority_name(const char *title, const char *role);

/* A certificate for `key`. Without `issuer` it signs itself. NULL with the
 * reason in OpenSSL's queue. */
X509 *authority_make(const struct authority *how, const X509_NAME *name,
                     EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key);

#endif
