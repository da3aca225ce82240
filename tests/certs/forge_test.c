/* SPDX-License-Identifier: MIT
 *
 * Every forgery is what the catalogue says it is, to a careful victim; and
 * shows what its original shows in all else. */
#include "tests/certs/bench.h"

#include "certs/keys.h"
#include "certs/mint.h"
#include "certs/nearest.h"
#include "certs/verify.h"

#include <openssl/x509v3.h>
#include <string.h>

/* What the victim has installed beside the lab's root. */
static X509 *installed(const struct forged *forged)
{
    return forged->installed ? forged->root : NULL;
}

static const char *asked_by(const struct forgery *forgery, const char *name)
{
    return forgery->asks ? forgery->asks : name;
}

/* The rows that a lab can make; NULL behind the last. The gallery's are shown
 * in gallery_test.c. */
static const struct forgery *lab_row(unsigned *index)
{
    const struct forgery *it;
    while ((it = forgery_at((*index)++)) && it->in_gallery)
        ;
    return it;
}

static struct forged forge_for(struct bench *bench, X509 *original,
                               const char *id, const char *name);

static void each_forgery_gives_the_verify_code_of_the_table(void **state)
{
    struct bench *bench = *state;
    const struct forgery *it;
    for (unsigned i = 0; (it = lab_row(&i));) {
        const char *name = asked_by(it, BANK);
        struct forged forged = forge_for(bench, bench->original, it->id, name);
        int code = bench_verify(bench->lab->root, installed(&forged),
                                forged.leaf, forged.chain, name);
        if (code != BENCH_UNREADABLE && code != it->verify_code)
            fail_msg("%s: code %d, the table says %d", it->id, code,
                     it->verify_code);
        forged_close(&forged);
    }
}

static void check_alert(struct bench *bench, const struct forgery *forgery,
                        X509 *original, const char *host)
{
    int version = forgery->tls == TLS_12_ONLY ? TLS1_2_VERSION : TLS1_3_VERSION;
    const char *name = asked_by(forgery, host);
    struct forged forged = forge_for(bench, original, forgery->id, name);
    SSL_CTX *victim = bench_victim(bench->lab->root, installed(&forged));
    struct talk talk = bench_talk(victim, &forged, version, name);
    const char *alert = talk.alert < 0 ? "" : alert_name(talk.alert);
    if (strcmp(alert, forgery->alert) || talk.finished != !forgery->alert[0] ||
        talk.code != forgery->verify_code)
        fail_msg("%s: alert \"%s\", code %d; the table says \"%s\", %d",
                 forgery->id, alert, talk.code, forgery->alert,
                 forgery->verify_code);
    SSL_CTX_free(victim);
    forged_close(&forged);
}

static void the_constrained_ca_of_a_lab_changes_no_verdict(void **state)
{
    struct bench *bench = *state;
    const struct forgery *it;
    for (unsigned i = 0; (it = lab_row(&i));)
        check_alert(bench, it, bench->original, BANK);
}

/* ---- what a copy shows --------------------------------------------------- */

/* An original with everything that a copy must keep: several names, some of
 * them outside the lab, an RSA key, an odd life, extensions in another order.
 */
static struct {
    X509 *original;
    EVP_PKEY *key;   /* its own */
    EVP_PKEY *spare; /* of the same kind, for forgeries: RSA is slow to make */
} rich;

static X509 *make_rich_original(struct bench *bench, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    assert_true(X509_set_version(cert, X509_VERSION_3));
    assert_true(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), 0x8123));
    assert_true(mint_validity(cert, -7200, 7 * MINT_DAY));
    assert_true(X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
                                           (const unsigned char *)"B\xc3\xa4nk",
                                           -1, -1, 0));
    assert_true(mint_common_name(subject, "www.example.com"));
    assert_true(mint_common_name(subject, "shop.lab.test"));
    assert_true(
        X509_set_issuer_name(cert, X509_get_subject_name(bench->lab->cert)));
    assert_true(X509_set_pubkey(cert, key));
    assert_true(mint_add_text(cert, NID_subject_alt_name,
                              "critical,DNS:shop.lab.test,IP:192.0.2.9,"
                              "DNS:www.example.com,IP:8.8.8.8,"
                              "email:a@lab.test,email:a@example.com,"
                              "DNS:*.shop.lab.test,URI:https://example.com/"));
    assert_true(mint_add_text(cert, NID_ext_key_usage,
                              "critical,serverAuth,clientAuth"));
    assert_true(
        mint_add_text(cert, NID_key_usage, "digitalSignature,keyEncipherment"));
    assert_true(mint_issuer_key_id(cert, bench->lab->cert));
    assert_true(mint_add_text(cert, NID_basic_constraints, "CA:FALSE"));
    assert_true(mint_key_id(cert));
    assert_true(mint_sign(cert, bench->lab->key));
    return cert;
}

