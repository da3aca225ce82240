/* SPDX-License-Identifier: MIT
 *
 * TLS in memory: two sides whose output is the other's input, without any
 * socket. */
#include "certs/ca.h"
#include "proxy/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* What one side noticed. */
struct log {
    int sent, received; /* the last alert; -1: none */
    uint64_t at, len;
    unsigned keys;
};

static void on_alert(void *owner, bool sent, int level, int code, uint64_t at,
                     uint64_t len)
{
    struct log *log = owner;
    (void)level;
    *(sent ? &log->sent : &log->received) = code;
    log->at = at;
    log->len = len;
}

static void on_key(void *owner, const char *line)
{
    struct log *log = owner;
    assert_non_null(strchr(line, ' '));
    log->keys++;
}

static const struct tls_calls calls = {on_alert, on_key, NULL};

/* A client and a server, and the wire between them. */
struct pair {
    struct tls_terms terms;
    struct tls *tls;
    struct tls_side client, server;
    struct buf up, down;           /* the wire */
    uint64_t up_total, down_total; /* bytes that were put on it */
    struct log client_log, server_log;
};

static struct ca *ca;
static struct forged forged;
static X509_STORE *trust;

static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {"bank.lab.test"};
    struct err err = ERR_INIT;
    assert_int_equal(ca_make_lab("tls", &ca, &err), 0);
    assert_int_equal(ca_issue(ca, names, 1, &forged.leaf, &forged.key, &err),
                     0);
    forged.chain = X509_chain_up_ref(ca->above);
    trust = X509_STORE_new();
    X509_STORE_add_cert(trust, ca->root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forged_close(&forged);
    ca_free(ca);
    X509_STORE_free(trust);
    return 0;
}

static void open_pair(struct pair *pair, X509_STORE *store,
                      const struct tls_wish *wish)
{
    struct err err = ERR_INIT;
    *pair = (struct pair){.client_log = {-1, -1, 0, 0, 0},
                          .server_log = {-1, -1, 0, 0, 0}};
    pair->terms.trust = store;
    assert_int_equal(tls_open(&pair->terms, &pair->tls, &err), 0);
    pair->client.in = &pair->down;
    pair->client.out = &pair->up;
    pair->client.calls = pair->server.calls = &calls;
    pair->client.owner = &pair->client_log;
    pair->server.in = &pair->up;
    pair->server.out = &pair->down;
    pair->server.owner = &pair->server_log;
    assert_int_equal(tls_accept(pair->tls, &pair->server, &forged, &err), 0);
    assert_int_equal(tls_connect(pair->tls, &pair->client, wish, &err), 0);
}

static void close_pair(struct pair *pair)
{
    tls_close(&pair->client);
    tls_close(&pair->server);
    buf_free(&pair->up);
    buf_free(&pair->down);
    tls_free(pair->tls);
}

/* Both step until neither gets further. */
static void shake(struct pair *pair, enum tls_result *client,
                  enum tls_result *server)
{
    *client = *server = TLS_WAIT;
    for (int i = 0; i < 10; i++) {
        if (*client == TLS_WAIT)
            *client = tls_handshake(&pair->client);
        if (*server == TLS_WAIT)
            *server = tls_handshake(&pair->server);
    }
}

static const struct tls_wish bank = {.server_name = "bank.lab.test",
                                     .verify_name = "bank.lab.test"};

static void open_shaken(struct pair *pair)
{
    enum tls_result client, server;
    open_pair(pair, trust, &bank);
    shake(pair, &client, &server);
    assert_int_equal(client, TLS_DONE);
    assert_int_equal(server, TLS_DONE);
}

static void two_sides_agree_and_talk(void **state)
{
    (void)state;
    struct pair pair;
    struct buf clear = {0};
    open_shaken(&pair);
    assert_int_equal(pair.client.verify_code, X509_V_OK);
    assert_int_equal(tls_write(&pair.client, "hello", 5), 0);
    assert_int_equal(tls_read(&pair.server, &clear, 1), TLS_WAIT);
    assert_memory_equal(buf_head(&clear), "hello", 5);
    assert_int_equal(pair.server.bytes, 5);
    assert_int_equal(pair.client_log.keys, 5);
    assert_int_equal(pair.server_log.keys, 5);
    buf_free(&clear);
    close_pair(&pair);
}

static void records_are_counted_alike_on_both_sides(void **state)
{
    (void)state;
    struct pair pair;
    struct buf clear = {0};
    static char block[40 * 1000];
    open_shaken(&pair);
    uint64_t before = pair.client.out_at;
    assert_int_equal(tls_write(&pair.client, block, sizeof block), 0);
    /* Three records: 16384, 16384 and 7232 bytes, each with a header of five,
     * a type and a tag. */
    assert_int_equal(pair.client.out_at - before, sizeof block + 3 * 22);
    assert_int_equal(buf_len(&pair.up), sizeof block + 3 * 22);
    tls_read(&pair.server, &clear, sizeof block);
    assert_int_equal(buf_len(&clear), sizeof block);
    assert_int_equal(pair.server.in_at, pair.client.out_at);
    assert_int_equal(pair.server.clear_at, before);
    buf_free(&clear);
    close_pair(&pair);
}

