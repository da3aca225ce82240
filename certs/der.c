/* SPDX-License-Identifier: MIT
 *
 * A certificate in three parts, and back. */
#include "certs/der.h"

#include <openssl/asn1.h>
#include <string.h>

/* The element at `at`, head included; steps behind it. */
static bool take(const unsigned char **at, const unsigned char *end,
                 const unsigned char **out, size_t *out_len)
{
    long len;
    int tag, class;
    const unsigned char *body = *at;
    *out = *at;
    if (ASN1_get_object(&body, &len, &tag, &class, end - *at) & 0x80)
        return false;
    *at = body + len;
    *out_len = (size_t)(*at - *out);
    return true;
}

bool der_cut(X509 *cert, struct der *out)
{
    long len;
    int tag, class;
    *out = (struct der){0};
    int size = i2d_X509(cert, &out->whole);
    const unsigned char *at = out->whole, *end = at + size;
    if (size > 0 && !(ASN1_get_object(&at, &len, &tag, &class, size) & 0x80) &&
        take(&at, end, &out->tbs, &out->tbs_len) &&
        take(&at, end, &out->algorithm, &out->algorithm_len) &&
        !(ASN1_get_object(&at, &len, &tag, &class, end - at) & 0x80) &&
        tag == V_ASN1_BIT_STRING && len > 1) {
        out->signature = at + 1; /* behind the count of unused bits */
        out->signature_len = (size_t)len - 1;
        return true;
    }
    der_close(out);
    return false;
}

void der_close(struct der *der)
{
    OPENSSL_free(der->whole);
    *der = (struct der){0};
}

static void put(unsigned char **at, const unsigned char *bytes, size_t len)
{
    memcpy(*at, bytes, len);
    *at += len;
}

size_t der_join(const struct der *der, unsigned char **out)
{
    int bits = (int)der->signature_len + 1;
    int body = (int)(der->tbs_len + der->algorithm_len) +
               ASN1_object_size(0, bits, V_ASN1_BIT_STRING);
    int size = ASN1_object_size(1, body, V_ASN1_SEQUENCE);
    unsigned char *at = *out = size > 0 ? OPENSSL_malloc((size_t)size) : NULL;
    if (!at)
        return 0;
    ASN1_put_object(&at, 1, body, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    put(&at, der->tbs, der->tbs_len);
    put(&at, der->algorithm, der->algorithm_len);
    ASN1_put_object(&at, 0, bits, V_ASN1_BIT_STRING, V_ASN1_UNIVERSAL);
    *at++ = 0;
    put(&at, der->signature, der->signature_len);
    return (size_t)size;
}

bool der_reread(const struct der *der, X509 **cert)
{
    unsigned char *bytes;
    size_t len = der_join(der, &bytes);
    const unsigned char *at = bytes;
    X509 *read = len ? d2i_X509(NULL, &at, (long)len) : NULL;
    OPENSSL_free(bytes);
    if (!read)
        return false;
    X509_free(*cert);
    *cert = read;
    return true;
}
