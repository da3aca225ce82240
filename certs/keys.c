/* SPDX-License-Identifier: MIT
 *
 * Key pairs. Private halves are only ever written by keys_save(). */

/* See make_ec(). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "certs/keys.h"

#include "certs/file.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

/* A certificate from the network decides how large a key we make in its
 * likeness: one of 16384 bits must not stop the proxy for minutes. */
enum { RSA_LEAST = 1024, RSA_MOST = 4096 };

static EVP_PKEY *made(EVP_PKEY *key, const char *kind, struct err *err)
{
    if (!key)
        err_openssl(err, "make a key pair (%s)", kind);
    return key;
}

/* EVP_EC_gen() would be one line, but putting its key into a certificate costs
 * 260 microseconds in OpenSSL 3.0: it looks for an encoder and a decoder every
 * time. A key made from an EC_KEY takes 6, and a proxy puts one into every
 * certificate that it forges. Signing takes the same time with both. */
static EVP_PKEY *make_ec(int curve)
{
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *pair = EC_KEY_new_by_curve_name(curve);
    if (key && pair && EC_KEY_generate_key(pair) &&
        EVP_PKEY_set1_EC_KEY(key, pair)) {
        EC_KEY_free(pair);
        return key;
    }
    EC_KEY_free(pair);
    EVP_PKEY_free(key);
    return NULL;
}

EVP_PKEY *keys_make(enum key_kind kind, struct err *err)
{
    switch (kind) {
    case KEY_P256:
        return made(make_ec(NID_X9_62_prime256v1), "P-256", err);
    case KEY_P384:
        return made(make_ec(NID_secp384r1), "P-384", err);
    case KEY_RSA2048:
        return made(EVP_RSA_gen(2048u), "RSA 2048", err);
    case KEY_ED25519:
        return made(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "Ed25519", err);
    default:
        return keys_make_weak(kind, err);
    }
}

static EVP_PKEY *make_rsa_like(const EVP_PKEY *like, struct err *err)
{
    int bits = EVP_PKEY_get_bits(like);
    if (bits < RSA_LEAST)
        bits = RSA_LEAST;
    if (bits > RSA_MOST)
        bits = RSA_MOST;
    return made(EVP_RSA_gen((unsigned)bits), "RSA", err);
}

static EVP_PKEY *make_ec_like(const EVP_PKEY *like, struct err *err)
{
    switch (EVP_PKEY_get_bits(like)) {
    case 521:
        return made(make_ec(NID_secp521r1), "P-521", err);
    case 384:
        return keys_make(KEY_P384, err);
    default:
        return keys_make(KEY_P256, err);
    }
}

EVP_PKEY *keys_make_like(const EVP_PKEY *like, struct err *err)
{
    switch (EVP_PKEY_get_base_id(like)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return make_rsa_like(like, err);
    case EVP_PKEY_ED25519:
        return keys_make(KEY_ED25519, err);
    default:
        return make_ec_like(like, err);
    }
}

/* A private half for `shown` out of thin air: of the right form, and wrong. */
static OSSL_PARAM draw_private_half(const EVP_PKEY *shown,
                                    unsigned char *secret, size_t room)
{
    size_t len = (size_t)(EVP_PKEY_get_bits(shown) + 7) / 8;
    if (EVP_PKEY_is_a(shown, "ED25519")) {
        RAND_bytes(secret, 32);
        return OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY,
                                                 secret, 32);
    }
    len = len > room ? room : len - 1; /* below the modulus or the order */
    RAND_bytes(secret, (int)len);
    return OSSL_PARAM_construct_BN(EVP_PKEY_is_a(shown, "EC")
                                       ? OSSL_PKEY_PARAM_PRIV_KEY
                                       : OSSL_PKEY_PARAM_RSA_D,
                                   secret, len);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

