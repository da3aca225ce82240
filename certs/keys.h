/* SPDX-License-Identifier: MIT
 *
 * Key pairs: made, saved, loaded. */
#ifndef CERTS_KEYS_H
#define CERTS_KEYS_H

#include "certs/err.h"

#include <openssl/evp.h>

enum key_kind { KEY_P256, KEY_P384, KEY_RSA2048, KEY_ED25519 };

/* A new key pair; NULL with a sentence on failure. EVP_PKEY_free() it. */
EVP_PKEY *keys_make(enum key_kind kind, struct err *err);

/* A new pair of the kind and size that `like` has (P-256 if unknown). */
EVP_PKEY *keys_make_like(const EVP_PKEY *like, struct err *err);

/* A pair whose public half is that of `shown` and whose private half is not:
 * what a thief of a certificate holds. It signs, and nothing it signs
 * verifies. Made for memory: of the file formats, only that of elliptic curves
 * can hold such a contradiction. */
EVP_PKEY *keys_pretend(const EVP_PKEY *shown, struct err *err);

/* Refuses a file that group or others may read, as ssh does. */
EVP_PKEY *keys_load(const char *path, struct err *err);

/* Written 0600, O_EXCL under a temporary name, then renamed. */
int keys_save(const EVP_PKEY *key, const char *path, struct err *err);

#endif
