/* SPDX-License-Identifier: MIT
 *
 * What an issuer says of a certificate after it has issued it: a signed OCSP
 * response, or a revocation list. Bytes only; nobody is asked and nothing is
 * served here. */
#ifndef CERTS_STATUS_H
#define CERTS_STATUS_H

#include <openssl/x509.h>
#include <stdbool.h>

struct status {
    X509 *cert;
    X509 *issuer;
    EVP_PKEY *issuer_key;
    bool revoked;     /* a day ago */
    bool of_another;  /* about the next serial number instead */
    long from, until; /* seconds from now; both 0: a day from an hour ago */
};

/* An OCSP response (RFC 6960), for *out to be OPENSSL_free()d. Its length, or
 * 0 with the reason in OpenSSL's queue. */
size_t status_respond(const struct status *status, unsigned char **out);

/* The response "try later", which bears no signature. */
size_t status_try_later(unsigned char **out);

/* A revocation list that names the certificate if it is revoked. NULL with
 * the reason in OpenSSL's queue. */
X509_CRL *status_list(const struct status *status);

#endif