static void any_split_of_the_wire_will_do(void **state)
{
    (void)state;
    struct pair pair;
    struct buf clear = {0}, drop = {0};
    open_pair(&pair, trust, &bank);
    enum tls_result client = TLS_WAIT, server = TLS_WAIT;
    /* One byte at a time, both ways. */
    pair.server.in = &drop;
    for (int i = 0; i < 20 * 1000 && server != TLS_DONE; i++) {
        if (client == TLS_WAIT)
            client = tls_handshake(&pair.client);
        if (buf_len(&pair.up)) {
            assert_int_equal(buf_append(&drop, buf_head(&pair.up), 1), 0);
            buf_consume(&pair.up, 1);
        }
        server = tls_handshake(&pair.server);
        assert_true(server == TLS_WAIT || server == TLS_DONE);
    }
    assert_int_equal(server, TLS_DONE);
    assert_int_equal(client, TLS_DONE);
    buf_free(&clear);
    buf_free(&drop);
    close_pair(&pair);
}

static void a_stranger_is_refused_with_the_alert_of_the_reason(void **state)
{
    (void)state;
    static const struct tls_wish other = {.server_name = "bank.lab.test",
                                          .verify_name = "shop.lab.test"};
    static const struct {
        bool trusted;
        const struct tls_wish *wish;
        int code, alert;
    } rows[] = {
        {false, &bank, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
         SSL_AD_UNKNOWN_CA},
        {true, &other, X509_V_ERR_HOSTNAME_MISMATCH, SSL_AD_BAD_CERTIFICATE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair pair;
        enum tls_result client, server;
        open_pair(&pair, rows[i].trusted ? trust : NULL, rows[i].wish);
        shake(&pair, &client, &server);
        assert_int_equal(client, TLS_FAILED);
        assert_int_equal(server, TLS_FAILED);
        assert_int_equal(pair.client.verify_code, rows[i].code);
        assert_int_equal(pair.client_log.sent, rows[i].alert);
        assert_int_equal(pair.server_log.received, rows[i].alert);
        assert_int_equal(pair.server_log.at, pair.client_log.at);
        assert_int_equal(pair.server_log.len, 7);
        assert_int_equal(tls_write(&pair.server, "x", 1), -1);
        close_pair(&pair);
    }
}

static void who_does_not_care_goes_on_but_knows(void **state)
{
    (void)state;
    struct pair pair;
    enum tls_result client, server;
    open_pair(&pair, NULL, &bank);
    pair.client.verify_insecure = true;
    shake(&pair, &client, &server);
    assert_int_equal(client, TLS_DONE);
    assert_int_not_equal(pair.client.verify_code, X509_V_OK);
    close_pair(&pair);
}

static void goodbye_and_truncation_are_told_apart(void **state)
{
    (void)state;
    for (int goodbye = 0; goodbye < 2; goodbye++) {
        struct pair pair;
        struct buf clear = {0};
        open_shaken(&pair);
        if (goodbye)
            tls_goodbye(&pair.client);
        pair.server.in_ended = true;
        assert_int_equal(tls_read(&pair.server, &clear, 1),
                         goodbye ? TLS_CLOSED : TLS_TRUNCATED);
        /* Either way the other direction still works. */
        assert_int_equal(tls_write(&pair.server, "bye", 3), 0);
        assert_int_equal(pair.server_log.sent, -1);
        buf_free(&clear);
        close_pair(&pair);
    }
}

static void a_record_that_was_tampered_with_is_a_failure(void **state)
{
    (void)state;
    struct pair pair;
    struct buf clear = {0};
    open_shaken(&pair);
    assert_int_equal(tls_write(&pair.client, "hello", 5), 0);
    buf_head(&pair.up)[buf_len(&pair.up) - 1] ^= 1;
    assert_int_equal(tls_read(&pair.server, &clear, 1), TLS_FAILED);
    assert_int_equal(pair.server_log.sent, SSL_AD_BAD_RECORD_MAC);
    buf_free(&clear);
    close_pair(&pair);
}

static void alpn_is_what_was_chosen_if_it_was_offered(void **state)
{
    (void)state;
    static const uint8_t offers[] = "\x08http/1.1\x05other";
    static const struct {
        const char *choice, *result;
    } rows[] = {{"http/1.1", "http/1.1"}, {"imap", ""}, {"", ""}};
    struct tls_wish wish = bank;
    wish.alpn = (struct alpn_list){offers, sizeof offers - 1};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair pair;
        enum tls_result client, server;
        const unsigned char *chosen;
        unsigned len;
        open_pair(&pair, trust, &wish);
        pair.server.alpn = alpn_name(rows[i].choice);
        shake(&pair, &client, &server);
        assert_int_equal(client, TLS_DONE);
        SSL_get0_alpn_selected(pair.client.ssl, &chosen, &len);
        assert_int_equal(len, strlen(rows[i].result));
        if (len)
            assert_memory_equal(chosen, rows[i].result, len);
        close_pair(&pair);
    }
}

static void a_refusal_in_clear_is_a_whole_record(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_int_equal(tls_refuse(&out, SSL_AD_UNRECOGNIZED_NAME), 0);
    assert_int_equal(buf_len(&out), 7);
    assert_memory_equal(buf_head(&out), "\x15\x03\x03\0\2\2\x70", 7);
    assert_string_equal(tls_alert_name(112), "unrecognized_name");
    assert_string_equal(tls_alert_name(48), "unknown_ca");
    assert_string_equal(tls_alert_name(250), "alert_250");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sides_agree_and_talk),
        cmocka_unit_test(records_are_counted_alike_on_both_sides),
        cmocka_unit_test(any_split_of_the_wire_will_do),
        cmocka_unit_test(a_stranger_is_refused_with_the_alert_of_the_reason),
        cmocka_unit_test(who_does_not_care_goes_on_but_knows),
        cmocka_unit_test(goodbye_and_truncation_are_told_apart),
        cmocka_unit_test(a_record_that_was_tampered_with_is_a_failure),
        cmocka_unit_test(alpn_is_what_was_chosen_if_it_was_offered),
        cmocka_unit_test(a_refusal_in_clear_is_a_whole_record),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
