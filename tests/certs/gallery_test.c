/* SPDX-License-Identifier: MIT
 *
 * Every row of the catalogue, made in the gallery and shown in a handshake of
 * each version that can show it: a careful victim gives the verdict, the code
 * and the alert of the table, and so does one that demands one thing more. */
#include "tests/certs/bench.h"

#include "certs/gallery.h"
#include "certs/raw.h"
#include "certs/verify.h"

#include <openssl/ct.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static struct gallery *gallery;
static X509 *original; /* of BANK */
static EVP_PKEY *original_key;

static int setup(void **state)
{
    static const char *const names[] = {BANK};
    struct err err = ERR_INIT;
    (void)state;
    return gallery_make("test", &gallery, &err) ||
           ca_issue(gallery_signers(gallery)->lab, names, 1, &original,
                    &original_key, &err);
}

static int teardown(void **state)
{
    (void)state;
    gallery_free(gallery);
    X509_free(original);
    EVP_PKEY_free(original_key);
    return 0;
}

static const char *asked_by(const struct forgery *forgery)
{
    return forgery->asks ? forgery->asks : BANK;
}

static struct forged hang(const struct forgery *forgery)
{
    struct err err = ERR_INIT;
    struct forged forged;
    if (gallery_forge(gallery, forgery, asked_by(forgery), &forged, &err))
        fail_msg("%s: %s", forgery->id, err.text);
    return forged;
}

/* ---- victims that demand more -------------------------------------------- */

static int check_staple(SSL *ssl, void *arg)
{
    const unsigned char *bytes;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
    OCSP_RESPONSE *response =
        len > 0 ? d2i_OCSP_RESPONSE(NULL, &bytes, len) : NULL;
    OCSP_BASICRESP *basic =
        response ? OCSP_response_get1_basic(response) : NULL;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    X509 *leaf = sk_X509_value(chain, 0), *issuer = sk_X509_value(chain, 1);
    OCSP_CERTID *id = issuer ? OCSP_cert_to_id(NULL, leaf, issuer) : NULL;
    ASN1_GENERALIZEDTIME *from, *until;
    int status = -1, reason;
    bool good = basic && id &&
                OCSP_basic_verify(basic, chain, arg, OCSP_TRUSTOTHER) == 1 &&
                OCSP_resp_find_status(basic, id, &status, &reason, NULL, &from,
                                      &until) &&
                status == V_OCSP_CERTSTATUS_GOOD &&
                OCSP_check_validity(from, until, 300, -1);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return good;
}

static void demand_staple(SSL_CTX *victim, const struct forged *forged)
{
    (void)forged;
    SSL_CTX_set_tlsext_status_type(victim, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_tlsext_status_cb(victim, check_staple);
    SSL_CTX_set_tlsext_status_arg(victim, SSL_CTX_get_cert_store(victim));
}

static void demand_strict(SSL_CTX *victim, const struct forged *forged)
{
    (void)forged;
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(victim),
                                X509_V_FLAG_X509_STRICT);
}

static void demand_list(SSL_CTX *victim, const struct forged *forged)
{
    assert_non_null(forged->crl);
    assert_true(
        X509_STORE_add_crl(SSL_CTX_get_cert_store(victim), forged->crl));
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(victim),
                                X509_V_FLAG_CRL_CHECK);
}

/* OpenSSL reads the logs that a victim knows from a file only. */
static void demand_promise(SSL_CTX *victim, const struct forged *forged)
{
    unsigned char der[512], *at = der, text[1024];
    char path[] = "/tmp/mitmlab-logs-XXXXXX";
    int fd = mkstemp(path);
    (void)forged;
    assert_true(fd >= 0);
    int len = i2d_PUBKEY(gallery_log(gallery), &at);
    EVP_EncodeBlock(text, der, len);
    assert_true(dprintf(fd,
                        "enabled_logs=toy\n[toy]\ndescription=a toy\n"
                        "key=%s\n",
                        text) > 0);
    close(fd);
    assert_true(SSL_CTX_set_ctlog_list_file(victim, path));
    unlink(path);
    assert_true(SSL_CTX_enable_ct(victim, SSL_CT_VALIDATION_STRICT));
}

