/* SPDX-License-Identifier: MIT
 *
 * Family s: who signed it, and what. */
#include "certs/flaw.h"

#include "certs/der.h"
#include "certs/gallery.h"
#include "certs/mint.h"

#include <openssl/bn.h>
#include <string.h>

/* The signature is the last thing in a certificate. */
bool flaw_flip_last_byte(struct draft *draft)
{
    struct der der;
    if (!der_cut(draft->leaf, &der))
        return false;
    der.whole[der.signature + der.signature_len - 1 - der.whole] ^= 0xff;
    bool ok = der_reread(&der, &draft->leaf);
    der_close(&der);
    return ok;
}

bool flaw_swap_key(struct draft *draft)
{
    struct err ignored = ERR_INIT;
    EVP_PKEY *key = keys_make_like(draft->key, &ignored);
    /* The signature stays; OpenSSL must be told that the rest has changed. */
    if (!key || !X509_set_pubkey(draft->leaf, key) ||
        i2d_re_X509_tbs(draft->leaf, NULL) <= 0) {
        EVP_PKEY_free(key);
        return false;
    }
    EVP_PKEY_free(draft->key);
    draft->key = key;
    return true;
}

bool flaw_rename_after(struct draft *draft)
{
    return draft_put_common(draft, "%h") && draft_put_names(draft, "DNS:%h");
}

static bool put_signature(struct draft *draft, const unsigned char *bytes,
                          size_t len)
{
    struct der der;
    if (!der_cut(draft->leaf, &der))
        return false;
    der.signature = bytes;
    der.signature_len = len;
    bool ok = der_reread(&der, &draft->leaf);
    der_close(&der);
    return ok;
}

/* r = s = 0. The formula holds for every message unless 0 is refused first. */
bool flaw_zero_signature(struct draft *draft)
{
    static const unsigned char zeros[] = {0x30, 6, 2, 1, 0, 2, 1, 0};
    return put_signature(draft, zeros, sizeof zeros);
}

/* ---- Bleichenbacher's forgery of 2006 ------------------------------------ */

/* RFC 8017 9.2, note 1: SHA-256. */
static const unsigned char digest_info[] = {
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
enum { MODULUS = 256, DIGEST = 32, PADDING = 8 };

/* What a lenient victim reads, from the left: 00 01 FF.. 00, the digest, and
 * then whatever comes, set to zero here. */
static bool make_target(const unsigned char *tbs, size_t len,
                        unsigned char out[MODULUS])
{
    unsigned char *at = out;
    unsigned digest_len = DIGEST;
    memset(out, 0, MODULUS);
    at[1] = 1;
    memset(at + 2, 0xff, PADDING);
    at += 2 + PADDING + 1;
    memcpy(at, digest_info, sizeof digest_info);
    return EVP_Digest(tbs, len, at + sizeof digest_info, &digest_len,
                      EVP_sha256(), NULL);
}

/* The least root whose cube is not below `target`. The free bytes at the end
 * are so many that the cube still begins as the target does. */
static bool cube_root(BIGNUM *root, const BIGNUM *target, BN_CTX *ctx)
{
    BIGNUM *cube = BN_new();
    bool ok = cube;
    BN_zero(root);
    for (int bit = BN_num_bits(target) / 3 + 1; ok && bit >= 0; bit--) {
        ok = BN_set_bit(root, bit) && BN_sqr(cube, root, ctx) &&
             BN_mul(cube, cube, root, ctx);
        if (ok && BN_cmp(cube, target) >= 0)
            ok = BN_clear_bit(root, bit);
    }
    BN_free(cube);
    return ok && BN_add_word(root, 1);
}

/* The CA's key has the exponent 3; its private half is not used. */
bool flaw_cube_root(struct draft *draft)
{
    struct der der;
    unsigned char bytes[MODULUS];
    if (!der_cut(draft->leaf, &der))
        return false;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *target = NULL, *root = BN_new();
    bool ok = ctx && root && make_target(der.tbs, der.tbs_len, bytes) &&
              (target = BN_bin2bn(bytes, MODULUS, NULL)) &&
              cube_root(root, target, ctx) &&
              BN_bn2binpad(root, bytes, MODULUS) == MODULUS;
    der_close(&der);
    BN_free(root);
    BN_free(target);
    BN_CTX_free(ctx);
    return ok && put_signature(draft, bytes, MODULUS);
}

/* ---- algorithms ---------------------------------------------------------- */

/* An RSA signature where the issuer has a key of an elliptic curve. */
bool flaw_other_kind_of_key(struct draft *draft)
{
    struct err ignored = ERR_INIT;
    struct gallery *gallery = draft->signers->gallery;
    EVP_PKEY *rsa = gallery_key(gallery, KEY_RSA2048, &ignored);
    return rsa && mint_sign(draft->leaf, rsa);
}

/* What is signed says ecdsa-with-SHA256, what stands outside says SHA384. */
bool flaw_two_algorithms(struct draft *draft)
{
    static const unsigned char sha384[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
    struct der der;
    if (!der_cut(draft->leaf, &der))
        return false;
    der.algorithm = sha384;
    der.algorithm_len = sizeof sha384;
    bool ok = der_reread(&der, &draft->leaf);
    der_close(&der);
    return ok;
}
