/* SPDX-License-Identifier: MIT
 *
 * The lab's CAs cannot vouch for anything outside the lab, and their keys are
 * where they belong. */
#include "tests/certs/bench.h"

#include "certs/keys.h"
#include "certs/mint.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A leaf that our own code would never sign: what a thief of a CA's key might
 * try. */
static X509 *sign_anything(const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    struct err err = ERR_INIT;
    EVP_PKEY *key = keys_make(KEY_P256, &err);
    X509 *leaf = mint_server(&name, 1, key);
    assert_true(X509_set_issuer_name(leaf, X509_get_subject_name(issuer)));
    assert_true(mint_issuer_key_id(leaf, issuer));
    assert_true(mint_sign(leaf, issuer_key));
    EVP_PKEY_free(key);
    return leaf;
}

static int verify_thief(const struct ca *ca, X509 *root, const char *name)
{
    X509 *leaf = sign_anything(name, ca->cert, ca->key);
    int code = bench_verify(root, NULL, leaf, ca->above, name);
    X509_free(leaf);
    return code;
}

static const struct {
    const char *name;
    bool inside;
} names[] = {
    {"lab.test", true},
    {"bank.lab.test", true},
    {"a.b.lab.test", true},
    {"127.0.0.1", true},
    {"127.66.3.2", true},
    {"192.0.2.7", true},
    {"::1", true},
    {"2001:db8:66::7", true},
    {"www.example.com", false},
    {"notlab.test", false},
    {"test", false},
    {"lab.test.example.com", false},
    {"8.8.8.8", false},
    {"10.0.0.1", false},
    {"192.0.3.1", false},
    {"2001:4860:4860::8888", false},
    {"2001:db8:67::1", false},
    {"fe80::1", false},
};
enum { NAMES = sizeof names / sizeof *names };

static void constraints_hold_whoever_has_the_key(void **state)
{
    struct bench *bench = *state;
    const struct ca *cas[] = {bench->lab, bench->rogue};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < NAMES; j++) {
            int code = verify_thief(cas[i], cas[i]->root, names[j].name);
            int wanted =
                names[j].inside ? X509_V_OK : X509_V_ERR_PERMITTED_VIOLATION;
            if (code != wanted)
                fail_msg("%s signed by %s: code %d", names[j].name,
                         i ? "rogue" : "lab", code);
        }
}

/* Java and others do not look at the constraints of an anchor. */
static void the_intermediate_is_constrained_by_itself(void **state)
{
    struct bench *bench = *state;
    X509 *leaf =
        sign_anything("www.example.com", bench->lab->cert, bench->lab->key);
    X509 *bare = X509_dup(bench->lab->root);
    int at = X509_get_ext_by_NID(bare, NID_name_constraints, -1);
    X509_EXTENSION_free(X509_delete_ext(bare, at));
    assert_int_equal(
        bench_verify(bare, NULL, leaf, bench->lab->above, "www.example.com"),
        X509_V_ERR_PERMITTED_VIOLATION);
    X509_free(bare);
    X509_free(leaf);
}

static void no_ca_stands_under_the_ca_that_signs(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(X509_get_pathlen(bench->lab->root), 1);
    assert_int_equal(X509_get_pathlen(bench->lab->cert), 0);
    assert_int_equal(X509_get_pathlen(bench->rogue->cert), 0);
}

static void constraints_and_powers_are_critical(void **state)
{
    struct bench *bench = *state;
    static const int nids[] = {NID_basic_constraints, NID_key_usage,
                               NID_name_constraints};
    X509 *certs[] = {bench->lab->root, bench->lab->cert, bench->rogue->cert};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            int at = X509_get_ext_by_NID(certs[i], nids[j], -1);
            assert_true(at >= 0);
            assert_true(
                X509_EXTENSION_get_critical(X509_get_ext(certs[i], at)));
        }
}

static void every_ca_lives_a_day_from_an_hour_ago(void **state)
{
    struct bench *bench = *state;
    X509 *certs[] = {bench->lab->root, bench->lab->cert, bench->rogue->cert};
    for (size_t i = 0; i < 3; i++) {
        int days, seconds;
        assert_true(ASN1_TIME_diff(&days, &seconds,
                                   X509_get0_notBefore(certs[i]),
                                   X509_get0_notAfter(certs[i])));
        assert_int_equal(days, 1);
        assert_int_equal(seconds, 0);
        assert_true(ASN1_TIME_diff(&days, &seconds,
                                   X509_get0_notBefore(certs[i]), NULL));
        assert_int_equal(days, 0);
        assert_in_range(seconds, 3600, 3600 + 600);
    }
}

