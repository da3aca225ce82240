/* SPDX-License-Identifier: MIT
 *
 * Inside of certs/: how a forgery is made. A recipe is data as far as data
 * goes; where that runs out, it names one of the short functions of
 * flaw_*.c. */
#ifndef CERTS_RECIPE_H
#define CERTS_RECIPE_H

#include "certs/authority.h"
#include "certs/forge.h"

enum signer {
    BY_ROGUE,     /* the attacker's CA */
    BY_LAB,       /* a CA that the victim trusts, as an accomplice: the lab's
                     or, in the gallery, its */
    BY_GALLERY,   /* the gallery's only: the lab's may not do this */
    BY_ITSELF,    /* the leaf's own key */
    BY_LOOKALIKE, /* a fresh root with the anchor's name */
    BY_NOBODY,    /* the genuine certificate is shown as it is */
};
enum sent { SENT_CHAIN, SENT_LEAF_ONLY, SENT_UPSIDE_DOWN };
enum key_wanted {
    KEY_ANY,      /* the plan's, or one like the original's */
    KEY_EC,       /* elliptic curve, whatever the original has */
    KEY_RSA,      /* RSA, whatever the original has */
    KEY_FRESH,    /* none that anybody brings */
    KEY_WEAK,     /* of the recipe's kind */
    KEY_STOLEN,   /* public half of the original, private half invented */
    KEY_SPOILING, /* a good pair whose signatures are over something else */
};

struct draft;

struct recipe {
    struct forgery about;

    enum signer signer;
    const struct authority *under; /* CAs between the signer and the leaf, from
                                      the top; ends with an empty one */
    int (*hire)(struct draft *draft, struct ca **out, struct err *err);
    bool installed; /* the victim trusts the signer's root (or the leaf) */

    enum sent sent;
    enum key_wanted key;
    enum key_kind weak;
    bool as_is; /* the original itself will do if the key is its own */

    /* The leaf. NULL: as in the model; "": without it. In names and common,
     * %h is the host that was asked for, %f its first label, %1 the first
     * letter of that, %p what follows, %t the last label, %0 a NUL. */
    const char *names;    /* "DNS:%h,IP:192.0.2.7,email:x,URI:x" */
    const char *common;   /* common name, alone in the subject */
    const char *powers;   /* basic constraints */
    const char *usage;    /* key usage */
    const char *purposes; /* extended key usage */
    const char *digest;   /* that it is signed with */
    bool dated;           /* then: seconds from now */
    long from, until;

    bool (*before)(struct draft *draft); /* edit what will be signed */
    bool (*after)(struct draft *draft);  /* edit what was signed, or add to
                                            what is shown with it */
};

const struct recipe *recipe_for(const struct forgery *forgery); /* not NULL */

#endif
