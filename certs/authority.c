/* SPDX-License-Identifier: MIT
 *
 * The certificate of a CA. */
#include "certs/authority.h"

#include "certs/mint.h"

#include <stdio.h>

X509_NAME *authority_name(const char *title, const char *role)
{
    char common[ub_common_name + 1];
    snprintf(common, sizeof common,
             "mitmlab TRAINING CA %.14s %s - DO NOT TRUST", title, role);
    X509_NAME *name = X509_NAME_new();
    if (name &&
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                   (const unsigned char *)"mitmlab TRAINING",
                                   -1, -1, 0) &&
        mint_common_name(name, common))
        return name;
    X509_NAME_free(name);
    return NULL;
}

/* `proper` where the table says nothing; nothing where it says "". */
static bool put(X509 *cert, int nid, const char *value, const char *proper)
{
    if (!value)
        value = proper;
    return !value || !value[0] || mint_add_text(cert, nid, value);
}

static bool put_host(X509 *cert, const char *host)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names && mint_push_name(names, host) &&
              mint_add(cert, NID_subject_alt_name, names, false);
    GENERAL_NAMES_free(names);
    return ok;
}

static bool put_extensions(X509 *cert, const struct authority *how,
                           X509 *issuer)
{
    bool leaf = how->host;
    return X509_set_version(cert, X509_VERSION_3) &&
           put(cert, NID_basic_constraints, how->powers,
               leaf ? "critical,CA:FALSE" : "critical,CA:TRUE") &&
           put(cert, NID_key_usage, how->usage,
               leaf ? "critical,digitalSignature"
                    : "critical,keyCertSign,cRLSign") &&
           put(cert, NID_ext_key_usage, how->purposes,
               leaf ? "serverAuth" : NULL) &&
           put(cert, NID_name_constraints, how->constraints, NULL) &&
           (!leaf || put_host(cert, how->host)) && mint_key_id(cert) &&
           mint_issuer_key_id(cert, issuer);
}

X509 *authority_make(const struct authority *how, const X509_NAME *name,
                     EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    bool dated = how->from || how->until;
    X509 *cert = X509_new();
    if (!cert)
        return NULL;
    if (!issuer)
        issuer = cert;
    if (mint_serial(cert, NULL) &&
        mint_validity(cert, dated ? how->from : -MINT_HOUR,
                      dated ? how->until : MINT_DAY - MINT_HOUR) &&
        X509_set_subject_name(cert, name) &&
        X509_set_issuer_name(cert, X509_get_subject_name(issuer)) &&
        X509_set_pubkey(cert, key) &&
        (how->old || put_extensions(cert, how, issuer)) &&
        (!how->edit || how->edit(cert)) &&
        mint_sign_with(cert, issuer == cert ? key : issuer_key, how->digest))
        return cert;
    X509_free(cert);
    return NULL;
}
