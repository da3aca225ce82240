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
#include <stdbool.h>

/* In which versions of TLS a forgery can be shown. */
enum forge_tls { TLS_BOTH, TLS_12_ONLY, TLS_13_ONLY };

/* One row of the catalogue. What a careful victim says is what a client does
 * that has the settings of victims/https_client.c. */
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
    bool signed_by_lab;  /* needs a CA that the victim trusts */
    bool in_gallery;     /* only the gallery's CA can make it */
    enum forge_tls tls;
    const char *seen;     /* what was measured with others, NULL nothing */
    bool openssl_accepts; /* as it comes: it falls back on the common name and
                             takes wildcards for parts of a label */
    const char *asks;     /* the name or address that the victim must ask for,
                         NULL: the server's own */

    /* A victim that is careful and demands one thing more. */
    const char *demand;       /* "crl", see forge_demands; NULL: no such row */
    int demand_code;          /* what its verification says */
    const char *demand_alert; /* and its alert, NULL none */
};

/* What a victim can demand beyond the usual, with a sentence each; ends with
 * a NULL name. */
struct forge_demand {
    const char *name, *sentence;
};
extern const struct forge_demand forge_demands[];

const struct forgery *forgery_find(const char *id);    /* NULL: unknown */
const struct forgery *forgery_nearest(const char *id); /* for suggestions */
const struct forgery *forgery_at(unsigned index);      /* NULL behind last */

struct gallery;

/* Who may sign. Members that the forgery does not need may be NULL. */
struct forge_signers {
    const struct ca *lab;    /* the lab's intermediate */
    const struct ca *rogue;  /* the attacker's */
    X509 *anchor;            /* the victim's trusted root, as far as the
                                attacker knows it: whom a look-alike resembles
                                (t04). NULL: lab->root, else the original's
                                issuer */
    struct gallery *gallery; /* for what the lab's CA may not do */
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
    bool defects;    /* without a forgery: what is wrong with the original is
                        wrong with the copy. Else the copy has the name that was
                        asked for, and dates that are good */
    int verify_code; /* with defects: what the original fails of, X509_V_* */
    STACK_OF(X509) * chain; /* what the real server sent with its leaf
                                (borrowed), for s04; NULL: lab->above */
};

struct forged {
    X509 *leaf;
    EVP_PKEY *key;          /* what the server side signs with */
    STACK_OF(X509) * chain; /* to send after the leaf; may be empty */
    X509 *root;             /* of whoever signed; NULL: nobody knows */
    bool installed;         /* the victim trusts that root besides the lab's
                               (z01, v05) */
    unsigned char *staple;  /* OCSP response to send with the leaf, or NULL */
    size_t staple_len;
    X509_CRL *crl; /* that the victim has, or NULL */
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
