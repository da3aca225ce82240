/* SPDX-License-Identifier: MIT
 *
 * Key pairs that nobody should have: too small, too old, known to all, or with
 * a private half that spoils what it signs. */

/* As in keys.c; and a method of signing of one's own exists only there. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "certs/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Domain parameters are public, and finding some takes a second or two. */
static const char dsa_p[] =
    "FBBC2B24BF5324DDA991EE2E4FFA17812D79164618EEA62386638A0F539C2DB9"
    "F5EAA91528EB7CFCA9EB0E3CA8A7047D316A7B970A04A8CDA370547B434376AB"
    "79A0727B6E78D214B3A1CCBA73F03693645A4595472710DEE317E5CD4C0DC9C4"
    "EBD9349E2D8DDFDD6AECDD42540431BBE9B8EDC2D50ED689B1590000FFC35DA2"
    "AE264FB2FEC5C7F56276E5DE218BE26DB3D9CECC958A9BA5D2542D7CE100F26C"
    "7B8F4492128042BE7A554B455253DB8ABF9403889E431737D90BCE1C69AF1D84"
    "94925F785F4E43458243D6866E2BF72298FDFE4009102E7AD9DD343FEF8CCC63"
    "8BFC7BF764ACA047FCAACEC891E703E266C1C0C603B9AF95A145BA024640272F";
static const char dsa_q[] =
    "D64264B733D9D94ADE5DC8F5B43134DC288902503FDD12C0223B46E0808BC249";
static const char dsa_g[] =
    "CD9613B0AB5EC1CDF5261F2571EA071BF31EB0967BDFD5B8DE021F65B200CD9E"
    "0F75B6D32F50403806F6963D0C47F6ACCD114A79A8496DE2DFB76B5EBE5DFAC4"
    "540557CF2302E8C9836E8B532D4D396F5E493A9A1D9DDCF0C81CB5CD5EB136C6"
    "C580DBA05DEE65A348DAC70F38EC899F61DFF2EF2322831B966A7B152F8AD7A3"
    "B4FD2CC8EA77396CE81C6CB29788C4BC8C98D6A4EC812B90D2020CD2711275E7"
    "C66599148C323301F8270191F36ED5FD763227E7BDAB346B3F6085868D3CBAEF"
    "86D947C2F6BBA649643F61201A1910CD986E124D5FC403FBBE100C93103CA1E3"
    "5931DF4C85ABD37CCC3BBD6F24030EF9A9628CC1EBA140F2B76E3892C0E04EB0";

static EVP_PKEY *from_build(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

/* ---- RSA ----------------------------------------------------------------- */

static EVP_PKEY *make_rsa(unsigned bits, unsigned exponent)
{
    EVP_PKEY *key = NULL;
    BIGNUM *e = BN_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (e && ctx && BN_set_word(e, exponent) &&
        EVP_PKEY_keygen_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1 &&
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1)
        EVP_PKEY_generate(ctx, &key);
    EVP_PKEY_CTX_free(ctx);
    BN_free(e);
    return key;
}

/* Copies a number of `from`. */
static bool push_copy(OSSL_PARAM_BLD *build, const EVP_PKEY *from,
                      const char *name, BIGNUM **out)
{
    return EVP_PKEY_get_bn_param(from, name, out) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, name, *out);
}

/* e = d = 1: the signature is the padded message itself, so everybody who
 * sees the certificate can sign for it. */
static EVP_PKEY *make_rsa_one(void)
{
    static const char *const kept[] = {
        OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    static const char *const ones[] = {
        OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2};
    enum { COUNT = 4 };
    BIGNUM *numbers[COUNT] = {NULL}, *one = BN_new();
    EVP_PKEY *ordinary = make_rsa(2048, RSA_F4), *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool ok = ordinary && build && one && BN_one(one);
    for (int i = 0; ok && i < COUNT; i++)
        ok = push_copy(build, ordinary, kept[i], &numbers[i]) &&
             OSSL_PARAM_BLD_push_BN(build, ones[i], one);
    if (ok)
        key = from_build("RSA", build);
    for (int i = 0; i < COUNT; i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(build);
    BN_free(one);
    EVP_PKEY_free(ordinary);
    return key;
}

/* ---- DSA ----------------------------------------------------------------- */

static EVP_PKEY *make_dsa(void)
{
    EVP_PKEY *domain = NULL, *key = NULL;
    BIGNUM *p = NULL, *q = NULL, *g = NULL;
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *from = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    EVP_PKEY_CTX *ctx = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (from && build && BN_hex2bn(&p, dsa_p) && BN_hex2bn(&q, dsa_q) &&
        BN_hex2bn(&g, dsa_g) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, p) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_Q, q) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, g) &&
        (params = OSSL_PARAM_BLD_to_param(build)) &&
        EVP_PKEY_fromdata_init(from) == 1 &&
        EVP_PKEY_fromdata(from, &domain, EVP_PKEY_KEY_PARAMETERS, params) == 1)
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, domain, NULL);
    if (ctx && EVP_PKEY_keygen_init(ctx) == 1)
        EVP_PKEY_generate(ctx, &key);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_CTX_free(from);
    EVP_PKEY_free(domain);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(p);
    BN_free(q);
    BN_free(g);
    return key;
}