static int is_pinned(int ok, X509_STORE_CTX *ctx)
{
    if (X509_STORE_CTX_get_error_depth(ctx) || !ok)
        return ok;
    X509 *leaf = X509_STORE_CTX_get_current_cert(ctx);
    if (EVP_PKEY_eq(X509_get0_pubkey(leaf), original_key) == 1)
        return 1;
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static void demand_pin(SSL_CTX *victim, const struct forged *forged)
{
    (void)forged;
    SSL_CTX_set_verify(victim, SSL_VERIFY_PEER, is_pinned);
}

static void demand_distrust(SSL_CTX *victim, const struct forged *forged)
{
    X509_STORE *store = X509_STORE_new();
    X509 *marked = X509_dup(forged->root);
    assert_true(X509_add1_reject_object(marked, OBJ_nid2obj(NID_server_auth)));
    assert_true(X509_STORE_add_cert(store, marked));
    SSL_CTX_set_cert_store(victim, store);
    X509_free(marked);
}

static void demand_clock(SSL_CTX *victim, const struct forged *forged)
{
    (void)forged;
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(victim),
                               time(NULL) + 2 * 24 * 3600);
}

static void demand_installed(SSL_CTX *victim, const struct forged *forged)
{
    (void)victim, (void)forged;
}

static const struct {
    const char *name;
    void (*arm)(SSL_CTX *victim, const struct forged *forged);
} demands[] = {
    {"strict", demand_strict}, {"crl", demand_list},
    {"staple", demand_staple}, {"sct", demand_promise},
    {"pin", demand_pin},       {"distrust", demand_distrust},
    {"clock", demand_clock},   {"installed", demand_installed},
};

static void arm(SSL_CTX *victim, const char *demand,
                const struct forged *forged)
{
    for (size_t i = 0; i < sizeof demands / sizeof *demands; i++)
        if (!strcmp(demands[i].name, demand)) {
            demands[i].arm(victim, forged);
            return;
        }
    fail_msg("no victim demands \"%s\"", demand);
}

/* ---- the catalogue ------------------------------------------------------- */

static unsigned wrong;

static void compare(const struct forgery *forgery, const char *who, int version,
                    struct talk talk, int code, const char *alert)
{
    const char *got = talk.alert < 0 ? "" : alert_name(talk.alert);
    if (!strcmp(got, alert) && talk.code == code && talk.finished == !alert[0])
        return;
    wrong++;
    print_error("%s, %s, TLS %s: code %d, alert \"%s\"%s; the table says %d, "
                "\"%s\"\n",
                forgery->id, who, version == TLS1_3_VERSION ? "1.3" : "1.2",
                talk.code, got, talk.finished ? ", finished" : "", code, alert);
}

static void show_to(const struct forgery *forgery, const struct forged *forged,
                    int version, const char *demand)
{
    bool installed =
        forged->installed || (demand && !strcmp(demand, "installed"));
    SSL_CTX *victim =
        bench_victim(gallery_root(gallery), installed ? forged->root : NULL);
    if (demand)
        arm(victim, demand, forged);
    struct talk talk = bench_talk(victim, forged, version, asked_by(forgery));
    const char *alert = !demand                 ? forgery->alert
                        : forgery->demand_alert ? forgery->demand_alert
                                                : "";
    compare(forgery, demand ? demand : "careful", version, talk,
            demand ? forgery->demand_code : forgery->verify_code, alert);
    SSL_CTX_free(victim);
}

static void show(const struct forgery *forgery, int version)
{
    struct forged forged = hang(forgery);
    show_to(forgery, &forged, version, NULL);
    if (forgery->demand)
        show_to(forgery, &forged, version, forgery->demand);
    forged_close(&forged);
}

