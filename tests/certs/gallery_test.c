/* SPDX-License-Identifier: MIT
 *
 * Every row of the catalogue, made in the gallery and shown in a handshake of
 * each version that can show it: a careful victim gives the verdict, the code
 * and the alert of the table, and so does one that demands one thing more. */
#include "tests/certs/bench.h"

#include "certs/gallery.h"
#include "certs/verify.h"

#include <openssl/ct.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_gives_the_verdict_of_the_table),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