static int setup(void **state)
{
    struct err err = ERR_INIT;
    if (bench_setup(state))
        return -1;
    rich.key = keys_make(KEY_RSA2048, &err);
    rich.spare = keys_make(KEY_RSA2048, &err);
    rich.original = make_rich_original(*state, rich.key);
    return 0;
}

static int teardown(void **state)
{
    X509_free(rich.original);
    EVP_PKEY_free(rich.key);
    EVP_PKEY_free(rich.spare);
    return bench_teardown(state);
}

static struct forged forge_for(struct bench *bench, X509 *original,
                               const char *id, const char *name)
{
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_plan plan = {.forgery = id ? forgery_find(id) : NULL,
                              .server_name = name,
                              .key = original == rich.original ? rich.spare
                                                               : NULL};
    if (forge_leaf(&bench->signers, original, &plan, &forged, &err))
        fail_msg("%s: %s", id, err.text);
    return forged;
}

static bool same_extension(X509 *a, X509 *b, int nid)
{
    X509_EXTENSION *x = X509_get_ext(a, X509_get_ext_by_NID(a, nid, -1));
    X509_EXTENSION *y = X509_get_ext(b, X509_get_ext_by_NID(b, nid, -1));
    return X509_EXTENSION_get_critical(x) == X509_EXTENSION_get_critical(y) &&
           !ASN1_STRING_cmp(X509_EXTENSION_get_data(x),
                            X509_EXTENSION_get_data(y));
}

static bool has_name(X509 *cert, const char *text)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    GENERAL_NAME *wanted = mint_name(text);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        found |= !GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), wanted);
    GENERAL_NAME_free(wanted);
    GENERAL_NAMES_free(names);
    return found;
}

static void forge_keeps_what_the_original_shows(void **state)
{
    struct forged copy =
        forge_for(*state, rich.original, NULL, "shop.lab.test");
    X509 *leaf = copy.leaf, *shown = rich.original;
    assert_int_equal(ASN1_TIME_compare(X509_get0_notBefore(leaf),
                                       X509_get0_notBefore(shown)),
                     0);
    assert_int_equal(
        ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(shown)),
        0);
    assert_true(same_extension(leaf, shown, NID_key_usage));
    assert_true(same_extension(leaf, shown, NID_ext_key_usage));
    assert_true(same_extension(leaf, shown, NID_basic_constraints));
    forged_close(&copy);
}

static void forge_makes_a_key_of_the_originals_kind(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_plan plan = {.server_name = "shop.lab.test"};
    assert_int_equal(
        forge_leaf(&bench->signers, rich.original, &plan, &forged, &err), 0);
    assert_true(EVP_PKEY_is_a(forged.key, "RSA"));
    assert_int_equal(EVP_PKEY_get_bits(forged.key), 2048);
    assert_int_not_equal(EVP_PKEY_eq(forged.key, rich.key), 1);
    forged_close(&forged);
}

static void forge_keeps_the_order_of_extensions(void **state)
{
    struct forged copy =
        forge_for(*state, rich.original, NULL, "shop.lab.test");
    assert_int_equal(X509_get_ext_count(copy.leaf),
                     X509_get_ext_count(rich.original));
    for (int i = 0; i < X509_get_ext_count(rich.original); i++) {
        X509_EXTENSION *x = X509_get_ext(copy.leaf, i);
        X509_EXTENSION *y = X509_get_ext(rich.original, i);
        assert_int_equal(
            OBJ_cmp(X509_EXTENSION_get_object(x), X509_EXTENSION_get_object(y)),
            0);
        assert_int_equal(X509_EXTENSION_get_critical(x),
                         X509_EXTENSION_get_critical(y));
    }
    forged_close(&copy);
}

static void forge_keeps_the_length_of_the_serial(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct forged copy =
            forge_for(*state, rich.original, NULL, "shop.lab.test");
        const ASN1_INTEGER *serial = X509_get0_serialNumber(copy.leaf);
        assert_int_equal(
            i2d_ASN1_INTEGER(serial, NULL),
            i2d_ASN1_INTEGER(X509_get0_serialNumber(rich.original), NULL));
        forged_close(&copy);
    }
}

