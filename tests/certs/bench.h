/* SPDX-License-Identifier: MIT
 *
 * What the tests of certs/ share: the CAs of a run, a genuine server, and a
 * careful victim that talks TLS to a server in memory. */
#ifndef TESTS_CERTS_BENCH_H
#define TESTS_CERTS_BENCH_H

/* cmocka wants these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/ca.h"
#include "certs/forge.h"
#include "certs/gallery.h"

#include <cmocka.h>
#include <openssl/ssl.h>

#define BANK "bank.lab.test"

/* One run: who signs, and the certificate that is attacked. */
struct bench {
    struct ca *lab;
    struct ca *rogue;
    struct gallery *gallery;
    X509 *original;
    EVP_PKEY *original_key;
    struct forge_signers signers;
};
int bench_setup(void **state);
int bench_teardown(void **state);

/* Forge `id` (NULL: a faithful copy) for BANK; fails the test on an error. */
struct forged bench_forge(struct bench *bench, const char *id);

/* A careful victim that trusts `root` and, if not NULL, `also`. */
SSL_CTX *bench_victim(X509 *root, X509 *also);

/* The verify code of a chain as that victim sees it. */
enum { BENCH_UNREADABLE = -1 };
int bench_verify(X509 *root, X509 *also, X509 *leaf, STACK_OF(X509) * chain,
                 const char *host);

/* A handshake in memory. */
struct talk {
    bool finished; /* both ends */
    int code;      /* what the victim's verification said */
    int alert;     /* that the server received; -1 none */
};
struct talk bench_talk(SSL_CTX *victim, const struct forged *server,
                       int version, const char *host);

#endif
