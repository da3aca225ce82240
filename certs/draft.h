/* SPDX-License-Identifier: MIT
 *
 * Inside of certs/: a forged leaf in the making. */
#ifndef CERTS_DRAFT_H
#define CERTS_DRAFT_H

#include "certs/recipe.h"

#include <openssl/x509v3.h>

/* A certificate in the making. */
struct draft {
    const struct recipe *recipe;
    const struct forge_signers *signers;
    const struct forge_plan *plan;
    X509 *original;       /* borrowed; NULL: none */
    X509 *model;          /* what is copied: the original, if there is one */
    X509 *leaf;           /* what comes out */
    EVP_PKEY *key;        /* the leaf's */
    X509 *issuer;         /* borrowed; NULL: the leaf itself */
    EVP_PKEY *issuer_key; /* borrowed */
    const struct ca *ca;  /* whose they are; NULL: the leaf's own */
    struct forged *out;
};

/* The leaf: copied from the model, changed as the recipe says, signed. false
 * with a sentence or, if there is none, the reason in OpenSSL's queue. */
bool draft_make(struct draft *draft, struct err *err);

/* ---- for recipes --------------------------------------------------------- */

/* The host that the forgery is about: what was asked for, or for an address
 * the name that the bank has. */
const char *draft_host(const struct draft *draft);

/* `text` with the places of recipe.h filled in, and its length; *out is
 * OPENSSL_free()d by the caller. */
bool draft_fill(const struct draft *draft, const char *text, char **out,
                size_t *len);

/* Put in the place of what is there; "" or NULL: nothing. */
bool draft_put(struct draft *draft, int nid, void *value, bool critical);
bool draft_put_text(struct draft *draft, int nid, const char *value);
bool draft_put_names(struct draft *draft, const char *names);
bool draft_put_common(struct draft *draft, const char *text);

/* ---- the wall ------------------------------------------------------------ */

/* True if nothing in the leaf names anything outside: of the lab or, for what
 * the gallery signs, of .test. */
bool draft_is_inside(const struct draft *draft);

#endif
