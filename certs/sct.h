/* SPDX-License-Identifier: MIT
 *
 * A toy log of certificate transparency (RFC 6962): it promises to list a
 * certificate, and lists nothing. */
#ifndef CERTS_SCT_H
#define CERTS_SCT_H

#include <openssl/x509.h>
#include <stdbool.h>

/* Puts the promise of `log` (its key pair) into `cert` and signs the
 * certificate again, as an issuer does with what a log returned. `spoil`: the
 * log's signature is damaged. false with the reason in OpenSSL's queue. */
bool sct_embed(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, EVP_PKEY *log,
               bool spoil);

#endif