static void each_row_gives_the_verdict_of_the_table(void **state)
{
    (void)state;
    const struct forgery *it;
    wrong = 0;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        if (it->tls != TLS_13_ONLY)
            show(it, TLS1_2_VERSION);
        if (it->tls != TLS_12_ONLY)
            show(it, TLS1_3_VERSION);
    }
    assert_int_equal(wrong, 0);
}

/* ---- single rows --------------------------------------------------------- */

static struct forged hang_id(const char *id)
{
    return hang(forgery_find(id));
}

static bool is_test_name(const ASN1_STRING *name)
{
    const char *text = (const char *)ASN1_STRING_get0_data(name);
    size_t len = (size_t)ASN1_STRING_length(name);
    if (len && text[len - 1] == '.')
        len--;
    return ca_may_name(text) || (len == 1 && text[0] == '*') ||
           (len > 5 && !strncasecmp(text + len - 5, ".test", 5));
}

/* Read as a victim does, and without the code of the wall itself. */
static void no_leaf_names_a_host_that_exists(void **state)
{
    (void)state;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        struct forged forged = hang(it);
        GENERAL_NAMES *names =
            X509_get_ext_d2i(forged.leaf, NID_subject_alt_name, NULL, NULL);
        for (int j = 0; j < sk_GENERAL_NAME_num(names); j++) {
            GENERAL_NAME *name = sk_GENERAL_NAME_value(names, j);
            if (name->type == GEN_DNS && !is_test_name(name->d.dNSName))
                fail_msg("%s names %s", it->id, name->d.dNSName->data);
        }
        GENERAL_NAMES_free(names);
        forged_close(&forged);
    }
}

/* Its key may be written to a disk. */
static void a_leaf_that_is_a_ca_may_name_only_the_lab(void **state)
{
    (void)state;
    unsigned count = 0;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        struct forged forged = hang(it);
        NAME_CONSTRAINTS *limits =
            X509_get_ext_d2i(forged.leaf, NID_name_constraints, NULL, NULL);
        if (X509_check_ca(forged.leaf)) {
            count++;
            if (!limits)
                fail_msg("%s: an unconstrained CA leaves the gallery", it->id);
        }
        NAME_CONSTRAINTS_free(limits);
        forged_close(&forged);
    }
    assert_true(count >= 2); /* p08, p09 */
}

static void no_key_of_a_ca_leaves_the_gallery(void **state)
{
    (void)state;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        struct forged forged = hang(it);
        for (int j = 0; j < sk_X509_num(forged.chain); j++)
            assert_int_not_equal(
                EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(forged.chain, j)),
                            forged.key),
                1);
        assert_int_not_equal(
            EVP_PKEY_eq(X509_get0_pubkey(gallery_root(gallery)), forged.key),
            1);
        forged_close(&forged);
    }
}

static int sent_len(X509 *cert)
{
    return i2d_X509(cert, NULL);
}

static void bytes_that_cannot_be_read_are_sent_all_the_same(void **state)
{
    (void)state;
    struct forged x10 = hang_id("x10"), x12 = hang_id("x12"),
                  x13 = hang_id("x13");
    unsigned char *der = NULL;
    int len = i2d_X509(x10.leaf, &der);
    assert_true(raw_is(x10.leaf) && raw_is(x12.leaf) && raw_is(x13.leaf));
    assert_false(raw_is(original));
    assert_memory_equal(der + len - 8, "and more", 8);
    OPENSSL_free(der);

    der = NULL;
    len = i2d_X509(x12.leaf, &der);
    assert_memory_equal(der, "\x30\x83\x00", 3);
    OPENSSL_free(der);

    der = NULL;
    len = i2d_X509(x13.leaf, &der);
    const unsigned char *at = der;
    assert_null(d2i_X509(NULL, &at, len));
    assert_int_equal(sent_len(x13.leaf), len);
    OPENSSL_free(der);
    forged_close(&x10);
    forged_close(&x12);
    forged_close(&x13);
}

/* The signature to the power of 3, as a lenient victim reads it: from the
 * left, and not to the end. */