EVP_PKEY *keys_pretend(const EVP_PKEY *shown, struct err *err)
{
    unsigned char secret[RSA_MOST / 8];
    OSSL_PARAM private_half[] = {
        draw_private_half(shown, secret, sizeof secret),
        OSSL_PARAM_construct_end(),
    };
    OSSL_PARAM *public_half = NULL, *both = NULL;
    EVP_PKEY *key = NULL;
    if (EVP_PKEY_todata(shown, EVP_PKEY_PUBLIC_KEY, &public_half) == 1)
        both = OSSL_PARAM_merge(public_half, private_half);
    if (both)
        key = from_params(EVP_PKEY_get0_type_name(shown), both);
    OSSL_PARAM_free(public_half);
    OPENSSL_free(both);
    return made(key, "a wrong private half", err);
}

/* As ssh does: a key that others may read is no secret any more. A key that is
 * not ours is its owner's business, who is told. */
static int check_mode(FILE *file, const char *path, bool strictly,
                      struct err *err)
{
    struct stat info;
    if (fstat(fileno(file), &info)) {
        err_errno(err, "look at key file %s", path);
        return -1;
    }
    if (!(info.st_mode & (S_IRWXG | S_IRWXO)))
        return 0;
    err_set(err,
            "key file %s has mode %04o, so others may read it; "
            "'chmod 600 %s' closes it",
            path, (unsigned)info.st_mode & 07777, path);
    if (strictly)
        return -1;
    fprintf(stderr, "mitmlab: warning: %s\n", err->text);
    return 0;
}

/* A lab never asks for a passphrase: it must run without a terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

/* Whoever does not say which kind of key it is has OpenSSL 3.0 set up readers
 * of all kinds, which takes four times as long. */
static EVP_PKEY *read_kind(FILE *file, const EVP_PKEY *like)
{
    EVP_PKEY *key = NULL;
    const char *kind = like ? EVP_PKEY_get0_type_name(like) : NULL;
    OSSL_DECODER_CTX *reader =
        kind ? OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", NULL, kind,
                                             EVP_PKEY_KEYPAIR, NULL, NULL)
             : NULL;
    if (!reader)
        return NULL;
    OSSL_DECODER_CTX_set_pem_password_cb(reader, no_passphrase, NULL);
    OSSL_DECODER_from_fp(reader, file);
    OSSL_DECODER_CTX_free(reader);
    return key;
}

/* Another kind, or other things before it in the file: once more, slowly. */
static EVP_PKEY *read_key(FILE *file, const EVP_PKEY *like)
{
    EVP_PKEY *key = read_kind(file, like);
    if (key && EVP_PKEY_eq(key, like) == 1)
        return key;
    EVP_PKEY_free(key);
    ERR_clear_error();
    rewind(file);
    return PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
}

static EVP_PKEY *load(const char *path, const EVP_PKEY *like, bool strictly,
                      struct err *err)
{
    EVP_PKEY *key = NULL;
    FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, "open key file %s", path);
        return NULL;
    }
    if (!check_mode(file, path, strictly, err)) {
        key = read_key(file, like);
        if (!key)
            err_openssl(err, "read key file %s", path);
    }
    fclose(file);
    return key;
}

EVP_PKEY *keys_load(const char *path, const EVP_PKEY *like, struct err *err)
{
    return load(path, like, true, err);
}

EVP_PKEY *keys_load_foreign(const char *path, const EVP_PKEY *like,
                            struct err *err)
{
    return load(path, like, false, err);
}

int keys_save(const EVP_PKEY *key, const char *path, struct err *err)
{
    int rc = -1;
    BIO *text = BIO_new(BIO_s_secmem()); /* wiped when freed */
    if (text &&
        PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL)) {
        char *data;
        long len = BIO_get_mem_data(text, &data);
        rc = file_replace(path, 0600, data, (size_t)len, err);
    } else {
        err_openssl(err, "write key file %s", path);
    }
    BIO_free(text);
    return rc;
}
