/* SPDX-License-Identifier: MIT
 *
 * An original comes from the network. Whatever bytes it has, it is shown,
 * compared and copied without harm, and never carried outside the lab. */
#include "tests/certs/bench.h"

#include "certs/diff.h"
#include "certs/keys.h"
#include "certs/show.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static void check_shown(X509 *cert)
{
    char *text = show_json_text(cert);
    json_t *object = json_loads(text, 0, NULL);
    if (!object)
        fail_msg("not JSON: %s", text);
    json_decref(object);
    free(text);
}

static void check_compared(X509 *a, X509 *b)
{
    struct err err = ERR_INIT;
    struct diff diff;
    if (diff_certificates(a, b, &diff, &err))
        return; /* it cannot be encoded again: one sentence */
    for (unsigned i = 0; i < diff.count; i++) {
        assert_true(diff.runs[i].at_a + diff.runs[i].len_a <= diff.len_a);
        assert_true(diff.runs[i].at_b + diff.runs[i].len_b <= diff.len_b);
    }
    diff_close(&diff);
}

static bool is_inside(const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);
    if (type == GEN_IPADD)
        return ca_may_address(bytes, len);
    return (type == GEN_DNS || type == GEN_EMAIL) &&
           strlen((const char *)bytes) == len &&
           (type == GEN_EMAIL || ca_may_name((const char *)bytes));
}

static void check_copied(struct bench *bench, X509 *original)
{
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_plan plan = {.server_name = BANK, .key = bench->original_key};
    if (forge_leaf(&bench->signers, original, &plan, &forged, &err))
        return;
    assert_int_equal(X509_check_ca(forged.leaf), 0);
    GENERAL_NAMES *names =
        X509_get_ext_d2i(forged.leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        assert_true(is_inside(sk_GENERAL_NAME_value(names, i)));
    GENERAL_NAMES_free(names);
    forged_close(&forged);
}

/* Changes one byte; the rest of the work is done if that still parses. */
static unsigned try_damage(struct bench *bench, const unsigned char *der,
                           int len, int at, unsigned char mask)
{
    unsigned char *copy = OPENSSL_memdup(der, (size_t)len);
    const unsigned char *from = copy;
    copy[at] ^= mask;
    X509 *cert = d2i_X509(NULL, &from, len);
    if (cert) {
        check_shown(cert);
        check_compared(bench->original, cert);
        check_compared(cert, bench->original);
        check_copied(bench, cert);
    }
    X509_free(cert);
    OPENSSL_free(copy);
    ERR_clear_error();
    return cert ? 1 : 0;
}

static void one_damaged_byte_anywhere_does_no_harm(void **state)
{
    static const unsigned char masks[] = {0x01, 0x04, 0x20, 0x80, 0xff};
    struct bench *bench = *state;
    X509 *certs[] = {bench->original, bench->lab->cert};
    for (size_t i = 0; i < 2; i++) {
        unsigned char *der = NULL;
        unsigned parsed = 0;
        int len = i2d_X509(certs[i], &der);
        for (int at = 0; at < len; at++)
            for (size_t j = 0; j < sizeof masks; j++)
                parsed += try_damage(bench, der, len, at, masks[j]);
        assert_true(parsed > (unsigned)len); /* else nothing was tried */
        OPENSSL_free(der);
    }
}

static void a_file_of_damaged_pem_is_one_sentence(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ca *ca;
    char dir[] = "/tmp/hostile_test.XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/ca.crt", dir);
    FILE *file = fopen(path, "w");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          file);
    fclose(file);
    assert_int_equal(ca_load(dir, &ca, &err), -1);
    assert_non_null(strstr(err.text, "read the certificates in"));
    assert_int_equal(remove(path) | remove(dir), 0);
}

/* Certificates of before basic constraints: a key usage made the CA. */
static void a_copy_of_a_ca_is_no_ca(void **state)
{
    struct bench *bench = *state;
    X509 *old = X509_dup(bench->rogue->cert);
    check_copied(bench, old);
    int at = X509_get_ext_by_NID(old, NID_basic_constraints, -1);
    X509_EXTENSION_free(X509_delete_ext(old, at));
    X509_sign(old, bench->rogue->key, EVP_sha256());
    unsigned char *der = NULL;
    int len = i2d_X509(old, &der);
    const unsigned char *from = der;
    X509 *parsed = d2i_X509(NULL, &from, len);
    assert_int_not_equal(X509_check_ca(parsed), 0);
    check_copied(bench, parsed);
    OPENSSL_free(der);
    X509_free(parsed);
    X509_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_damaged_byte_anywhere_does_no_harm),
        cmocka_unit_test(a_copy_of_a_ca_is_no_ca),
        cmocka_unit_test(a_file_of_damaged_pem_is_one_sentence),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
