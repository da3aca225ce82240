/* SPDX-License-Identifier: MIT
 *
 * Copies of certificates that are wrong: proper ones, in which that is put
 * right where it can be, and copies that are to fail as their originals do.
 * The originals are rows of the catalogue. */
#include "tests/certs/bench.h"

#include <stdio.h>
#include <string.h>

static struct gallery *gallery;
static struct ca *rogue;

static int setup(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    return gallery_make("test", &gallery, &err) ||
           ca_make_rogue("test", &rogue, &err);
}

static int teardown(void **state)
{
    (void)state;
    gallery_free(gallery);
    ca_free(rogue);
    return 0;
}

static struct forged hang(const char *id)
{
    struct err err = ERR_INIT;
    struct forged forged;
    if (gallery_forge(gallery, forgery_find(id), BANK, &forged, &err))
        fail_msg("%s: %s", id, err.text);
    return forged;
}

static struct forged copy(const struct forged *original, bool defects, int code)
{
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_signers signers = {.rogue = rogue};
    struct forge_plan plan = {
        .server_name = BANK, .defects = defects, .verify_code = code};
    if (forge_leaf(&signers, original->leaf, &plan, &forged, &err))
        fail_msg("%s", err.text);
    return forged;
}

static int judged(X509 *root, const struct forged *forged)
{
    return bench_verify(root, NULL, forged->leaf, forged->chain, BANK);
}

/* What a victim says that trusts the gallery, of the original; and one that
 * trusts the attacker, of the copy. `kept` and `proper` are codes; 0: good. */
static const struct {
    const char *id;
    int kept, proper;
} rows[] = {
    {"c00", X509_V_OK, X509_V_OK},
    {"c01", X509_V_OK, X509_V_OK},
    {"t01", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_OK},
    {"t02", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_OK},
    {"t03", X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_OK},
    {"t07", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_OK},
    {"s01", X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_OK},
    {"v01", X509_V_ERR_CERT_HAS_EXPIRED, X509_V_OK},
    {"v02", X509_V_ERR_CERT_NOT_YET_VALID, X509_V_OK},
    {"v06", X509_V_ERR_CERT_HAS_EXPIRED, X509_V_OK},
    {"n01", X509_V_ERR_HOSTNAME_MISMATCH, X509_V_OK},
    {"n03", X509_V_ERR_HOSTNAME_MISMATCH, X509_V_OK},
    {"n04", X509_V_ERR_HOSTNAME_MISMATCH, X509_V_OK},
    {"n05", X509_V_ERR_HOSTNAME_MISMATCH, X509_V_OK},
    {"u01", X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_PURPOSE},
    {"u02", X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_PURPOSE},
    {"x01", X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION,
     X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION},
};

static void a_copy_fails_as_its_original_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct forged original = hang(rows[i].id);
        X509 *root = gallery_signers(gallery)->lab->root;
        int code = judged(root, &original);
        struct forged copied = copy(&original, true, code);
        int kept = judged(rogue->root, &copied);
        if (code != rows[i].kept || kept != code)
            fail_msg("%s: the original fails with %d, its copy with %d, not "
                     "%d",
                     rows[i].id, code, kept, rows[i].kept);
        forged_close(&original);
        forged_close(&copied);
    }
}

static void a_proper_copy_has_good_dates_names_and_issuer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct forged original = hang(rows[i].id);
        struct forged copied = copy(&original, false, 0);
        int code = judged(rogue->root, &copied);
        if (code != rows[i].proper)
            fail_msg("%s: a proper copy fails with %d, not %d", rows[i].id,
                     code, rows[i].proper);
        forged_close(&original);
        forged_close(&copied);
    }
}

static void the_key_is_of_the_same_kind_and_size(void **state)
{
    (void)state;
    static const char *const ids[] = {"c00", "c01", "k01"};
    for (size_t i = 0; i < 3; i++) {
        struct forged original = hang(ids[i]);
        struct forged copied = copy(&original, true, 0);
        EVP_PKEY *one = X509_get0_pubkey(original.leaf);
        EVP_PKEY *other = X509_get0_pubkey(copied.leaf);
        assert_int_equal(EVP_PKEY_get_base_id(one),
                         EVP_PKEY_get_base_id(other));
        assert_int_equal(EVP_PKEY_get_bits(one), EVP_PKEY_get_bits(other));
        assert_int_equal(EVP_PKEY_eq(one, other), 0);
        forged_close(&original);
        forged_close(&copied);
    }
}

/* Names outside the lab are not carried even as a defect. */
static void the_wall_stands_for_defects_too(void **state)
{
    (void)state;
    struct forged original = hang("n11"); /* bank.lab.test.evil.test */
    struct forged copied = copy(&original, true, X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(X509_get_ext_by_NID(copied.leaf, NID_subject_alt_name, -1),
                     -1);
    assert_int_not_equal(judged(rogue->root, &copied), X509_V_OK);
    forged_close(&original);
    forged_close(&copied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_fails_as_its_original_does),
        cmocka_unit_test(a_proper_copy_has_good_dates_names_and_issuer),
        cmocka_unit_test(the_key_is_of_the_same_kind_and_size),
        cmocka_unit_test(the_wall_stands_for_defects_too),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