static void s06_looks_signed_to_whoever_does_not_read_to_the_end(void **state)
{
    (void)state;
    enum { SIZE = 256, HEAD = 2 + 8 + 1 + 19 };
    struct forged s06 = hang_id("s06");
    const ASN1_BIT_STRING *bits;
    unsigned char *tbs = NULL, digest[32], cube[SIZE];
    X509_get0_signature(&bits, NULL, s06.leaf);
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = NULL, *e = BN_new(), *root = BN_bin2bn(bits->data, SIZE, NULL);
    BN_set_word(e, 3);
    EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(s06.chain, 0));
    assert_true(EVP_PKEY_get_bn_param(key, "n", &n));
    assert_true(BN_mod_exp(root, root, e, n, ctx));
    assert_int_equal(BN_bn2binpad(root, cube, SIZE), SIZE);
    int len = i2d_re_X509_tbs(s06.leaf, &tbs);
    EVP_Digest(tbs, (size_t)len, digest, NULL, EVP_sha256(), NULL);
    assert_memory_equal(cube, "\0\1\xff\xff\xff\xff\xff\xff\xff\xff\0", 11);
    assert_memory_equal(cube + HEAD, digest, sizeof digest);
    OPENSSL_free(tbs);
    BN_CTX_free(ctx);
    BN_free(n);
    BN_free(e);
    BN_free(root);
    forged_close(&s06);
}

static void k12_needs_no_private_key(void **state)
{
    (void)state;
    struct forged k12 = hang_id("k12");
    BIGNUM *e = NULL;
    assert_true(EVP_PKEY_get_bn_param(k12.key, "e", &e));
    assert_true(BN_is_one(e));
    BN_free(e);
    forged_close(&k12);
}

static void t09_has_the_same_key_on_every_machine(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gallery *another;
    struct forged here = hang_id("t09"), there;
    assert_int_equal(gallery_make("other", &another, &err), 0);
    assert_int_equal(
        gallery_forge(another, forgery_find("t09"), BANK, &there, &err), 0);
    assert_int_equal(
        EVP_PKEY_eq(X509_get0_pubkey(here.root), X509_get0_pubkey(there.root)),
        1);
    forged_close(&here);
    forged_close(&there);
    gallery_free(another);
}

static void chains_are_as_long_as_the_table_says(void **state)
{
    static const struct {
        const char *id;
        int count;
    } chains[] = {{"c00", 1}, {"t02", 0}, {"t03", 1}, {"t07", 0}, {"t08", 3},
                  {"t10", 3}, {"t11", 2}, {"p01", 2}, {"p04", 2}, {"p11", 12}};
    (void)state;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct forged forged = hang_id(chains[i].id);
        if (sk_X509_num(forged.chain) != chains[i].count)
            fail_msg("%s: %d, not %d", chains[i].id, sk_X509_num(forged.chain),
                     chains[i].count);
        forged_close(&forged);
    }
}

static void nothing_is_hung_for_a_name_outside(void **state)
{
    (void)state;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        struct err err = ERR_INIT;
        struct forged forged;
        assert_int_equal(
            gallery_forge(gallery, it, "www.example.com", &forged, &err), -1);
        assert_int_equal(err.code, EXIT_CONTAINMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_gives_the_verdict_of_the_table),
        cmocka_unit_test(no_leaf_names_a_host_that_exists),
        cmocka_unit_test(a_leaf_that_is_a_ca_may_name_only_the_lab),
        cmocka_unit_test(no_key_of_a_ca_leaves_the_gallery),
        cmocka_unit_test(bytes_that_cannot_be_read_are_sent_all_the_same),
        cmocka_unit_test(s06_looks_signed_to_whoever_does_not_read_to_the_end),
        cmocka_unit_test(k12_needs_no_private_key),
        cmocka_unit_test(t09_has_the_same_key_on_every_machine),
        cmocka_unit_test(chains_are_as_long_as_the_table_says),
        cmocka_unit_test(nothing_is_hung_for_a_name_outside),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
