/* SPDX-License-Identifier: MIT
 *
 * Victims and servers that speak TLS, on the stage of stage.h; the
 * authorities, made once for a whole test program; and what events say. */
#ifndef TESTS_PROXY_TLS_STAGE_H
#define TESTS_PROXY_TLS_STAGE_H

#include "certs/ca.h"
#include "tests/proxy/stage.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* The lab's CA, which real servers have; the attacker's; a real server. */
struct authorities {
    struct ca *lab, *rogue;
    X509 *leaf;
    EVP_PKEY *key;
    X509_STORE *trust; /* the lab's root */
};

STAGE struct authorities authorities;

STAGE int make_authorities(void **state)
{
    (void)state;
    static const char *const names[] = {"bank.lab.test", "127.0.0.1"};
    struct err err = ERR_INIT;
    assert_int_equal(ca_make_lab("test", &authorities.lab, &err), 0);
    assert_int_equal(ca_make_rogue("test", &authorities.rogue, &err), 0);
    assert_int_equal(ca_issue(authorities.lab, names, 2, &authorities.leaf,
                              &authorities.key, &err),
                     0);
    authorities.trust = X509_STORE_new();
    X509_STORE_add_cert(authorities.trust, authorities.lab->root);
    return 0;
}

STAGE int free_authorities(void **state)
{
    (void)state;
    ca_free(authorities.lab);
    ca_free(authorities.rogue);
    X509_free(authorities.leaf);
    EVP_PKEY_free(authorities.key);
    X509_STORE_free(authorities.trust);
    return 0;
}

STAGE void tls_stage_prepare(struct stage *stage, const char *scheme)
{
    stage_prepare(stage, scheme);
    stage->options.signers.rogue = authorities.rogue;
    stage->options.terms.trust = authorities.trust;
}

STAGE void tls_stage_open(struct stage *stage)
{
    tls_stage_prepare(stage, "https");
    stage_raise(stage);
}

/* An actor who speaks TLS. */
struct talker {
    struct actor actor;
    SSL *ssl;
    bool done, failed;
    int verify_code;
};

STAGE SSL_CTX *client_context(const X509 *root, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    if (!root)
        return context;
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), (X509 *)root);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

/* `root` NULL: verifies nothing. `name` is the SNI and, with a root, what the
 * certificate must show. */
STAGE struct talker victim_calls(struct stage *stage, const X509 *root,
                                 int version, const char *name)
{
    struct talker talker = {.actor = victim_enters(stage)};
    SSL_CTX *context = client_context(root, version);
    talker.ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(talker.ssl, talker.actor.fd);
    if (name) {
        SSL_set_tlsext_host_name(talker.ssl, name);
        SSL_set1_host(talker.ssl, name);
    }
    SSL_set_connect_state(talker.ssl);
    return talker;
}

/* The one who came in as `actor` is a server. */
STAGE struct talker server_greets(struct actor actor)
{
    struct talker talker = {.actor = actor};
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, authorities.leaf);
    SSL_CTX_use_PrivateKey(context, authorities.key);
    SSL_CTX_set1_chain(context, authorities.lab->above);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    talker.ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(talker.ssl, talker.actor.fd);
    SSL_set_accept_state(talker.ssl);
    return talker;
}

STAGE struct talker server_answers(struct stage *stage)
{
    return server_greets(server_enters(stage));
}

STAGE void talker_shakes(struct talker *talker)
{
    if (talker->done || talker->failed)
        return;
    ERR_clear_error();
    int rc = SSL_do_handshake(talker->ssl);
    int why = SSL_get_error(talker->ssl, rc);
    talker->done = rc == 1;
    talker->failed =
        rc != 1 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
    talker->verify_code = (int)SSL_get_verify_result(talker->ssl);
}

/* Until the first has finished its handshake, or failed. */
STAGE void talkers_shake(struct talker *first, struct talker *second)
{
    for (int i = 0; i < PATIENCE_TURNS && !first->done && !first->failed; i++) {
        talker_shakes(first);
        if (second)
            talker_shakes(second);
        stage_turn(first->actor.stage);
    }
    assert_true(first->done || first->failed);
}

/* The victim's hello goes out, the server shakes hands with the proxy, then
 * the victim does. */
STAGE struct talker all_shake(struct talker *victim)
{
    talker_shakes(victim);
    struct talker server = server_answers(victim->actor.stage);
    talkers_shake(victim, &server);
    return server;
}

STAGE void talker_says(struct talker *talker, const char *text)
{
    size_t len = strlen(text);
    for (int i = 0; i < PATIENCE_TURNS && len; i++) {
        int wrote = SSL_write(talker->ssl, text, (int)len);
        if (wrote > 0) {
            text += wrote;
            len -= (size_t)wrote;
        }
        stage_turn(talker->actor.stage);
    }
    assert_int_equal(len, 0);
}

/* Read until `len` bytes are there or nothing more comes; SSL's own reason. */
STAGE int talker_reads(struct talker *talker, size_t len)
{
    struct buf *got = &talker->actor.got;
    for (int i = 0; i < PATIENCE_TURNS && buf_len(got) < len; i++) {
        ERR_clear_error();
        int read = SSL_read(talker->ssl, buf_reserve(got, 16384), 16384);
        int why = SSL_get_error(talker->ssl, read);
        if (read > 0)
            buf_filled(got, (size_t)read);
        else if (why != SSL_ERROR_WANT_READ)
            return why;
        stage_turn(talker->actor.stage);
    }
    return SSL_ERROR_NONE;
}

STAGE void talker_hears(struct talker *talker, const char *text)
{
    talker_reads(talker, strlen(text));
    struct buf *got = &talker->actor.got;
    if (buf_len(got) < strlen(text) ||
        memcmp(buf_head(got), text, strlen(text)))
        fail_msg("expected \"%s\", heard \"%.*s\"", text, (int)buf_len(got),
                 buf_len(got) ? (char *)buf_head(got) : "");
    buf_consume(got, strlen(text));
}

STAGE void talker_leaves(struct talker *talker)
{
    SSL_free(talker->ssl);
    actor_leaves(&talker->actor);
}

/* It hears what is no record of its peer's, says so in an alert, and leaves. */
STAGE void talker_alerts(struct talker *talker)
{
    static const char record[] = "\x17\3\3\0\x20"
                                 "0123456789abcdef0123456789abcdef";
    char byte;
    SSL_set0_rbio(talker->ssl, BIO_new_mem_buf(record, sizeof record - 1));
    assert_int_equal(SSL_read(talker->ssl, &byte, 1), -1);
    actor_leaves(&talker->actor);
}

STAGE void talker_says_bye(struct talker *talker)
{
    SSL_shutdown(talker->ssl);
}

#endif
