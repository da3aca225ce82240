/* SPDX-License-Identifier: MIT */
#include "proxy/leaf.h"

#include "certs/keys.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 1024,
    LEAVES_MOST = 4096, /* then all are forgotten: a victim that asks for so
                           many names is not an ordinary one */
    KEYS_MOST = 8,
};

struct leaf {
    struct leaf *next;
    unsigned char original[EVP_MAX_MD_SIZE]; /* zero: none */
    const struct forgery *forgery;
    bool defects;
    int verify_code;
    EVP_PKEY *key;
    struct forged forged;
    char name[];
};

struct leaves {
    const struct forge_signers *signers;
    struct leaf *slots[SLOTS];
    unsigned count;
    EVP_PKEY *keys[KEYS_MOST];
    unsigned keys_count;
};

struct leaves *leaves_new(const struct forge_signers *signers)
{
    struct leaves *leaves = calloc(1, sizeof *leaves);
    if (leaves)
        leaves->signers = signers;
    return leaves;
}

static void forget_all(struct leaves *leaves)
{
    for (unsigned i = 0; i < SLOTS; i++)
        while (leaves->slots[i]) {
            struct leaf *leaf = leaves->slots[i];
            leaves->slots[i] = leaf->next;
            EVP_PKEY_free(leaf->key);
            forged_close(&leaf->forged);
            free(leaf);
        }
    leaves->count = 0;
}

void leaves_free(struct leaves *leaves)
{
    if (!leaves)
        return;
    forget_all(leaves);
    for (unsigned i = 0; i < leaves->keys_count; i++)
        EVP_PKEY_free(leaves->keys[i]);
    free(leaves);
}

static bool same_kind(const EVP_PKEY *a, const EVP_PKEY *b)
{
    if (EVP_PKEY_get_base_id(a) != EVP_PKEY_get_base_id(b) ||
        EVP_PKEY_get_bits(a) != EVP_PKEY_get_bits(b))
        return false;
    return EVP_PKEY_get_base_id(a) != EVP_PKEY_EC ||
           EVP_PKEY_parameters_eq(a, b) == 1;
}

/* The worker's key of the kind that the original has. */
static EVP_PKEY *key_like(struct leaves *leaves, X509 *original,
                          struct err *err)
{
    const EVP_PKEY *model = original ? X509_get0_pubkey(original) : NULL;
    for (unsigned i = 0; model && i < leaves->keys_count; i++)
        if (same_kind(leaves->keys[i], model))
            return leaves->keys[i];
    EVP_PKEY *key =
        model ? keys_make_like(model, err) : keys_make(KEY_P256, err);
    if (!key)
        return NULL;
    for (unsigned i = 0; i < leaves->keys_count; i++) {
        if (same_kind(leaves->keys[i], key)) {
            EVP_PKEY_free(key);
            return leaves->keys[i];
        }
    }
    if (leaves->keys_count == KEYS_MOST) {
        forget_all(leaves);
        EVP_PKEY_free(leaves->keys[--leaves->keys_count]);
    }
    return leaves->keys[leaves->keys_count++] = key;
}

static void fingerprint(X509 *original, unsigned char digest[EVP_MAX_MD_SIZE])
{
    memset(digest, 0, EVP_MAX_MD_SIZE);
    if (original)
        X509_digest(original, EVP_sha256(), digest, NULL);
}

static struct leaf **slot_of(struct leaves *leaves, const char *name)
{
    unsigned hash = 2166136261U; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return &leaves->slots[hash % SLOTS];
}

static const struct forged *keep(struct leaves *leaves, const char *name,
                                 const unsigned char *digest,
                                 const struct forge_plan *plan,
                                 struct forged *made, struct err *err)
{
    if (leaves->count >= LEAVES_MOST)
        forget_all(leaves);
    struct leaf *leaf = calloc(1, sizeof *leaf + strlen(name) + 1);
    if (!leaf) {
        forged_close(made);
        err_set(err, "forge a certificate: out of memory");
        return NULL;
    }
    strcpy(leaf->name, name);
    memcpy(leaf->original, digest, sizeof leaf->original);
    leaf->forgery = plan->forgery;
    leaf->defects = plan->defects;
    leaf->verify_code = plan->verify_code;
    leaf->key = plan->key;
    EVP_PKEY_up_ref(leaf->key);
    leaf->forged = *made;
    struct leaf **slot = slot_of(leaves, name);
    leaf->next = *slot;
    *slot = leaf;
    leaves->count++;
    return &leaf->forged;
}

const struct forged *leaves_get(struct leaves *leaves, X509 *original,
                                struct forge_plan *plan, struct err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    const char *name = plan->server_name ? plan->server_name : "";
    if (!plan->key)
        plan->key = key_like(leaves, original, err);
    if (!plan->key)
        return NULL;
    fingerprint(original, digest);
    for (struct leaf *it = *slot_of(leaves, name); it; it = it->next)
        if (it->forgery == plan->forgery && it->key == plan->key &&
            it->defects == plan->defects &&
            it->verify_code == plan->verify_code && !strcmp(it->name, name) &&
            !memcmp(it->original, digest, sizeof digest))
            return &it->forged;
    struct forged made;
    if (forge_leaf(leaves->signers, original, plan, &made, err))
        return NULL;
    return keep(leaves, name, digest, plan, &made, err);
}
