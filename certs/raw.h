/* SPDX-License-Identifier: MIT
 *
 * Certificates that OpenSSL cannot read, and yet sends. Its TLS takes only an
 * X509 and encodes it with i2d_X509(); so a proper X509 stands in for the bad
 * bytes, and i2d_X509(), which raw.c defines anew for the whole program,
 * returns those bytes for it. Every server of this program can thus show them
 * in a full handshake of any version, without a TLS of our own.
 *
 * Whoever wants what is sent asks i2d_X509(); the fields that X509_get_*()
 * show are those of the stand-in. */
#ifndef CERTS_RAW_H
#define CERTS_RAW_H

#include <openssl/x509.h>
#include <stdbool.h>

/* From now on `cert` is sent as these bytes. Takes `der` (of OpenSSL's
 * allocator), also on failure. */
bool raw_attach_take(X509 *cert, unsigned char *der, size_t len);

/* Does it stand in for other bytes? */
bool raw_is(const X509 *cert);

#endif