static void every_ca_says_what_it_is(void **state)
{
    struct bench *bench = *state;
    X509 *certs[] = {bench->lab->root, bench->lab->cert, bench->rogue->cert};
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        X509_NAME_get_text_by_NID(X509_get_subject_name(certs[i]),
                                  NID_commonName, name, sizeof name);
        assert_non_null(strstr(name, "mitmlab TRAINING CA test"));
        assert_non_null(strstr(name, "DO NOT TRUST"));
    }
}

/* A key is the root's if it signs what the root's certificate verifies. */
static void the_key_of_the_root_is_gone(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(X509_check_private_key(bench->lab->cert, bench->lab->key),
                     1);
    assert_int_not_equal(
        EVP_PKEY_eq(X509_get0_pubkey(bench->lab->root), bench->lab->key), 1);
}

static void a_long_title_still_says_do_not_trust(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ca *ca;
    char name[128];
    assert_int_equal(
        ca_make_rogue("a title that is far too long for a name", &ca, &err), 0);
    X509_NAME_get_text_by_NID(X509_get_subject_name(ca->cert), NID_commonName,
                              name, sizeof name);
    assert_non_null(strstr(name, "DO NOT TRUST"));
    ca_free(ca);
}

static void a_lookalike_has_the_name_and_another_key(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct ca *fake;
    assert_int_equal(ca_make_lookalike(bench->lab, &fake, &err), 0);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(fake->cert),
                                   X509_get_subject_name(bench->lab->root)),
                     0);
    assert_int_not_equal(
        EVP_PKEY_eq(fake->key, X509_get0_pubkey(bench->lab->root)), 1);
    ca_free(fake);
}

static void may_name_agrees_with_the_constraints(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(ca_may_name(names[i].name), names[i].inside);
}

