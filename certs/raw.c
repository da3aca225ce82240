/* SPDX-License-Identifier: MIT
 *
 * Bytes that travel in the place of an X509. */
#include "certs/raw.h"

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <string.h>

struct raw {
    size_t len;
    unsigned char *der;
};

static int slot = -1;

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
                    long argl, void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    struct raw *raw = ptr;
    if (raw)
        OPENSSL_free(raw->der);
    OPENSSL_free(raw);
}

static void make_slot(void)
{
    slot = X509_get_ex_new_index(0, NULL, NULL, NULL, on_free);
}

static bool have_slot(void)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    return CRYPTO_THREAD_run_once(&once, make_slot) && slot >= 0;
}

static const struct raw *raw_of(const X509 *cert)
{
    return cert && have_slot() ? X509_get_ex_data(cert, slot) : NULL;
}

bool raw_is(const X509 *cert)
{
    return raw_of(cert);
}

bool raw_attach_take(X509 *cert, unsigned char *der, size_t len)
{
    struct raw *raw = OPENSSL_zalloc(sizeof *raw);
    if (raw && have_slot() && !raw_is(cert)) {
        *raw = (struct raw){len, der};
        if (X509_set_ex_data(cert, slot, raw))
            return true;
    }
    OPENSSL_free(raw);
    OPENSSL_free(der);
    return false;
}

/* OpenSSL's own function but for the stand-ins. The linker gives this one to
 * libssl too, because a program's symbols come before those of its libraries.
 * A test fails where that is not so. */
int i2d_X509(const X509 *cert, unsigned char **out)
{
    const struct raw *raw = raw_of(cert);
    if (!raw)
        return ASN1_item_i2d((const ASN1_VALUE *)cert, out,
                             ASN1_ITEM_rptr(X509));
    if (!out)
        return (int)raw->len;
    if (!*out) {
        *out = OPENSSL_memdup(raw->der, raw->len);
        return *out ? (int)raw->len : -1;
    }
    memcpy(*out, raw->der, raw->len);
    *out += raw->len;
    return (int)raw->len;
}
