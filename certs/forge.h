/* SPDX-License-Identifier: MIT
 *
 * Original certificate + plan -> forged one. A forgery copies all that the
 * original shows and changes what the plan says. Two things are never copied:
 * names outside the lab, and the powers of a CA. The catalogue of flaws is
 * forgeries.def. */
#ifndef CERTS_FORGE_H
#define CERTS_FORGE_H

#include "certs/ca.h"
#include "certs/err.h"

#include <openssl/x509.h>

/* One row of the catalogue. */
struct forgery {
    const char *id;      /* "t03" */
    char family;         /* 't' */
    const char *title;   /* one short phrase */
    const char *how;     /* how it is made, one sentence */
    const char *check;   /* which check stops it */
    int verify_code;     /* X509_V_ERR_*, 0: none */
    const char *alert;   /* that OpenSSL clients send, "" none */
    const char *rfc;     /* the section that demands the check */
    const char *history; /* a case from history, "" none */
    bool signed_by_lab;  /* needs the lab's own CA as an accomplice */
};

const struct forgery *forgery_find(const char *id);    /* NULL: unknown */
const struct forgery *forgery_nearest(const char *id); /* for suggestions */
const struct forgery *forgery_at(unsigned index);      /* NULL behind last */

/* Who may sign. Members that the forgery does not need may be NULL. */
struct forge_signers {
    const struct ca *lab;   /* the lab's intermediate */
    const struct ca *rogue; /* the attacker's */
    X509 *anchor;           /* the victim's trusted root, as far as the attacker
                               knows it: whom a look-alike resembles (t04).
                               NULL: lab->root, else the original's issuer */
};

struct forge_plan {
    const struct forgery *forgery; /* NULL: sign with the rogue CA, else
                                      faithful: what a proxy does normally */
    const char *server_name; /* the name the victim asked for; always in the
                                forged certificate unless the forgery is about
                                names */
    EVP_PKEY *key;           /* use this key pair (borrowed) unless the forgery
                                needs another kind; NULL: make one of the
                                original's kind. If it is the original's own
                                pair, c00 and s01 start from the original
                                itself and not from a copy */
    STACK_OF(X509) * chain;  /* what the real server sent with its leaf
                                (borrowed), for s04; NULL: lab->above */
};

struct forged {
    X509 *leaf;
    EVP_PKEY *key;          /* what the server side signs with */
    STACK_OF(X509) * chain; /* to send after the leaf; may be empty */
};
void forged_close(struct forged *forged);

/* One signature, and no key pair if the plan brings one.
 * `original` may be NULL: then a plain server certificate for server_name is
 * the model. Names of the original outside the lab are left out. -1 when a
 * signer is missing, the name is outside the lab (EXIT_CONTAINMENT), or
 * OpenSSL fails; then `out` is empty. */
int forge_leaf(const struct forge_signers *signers, X509 *original,
               const struct forge_plan *plan, struct forged *out,
               struct err *err);

#endif