static void may_name_knows_localhost_and_odd_spellings(void **state)
{
    (void)state;
    static const char *const yes[] = {"localhost", "BANK.Lab.Test",
                                      "*.lab.test", "under_score.lab.test"};
    static const char *const no[] = {"",
                                     ".",
                                     ".lab.test",
                                     "a..lab.test",
                                     "lab.test.",
                                     "a b.lab.test",
                                     "a/b.lab.test",
                                     "a\n.lab.test",
                                     "*.test",
                                     "localhost.",
                                     "x.localhost",
                                     "::ffff:127.0.0.1",
                                     "127.1",
                                     "bank.lab.test:443",
                                     "\xc3\xa9.lab.test"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(ca_may_name(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(ca_may_name(no[i]));
}

static void nothing_is_issued_for_a_name_outside(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    const char *both[] = {BANK, "www.example.com"};
    X509 *leaf;
    EVP_PKEY *key;
    assert_int_equal(ca_issue(bench->lab, both, 2, &leaf, &key, &err), -1);
    assert_int_equal(err.code, EXIT_CONTAINMENT);
    assert_non_null(strstr(err.text, "www.example.com"));
}

static void a_leaf_for_names_and_addresses_is_accepted(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    static const char *const all[] = {"192.0.2.7", "2001:db8:66::7", BANK};
    static const char *const address[] = {"127.66.1.3"};
    X509 *leaf;
    EVP_PKEY *key;
    assert_int_equal(ca_issue(bench->lab, all, 3, &leaf, &key, &err), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bench_verify(bench->lab->root, NULL, leaf,
                                      bench->lab->above, all[i]),
                         X509_V_OK);
    X509_free(leaf);
    EVP_PKEY_free(key);
    assert_int_equal(ca_issue(bench->lab, address, 1, &leaf, &key, &err), 0);
    assert_int_equal(bench_verify(bench->lab->root, NULL, leaf,
                                  bench->lab->above, address[0]),
                     X509_V_OK);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

/* ---- folders ------------------------------------------------------------- */

static char *path_in(const char *dir, const char *file)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return path;
}

static void remove_dir(const char *dir)
{
    static const char *const files[] = {"ca.crt", "ca.key", "root.crt"};
    for (size_t i = 0; i < 3; i++)
        unlink(path_in(dir, files[i]));
    assert_int_equal(rmdir(dir), 0); /* so nothing temporary was left */
}

static void what_is_saved_can_be_loaded(void **state)
{
    struct bench *bench = *state;
    struct ca *cas[] = {bench->lab, bench->rogue};
    for (size_t i = 0; i < 2; i++) {
        struct err err = ERR_INIT;
        struct ca *again;
        char dir[] = "/tmp/ca_test.XXXXXX";
        assert_non_null(mkdtemp(dir));
        assert_int_equal(ca_save(cas[i], dir, &err), 0);
        assert_int_equal(ca_save(cas[i], dir, &err), 0);
        if (ca_load(dir, &again, &err))
            fail_msg("%s", err.text);
        assert_int_equal(X509_cmp(again->cert, cas[i]->cert), 0);
        assert_int_equal(X509_cmp(again->root, cas[i]->root), 0);
        assert_int_equal(EVP_PKEY_eq(again->key, cas[i]->key), 1);
        assert_int_equal(sk_X509_num(again->above), sk_X509_num(cas[i]->above));
        assert_int_equal(again->send_root, cas[i]->send_root);
        ca_free(again);
        remove_dir(dir);
    }
}

static void keys_are_written_for_the_owner_alone(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct stat info;
    char dir[] = "/tmp/ca_test.XXXXXX";
    assert_non_null(mkdtemp(dir));
    mode_t before = umask(0);
    assert_int_equal(ca_save(bench->rogue, dir, &err), 0);
    umask(before);
    assert_int_equal(stat(path_in(dir, "ca.key"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(path_in(dir, "ca.crt"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    remove_dir(dir);
}

static void a_key_that_others_may_read_is_refused(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct ca *again;
    char dir[] = "/tmp/ca_test.XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(ca_save(bench->rogue, dir, &err), 0);
    assert_int_equal(chmod(path_in(dir, "ca.key"), 0644), 0);
    assert_int_equal(ca_load(dir, &again, &err), -1);
    assert_non_null(strstr(err.text, "chmod 600"));
    remove_dir(dir);
}

static void a_key_that_somebody_brings_may_be_open(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct ca *again;
    char dir[] = "/tmp/ca_test.XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(ca_save(bench->rogue, dir, &err), 0);
    assert_int_equal(chmod(path_in(dir, "ca.key"), 0644), 0);
    assert_int_equal(ca_load_foreign(dir, &again, &err), 0);
    assert_int_equal(EVP_PKEY_eq(again->key, bench->rogue->key), 1);
    ca_free(again);
    remove_dir(dir);
}

static void a_key_of_another_ca_is_refused(void **state)
{
    struct bench *bench = *state;
    struct err err = ERR_INIT;
    struct ca *again;
    char dir[] = "/tmp/ca_test.XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(ca_save(bench->lab, dir, &err), 0);
    assert_int_equal(keys_save(bench->rogue->key, path_in(dir, "ca.key"), &err),
                     0);
    assert_int_equal(ca_load(dir, &again, &err), -1);
    assert_non_null(strstr(err.text, "does not belong"));
    remove_dir(dir);
}

static void a_missing_folder_is_one_sentence(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ca *ca;
    assert_int_equal(ca_load("/tmp/ca_test.none", &ca, &err), -1);
    assert_string_equal(
        err.text, "open /tmp/ca_test.none/ca.crt: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constraints_hold_whoever_has_the_key),
        cmocka_unit_test(the_intermediate_is_constrained_by_itself),
        cmocka_unit_test(no_ca_stands_under_the_ca_that_signs),
        cmocka_unit_test(constraints_and_powers_are_critical),
        cmocka_unit_test(every_ca_lives_a_day_from_an_hour_ago),
        cmocka_unit_test(every_ca_says_what_it_is),
        cmocka_unit_test(the_key_of_the_root_is_gone),
        cmocka_unit_test(a_long_title_still_says_do_not_trust),
        cmocka_unit_test(a_lookalike_has_the_name_and_another_key),
        cmocka_unit_test(may_name_agrees_with_the_constraints),
        cmocka_unit_test(may_name_knows_localhost_and_odd_spellings),
        cmocka_unit_test(nothing_is_issued_for_a_name_outside),
        cmocka_unit_test(a_leaf_for_names_and_addresses_is_accepted),
        cmocka_unit_test(what_is_saved_can_be_loaded),
        cmocka_unit_test(keys_are_written_for_the_owner_alone),
        cmocka_unit_test(a_key_that_others_may_read_is_refused),
        cmocka_unit_test(a_key_that_somebody_brings_may_be_open),
        cmocka_unit_test(a_key_of_another_ca_is_refused),
        cmocka_unit_test(a_missing_folder_is_one_sentence),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
