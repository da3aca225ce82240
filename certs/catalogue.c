/* SPDX-License-Identifier: MIT
 *
 * The catalogue: forgeries.def as a table, and how a row is found. */
#include "certs/flaw.h"
#include "certs/recipe.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* CAs between the signer and the leaf, from the top. */
#define UNDER(...)                                                             \
    .under = (const struct authority[])                                        \
    {                                                                          \
        __VA_ARGS__,                                                           \
        {                                                                      \
            0                                                                  \
        }                                                                      \
    }
#define SEEN(text)      .about.seen = text
#define OPENSSL_ACCEPTS .about.openssl_accepts = true
#define TLS(versions)   .about.tls = TLS_##versions
#define ASKS(name)      .about.asks = name
#define DEMAND(what, code, what_alert)                                         \
    .about.demand = what, .about.demand_code = code,                           \
    .about.demand_alert = what_alert

static const struct recipe recipes[] = {
#define FORGERY(name, words, making, stop, code, sent_alert, section, past,    \
                by, ...)                                                       \
    {.about.id = name,                                                         \
     .about.family = name[0],                                                  \
     .about.title = words,                                                     \
     .about.how = making,                                                      \
     .about.check = stop,                                                      \
     .about.verify_code = code,                                                \
     .about.alert = sent_alert,                                                \
     .about.rfc = section,                                                     \
     .about.history = past,                                                    \
     .about.signed_by_lab = BY_##by == BY_LAB || BY_##by == BY_GALLERY,        \
     .about.in_gallery = BY_##by == BY_GALLERY,                                \
     .signer = BY_##by,                                                        \
     __VA_ARGS__},
#include "certs/forgeries.def"
#undef FORGERY
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

const struct forge_demand forge_demands[] = {
    {"strict", "It checks the profile of RFC 5280 in every detail "
               "(X509_V_FLAG_X509_STRICT)."},
    {"crl", "It has the issuer's revocation list and consults it."},
    {"staple", "It wants a good OCSP response stapled to the handshake."},
    {"sct", "It wants the promise of a certificate-transparency log that it "
            "knows."},
    {"pin", "It has seen the server before and knows its public key."},
    {"distrust", "It has the anchor marked as not to be used for servers."},
    {"clock", "Its clock is wrong: two days fast."},
    {"installed", "It has the forger's root among its anchors."},
    {NULL, NULL},
};

const struct recipe *recipe_for(const struct forgery *forgery)
{
    for (unsigned i = 0; i < RECIPES; i++)
        if (&recipes[i].about == forgery)
            return &recipes[i];
    assert(!"a forgery that is not in the catalogue");
    return NULL;
}

const struct forgery *forgery_at(unsigned index)
{
    return index < RECIPES ? &recipes[index].about : NULL;
}

const struct forgery *forgery_find(const char *id)
{
    for (unsigned i = 0; i < RECIPES; i++)
        if (!strcasecmp(recipes[i].about.id, id))
            return &recipes[i].about;
    return NULL;
}

/* An id is a family and a number: the nearest is of the same family. */
const struct forgery *forgery_nearest(const char *id)
{
    const struct forgery *best = NULL;
    long least = 0;
    if (!id[0])
        return NULL;
    long number = strtol(id + 1, NULL, 10);
    for (unsigned i = 0; i < RECIPES; i++) {
        const struct forgery *it = &recipes[i].about;
        long far = labs(strtol(it->id + 1, NULL, 10) - number);
        if (it->family == tolower((unsigned char)id[0]) &&
            (!best || far < least)) {
            best = it;
            least = far;
        }
    }
    return best;
}
