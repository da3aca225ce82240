/* SPDX-License-Identifier: MIT
 *
 * CAs, a genuine server, and a careful victim in memory. */
#include "tests/certs/bench.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* Debian's level, whatever this OpenSSL was built with. */
enum { SECURITY = 2 };

/* As with a socket, a server can say all it has before anybody reads. */
enum { ROOM = 1 << 19 };

int bench_setup(void **state)
{
    static const char *const names[] = {BANK};
    struct err err = ERR_INIT;
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench || ca_make_lab("test", &bench->lab, &err) ||
        ca_make_rogue("test", &bench->rogue, &err) ||
        gallery_make("test", &bench->gallery, &err) ||
        ca_issue(bench->lab, names, 1, &bench->original, &bench->original_key,
                 &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    bench->signers = (struct forge_signers){
        .lab = bench->lab, .rogue = bench->rogue, .gallery = bench->gallery};
    *state = bench;
    return 0;
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;
    ca_free(bench->lab);
    ca_free(bench->rogue);
    gallery_free(bench->gallery);
    X509_free(bench->original);
    EVP_PKEY_free(bench->original_key);
    free(bench);
    return 0;
}

struct forged bench_forge(struct bench *bench, const char *id)
{
    struct err err = ERR_INIT;
    struct forged forged;
    struct forge_plan plan = {.forgery = id ? forgery_find(id) : NULL,
                              .server_name = BANK};
    if (forge_leaf(&bench->signers, bench->original, &plan, &forged, &err))
        fail_msg("%s", err.text);
    return forged;
}

static void set_careful(X509_VERIFY_PARAM *param, const char *host)
{
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    if (!X509_VERIFY_PARAM_set1_ip_asc(param, host))
        assert_true(X509_VERIFY_PARAM_set1_host(param, host, 0));
    ERR_clear_error();
}

SSL_CTX *bench_victim(X509 *root, X509 *also)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_security_level(ctx, SECURITY);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    assert_true(X509_STORE_add_cert(store, root));
    if (also)
        assert_true(X509_STORE_add_cert(store, also));
    return ctx;
}

/* As a victim has it: from bytes. NULL: it cannot be read. */
static X509 *reread(X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    const unsigned char *at = der;
    X509 *read = d2i_X509(NULL, &at, len);
    OPENSSL_free(der);
    return read;
}

int bench_verify(X509 *root, X509 *also, X509 *leaf, STACK_OF(X509) * chain,
                 const char *host)
{
    X509 *seen = reread(leaf);
    if (!seen)
        return BENCH_UNREADABLE;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_true(X509_STORE_add_cert(store, root));
    if (also)
        assert_true(X509_STORE_add_cert(store, also));
    assert_true(X509_STORE_CTX_init(ctx, store, seen, chain));
    set_careful(X509_STORE_CTX_get0_param(ctx), host);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), SECURITY);
    X509_verify_cert(ctx);
    int code = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_free(seen);
    X509_STORE_free(store);
    ERR_clear_error();
    return code;
}

static void on_message(int write_p, int version, int type, const void *buf,
                       size_t len, SSL *ssl, void *arg)
{
    (void)version, (void)ssl;
    const unsigned char *bytes = buf;
    struct talk *talk = arg;
    if (!write_p && type == SSL3_RT_ALERT && len == 2 && bytes[0] == 2)
        talk->alert = bytes[1];
}

static int on_status_request(SSL *ssl, void *arg)
{
    const struct forged *server = arg;
    void *staple = OPENSSL_memdup(server->staple, server->staple_len);
    SSL_set_tlsext_status_ocsp_resp(ssl, staple, (long)server->staple_len);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_server(const struct forged *server, int version,
                            struct talk *talk)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(ctx);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_security_level(ctx, 0); /* it shows weak things, too */
    if (server->staple) {
        SSL_CTX_set_tlsext_status_cb(ctx, on_status_request);
        SSL_CTX_set_tlsext_status_arg(ctx, (void *)server);
    }
    assert_true(SSL_CTX_use_certificate(ctx, server->leaf));
    assert_true(SSL_CTX_use_PrivateKey(ctx, server->key));
    for (int i = 0; i < sk_X509_num(server->chain); i++)
        assert_true(
            SSL_CTX_add1_chain_cert(ctx, sk_X509_value(server->chain, i)));
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_msg_callback(ctx, on_message);
    SSL_CTX_set_msg_callback_arg(ctx, talk);
    return ctx;
}

/* Turns until neither end gets further. One application byte at the end makes
 * sure that the server has read what the victim said after its Finished. */
static void turn(SSL *victim, SSL *server, struct talk *talk)
{
    char byte;
    bool done_victim = false, done_server = false;
    for (int i = 0; i < 10; i++) {
        if (!done_victim)
            done_victim = SSL_do_handshake(victim) == 1;
        if (!done_server)
            done_server = SSL_do_handshake(server) == 1;
        else
            SSL_read(server, &byte, 1);
    }
    talk->finished = done_victim && done_server;
}

struct talk bench_talk(SSL_CTX *victim_ctx, const struct forged *server,
                       int version, const char *host)
{
    struct talk talk = {.alert = -1};
    SSL_CTX *server_ctx = make_server(server, version, &talk);
    SSL *victim = SSL_new(victim_ctx), *serving = SSL_new(server_ctx);
    BIO *left, *right;
    assert_true(BIO_new_bio_pair(&left, 0, &right, ROOM));
    SSL_set_bio(victim, left, left);
    SSL_set_bio(serving, right, right);
    SSL_set_connect_state(victim);
    SSL_set_accept_state(serving);
    set_careful(SSL_get0_param(victim), host);
    turn(victim, serving, &talk);
    talk.code = (int)SSL_get_verify_result(victim);
    SSL_free(victim);
    SSL_free(serving);
    SSL_CTX_free(server_ctx);
    ERR_clear_error();
    return talk;
}
