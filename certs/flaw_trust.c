/* SPDX-License-Identifier: MIT
 *
 * Family t: whom the victim trusts. */
#include "certs/flaw.h"

#include "certs/gallery.h"
#include "certs/mint.h"

#include <openssl/err.h>

static const struct authority below[] = {{.role = "between"}, {0}};

/* Another certificate for the name and key of `ca`, issued by `other`. */
static X509 *certify_again(const struct ca *ca, const struct ca *other)
{
    struct authority how = {0};
    return authority_make(&how, X509_get_subject_name(ca->cert), ca->key,
                          other->cert, other->key);
}

static int failed(struct ca *ca, struct err *err)
{
    if (!err->text[0])
        err_openssl(err, "certify a CA twice");
    ca_free(ca);
    return -1;
}

/* The way to the trusted root comes last: before it stand a certificate of
 * the same CA that leads to the rogue root, and that root. */
int flaw_two_issuers(struct draft *draft, struct ca **out, struct err *err)
{
    const struct ca *rogue = draft->signers->rogue;
    struct ca *ca = NULL;
    if (gallery_hire(draft->signers->gallery, below, NULL, &ca, err))
        return -1;
    X509 *again = certify_again(ca, rogue);
    if (!again ||
        !X509_add_cert(ca->above, rogue->cert,
                       X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_PREPEND) ||
        !sk_X509_unshift(ca->above, again)) {
        X509_free(again);
        return failed(ca, err);
    }
    *out = ca;
    return 0;
}

/* Two CAs have certified each other, and nobody else has. */
int flaw_circle(struct draft *draft, struct ca **out, struct err *err)
{
    static const struct authority alone[] = {
        {.role = "one", .root = true}, {.role = "other"}, {0}};
    struct ca *ca = NULL;
    if (gallery_hire(draft->signers->gallery, alone, NULL, &ca, err))
        return -1;
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(ca->root));
    struct authority how = {0};
    X509 *closing = name
                        ? authority_make(&how, name, X509_get0_pubkey(ca->root),
                                         ca->cert, ca->key)
                        : NULL;
    X509_NAME_free(name);
    if (!closing || !sk_X509_push(ca->above, closing))
        return failed(ca, err);
    *out = ca;
    return 0;
}

bool flaw_no_issuer_id(struct draft *draft)
{
    return draft_put(draft, NID_authority_key_identifier, NULL, false);
}

/* The key identifier of the anchor that is imitated. */
bool flaw_real_issuer_id(struct draft *draft)
{
    const struct forge_signers *signers = draft->signers;
    X509 *real = signers->anchor ? signers->anchor
                 : signers->lab  ? signers->lab->root
                                 : NULL;
    if (!real)
        return true; /* nothing is known of it */
    return draft_put(draft, NID_authority_key_identifier, NULL, false) &&
           mint_issuer_key_id(draft->leaf, real);
}

/* The CA whose key was shipped to everyone. Its certificate is constrained as
 * those of all CAs are whose key others have. */
int flaw_shared_key(struct draft *draft, struct ca **out, struct err *err)
{
    static const struct authority shared[] = {
        {.role = "shared",
         .root = true,
         .kind = KEY_P256_SHARED,
         .powers = "critical,CA:TRUE,pathlen:0",
         .constraints = AUTHORITY_LAB_NAMES},
        {0}};
    (void)draft;
    return gallery_hire(NULL, shared, NULL, out, err);
}
