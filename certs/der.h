/* SPDX-License-Identifier: MIT
 *
 * A certificate as its three parts (RFC 5280 4.1), so that one of them can be
 * replaced by something that OpenSSL would not make. */
#ifndef CERTS_DER_H
#define CERTS_DER_H

#include <openssl/x509.h>
#include <stdbool.h>

struct der {
    unsigned char *whole; /* what the others point into, unless replaced */
    const unsigned char *tbs, *algorithm, *signature;
    size_t tbs_len, algorithm_len, signature_len; /* signature: its bits */
};

/* false if it cannot be encoded. */
bool der_cut(X509 *cert, struct der *out);
void der_close(struct der *der);

/* Length of *out, which is the caller's (of OpenSSL's allocator); 0 on
 * failure. */
size_t der_join(const struct der *der, unsigned char **out);

/* The parts in the place of *cert, which is freed; false, and *cert kept, if
 * OpenSSL cannot read them. */
bool der_reread(const struct der *der, X509 **cert);

#endif
