/* SPDX-License-Identifier: MIT
 *
 * Family x: extensions and encodings that should not be. */
#include "certs/flaw.h"

#include "certs/der.h"
#include "certs/mint.h"
#include "certs/raw.h"

#include <openssl/rand.h>
#include <string.h>

/* ---- extensions ---------------------------------------------------------- */

/* Of the numbers that RFC 5612 keeps for examples. */
static bool add_unknown(X509 *cert, bool critical)
{
    return mint_add_foreign(cert, "1.3.6.1.4.1.32473.1", critical);
}

bool flaw_unknown_critical(struct draft *draft)
{
    return add_unknown(draft->leaf, true);
}

bool flaw_unknown_harmless(struct draft *draft)
{
    return add_unknown(draft->leaf, false);
}

bool flaw_unknown_critical_in_ca(X509 *cert)
{
    return add_unknown(cert, true);
}

/* RFC 6962 3.1: what a CA shows a log before it issues. */
bool flaw_poison(struct draft *draft)
{
    return mint_add_foreign(draft->leaf, "1.3.6.1.4.1.11129.2.4.3", true);
}

/* OpenSSL's server takes no certificate with two of the same; but it looks
 * only once, so it is shown one that is still proper. */
bool flaw_twice_the_same(struct draft *draft)
{
    X509_get_extension_flags(draft->leaf);
    int at = X509_get_ext_by_NID(draft->leaf, NID_ext_key_usage, -1);
    return at >= 0 &&
           X509_add_ext(draft->leaf, X509_get_ext(draft->leaf, at), -1);
}

/* ---- numbers ------------------------------------------------------------- */

static bool put_serial(struct draft *draft, const unsigned char *bytes, int len,
                       bool negative)
{
    BIGNUM *number = BN_bin2bn(bytes, len, NULL);
    if (number)
        BN_set_negative(number, negative);
    bool ok = number &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(draft->leaf));
    BN_free(number);
    return ok;
}

bool flaw_negative_serial(struct draft *draft)
{
    unsigned char bytes[8] = {1};
    return RAND_bytes(bytes + 1, sizeof bytes - 1) == 1 &&
           put_serial(draft, bytes, sizeof bytes, true);
}

bool flaw_zero_serial(struct draft *draft)
{
    return put_serial(draft, NULL, 0, false);
}

/* RFC 5280 4.1.2.2: at most 20 bytes. */
bool flaw_long_serial(struct draft *draft)
{
    unsigned char bytes[32] = {1};
    return RAND_bytes(bytes + 1, sizeof bytes - 1) == 1 &&
           put_serial(draft, bytes, sizeof bytes, false);
}

/* Version 1 has neither extensions nor, therefore, alternative names. */
bool flaw_version_one(struct draft *draft)
{
    while (X509_get_ext_count(draft->leaf))
        X509_EXTENSION_free(X509_delete_ext(draft->leaf, 0));
    return X509_set_version(draft->leaf, X509_VERSION_1);
}

/* ---- bytes that are not DER ---------------------------------------------- */

/* The leaf goes out as `head`, its encoding from byte `skip` on, and `tail`. */
static bool send_as(struct draft *draft, const unsigned char *head,
                    size_t head_len, size_t skip, const unsigned char *tail,
                    size_t tail_len)
{
    unsigned char *der = NULL;
    int len = i2d_X509(draft->leaf, &der);
    size_t body = len > 0 ? (size_t)len - skip : 0;
    unsigned char *raw = OPENSSL_malloc(head_len + body + tail_len);
    if (body && raw) {
        memcpy(raw, head, head_len);
        memcpy(raw + head_len, der + skip, body);
        memcpy(raw + head_len + body, tail, tail_len);
    }
    OPENSSL_free(der);
    return raw && raw_attach_take(draft->leaf, raw, head_len + body + tail_len);
}

bool flaw_trailing_bytes(struct draft *draft)
{
    static const unsigned char tail[] = "and more";
    return send_as(draft, tail, 0, 0, tail, sizeof tail - 1);
}

/* BER allows a length with leading zeros, DER does not: 30 83 00 xx xx. */
bool flaw_long_length(struct draft *draft)
{
    unsigned char head[] = {0x30, 0x83, 0, 0, 0};
    int len = i2d_X509(draft->leaf, NULL) - 4;
    head[3] = (unsigned char)(len >> 8);
    head[4] = (unsigned char)len;
    return len >= 256 && len < 65536 &&
           send_as(draft, head, sizeof head, 4, head, 0);
}

/* Signs what was changed in `der.tbs`. */
static bool sign_again(const struct draft *draft, struct der *der,
                       unsigned char *signature, size_t room)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        ctx &&
        EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, draft->issuer_key) ==
            1 &&
        EVP_DigestSign(ctx, signature, &room, der->tbs, der->tbs_len) == 1;
    EVP_MD_CTX_free(ctx);
    der->signature = signature;
    der->signature_len = room;
    return ok;
}

/* In the subject's organisation, which is a UTF8String. The signature is over
 * the bytes as they are sent, so that it is good. */
bool flaw_bad_utf8(struct draft *draft)
{
    static const char word[] = "Cafe";
    unsigned char *at = NULL, *raw = NULL, signature[1024];
    struct der der;
    size_t len = 0;
    if (!der_cut(draft->leaf, &der))
        return false;
    at = memmem(der.whole, der.tbs_len, word, sizeof word - 1);
    if (at)
        at[3] = 0xe9; /* as Latin-1 writes it */
    if (at && sign_again(draft, &der, signature, sizeof signature))
        len = der_join(&der, &raw);
    der_close(&der);
    return len && raw_attach_take(draft->leaf, raw, len);
}
