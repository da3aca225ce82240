/* SPDX-License-Identifier: MIT
 *
 * How a copy fails as its original does. What is wrong in the leaf itself
 * (names, purposes, a small key, an unknown extension) is copied with it. What
 * is wrong with its dates is put right unless defects are wanted; what is
 * wrong above it needs another signer. */
#include "certs/mimic.h"

#include "certs/flaw.h"
#include "certs/mint.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static bool is_current(const X509 *cert)
{
    return X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

/* A victim that is to trust the copy must not stumble over old dates. */
static bool put_dates_right(struct draft *draft)
{
    return is_current(draft->leaf) ||
           mint_validity(draft->leaf, -3600, MINT_DAY);
}

static const struct recipe proper = {.signer = BY_ROGUE,
                                     .before = put_dates_right};
static const struct recipe as_it_is = {.signer = BY_ROGUE};
static const struct recipe signs_itself = {.signer = BY_ITSELF,
                                           .sent = SENT_LEAF_ONLY};
static const struct recipe spoilt = {.signer = BY_ROGUE,
                                     .after = flaw_flip_last_byte};

/* Whoever trusts the attacker's CA must not trust these. */
static const struct recipe unknown_root = {.signer = BY_LOOKALIKE};
static const struct recipe unknown_issuer = {.signer = BY_LOOKALIKE,
                                             .sent = SENT_LEAF_ONLY};

const struct recipe *mimic_recipe(const struct forge_plan *plan, X509 *original)
{
    if (!plan->defects || !original)
        return &proper;
    switch (plan->verify_code) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return &signs_itself;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return &spoilt;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return &unknown_root;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return &unknown_issuer;
    default:
        return X509_get_extension_flags(original) & EXFLAG_SS ? &signs_itself
                                                              : &as_it_is;
    }
}
