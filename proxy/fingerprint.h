/* SPDX-License-Identifier: MIT
 *
 * A client is known by what it offers: JA3 and JA4 of a ClientHello. Both
 * leave out the values of GREASE (RFC 8701). Of the JA4 family only JA4
 * itself is here, whose licence is a free one. */
#ifndef PROXY_FINGERPRINT_H
#define PROXY_FINGERPRINT_H

#include "proxy/base/buf.h"
#include "proxy/hello.h"

struct fingerprint {
    char ja3[33]; /* 32 hex digits; "" where OpenSSL gives no MD5 */
    char ja4[37]; /* "t13d1516h2_8daaf6152771_e5627efa2ab1" */
};

/* While the scratch of the hello is valid. 0, or -1 when memory is out. */
int fingerprint_make(const struct hello *hello, struct fingerprint *out);

/* The texts that are hashed, for tests and for those who doubt. JA3:
 * "771,4865-4866,0-23,29-23,0". The two halves of JA4: suites in order of
 * their numbers; extensions likewise without SNI and ALPN, then the signature
 * algorithms as they came. 0, or -1 when memory is out. */
int fingerprint_ja3_text(const struct hello *hello, struct buf *out);
int fingerprint_ja4_texts(const struct hello *hello, struct buf *out_suites,
                          struct buf *out_extensions);

#endif
