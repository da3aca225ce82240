/* SPDX-License-Identifier: MIT
 *
 * Original + plan -> forged: who signs, with which key, and what is sent. The
 * leaf itself is made in draft.c; what makes it this forgery and no other is
 * its recipe, one row of forgeries.def. */
#include "certs/forge.h"

#include "certs/draft.h"
#include "certs/gallery.h"
#include "certs/keys.h"
#include "certs/mimic.h"
#include "certs/mint.h"

#include <errno.h>
#include <openssl/err.h>

/* ---- who signs, and with what -------------------------------------------- */

/* A key that the recipe prescribes; NULL without a sentence: it does not. */
static EVP_PKEY *prescribed_key(const struct draft *draft, struct err *err)
{
    const struct recipe *recipe = draft->recipe;
    struct gallery *gallery = draft->signers->gallery;
    EVP_PKEY *key = NULL;
    if (recipe->key == KEY_STOLEN && draft->original)
        return keys_pretend(X509_get0_pubkey(draft->original), err);
    if (recipe->key == KEY_SPOILING)
        return keys_make_spoiling(err);
    if (recipe->key != KEY_WEAK)
        return NULL;
    if (!gallery)
        return keys_make(recipe->weak, err);
    if ((key = gallery_key(gallery, recipe->weak, err)))
        EVP_PKEY_up_ref(key);
    return key;
}

/* The leaf's key: the plan's if it will do. */
static EVP_PKEY *choose_key(const struct draft *draft, struct err *err)
{
    const struct recipe *recipe = draft->recipe;
    EVP_PKEY *brought = draft->plan->key;
    EVP_PKEY *shown =
        draft->original ? X509_get0_pubkey(draft->original) : NULL;
    const char *needs = recipe->key == KEY_EC    ? "EC"
                        : recipe->key == KEY_RSA ? "RSA"
                                                 : NULL;
    EVP_PKEY *prescribed = prescribed_key(draft, err);
    if (prescribed || recipe->key >= KEY_WEAK)
        return prescribed;
    if (recipe->key == KEY_FRESH)
        brought = NULL;
    if (brought && (!needs || EVP_PKEY_is_a(brought, needs))) {
        EVP_PKEY_up_ref(brought);
        return brought;
    }
    if (shown && (!needs || EVP_PKEY_is_a(shown, needs)))
        return keys_make_like(shown, err);
    return keys_make(recipe->key == KEY_RSA ? KEY_RSA2048 : KEY_P256, err);
}

/* A root that bears the anchor's name. The caller frees it. */
static struct ca *make_lookalike(const struct forge_signers *signers,
                                 X509 *original, struct err *err)
{
    struct ca *lookalike = NULL;
    struct ca real = {.root = signers->anchor};
    if (!real.root && signers->lab)
        real.root = signers->lab->root;
    if (real.root) {
        ca_make_lookalike(&real, &lookalike, err);
        return lookalike;
    }
    if (!original) {
        err_set(err, "a look-alike CA needs to know whom to resemble: give it "
                     "the victim's trusted root");
        return NULL;
    }
    /* The nearest thing to the anchor that everyone can see. */
    X509 *issuer = X509_new();
    if (issuer &&
        X509_set_subject_name(issuer, X509_get_issuer_name(original))) {
        real.root = issuer;
        ca_make_lookalike(&real, &lookalike, err);
    } else {
        err_openssl(err, "imitate the issuer of the original");
    }
    X509_free(issuer);
    return lookalike;
}

static const char *id_of(const struct draft *draft)
{
    return draft->plan->forgery ? draft->plan->forgery->id : "a copy";
}

/* A CA that the recipe wants made below the signer. */
static int hire(struct draft *draft, const struct ca *above, struct ca **out,
                struct err *err)
{
    const struct recipe *recipe = draft->recipe;
    if (recipe->hire)
        return recipe->hire(draft, out, err);
    return gallery_hire(draft->signers->gallery, recipe->under, above, out,
                        err);
}

/* One of the two CAs that somebody brought; NULL with a sentence. */
static const struct ca *need(const struct draft *draft, const struct ca *ca,
                             const char *sentence, struct err *err)
{
    if (!ca)
        err_set(err, "%s needs %s", id_of(draft), sentence);
    return ca;
}

/* The CA that somebody brought for this signer; NULL: none, and a sentence if
 * the recipe cannot do without. */
static const struct ca *find_signer(const struct draft *draft, struct err *err)
{
    const struct forge_signers *signers = draft->signers;
    switch (draft->recipe->signer) {
    case BY_GALLERY:
        if (signers->gallery)
            return gallery_signers(signers->gallery)->lab;
        err_set(err,
                "%s needs a CA without constraints, and no lab has one: it "
                "hangs in the gallery only (mitmlab cert make %s)",
                id_of(draft), id_of(draft));
        return NULL;
    case BY_LAB:
        return need(draft, signers->lab,
                    "the lab's CA as an accomplice (--issuer)", err);
    case BY_ROGUE:
        return need(draft, signers->rogue, "the attacker's CA (--ca)", err);
    case BY_NOBODY:
        if (!draft->original)
            err_set(err,
                    "%s shows the server's genuine certificate, and there is "
                    "none",
                    id_of(draft));
        return NULL;
    case BY_ITSELF:
    case BY_LOOKALIKE:
        break;
    }
    return NULL;
}

/* Who signs. *out_own is a CA made for this leaf alone, for the caller to
 * free. */
