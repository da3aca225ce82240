/* SPDX-License-Identifier: MIT */
#include "labs/matrix/exhibit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <stdio.h>

const char *exhibit_tls_name(enum exhibit_tls tls)
{
    static const char *const names[] = {"any", "1.2", "1.3"};
    return names[tls];
}

bool exhibit_can(const struct row *row, enum exhibit_tls tls)
{
    return tls == EXHIBIT_ANY ||
           (tls == EXHIBIT_12 ? row_in_tls12(row) : row_in_tls13(row));
}

int exhibit_make(struct gallery *gallery, const struct row *row,
                 const char *host, struct exhibit *out, struct err *err)
{
    *out = (struct exhibit){.row = *row};
    const struct forgery *shown = row->cert;
    if (row->offer && row->offer->shows)
        shown = forgery_find(row->offer->shows);
    snprintf(out->host, sizeof out->host, "%s", row->asks ? row->asks : host);
    if (!shown || !gallery_forge(gallery, shown, out->host, &out->forged, err))
        return 0;
    err_prefix(err, "%s", row->id);
    return -1;
}

void exhibit_close(struct exhibit *exhibit)
{
    for (unsigned i = 0; i < EXHIBIT_VERSIONS; i++)
        SSL_CTX_free(exhibit->contexts[i]);
    if (exhibit->forged.leaf)
        forged_close(&exhibit->forged);
    *exhibit = (struct exhibit){0};
}

/* ---- contexts ------------------------------------------------------------ */

static int on_status_request(SSL *ssl, void *arg)
{
    const struct forged *forged = arg;
    void *staple = OPENSSL_memdup(forged->staple, forged->staple_len);
    if (!staple)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    SSL_set_tlsext_status_ocsp_resp(ssl, staple, (long)forged->staple_len);
    return SSL_TLSEXT_ERR_OK;
}

static bool show(SSL_CTX *context, struct forged *forged)
{
    if (!forged->leaf)
        return true;
    if (forged->staple) {
        SSL_CTX_set_tlsext_status_cb(context, on_status_request);
        SSL_CTX_set_tlsext_status_arg(context, forged);
    }
    return SSL_CTX_use_certificate(context, forged->leaf) == 1 &&
           SSL_CTX_use_PrivateKey(context, forged->key) == 1 &&
           SSL_CTX_set1_chain(context, forged->chain) == 1;
}

/* The group of 1024 bits that everybody used (RFC 2409 6.2). */
static EVP_PKEY *small_group(void)
{
    EVP_PKEY *group = NULL;
    BIGNUM *prime = BN_get_rfc2409_prime_1024(NULL), *two = BN_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    if (prime && two && builder && maker && BN_set_word(two, 2) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_P, prime) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_FFC_G, two) &&
        (params = OSSL_PARAM_BLD_to_param(builder)) &&
        EVP_PKEY_fromdata_init(maker) == 1)
        EVP_PKEY_fromdata(maker, &group, EVP_PKEY_KEY_PARAMETERS, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(maker);
    BN_free(prime);
    BN_free(two);
    return group;
}

static bool arrange_group(SSL_CTX *context, const struct offer *offer)
{
    if (!offer->small_group)
        return SSL_CTX_set_dh_auto(context, 1);
    EVP_PKEY *group = small_group();
    if (group && SSL_CTX_set0_tmp_dh_pkey(context, group) == 1)
        return true;
    EVP_PKEY_free(group);
    return false;
}

/* Suites are those of TLS 1.2 and before; 1.3 has its own list. */
static bool arrange(SSL_CTX *context, const struct offer *offer)
{
    if (offer->least)
        SSL_CTX_set_min_proto_version(context, offer->least);
    if (offer->most)
        SSL_CTX_set_max_proto_version(context, offer->most);
    else if (offer->ciphers)
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    if (offer->without_13) {
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
    }
    return arrange_group(context, offer) &&
           (!offer->ciphers ||
            SSL_CTX_set_cipher_list(context, offer->ciphers) == 1);
}

static void bound(SSL_CTX *context, enum exhibit_tls version)
{
    SSL_CTX_set_min_proto_version(
        context, version == EXHIBIT_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(
        context, version == EXHIBIT_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
}

SSL_CTX *exhibit_context(struct exhibit *exhibit, enum exhibit_tls version,
                         struct err *err)
{
    SSL_CTX **context = &exhibit->contexts[version];
    const struct offer *offer = exhibit->row.offer;
    if (*context)
        return *context;
    SSL_CTX *made = tls_server_context();
    if (made) {
        bound(made, version);
        SSL_CTX_set_mode(made, SSL_MODE_NO_AUTO_CHAIN);
    }
    if (made && show(made, &exhibit->forged) &&
        (!offer || arrange(made, offer))) {
        *context = made;
        return made;
    }
    err_openssl(err, "%s in TLS %s", exhibit->row.id,
                exhibit_tls_name(version));
    SSL_CTX_free(made);
    return NULL;
}
