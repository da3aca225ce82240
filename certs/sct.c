/* SPDX-License-Identifier: MIT
 *
 * A signed certificate timestamp, made and embedded. */
#include "certs/sct.h"

#include "certs/mint.h"

#include <openssl/ct.h>
#include <time.h>

/* RFC 6962 3.2: what a log signs, in TLS's way of writing. */
enum { SCT_V1 = 0, CERTIFICATE_TIMESTAMP = 0, PRECERT_ENTRY = 1 };

static void put_number(BIO *to, uint64_t number, int bytes)
{
    while (bytes--) {
        unsigned char byte = (unsigned char)(number >> (8 * bytes));
        BIO_write(to, &byte, 1);
    }
}

static void put_key_hash(BIO *to, const EVP_PKEY *key)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int size = i2d_PUBKEY(key, &der);
    if (size > 0)
        EVP_Digest(der, (size_t)size, digest, &len, EVP_sha256(), NULL);
    BIO_write(to, digest, (int)len);
    OPENSSL_free(der);
}

/* The certificate must have been signed once, so that it says with what. */
static BIO *make_entry(X509 *cert, X509 *issuer, uint64_t when)
{
    unsigned char *tbs = NULL;
    BIO *to = BIO_new(BIO_s_mem());
    int len = i2d_re_X509_tbs(cert, &tbs);
    if (to && len > 0) {
        put_number(to, SCT_V1, 1);
        put_number(to, CERTIFICATE_TIMESTAMP, 1);
        put_number(to, when, 8);
        put_number(to, PRECERT_ENTRY, 2);
        put_key_hash(to, X509_get0_pubkey(issuer));
        put_number(to, (uint64_t)len, 3);
        BIO_write(to, tbs, len);
        put_number(to, 0, 2); /* no extensions */
    }
    OPENSSL_free(tbs);
    return to;
}

static size_t sign_entry(BIO *entry, EVP_PKEY *log, unsigned char *signature,
                         size_t room)
{
    char *data;
    long len = BIO_get_mem_data(entry, &data);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && len > 0 &&
              EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, log) == 1 &&
              EVP_DigestSign(ctx, signature, &room, (unsigned char *)data,
                             (size_t)len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? room : 0;
}

static SCT *make_sct(EVP_PKEY *log, uint64_t when,
                     const unsigned char *signature, size_t len)
{
    unsigned char *der = NULL, id[EVP_MAX_MD_SIZE];
    unsigned id_len = 0;
    int size = i2d_PUBKEY(log, &der);
    SCT *sct = SCT_new();
    bool ok = sct && size > 0 &&
              EVP_Digest(der, (size_t)size, id, &id_len, EVP_sha256(), NULL) &&
              SCT_set_version(sct, SCT_VERSION_V1) &&
              SCT_set1_log_id(sct, id, id_len) &&
              SCT_set_signature_nid(sct, NID_ecdsa_with_SHA256) &&
              SCT_set1_signature(sct, signature, len);
    OPENSSL_free(der);
    if (ok) {
        SCT_set_timestamp(sct, when);
        return sct;
    }
    SCT_free(sct);
    return NULL;
}

static bool put_list(X509 *cert, SCT *sct)
{
    STACK_OF(SCT) *list = sk_SCT_new_null();
    bool ok = list && sk_SCT_push(list, sct) &&
              mint_add(cert, NID_ct_precert_scts, list, false);
    sk_SCT_free(list);
    return ok;
}

bool sct_embed(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, EVP_PKEY *log,
               bool spoil)
{
    unsigned char signature[256];
    uint64_t when = ((uint64_t)time(NULL) - MINT_HOUR) * 1000;
    BIO *entry = make_entry(cert, issuer, when);
    size_t len =
        entry ? sign_entry(entry, log, signature, sizeof signature) : 0;
    if (len && spoil)
        signature[len - 1] ^= 1;
    SCT *sct = len ? make_sct(log, when, signature, len) : NULL;
    bool ok = sct && put_list(cert, sct) && mint_sign(cert, issuer_key);
    SCT_free(sct);
    BIO_free(entry);
    return ok;
}