static void forge_keeps_the_names_of_the_lab_and_no_others(void **state)
{
    struct forged copy = forge_for(*state, rich.original, NULL, BANK);
    char *subject =
        X509_NAME_oneline(X509_get_subject_name(copy.leaf), NULL, 0);
    assert_true(has_name(copy.leaf, "shop.lab.test"));
    assert_true(has_name(copy.leaf, "*.shop.lab.test"));
    assert_true(has_name(copy.leaf, "192.0.2.9"));
    assert_true(has_name(copy.leaf, BANK)); /* asked for, and not there */
    assert_false(has_name(copy.leaf, "www.example.com"));
    assert_false(has_name(copy.leaf, "8.8.8.8"));
    assert_non_null(strstr(subject, "CN=shop.lab.test"));
    assert_null(strstr(subject, "example.com"));
    OPENSSL_free(subject);

    STACK_OF(OPENSSL_STRING) *mails = X509_get1_email(copy.leaf);
    assert_int_equal(sk_OPENSSL_STRING_num(mails), 1);
    assert_string_equal(sk_OPENSSL_STRING_value(mails, 0), "a@lab.test");
    X509_email_free(mails);
    forged_close(&copy);
}

static void a_name_under_a_wildcard_is_not_added_again(void **state)
{
    struct forged copy =
        forge_for(*state, rich.original, NULL, "a.shop.lab.test");
    assert_false(has_name(copy.leaf, "a.shop.lab.test"));
    forged_close(&copy);
}

static void an_address_that_was_asked_for_is_in_the_copy(void **state)
{
    struct bench *bench = *state;
    struct forged copy = forge_for(bench, bench->original, "c00", "192.0.2.3");
    assert_true(has_name(copy.leaf, "192.0.2.3"));
    assert_int_equal(bench_verify(bench->lab->root, NULL, copy.leaf, copy.chain,
                                  "192.0.2.3"),
                     X509_V_OK);
    forged_close(&copy);
}

static void a_faithful_copy_is_signed_by_the_rogue_ca(void **state)
{
    struct bench *bench = *state;
    struct forged copy = bench_forge(bench, NULL);
    assert_int_equal(X509_verify(copy.leaf, bench->rogue->key), 1);
    assert_int_equal(X509_check_private_key(copy.leaf, copy.key), 1);
    assert_int_not_equal(EVP_PKEY_eq(copy.key, bench->original_key), 1);
    forged_close(&copy);
}

static void without_an_original_a_plain_server_is_the_model(void **state)
{
    struct bench *bench = *state;
    const struct forgery *it;
    for (unsigned i = 0; (it = lab_row(&i));) {
        const char *name = asked_by(it, BANK);
        if (!strcmp(it->id, "s04"))
            continue; /* there is nothing genuine to show */
        struct forged forged = forge_for(bench, NULL, it->id, name);
        int code = bench_verify(bench->lab->root, installed(&forged),
                                forged.leaf, forged.chain, name);
        if (code != BENCH_UNREADABLE)
            assert_int_equal(code, it->verify_code);
        forged_close(&forged);
    }
}

/* s04 shows the genuine one, which names hosts outside: its CA forbids that.
 */
static void every_forgery_works_on_an_rsa_original(void **state)
{
    struct bench *bench = *state;
    const struct forgery *it;
    for (unsigned i = 0; (it = lab_row(&i));)
        if (strcmp(it->id, "s04"))
            check_alert(bench, it, rich.original, "shop.lab.test");
    struct forged genuine =
        forge_for(bench, rich.original, "s04", "shop.lab.test");
    SSL_CTX *victim = bench_victim(bench->lab->root, NULL);
    assert_int_equal(
        bench_talk(victim, &genuine, TLS1_3_VERSION, "shop.lab.test").alert,
        SSL_AD_CERTIFICATE_UNKNOWN);
    SSL_CTX_free(victim);
    forged_close(&genuine);
}

/* ---- single forgeries ---------------------------------------------------- */

static void an_invented_private_half_signs_for_every_kind_of_key(void **state)
{
    (void)state;
    static const enum key_kind kinds[] = {KEY_P256, KEY_P384, KEY_RSA2048,
                                          KEY_ED25519};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct err err = ERR_INIT;
        unsigned char signature[512], text[] = "text";
        size_t len = sizeof signature;
        EVP_PKEY *real = keys_make(kinds[i], &err);
        EVP_PKEY *pretended = keys_pretend(real, &err);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        const EVP_MD *md = kinds[i] == KEY_ED25519 ? NULL : EVP_sha256();
        assert_int_equal(EVP_PKEY_eq(real, pretended), 1);
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, pretended), 1);
        assert_int_equal(EVP_DigestSign(ctx, signature, &len, text, 4), 1);
        EVP_MD_CTX_reset(ctx);
        assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, md, NULL, real), 1);
        assert_int_not_equal(EVP_DigestVerify(ctx, signature, len, text, 4), 1);
        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(real);
        EVP_PKEY_free(pretended);
    }
}

