/* SPDX-License-Identifier: MIT
 *
 * Makes the bytes of a ClientHello: OpenSSL's own, or one built by hand from
 * parts, and cuts a message into records. */
#ifndef TESTS_PROXY_HELLO_BYTES_H
#define TESTS_PROXY_HELLO_BYTES_H

#include "proxy/base/buf.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <string.h>

/* What OpenSSL would send first, asked for this name. */
static inline void hello_of_openssl(struct buf *out)
{
    static const uint8_t alpn[] = "\x02h2\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
    assert(ssl && in && sent);
    SSL_set_bio(ssl, in, sent);
    SSL_set_tlsext_host_name(ssl, "Bank.Lab.Test");
    SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1);
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    SSL_set1_groups_list(ssl, "X25519:P-256");
    SSL_connect(ssl);
    char *bytes;
    long len = BIO_get_mem_data(sent, &bytes);
    buf_append(out, bytes, (size_t)len);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static inline void put_number(struct buf *out, unsigned size, size_t number)
{
    for (unsigned i = size; i-- > 0;)
        buf_append(out, &(uint8_t){(uint8_t)(number >> 8 * i)}, 1);
}

static inline void put_vector(struct buf *out, unsigned size,
                              const struct buf *from)
{
    put_number(out, size, buf_len(from));
    if (buf_len(from))
        buf_append(out, buf_head(from), buf_len(from));
}

/* An extension whose data is `len` bytes. */
static inline void put_extension(struct buf *out, unsigned type,
                                 const void *data, size_t len)
{
    put_number(out, 2, type);
    put_number(out, 2, len);
    buf_append(out, data, len);
}

/* A handshake message around a block of extensions. */
static inline void put_hello(struct buf *out, const struct buf *extensions)
{
    struct buf body = {0};
    put_number(&body, 2, 0x0303);
    for (int i = 0; i < 32; i++)
        put_number(&body, 1, (size_t)i);
    put_number(&body, 1, 0);
    put_number(&body, 2, 4);
    put_number(&body, 4, 0x1301c02f);
    put_number(&body, 2, 0x0100); /* one compression: none */
    put_vector(&body, 2, extensions);
    put_number(out, 1, 1);
    put_vector(out, 3, &body);
    buf_free(&body);
}

/* Cut a message into records of at most `most` bytes. */
static inline void put_records(struct buf *out, const struct buf *message,
                               size_t most)
{
    for (size_t at = 0; at < buf_len(message);) {
        size_t len =
            buf_len(message) - at < most ? buf_len(message) - at : most;
        put_number(out, 3, 0x160301);
        put_number(out, 2, len);
        buf_append(out, buf_head(message) + at, len);
        at += len;
    }
}

#endif
