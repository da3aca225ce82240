/* SPDX-License-Identifier: MIT
 *
 * Original + plan -> forged. A forgery is a copy with other keys in it; what
 * makes it this forgery and no other is its recipe, one row of forgeries.def.
 */
#include "certs/forge.h"

#include "certs/keys.h"
#include "certs/mint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum signer {
    BY_LAB,       /* the lab's intermediate, as an accomplice */
    BY_ROGUE,     /* the attacker's CA */
    BY_ITSELF,    /* the leaf's own key */
    BY_LOOKALIKE, /* a fresh root with the anchor's name */
    BY_NOBODY,    /* the genuine certificate is shown as it is */
};
enum sent { SENT_CHAIN, SENT_LEAF_ONLY };
enum key_wanted {
    KEY_ANY,    /* the plan's, or one like the original's */
    KEY_EC,     /* elliptic curve, whatever the original has */
    KEY_RSA,    /* RSA, whatever the original has */
    KEY_STOLEN, /* public half of the original, private half invented */
};

/* A certificate in the making. */
struct draft {
    const struct forge_plan *plan;
    X509 *model;          /* what is copied */
    X509 *leaf;           /* what comes out */
    EVP_PKEY *key;        /* the leaf's */
    X509 *issuer;         /* borrowed; NULL: the leaf itself */
    EVP_PKEY *issuer_key; /* borrowed */
};

struct recipe {
    struct forgery about;
    enum signer signer;
    enum sent sent;
    enum key_wanted key;
    bool (*before)(struct draft *draft); /* edit what will be signed */
    bool (*after)(struct draft *draft);  /* edit what was signed */
};

static bool end_yesterday(struct draft *draft);
static bool name_another(struct draft *draft);
static bool flip_last_byte(struct draft *draft);

static const struct recipe recipes[] = {
#define FORGERY(id, title, how, check, code, alert, rfc, history, signer,      \
                sent, key, before, after)                                      \
    {{id, id[0], title, how, check, code, alert, rfc, history,                 \
      BY_##signer == BY_LAB},                                                  \
     BY_##signer,                                                              \
     SENT_##sent,                                                              \
     KEY_##key,                                                                \
     before,                                                                   \
     after},
#include "certs/forgeries.def"
#undef FORGERY
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

/* What a proxy does when no forgery is asked for. */
static const struct recipe faithful = {
    .signer = BY_ROGUE, .sent = SENT_CHAIN, .key = KEY_ANY};

static const struct recipe *recipe_of(const struct forgery *forgery)
{
    if (!forgery)
        return &faithful;
    for (unsigned i = 0; i < RECIPES; i++)
        if (&recipes[i].about == forgery)
            return &recipes[i];
    assert(!"a forgery that is not in the catalogue");
    return NULL;
}

/* ---- the catalogue ------------------------------------------------------- */

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

/* ---- names --------------------------------------------------------------- */

/* The text of a DNS or e-mail entry, or NULL. Not one with a NUL in it: what
 * stands before the NUL is not the name. */
static const char *entry_text(const GENERAL_NAME *entry)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(entry, &type);
    if (type != GEN_DNS && type != GEN_EMAIL)
        return NULL;
    const char *text = (const char *)ASN1_STRING_get0_data(value);
    bool whole = strlen(text) == (size_t)ASN1_STRING_length(value);
    return whole ? text : NULL;
}

/* May a forgery carry this entry of its original? Only if it names something
 * of the lab. Kinds that name no host are not worth the risk. */
static bool may_carry(const GENERAL_NAME *entry)
{
    if (entry->type == GEN_IPADD)
        return ca_may_address(ASN1_STRING_get0_data(entry->d.iPAddress),
                              (size_t)ASN1_STRING_length(entry->d.iPAddress));
    const char *text = entry_text(entry);
    if (!text)
        return false;
    const char *at = entry->type == GEN_EMAIL ? strrchr(text, '@') : NULL;
    return ca_may_name(at ? at + 1 : text);
}