static int choose_signer(struct draft *draft, struct ca **out_own,
                         struct err *err)
{
    const struct recipe *recipe = draft->recipe;
    bool alone = recipe->signer == BY_ITSELF || recipe->signer == BY_NOBODY;
    draft->ca = find_signer(draft, err);
    if (recipe->signer == BY_LOOKALIKE)
        draft->ca = *out_own =
            make_lookalike(draft->signers, draft->original, err);
    if (alone && (recipe->signer == BY_ITSELF || draft->original))
        return 0;
    if (!draft->ca)
        return -1;
    if (!recipe->under && !recipe->hire)
        return 0;
    /* The gallery's root itself can make any CA; the lab's only one that is
     * below its own. */
    const struct ca *above = recipe->signer == BY_GALLERY ? NULL : draft->ca;
    if (hire(draft, above, out_own, err))
        return -1;
    draft->ca = *out_own;
    return 0;
}

/* ---- what is sent -------------------------------------------------------- */

static int fill_chain(STACK_OF(X509) * chain, STACK_OF(X509) * from,
                      const X509 *leaf, bool upside_down)
{
    int count = sk_X509_num(from);
    for (int i = 0; i < count; i++) {
        X509 *cert = sk_X509_value(from, upside_down ? count - 1 - i : i);
        if (X509_cmp(cert, leaf) &&
            !X509_add_cert(chain, cert, X509_ADD_FLAG_UP_REF))
            return -1;
    }
    return 0;
}

/* What is sent after the leaf. */
static STACK_OF(X509) * make_chain(const struct draft *draft)
{
    const struct recipe *recipe = draft->recipe;
    STACK_OF(X509) *from = draft->ca ? draft->ca->above : NULL;
    if (recipe->signer == BY_NOBODY)
        from = draft->plan->chain    ? draft->plan->chain
               : draft->signers->lab ? draft->signers->lab->above
                                     : NULL;
    if (recipe->sent == SENT_LEAF_ONLY)
        from = NULL;
    STACK_OF(X509) *chain = sk_X509_new_null();
    if (chain &&
        !fill_chain(chain, from, draft->leaf, recipe->sent == SENT_UPSIDE_DOWN))
        return chain;
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}

/* Whose word the leaf is. */
static bool note_root(const struct draft *draft)
{
    struct forged *out = draft->out;
    out->installed = draft->recipe->installed;
    out->root = draft->ca                            ? draft->ca->root
                : draft->recipe->signer == BY_ITSELF ? draft->leaf
                                                     : NULL;
    return !out->root || X509_up_ref(out->root);
}

/* ---- putting it together ------------------------------------------------- */

static int check_name(const struct forge_plan *plan, X509 *original,
                      struct err *err)
{
    if (!plan->server_name && !original) {
        err_set(err, "nothing says which server the certificate is for");
        return -1;
    }
    if (!plan->server_name || ca_may_name(plan->server_name))
        return 0;
    err_code(err, EXIT_CONTAINMENT,
             "no certificate is forged for \"%.100s\": only for lab.test and "
             "names below it, localhost, and the lab's addresses",
             plan->server_name);
    return -1;
}

void forged_close(struct forged *forged)
{
    X509_free(forged->leaf);
    EVP_PKEY_free(forged->key);
    sk_X509_pop_free(forged->chain, X509_free);
    X509_free(forged->root);
    OPENSSL_free(forged->staple);
    X509_CRL_free(forged->crl);
    *forged = (struct forged){0};
}

static int make_all(struct draft *draft, struct err *err)
{
    struct forged *out = draft->out;
    draft->issuer = draft->ca ? draft->ca->cert : NULL;
    draft->issuer_key = draft->ca ? draft->ca->key : draft->key;
    bool ok = draft_make(draft, err) && (out->chain = make_chain(draft)) &&
              note_root(draft);
    if (!ok && !err->text[0])
        err_openssl(err, "forge a certificate (%s)", id_of(draft));
    return ok ? 0 : -1;
}

/* OpenSSL remembers of a certificate that it is invalid when it had no memory
 * to read its extensions, and says so to nobody until a handshake fails, with
 * every victim that is shown this leaf. malloc(3) says it; `errno` was 0. */
static bool may_be_lame(struct err *err)
{
    if (errno != ENOMEM)
        return false;
    err_set(err, "forge a certificate: out of memory");
    return true;
}

int forge_leaf(const struct forge_signers *signers, X509 *original,
               const struct forge_plan *plan, struct forged *out,
               struct err *err)
{
    int rc = -1;
    *out = (struct forged){0};
    struct draft draft = {.recipe = plan->forgery
                                        ? recipe_for(plan->forgery)
                                        : mimic_recipe(plan, original),
                          .signers = signers,
                          .plan = plan,
                          .original = original,
                          .model = original,
                          .out = out};
    struct ca *own_ca = NULL;
    X509 *plain = NULL;
    err->text[0] = '\0';
    errno = 0;
    if (check_name(plan, original, err) ||
        choose_signer(&draft, &own_ca, err) ||
        !(draft.key = choose_key(&draft, err)))
        goto out;
    if (!original)
        draft.model = plain = mint_server(&plan->server_name, 1, draft.key);
    if (draft.model)
        rc = make_all(&draft, err);
    else
        err_openssl(err, "make a server certificate");
    if (!rc && may_be_lame(err))
        rc = -1;
out:
    out->leaf = draft.leaf;
    out->key = draft.key;
    X509_free(plain);
    ca_free(own_ca);
    if (rc)
        forged_close(out);
    return rc;
}