static void s04_shows_the_genuine_certificate_to_the_last_byte(void **state)
{
    struct bench *bench = *state;
    struct forged forged = bench_forge(bench, "s04");
    assert_int_equal(X509_cmp(forged.leaf, bench->original), 0);
    assert_int_equal(X509_check_private_key(forged.leaf, forged.key), 1);
    forged_close(&forged);
}

static void s04_sends_the_chain_that_the_server_sent(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_signers nobody = {0};
    STACK_OF(X509) *seen = sk_X509_new_null();
    sk_X509_push(seen, bench->original);
    sk_X509_push(seen, bench->lab->cert);
    struct forge_plan plan = {
        .forgery = forgery_find("s04"), .server_name = BANK, .chain = seen};
    assert_int_equal(forge_leaf(&nobody, bench->original, &plan, &forged, &err),
                     0);
    assert_int_equal(sk_X509_num(forged.chain), 1);
    assert_ptr_equal(sk_X509_value(forged.chain, 0), bench->lab->cert);
    forged_close(&forged);
    sk_X509_free(seen);
}

static void t04_resembles_the_anchor_it_is_told_of(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct forged forged;
    X509 *root = bench->lab->root;
    struct forge_signers told = {.anchor = root};
    struct forge_plan plan = {.forgery = forgery_find("t04"),
                              .server_name = BANK};
    assert_int_equal(forge_leaf(&told, bench->original, &plan, &forged, &err),
                     0);
    X509 *fake = sk_X509_value(forged.chain, 0);
    assert_int_equal(
        X509_NAME_cmp(X509_get_subject_name(fake), X509_get_subject_name(root)),
        0);
    assert_int_not_equal(X509_cmp(fake, root), 0);
    forged_close(&forged);

    told.anchor = NULL; /* then the original's issuer, which all can see */
    assert_int_equal(forge_leaf(&told, bench->original, &plan, &forged, &err),
                     0);
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(forged.leaf),
                                   X509_get_issuer_name(bench->original)),
                     0);
    forged_close(&forged);
}

static void n01_never_names_the_host_that_was_asked_for(void **state)
{
    struct bench *bench = *state;
    static const char *const asked[] = {BANK, "mallory.lab.test",
                                        "MALLORY.lab.test"};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct forged forged = forge_for(bench, NULL, "n01", asked[i]);
        assert_int_equal(bench_verify(bench->lab->root, NULL, forged.leaf,
                                      forged.chain, asked[i]),
                         X509_V_ERR_HOSTNAME_MISMATCH);
        forged_close(&forged);
    }
}

static void v01_lived_as_long_as_the_original(void **state)
{
    struct bench *bench = *state;
    struct forged forged = bench_forge(bench, "v01");
    int days, seconds;
    assert_true(ASN1_TIME_diff(&days, &seconds,
                               X509_get0_notBefore(forged.leaf),
                               X509_get0_notAfter(forged.leaf)));
    assert_int_equal(days, 1);
    assert_int_equal(seconds, 0);
    forged_close(&forged);
}

static void with_the_servers_own_key_c00_is_the_original(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_plan plan = {.forgery = forgery_find("c00"),
                              .server_name = BANK,
                              .key = bench->original_key};
    assert_int_equal(
        forge_leaf(&bench->signers, bench->original, &plan, &forged, &err), 0);
    assert_int_equal(X509_cmp(forged.leaf, bench->original), 0);
    forged_close(&forged);
}

/* ---- refusals ------------------------------------------------------------ */

static void nothing_is_forged_for_a_name_outside(void **state)
{
    struct bench *bench = *state;
    static const char *const outside[] = {"www.example.com", "8.8.8.8",
                                          "lab.test.example.com", ""};
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++)
        for (size_t j = 0; j < sizeof outside / sizeof *outside; j++) {
            struct err err = ERR_INIT;
            struct forged forged;
            struct forge_plan plan = {.forgery = it, .server_name = outside[j]};
            assert_int_equal(forge_leaf(&bench->signers, bench->original, &plan,
                                        &forged, &err),
                             -1);
            assert_int_equal(err.code, EXIT_CONTAINMENT);
            assert_null(forged.leaf);
            assert_null(forged.chain);
        }
}

