/* SPDX-License-Identifier: MIT
 *
 * Key pairs: made, saved, loaded. */
#ifndef CERTS_KEYS_H
#define CERTS_KEYS_H

#include "certs/err.h"

#include <openssl/evp.h>

enum key_kind {
    KEY_P256,
    KEY_P384,
    KEY_RSA2048,
    KEY_ED25519,
    /* For forgeries only. */
    KEY_RSA512,
    KEY_RSA1024,
    KEY_RSA2052,       /* not a whole number of bytes */
    KEY_RSA_E3,        /* public exponent 3 */
    KEY_RSA_E1,        /* public exponent 1: no secret at all */
    KEY_DSA2048,       /* of an algorithm that was given up */
    KEY_P192,          /* of a curve that is too small */
    KEY_P256_EXPLICIT, /* the curve written out instead of named */
    KEY_P256_FEW,      /* one of 32768 that can all be listed */
    KEY_P256_SHARED,   /* always the same, as if shipped to everyone */
    KEY_KINDS
};

/* A new key pair; NULL with a sentence on failure. EVP_PKEY_free() it. */
EVP_PKEY *keys_make(enum key_kind kind, struct err *err);

/* A new pair of the kind and size that `like` has (P-256 if unknown). */
EVP_PKEY *keys_make_like(const EVP_PKEY *like, struct err *err);

/* A pair whose public half is that of `shown` and whose private half is not:
 * what a thief of a certificate holds. It signs, and nothing it signs
 * verifies. Made for memory: of the file formats, only that of elliptic curves
 * can hold such a contradiction. */
EVP_PKEY *keys_pretend(const EVP_PKEY *shown, struct err *err);

/* The weak kinds, for keys_make(). */
EVP_PKEY *keys_make_weak(enum key_kind kind, struct err *err);

/* A P-256 pair that is right in itself, but each signature that it makes is
 * over something else than was asked. */
EVP_PKEY *keys_make_spoiling(struct err *err);

/* Refuses a file that group or others may read, as ssh does. `like` is a key
 * of the kind that it probably holds, to be found quickly; NULL: any. */
EVP_PKEY *keys_load(const char *path, const EVP_PKEY *like, struct err *err);

/* Of somebody else's making: such a file is a warning on stderr only. */
EVP_PKEY *keys_load_foreign(const char *path, const EVP_PKEY *like,
                            struct err *err);

/* Written 0600, O_EXCL under a temporary name, then renamed. */
int keys_save(const EVP_PKEY *key, const char *path, struct err *err);

#endif