/* ---- elliptic curves ----------------------------------------------------- */

static EVP_PKEY *wrap_take(EC_KEY *pair)
{
    EVP_PKEY *key = EVP_PKEY_new();
    if (!pair || !key || !EVP_PKEY_set1_EC_KEY(key, pair)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EC_KEY_free(pair);
    return key;
}

/* The curve is written out instead of named: whoever reads the numbers may
 * take those of an attacker for those of the standard. */
static EVP_PKEY *make_explicit(void)
{
    EC_KEY *pair = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    if (pair)
        EC_KEY_set_asn1_flag(pair, OPENSSL_EC_EXPLICIT_CURVE);
    if (pair && EC_KEY_generate_key(pair))
        return wrap_take(pair);
    EC_KEY_free(pair);
    return NULL;
}

/* A private half that follows from a text that everybody can know. */
static EVP_PKEY *make_known(const char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EC_KEY *pair = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    const EC_GROUP *curve = pair ? EC_KEY_get0_group(pair) : NULL;
    EC_POINT *point = curve ? EC_POINT_new(curve) : NULL;
    BIGNUM *secret = NULL;
    bool ok =
        point &&
        EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) &&
        (secret = BN_bin2bn(digest, (int)len - 1, NULL)) &&
        EC_KEY_set_private_key(pair, secret) &&
        EC_POINT_mul(curve, point, secret, NULL, NULL, NULL) &&
        EC_KEY_set_public_key(pair, point);
    BN_free(secret);
    EC_POINT_free(point);
    if (ok)
        return wrap_take(pair);
    EC_KEY_free(pair);
    return NULL;
}

/* As Debian's OpenSSL of 2006: the process number was all its randomness. */
static EVP_PKEY *make_few(void)
{
    enum { PROCESSES = 32768 };
    char text[32];
    unsigned short drawn;
    if (RAND_bytes((unsigned char *)&drawn, sizeof drawn) != 1)
        return NULL;
    snprintf(text, sizeof text, "process %u", drawn % PROCESSES);
    return make_known(text);
}

static EVP_PKEY *make_p192(void)
{
    EC_KEY *pair = EC_KEY_new_by_curve_name(NID_X9_62_prime192v1);
    if (pair && EC_KEY_generate_key(pair))
        return wrap_take(pair);
    EC_KEY_free(pair);
    return NULL;
}

EVP_PKEY *keys_make_weak(enum key_kind kind, struct err *err)
{
    EVP_PKEY *key = kind == KEY_RSA512          ? make_rsa(512, RSA_F4)
                    : kind == KEY_RSA1024       ? make_rsa(1024, RSA_F4)
                    : kind == KEY_RSA2052       ? make_rsa(2052, RSA_F4)
                    : kind == KEY_RSA_E3        ? make_rsa(2048, RSA_3)
                    : kind == KEY_RSA_E1        ? make_rsa_one()
                    : kind == KEY_DSA2048       ? make_dsa()
                    : kind == KEY_P192          ? make_p192()
                    : kind == KEY_P256_EXPLICIT ? make_explicit()
                    : kind == KEY_P256_FEW      ? make_few()
                    : kind == KEY_P256_SHARED
                        ? make_known("the key that every machine has")
                        : NULL;
    if (!key)
        err_openssl(err, "make a weak key pair");
    return key;
}

/* ---- signatures over something else -------------------------------------- */

static int (*sign_well)(int type, const unsigned char *digest, int len,
                        unsigned char *out, unsigned *out_len,
                        const BIGNUM *kinv, const BIGNUM *r, EC_KEY *pair);

static int sign_another(int type, const unsigned char *digest, int len,
                        unsigned char *out, unsigned *out_len,
                        const BIGNUM *kinv, const BIGNUM *r, EC_KEY *pair)
{
    unsigned char other[EVP_MAX_MD_SIZE] = {0};
    memcpy(other, digest, (size_t)len);
    other[0] ^= 1;
    return sign_well(type, other, len, out, out_len, kinv, r, pair);
}

/* Lives as long as the program: keys that use it may too. */
static EC_KEY_METHOD *spoiling_method;

static void make_spoiling_method(void)
{
    int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);
    ECDSA_SIG *(*raw)(const unsigned char *, int, const BIGNUM *,
                      const BIGNUM *, EC_KEY *);
    spoiling_method = EC_KEY_METHOD_new(EC_KEY_get_default_method());
    if (!spoiling_method)
        return;
    EC_KEY_METHOD_get_sign(spoiling_method, &sign_well, &setup, &raw);
    EC_KEY_METHOD_set_sign(spoiling_method, sign_another, setup, raw);
}

EVP_PKEY *keys_make_spoiling(struct err *err)
{
    EVP_PKEY *key = NULL;
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    EC_KEY *pair = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    if (pair && CRYPTO_THREAD_run_once(&once, make_spoiling_method) &&
        spoiling_method && EC_KEY_generate_key(pair) &&
        EC_KEY_set_method(pair, spoiling_method)) {
        key = wrap_take(pair);
        pair = NULL;
    }
    EC_KEY_free(pair);
    if (!key)
        err_openssl(err, "make a key that spoils signatures");
    return key;
}
