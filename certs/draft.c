/* SPDX-License-Identifier: MIT
 *
 * The leaf of a forgery: a copy of the model with what its recipe changes, and
 * the wall around it: nothing is signed that names anything outside. */
#include "certs/draft.h"

#include "certs/mint.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

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

/* Is a wrong name to stay wrong? */
static bool keeps_names(const struct draft *draft)
{
    return draft->plan->defects && !draft->plan->forgery && draft->original;
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
    if (!names || !asked || keeps_names(draft) || is_covered(names, asked) ||
        mint_push_name(names, asked))
        return names;
    GENERAL_NAMES_free(names);
    return NULL;
}

static bool put_names(struct draft *draft)
{
    int critical = 0;
    GENERAL_NAMES *names = copy_names(draft, &critical);
    bool ok = names && ((keeps_names(draft) && !sk_GENERAL_NAME_num(names)) ||
                        mint_add(draft->leaf, NID_subject_alt_name, names,
                                 critical == 1));
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
    if (lacks(draft->leaf, NID_subject_alt_name) && !keeps_names(draft) &&
        !put_names(draft))
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

/* ---- what the recipe changes --------------------------------------------- */

/* Where it stood, or -1: then a new one comes last. */
static int drop(X509 *cert, int nid)
{
    int at, first = -1;
    while ((at = X509_get_ext_by_NID(cert, nid, -1)) >= 0) {
        X509_EXTENSION_free(X509_delete_ext(cert, at));
        first = at;
    }
    return first;
}

bool draft_put(struct draft *draft, int nid, void *value, bool critical)
{
    int at = drop(draft->leaf, nid);
    X509_EXTENSION *extension =
        value ? X509V3_EXT_i2d(nid, critical, value) : NULL;
    bool ok = !value || (extension && X509_add_ext(draft->leaf, extension, at));
    X509_EXTENSION_free(extension);
    return ok;
}

bool draft_put_text(struct draft *draft, int nid, const char *value)
{
    bool wanted = value && value[0];
    int at = drop(draft->leaf, nid);
    X509_EXTENSION *extension =
        wanted ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;
    bool ok =
        !wanted || (extension && X509_add_ext(draft->leaf, extension, at));
    X509_EXTENSION_free(extension);
    return ok;
}

/* NULL in a recipe: as the model has it. */
static bool change(struct draft *draft, int nid, const char *value)
{
    return !value || draft_put_text(draft, nid, value);
}

static bool apply_recipe(struct draft *draft)
{
    const struct recipe *recipe = draft->recipe;
    if (recipe->dated &&
        !mint_validity(draft->leaf, recipe->from, recipe->until))
        return false;
    return change(draft, NID_basic_constraints, recipe->powers) &&
           change(draft, NID_key_usage, recipe->usage) &&
           change(draft, NID_ext_key_usage, recipe->purposes) &&
           (!recipe->names || draft_put_names(draft, recipe->names)) &&
           (!recipe->common || draft_put_common(draft, recipe->common)) &&
           (!recipe->before || recipe->before(draft));
}

/* ---- signing ------------------------------------------------------------- */

static bool is_pair(X509 *cert, EVP_PKEY *key)
{
    bool same = X509_check_private_key(cert, key) == 1;
    ERR_clear_error();
    return same;
}

/* The genuine certificate itself is the start where nothing in it has to
 * change before the signature; so c00 is the original to the last byte, and
 * s01 differs in one. */
static bool starts_from_original(const struct draft *draft)
{
    if (draft->recipe->signer == BY_NOBODY)
        return true;
    return draft->original && draft->recipe->as_is &&
           is_pair(draft->original, draft->key);
}

static bool sign(struct draft *draft, struct err *err)
{
    if (!draft_is_inside(draft)) {
        err_code(err, EXIT_CONTAINMENT,
                 "%s would name a host outside the lab; nothing was signed",
                 draft->recipe->about.id ? draft->recipe->about.id : "a copy");
        return false;
    }
    return mint_sign_with(draft->leaf, draft->issuer_key,
                          draft->recipe->digest);
}

bool draft_make(struct draft *draft, struct err *err)
{
    if (starts_from_original(draft)) {
        draft->leaf = X509_dup(draft->original);
        if (!draft->leaf)
            return false;
    } else if (!copy_model(draft) || !apply_recipe(draft) ||
               !sign(draft, err)) {
        return false;
    }
    return !draft->recipe->after || draft->recipe->after(draft);
}
