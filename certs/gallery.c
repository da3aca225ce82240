/* SPDX-License-Identifier: MIT
 *
 * The gallery: a root and an issuing CA without constraints, in memory only. */
#include "certs/gallery.h"

#include "certs/ca.h"
#include "certs/draft.h"
#include "certs/mint.h"

#include <stdio.h>
#include <stdlib.h>

struct gallery {
    struct ca *root;    /* with its key */
    struct ca *issuing; /* what signs most leaves */
    struct ca *rogue;   /* whom nobody trusts; constrained as ever */
    EVP_PKEY *log;
    EVP_PKEY *keys[KEY_KINDS]; /* slow to make, so made once */
    struct forge_signers signers;
};

static struct ca *new_ca(EVP_PKEY *key)
{
    struct ca *ca = calloc(1, sizeof *ca);
    if (ca && (ca->above = sk_X509_new_null()) && EVP_PKEY_up_ref(key)) {
        ca->key = key;
        return ca;
    }
    free(ca);
    return NULL;
}

static bool push(STACK_OF(X509) * certs, X509 *cert)
{
    return X509_add_cert(certs, cert, X509_ADD_FLAG_UP_REF);
}

/* What is sent for a CA below `above`: itself and what is sent for that. */
static bool stack_up(struct ca *ca, const struct ca *above)
{
    if (!above)
        return X509_up_ref(ca->cert) && (ca->root = ca->cert);
    if (!push(ca->above, ca->cert) || !X509_up_ref(above->root))
        return false;
    ca->root = above->root;
    for (int i = 0; i < sk_X509_num(above->above); i++)
        if (!push(ca->above, sk_X509_value(above->above, i)))
            return false;
    return true;
}

static X509_NAME *name_of(const struct authority *how, unsigned number)
{
    char role[64];
    if (!how->host) {
        snprintf(role, sizeof role, number ? "%s %u" : "%s", how->role,
                 number + 1);
        return authority_name("gallery", role);
    }
    X509_NAME *name = X509_NAME_new();
    if (name && mint_common_name(name, how->host))
        return name;
    X509_NAME_free(name);
    return NULL;
}

/* One CA with that key; NULL with a sentence. */
static struct ca *hire_one(const struct authority *how, unsigned number,
                           EVP_PKEY *key, const struct ca *above,
                           struct err *err)
{
    X509_NAME *name = name_of(how, number);
    struct ca *ca = name ? new_ca(key) : NULL;
    if (ca)
        ca->cert = authority_make(how, name, key, above ? above->cert : NULL,
                                  above ? above->key : NULL);
    X509_NAME_free(name);
    if (ca && ca->cert && stack_up(ca, above))
        return ca;
    err_openssl(err, "make a CA for the gallery");
    ca_free(ca);
    return NULL;
}

static EVP_PKEY *key_for(struct gallery *gallery, enum key_kind kind,
                         struct err *err)
{
    EVP_PKEY *key;
    if (kind == KEY_P256 || !gallery)
        return keys_make(kind, err);
    if ((key = gallery_key(gallery, kind, err)))
        EVP_PKEY_up_ref(key);
    return key;
}

int gallery_hire(struct gallery *gallery, const struct authority *under,
                 const struct ca *above, struct ca **out, struct err *err)
{
    struct ca *last = NULL;
    if (!above && gallery && !under->root)
        above = gallery->root;
    for (; under->role || under->host; under++)
        for (unsigned i = 0; i < (under->times ? under->times : 1); i++) {
            EVP_PKEY *key = key_for(gallery, under->kind, err);
            struct ca *ca = key ? hire_one(under, i, key, above, err) : NULL;
            EVP_PKEY_free(key);
            ca_free(last);
            if (!ca)
                return -1;
            above = last = ca;
        }
    *out = last;
    return 0;
}

EVP_PKEY *gallery_key(struct gallery *gallery, enum key_kind kind,
                      struct err *err)
{
    if (!gallery->keys[kind])
        gallery->keys[kind] = keys_make(kind, err);
    return gallery->keys[kind];
}

/* ---- opening and closing ------------------------------------------------- */

static int open_gallery(struct gallery *gallery, const char *title,
                        struct err *err)
{
    static const struct authority root[] = {{.role = "root", .root = true},
                                            {0}};
    static const struct authority issuing[] = {
        {.role = "issuing", .powers = "critical,CA:TRUE,pathlen:0"}, {0}};
    if (gallery_hire(gallery, root, NULL, &gallery->root, err) ||
        gallery_hire(gallery, issuing, NULL, &gallery->issuing, err) ||
        ca_make_rogue(title, &gallery->rogue, err) ||
        !(gallery->log = keys_make(KEY_P256, err)))
        return -1;
    gallery->signers = (struct forge_signers){
        .lab = gallery->issuing, .rogue = gallery->rogue, .gallery = gallery};
    return 0;
}

int gallery_make(const char *title, struct gallery **out, struct err *err)
{
    struct gallery *gallery = calloc(1, sizeof *gallery);
    if (!gallery) {
        err_set(err, "no memory for the gallery");
        return -1;
    }
    if (open_gallery(gallery, title, err)) {
        gallery_free(gallery);
        return -1;
    }
    *out = gallery;
    return 0;
}

void gallery_free(struct gallery *gallery)
{
    if (!gallery)
        return;
    ca_free(gallery->root);
    ca_free(gallery->issuing);
    ca_free(gallery->rogue);
    EVP_PKEY_free(gallery->log);
    for (int i = 0; i < KEY_KINDS; i++)
        EVP_PKEY_free(gallery->keys[i]);
    free(gallery);
}

const struct forge_signers *gallery_signers(const struct gallery *gallery)
{
    return &gallery->signers;
}

X509 *gallery_root(const struct gallery *gallery)
{
    return gallery->root->cert;
}

EVP_PKEY *gallery_log(const struct gallery *gallery)
{
    return gallery->log;
}

int gallery_forge(struct gallery *gallery, const struct forgery *forgery,
                  const char *name, struct forged *out, struct err *err)
{
    X509 *original = NULL;
    EVP_PKEY *key = NULL;
    struct forge_plan plan = {.forgery = forgery, .server_name = name};
    if (ca_issue(gallery->issuing, &name, 1, &original, &key, err))
        return -1;
    /* With the server's own key, a comparison shows the flaw and no more. */
    plan.key = forgery && forgery->signed_by_lab ? key : NULL;
    int rc = forge_leaf(&gallery->signers, original, &plan, out, err);
    X509_free(original);
    EVP_PKEY_free(key);
    return rc;
}