static void a_missing_signer_is_named(void **state)
{
    static const char alone[] = "t01 t04 t05 t06 s04 p09";
    struct bench *bench = *state;
    struct forge_signers nobody = {0};
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        struct err err = ERR_INIT;
        struct forged forged;
        struct forge_plan plan = {.forgery = it, .server_name = BANK};
        int rc = forge_leaf(&nobody, bench->original, &plan, &forged, &err);
        assert_int_equal(rc, strstr(alone, it->id) ? 0 : -1);
        if (rc)
            assert_non_null(strstr(err.text, it->in_gallery      ? "gallery"
                                             : it->signed_by_lab ? "--issuer"
                                                                 : "--ca"));
        forged_close(&forged);
    }
}

/* ---- the catalogue ------------------------------------------------------- */

static void an_unknown_id_has_a_nearest_one(void **state)
{
    (void)state;
    assert_ptr_equal(forgery_find("t03"), forgery_find("T03"));
    assert_null(forgery_find("t99"));
    assert_string_equal(forgery_nearest("t99")->id, "t12");
    assert_string_equal(forgery_nearest("T3")->id, "t03");
    static const char *const words[] = {"list", "show", NULL};
    assert_string_equal(nearest("lits", words), "list");
    assert_null(nearest("pass", words));
    assert_string_equal(forgery_nearest("c1")->id, "c01");
    assert_null(forgery_nearest("?"));
    assert_null(forgery_nearest(""));
}

static bool is_demand(const char *name)
{
    const struct forge_demand *it = forge_demands;
    while (it->name && strcmp(it->name, name))
        it++;
    return it->name;
}

static void every_row_is_complete(void **state)
{
    (void)state;
    const struct forgery *it;
    unsigned i;
    for (i = 0; (it = forgery_at(i)); i++) {
        assert_int_equal(it->family, it->id[0]);
        assert_ptr_equal(forgery_find(it->id), it);
        assert_true(it->title[0] && it->how[0] && it->check[0] && it->rfc[0]);
        assert_int_equal(it->how[strlen(it->how) - 1], '.');
        assert_true(!it->alert[0] || alert_code(it->alert) > 0);
        if (it->verify_code)
            assert_string_equal(verify_alert(it->verify_code), it->alert);
        if (it->demand)
            assert_true(is_demand(it->demand));
        if (it->demand_alert)
            assert_true(alert_code(it->demand_alert) > 0);
        assert_true(!it->asks || ca_may_name(it->asks));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(forgery_at(j)->id, it->id);
    }
    assert_null(forgery_at(i));
    assert_true(i >= 100);
    assert_int_equal(forgery_at(0)->family, 'c'); /* controls come first */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_forgery_gives_the_verify_code_of_the_table),
        cmocka_unit_test(the_constrained_ca_of_a_lab_changes_no_verdict),
        cmocka_unit_test(forge_keeps_what_the_original_shows),
        cmocka_unit_test(forge_makes_a_key_of_the_originals_kind),
        cmocka_unit_test(forge_keeps_the_order_of_extensions),
        cmocka_unit_test(forge_keeps_the_length_of_the_serial),
        cmocka_unit_test(forge_keeps_the_names_of_the_lab_and_no_others),
        cmocka_unit_test(a_name_under_a_wildcard_is_not_added_again),
        cmocka_unit_test(an_address_that_was_asked_for_is_in_the_copy),
        cmocka_unit_test(a_faithful_copy_is_signed_by_the_rogue_ca),
        cmocka_unit_test(without_an_original_a_plain_server_is_the_model),
        cmocka_unit_test(every_forgery_works_on_an_rsa_original),
        cmocka_unit_test(an_invented_private_half_signs_for_every_kind_of_key),
        cmocka_unit_test(s04_shows_the_genuine_certificate_to_the_last_byte),
        cmocka_unit_test(s04_sends_the_chain_that_the_server_sent),
        cmocka_unit_test(t04_resembles_the_anchor_it_is_told_of),
        cmocka_unit_test(n01_never_names_the_host_that_was_asked_for),
        cmocka_unit_test(v01_lived_as_long_as_the_original),
        cmocka_unit_test(with_the_servers_own_key_c00_is_the_original),
        cmocka_unit_test(nothing_is_forged_for_a_name_outside),
        cmocka_unit_test(a_missing_signer_is_named),
        cmocka_unit_test(an_unknown_id_has_a_nearest_one),
        cmocka_unit_test(every_row_is_complete),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