/* RFC 9525 6.3: equal but for case, or a wildcard for the first label. */
static bool covers(const GENERAL_NAME *entry, const char *name)
{
    const char *text = entry->type == GEN_DNS ? entry_text(entry) : NULL;
    if (!text)
        return false;
    const char *dot = strchr(name, '.');
    return !strcasecmp(text, name) ||
           (!strncmp(text, "*.", 2) && dot && !strcasecmp(text + 1, dot));
}

static bool is_covered(const GENERAL_NAMES *names, const char *name)
{
    GENERAL_NAME *exact = mint_name(name);
    bool covered = false;
    for (int i = 0; exact && i < sk_GENERAL_NAME_num(names) && !covered; i++) {
        GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
        covered = !GENERAL_NAME_cmp(entry, exact) || covers(entry, name);
    }
    GENERAL_NAME_free(exact);
    return covered;
}

/* The names of the model that may be carried, and the one asked for. */
static GENERAL_NAMES *copy_names(const struct draft *draft, int *critical)
{
    const char *asked = draft->plan->server_name;
    GENERAL_NAMES *names =
        X509_get_ext_d2i(draft->model, NID_subject_alt_name, critical, NULL);
    if (!names)
        names = GENERAL_NAMES_new();
    for (int i = sk_GENERAL_NAME_num(names); i-- > 0;)
        if (!may_carry(sk_GENERAL_NAME_value(names, i)))
            GENERAL_NAME_free(sk_GENERAL_NAME_delete(names, i));
    if (!names || !asked || is_covered(names, asked) ||
        mint_push_name(names, asked))
        return names;
    GENERAL_NAMES_free(names);
    return NULL;
}

static bool put_names(struct draft *draft)
{
    int critical = 0;
    GENERAL_NAMES *names = copy_names(draft, &critical);
    bool ok = names &&
              mint_add(draft->leaf, NID_subject_alt_name, names, critical == 1);
    GENERAL_NAMES_free(names);
    return ok;
}

static bool looks_like_host(const char *text)
{
    return strchr(text, '.') && !strchr(text, ' ');
}

/* Common names that some clients would take for a host outside the lab. */
static void drop_outside_common_names(X509_NAME *subject)
{
    int at = -1;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >=
           0) {
        unsigned char *text = NULL;
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
        int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        bool outside =
            len < 0 || strlen((char *)text) != (size_t)len ||
            (looks_like_host((char *)text) && !ca_may_name((char *)text));
        OPENSSL_free(text);
        if (outside)
            X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, at--));
    }
}

static bool put_subject(struct draft *draft)
{
    X509_NAME *subject = X509_NAME_dup(X509_get_subject_name(draft->model));
    if (!subject)
        return false;
    drop_outside_common_names(subject);
    bool ok = X509_set_subject_name(draft->leaf, subject);
    X509_NAME_free(subject);
    return ok;
}

/* ---- the copy ------------------------------------------------------------ */

static X509 *issuer_of(const struct draft *draft)
{
    return draft->issuer ? draft->issuer : draft->leaf;
}

/* A copy never has the powers of a CA, whatever its original claims: with a
 * signer that carries no constraints it could vouch for anything. */
static bool put_no_powers(struct draft *draft, bool critical)
{
    return mint_add_text(draft->leaf, NID_basic_constraints,
                         critical ? "critical,CA:FALSE" : "CA:FALSE");
}

/* One extension of the model, with the values that follow from the new keys. */
static bool put_extension(struct draft *draft, X509_EXTENSION *shown)
{
    switch (OBJ_obj2nid(X509_EXTENSION_get_object(shown))) {
    case NID_basic_constraints:
        return put_no_powers(draft, X509_EXTENSION_get_critical(shown));
    case NID_subject_alt_name:
        return put_names(draft);
    case NID_subject_key_identifier:
        return mint_key_id(draft->leaf);
    case NID_authority_key_identifier:
        return mint_issuer_key_id(draft->leaf, issuer_of(draft));
    default:
        return X509_add_ext(draft->leaf, shown, -1);
    }
}

static bool lacks(X509 *cert, int nid)
{
    return X509_get_ext_by_NID(cert, nid, -1) < 0;
}

