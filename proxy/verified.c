/* SPDX-License-Identifier: MIT
 *
 * A few places, filled in turn: one proxy talks to few servers. */
#include "proxy/verified.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PLACES = 32, KEEP_SECONDS = 300, KEY = 32 };

struct place {
    unsigned char key[KEY];
    long long from, until; /* 0, 0: empty */
};

struct verified {
    EVP_MD *sha256; /* looking it up costs more than using it */
    EVP_MD_CTX *digest;
    struct place places[PLACES];
    unsigned next;
};

struct verified *verified_new(void)
{
    struct verified *verified = calloc(1, sizeof *verified);
    if (!verified)
        return NULL;
    verified->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    verified->digest = EVP_MD_CTX_new();
    if (verified->sha256 && verified->digest)
        return verified;
    verified_free(verified);
    return NULL;
}

void verified_free(struct verified *verified)
{
    if (!verified)
        return;
    EVP_MD_CTX_free(verified->digest);
    EVP_MD_free(verified->sha256);
    free(verified);
}

/* ---- what it is known by ------------------------------------------------- */

/* With its length, so that two texts are never one. */
static bool add(EVP_MD_CTX *digest, const void *bytes, size_t len)
{
    return EVP_DigestUpdate(digest, &len, sizeof len) == 1 &&
           EVP_DigestUpdate(digest, bytes, len) == 1;
}

static bool add_cert(EVP_MD_CTX *digest, X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    bool good = len > 0 && add(digest, der, (size_t)len);
    OPENSSL_free(der);
    return good;
}

static bool add_name(EVP_MD_CTX *digest, X509_STORE_CTX *store)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    const char *host = X509_VERIFY_PARAM_get0_host(param, 0);
    char *address = X509_VERIFY_PARAM_get1_ip_asc(param);
    bool good =
        !X509_VERIFY_PARAM_get0_host(param, 1) &&
        add(digest, host ? host : "", host ? strlen(host) : 0) &&
        add(digest, address ? address : "", address ? strlen(address) : 0);
    OPENSSL_free(address);
    return good;
}

static bool make_key(struct verified *verified, X509_STORE_CTX *store,
                     unsigned char key[KEY])
{
    EVP_MD_CTX *digest = verified->digest;
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    unsigned len = 0;
    bool good = leaf &&
                EVP_DigestInit_ex2(digest, verified->sha256, NULL) == 1 &&
                add_cert(digest, leaf);
    for (int i = 0; good && i < sk_X509_num(sent); i++)
        good = add_cert(digest, sk_X509_value(sent, i));
    return good && add_name(digest, store) &&
           EVP_DigestFinal_ex(digest, key, &len) == 1 && len == KEY;
}

/* ---- for how long -------------------------------------------------------- */

static bool seconds_of(const ASN1_TIME *time, long long *out)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    *out = timegm(&parts);
    return true;
}

static bool validity_of(X509_STORE_CTX *store, long long now,
                        struct place *place)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    place->from = now;
    place->until = now + KEEP_SECONDS;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        long long from, until;
        if (!seconds_of(X509_get0_notBefore(sk_X509_value(chain, i)), &from) ||
            !seconds_of(X509_get0_notAfter(sk_X509_value(chain, i)), &until))
            return false;
        if (until < place->until)
            place->until = until;
    }
    return sk_X509_num(chain) > 0;
}

bool verified_has(struct verified *verified, X509_STORE_CTX *store,
                  long long now)
{
    unsigned char key[KEY];
    if (!make_key(verified, store, key))
        return false;
    for (unsigned i = 0; i < PLACES; i++) {
        const struct place *place = &verified->places[i];
        if (place->from <= now && now < place->until &&
            !memcmp(place->key, key, KEY))
            return true;
    }
    return false;
}

void verified_keep(struct verified *verified, X509_STORE_CTX *store,
                   long long now)
{
    struct place place;
    if (!make_key(verified, store, place.key) ||
        !validity_of(store, now, &place))
        return;
    verified->places[verified->next] = place;
    verified->next = (verified->next + 1) % PLACES;
}