/* In the order of the model; then what no forgery can do without. */
static bool put_extensions(struct draft *draft)
{
    for (int i = 0; i < X509_get_ext_count(draft->model); i++)
        if (!put_extension(draft, X509_get_ext(draft->model, i)))
            return false;
    if (lacks(draft->leaf, NID_subject_alt_name) && !put_names(draft))
        return false;
    /* Without basic constraints an old key usage can make a CA. */
    if (lacks(draft->leaf, NID_basic_constraints) &&
        X509_check_ca(draft->model) && !put_no_powers(draft, true))
        return false;
    return !lacks(draft->leaf, NID_authority_key_identifier) ||
           mint_issuer_key_id(draft->leaf, issuer_of(draft));
}

/* All that the model shows, ready to be signed. */
static bool copy_model(struct draft *draft)
{
    X509 *leaf = draft->leaf = X509_new();
    const X509 *model = draft->model;
    return leaf && X509_set_version(leaf, X509_VERSION_3) &&
           mint_serial(leaf, X509_get0_serialNumber(model)) &&
           X509_set1_notBefore(leaf, X509_get0_notBefore(model)) &&
           X509_set1_notAfter(leaf, X509_get0_notAfter(model)) &&
           put_subject(draft) &&
           X509_set_issuer_name(leaf,
                                X509_get_subject_name(issuer_of(draft))) &&
           X509_set_pubkey(leaf, draft->key) && put_extensions(draft);
}

/* ---- edits --------------------------------------------------------------- */

static bool end_yesterday(struct draft *draft)
{
    int days = 1, seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(draft->model),
                        X509_get0_notAfter(draft->model)))
        return false;
    return X509_time_adj_ex(X509_getm_notBefore(draft->leaf), -1 - days,
                            -seconds, NULL) &&
           X509_time_adj_ex(X509_getm_notAfter(draft->leaf), -1, 0, NULL);
}

/* Subject and names of a host that the victim did not ask for. */
static bool name_another(struct draft *draft)
{
    const char *asked = draft->plan->server_name;
    const char *other = asked && !strcasecmp(asked, "mallory.lab.test")
                            ? "trudy.lab.test"
                            : "mallory.lab.test";
    X509_NAME *subject = X509_get_subject_name(draft->leaf);
    int at;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)) >= 0)
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, at));
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names && mint_common_name(subject, other) &&
              mint_push_name(names, other) &&
              X509_add1_ext_i2d(draft->leaf, NID_subject_alt_name, names, 0,
                                X509V3_ADD_REPLACE) > 0;
    GENERAL_NAMES_free(names);
    return ok;
}

/* The signature is the last thing in a certificate. */
static bool flip_last_byte(struct draft *draft)
{
    unsigned char *der = NULL;
    int len = i2d_X509(draft->leaf, &der);
    if (len <= 0)
        return false;
    der[len - 1] ^= 0xff;
    const unsigned char *at = der;
    X509_free(draft->leaf);
    draft->leaf = d2i_X509(NULL, &at, len);
    OPENSSL_free(der);
    return draft->leaf;
}

/* ---- putting it together ------------------------------------------------- */

static bool is_pair(X509 *cert, EVP_PKEY *key)
{
    bool same = X509_check_private_key(cert, key) == 1;
    ERR_clear_error();
    return same;
}

/* The leaf's key: the plan's if it will do. */
static EVP_PKEY *choose_key(const struct recipe *recipe,
                            const struct forge_plan *plan, X509 *original,
                            struct err *err)
{
    EVP_PKEY *shown = original ? X509_get0_pubkey(original) : NULL;
    const char *needs = recipe->key == KEY_EC    ? "EC"
                        : recipe->key == KEY_RSA ? "RSA"
                                                 : NULL;
    if (recipe->key == KEY_STOLEN && shown)
        return keys_pretend(shown, err);
    if (plan->key && (!needs || EVP_PKEY_is_a(plan->key, needs))) {
        EVP_PKEY_up_ref(plan->key);
        return plan->key;
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

/* Who signs. *out_own is a CA made for this leaf alone, for the caller to
 * free; *out is borrowed, and NULL where no CA is needed. */
static int choose_signer(const struct recipe *recipe,
                         const struct forge_signers *signers, X509 *original,
                         const struct ca **out, struct ca **out_own,
                         struct err *err)
{
    const char *id = recipe->about.id ? recipe->about.id : "a copy";
    *out = NULL;
    switch (recipe->signer) {
    case BY_LAB:
        if (!(*out = signers->lab))
            err_set(err, "%s needs the lab's CA as an accomplice (--issuer)",
                    id);
        break;
    case BY_ROGUE:
        if (!(*out = signers->rogue))
            err_set(err, "%s needs the attacker's CA (--ca)", id);
        break;
    case BY_LOOKALIKE:
        *out = *out_own = make_lookalike(signers, original, err);
        break;
    case BY_ITSELF:
        return 0;
    case BY_NOBODY:
        if (original)
            return 0;
        err_set(err,
                "%s shows the server's genuine certificate, and there "
                "is none",
                id);
    }
    return *out ? 0 : -1;
}

static int fill_chain(STACK_OF(X509) * chain, STACK_OF(X509) * from,
                      const X509 *leaf)
{
    for (int i = 0; i < sk_X509_num(from); i++) {
        X509 *cert = sk_X509_value(from, i);
        if (X509_cmp(cert, leaf) &&
            !(X509_up_ref(cert) && sk_X509_push(chain, cert)))
            return -1;
    }
    return 0;
}

/* What is sent after the leaf. */
static STACK_OF(X509) *
    make_chain(const struct recipe *recipe, const struct forge_signers *signers,
               const struct draft *draft, const struct ca *ca)
{
    STACK_OF(X509) *from = ca ? ca->above : NULL;
    if (recipe->signer == BY_NOBODY)
        from = draft->plan->chain ? draft->plan->chain
               : signers->lab     ? signers->lab->above
                                  : NULL;
    if (recipe->sent == SENT_LEAF_ONLY)
        from = NULL;
    STACK_OF(X509) *chain = sk_X509_new_null();
    if (chain && !fill_chain(chain, from, draft->leaf))
        return chain;
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}

/* The genuine certificate itself is the start where nothing in it has to
 * change before the signature; so c00 is the original to the last byte, and
 * s01 differs in one. */
static bool starts_from_original(const struct recipe *recipe, X509 *original,
                                 EVP_PKEY *key)
{
    if (recipe->signer == BY_NOBODY)
        return true;
    return original && recipe->signer == BY_LAB && !recipe->before &&
           is_pair(original, key);
}

static bool make_leaf(const struct recipe *recipe, struct draft *draft,
                      X509 *original)
{
    if (starts_from_original(recipe, original, draft->key)) {
        X509_up_ref(original);
        draft->leaf = original;
    } else if (!copy_model(draft) ||
               (recipe->before && !recipe->before(draft)) ||
               !mint_sign(draft->leaf, draft->issuer_key)) {
        return false;
    }
    return !recipe->after || recipe->after(draft);
}

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
    *forged = (struct forged){0};
}

int forge_leaf(const struct forge_signers *signers, X509 *original,
               const struct forge_plan *plan, struct forged *out,
               struct err *err)
{
    *out = (struct forged){0};
    const struct recipe *recipe = recipe_of(plan->forgery);
    struct draft draft = {.plan = plan, .model = original};
    const struct ca *ca;
    struct ca *own_ca = NULL;
    X509 *plain = NULL;
    if (check_name(plan, original, err) ||
        choose_signer(recipe, signers, original, &ca, &own_ca, err) ||
        !(draft.key = out->key = choose_key(recipe, plan, original, err)))
        goto out;
    if (!original)
        draft.model = plain = mint_server(&plan->server_name, 1, draft.key);
    draft.issuer = ca ? ca->cert : NULL;
    draft.issuer_key = ca ? ca->key : draft.key;
    if (draft.model && make_leaf(recipe, &draft, original))
        out->chain = make_chain(recipe, signers, &draft, ca);
    out->leaf = draft.leaf;
    if (!out->chain)
        err_openssl(err, "forge a certificate (%s)",
                    plan->forgery ? plan->forgery->id : "a copy");
out:
    X509_free(plain);
    ca_free(own_ca);
    if (out->chain)
        return 0;
    forged_close(out);
    return -1;
}
