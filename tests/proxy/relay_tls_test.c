/* SPDX-License-Identifier: MIT
 *
 * TLS on both legs: who is shown which certificate, what is concluded from
 * what the victim does then, and where in the stream it could be seen. */
#include "proxy/keylog.h"
#include "tests/proxy/later.h"
#include "tests/proxy/tls_stage.h"

#include <openssl/x509v3.h>
#include <signal.h>

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static const char BANK[] = "bank.lab.test";

/* ---- certificates -------------------------------------------------------- */

static void a_victim_that_trusts_the_rogue_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        tls_stage_open(&stage);
        struct talker victim =
            victim_calls(&stage, authorities.rogue->root, versions[i], BANK);
        struct talker server = all_shake(&victim);
        assert_true(victim.done);
        assert_int_equal(victim.verify_code, X509_V_OK);
        talker_says(&victim, GET);
        talkers_shake(&server, NULL);
        talker_hears(&server, GET);
        talker_says(&server, OK_HI);
        talker_hears(&victim, OK_HI);
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        assert_true(
            stage_has_event(&stage, "tls.verdict",
                            "\"verdict\":\"accepted\",\"how\":\"data\""));
        assert_true(
            stage_has_event(&stage, "tls.upstream", "\"verified\":true"));
        assert_true(
            stage_has_event(&stage, "http.request", "\"leg\":\"victim\""));
        stage_close(&stage);
    }
}

static X509 *leaf_shown(struct stage *stage, const char *name)
{
    struct talker victim = victim_calls(stage, NULL, TLS1_3_VERSION, name);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    X509 *leaf = SSL_get1_peer_certificate(victim.ssl);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(stage);
    return leaf;
}

static void the_leaf_carries_the_name_that_was_asked_for(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    X509 *bank = leaf_shown(&stage, BANK);
    X509 *again = leaf_shown(&stage, BANK);
    X509 *shop = leaf_shown(&stage, "shop.lab.test");
    X509 *address = leaf_shown(&stage, NULL);
    assert_int_equal(X509_check_host(bank, BANK, 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(shop, "shop.lab.test", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(address, "127.0.0.1", 0), 1);
    /* Made once, for all who ask for the same. */
    assert_int_equal(X509_cmp(bank, again), 0);
    assert_int_not_equal(X509_cmp(bank, shop), 0);
    X509_free(bank);
    X509_free(again);
    X509_free(shop);
    X509_free(address);
    stage_close(&stage);
}

static void nothing_is_forged_for_a_name_outside_of_the_lab(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim =
        victim_calls(&stage, NULL, TLS1_3_VERSION, "www.example.com");
    struct talker server = all_shake(&victim);
    assert_true(victim.failed);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(
        stage_has_event(&stage, "tls.alert", "\"name\":\"unrecognized_name\""));
    assert_false(stage_has_event(&stage, "tls.verdict", ""));
    stage_close(&stage);
}

static void a_server_that_does_not_verify_is_refused(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_prepare(&stage, "https");
    stage.options.terms.trust = NULL;
    stage_raise(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    assert_true(victim.failed);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "tls.upstream", "\"verified\":false"));
    assert_true(stage_has_event(
        &stage, "tls.alert",
        "\"level\":\"fatal\",\"code\":40,\"name\":\"handshake_failure\""));
    stage_close(&stage);
}

static void unless_the_operator_does_not_care(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_prepare(&stage, "https");
    stage.options.terms.trust = NULL;
    stage.options.insecure_upstream = true;
    stage_raise(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "tls.upstream", "\"verified\":false"));
    stage_close(&stage);
}

static void without_a_signer_tls_passes_untouched(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_prepare(&stage, "https");
    stage.options.signers.rogue = NULL;
    stage_raise(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.lab->root, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    talker_says(&victim, "whatever");
    talker_hears(&server, "whatever");
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_false(stage_has_event(&stage, "tls.verdict", ""));
    stage_close(&stage);
}

static void a_plain_victim_may_have_a_tls_server(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct talker server = server_answers(&stage);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void a_tls_victim_may_have_a_plain_server(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_prepare(&stage, "http");
    stage_raise(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    talkers_shake(&victim, NULL);
    assert_int_equal(victim.verify_code, X509_V_OK);
    talker_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    talker_hears(&victim, OK_HI);
    talker_leaves(&victim);
    actor_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

/* ---- verdicts ------------------------------------------------------------ */

/* The alert's record is the last thing that the victim sends. */
static void a_careful_victim_refuses_with_an_alert_at_its_place(void **state)
{
    (void)state;
    enum { ALERT = 7 }; /* in clear, as no key of the victim is in use yet */
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        char part[128];
        tls_stage_open(&stage);
        struct talker victim =
            victim_calls(&stage, authorities.lab->root, versions[i], BANK);
        struct talker server = all_shake(&victim);
        assert_true(victim.failed);
        uint64_t sent = BIO_number_written(SSL_get_wbio(victim.ssl));
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        snprintf(part, sizeof part,
                 "\"dir\":\"up\",\"at\":%llu,\"len\":%d,\"data\":{\"level\":"
                 "\"fatal\",\"code\":48,\"name\":\"unknown_ca\"",
                 (unsigned long long)sent - ALERT, ALERT);
        assert_true(stage_has_event(&stage, "tls.alert", part));
        assert_true(stage_has_event(
            &stage, "tls.verdict",
            "\"verdict\":\"refused\",\"how\":\"alert\",\"app_bytes\":0"));
        assert_true(
            stage_has_event(&stage, "tls.verdict", "\"alert\":\"unknown_ca\""));
        stage_close(&stage);
    }
}

static void a_victim_may_say_no_more_than_goodbye(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        tls_stage_open(&stage);
        struct talker victim = victim_calls(&stage, NULL, versions[i], BANK);
        struct talker server = all_shake(&victim);
        talker_says_bye(&victim);
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        assert_true(stage_has_event(
            &stage, "tls.verdict",
            "\"verdict\":\"refused\",\"how\":\"close_notify\",\"app_bytes\":0,"
            "\"finished\":true"));
        stage_close(&stage);
    }
}

static void a_victim_may_finish_and_leave_in_silence(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct stage stage;
        tls_stage_open(&stage);
        struct talker victim =
            victim_calls(&stage, NULL, versions[i % 2], BANK);
        struct talker server = all_shake(&victim);
        stage_rest(&stage);
        if (i < 2)
            talker_leaves(&victim);
        else
            actor_resets(&victim.actor);
        if (i >= 2)
            SSL_free(victim.ssl);
        talker_leaves(&server);
        stage_empties(&stage);
        assert_true(stage_has_event(
            &stage, "tls.verdict",
            "\"how\":\"silent\",\"app_bytes\":0,\"finished\":true"));
        stage_close(&stage);
    }
}

static void a_victim_may_leave_before_it_has_finished(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        char byte;
        tls_stage_open(&stage);
        struct talker victim = victim_calls(&stage, NULL, versions[i], BANK);
        talker_shakes(&victim);
        struct talker server = server_answers(&stage);
        for (int turn = 0; turn < PATIENCE_TURNS &&
                           recv(victim.actor.fd, &byte, 1, MSG_PEEK) <= 0;
             turn++) {
            talker_shakes(&server);
            stage_turn(&stage);
        }
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        assert_true(stage_has_event(
            &stage, "tls.verdict",
            "\"how\":\"abort\",\"app_bytes\":0,\"finished\":false"));
        stage_close(&stage);
    }
}

/* What the proxy ends by itself says nothing about the victim. */
static void a_flow_that_we_end_has_no_verdict(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    talkers_shake(&server, NULL);
    stage_later(&stage, IDLE_IS_OVER);
    stage_empties(&stage);
    assert_false(stage_has_event(&stage, "tls.verdict", ""));
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_close(&stage);
}

/* ---- keys, truncation ---------------------------------------------------- */

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

/* LABEL SP 64 hex SP hex (RFC 9850). */
static unsigned count_key_lines(struct stage *stage, const char *leg)
{
    unsigned count = 0;
    char *rest = NULL, *text = stage_events(stage);
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *key = strstr(line, "\"line\":\"");
        if (!strstr(line, "\"kind\":\"tls.key\"") || !strstr(line, leg))
            continue;
        key += strlen("\"line\":\"");
        char *random = strchr(key, ' ');
        assert_non_null(random);
        assert_true(is_hex(random + 1, 64));
        assert_int_equal(random[65], ' ');
        assert_true(is_hex(random + 66, 64));
        count++;
    }
    free(text);
    return count;
}

static void the_keys_of_both_legs_are_told(void **state)
{
    (void)state;
    struct stage stage;
    char path[] = "/tmp/keylog-XXXXXX", file[8192];
    struct err err = ERR_INIT;
    tls_stage_prepare(&stage, "https");
    close(mkstemp(path));
    assert_int_equal(keylog_open(path, &stage.options.keylog, &err), 0);
    stage_raise(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_int_equal(count_key_lines(&stage, "\"leg\":\"victim\""), 5);
    assert_int_equal(count_key_lines(&stage, "\"leg\":\"server\""), 5);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, file, sizeof file);
    unsigned lines = 0;
    for (ssize_t i = 0; i < len; i++)
        lines += file[i] == '\n';
    assert_int_equal(lines, 10);
    stage_close(&stage);
    assert_int_equal(keylog_close(stage.options.keylog, &err), 0);
    close(fd);
    unlink(path);
}

static void an_end_without_close_notify_is_passed_on_as_that(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    talker_hears(&victim, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    actor_finishes(&server.actor);
    int why = talker_reads(&victim, 1);
    assert_int_not_equal(why, SSL_ERROR_NONE);
    assert_int_not_equal(why, SSL_ERROR_ZERO_RETURN);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void a_clean_end_is_passed_on_with_close_notify(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    talker_hears(&victim, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    talker_says_bye(&server);
    assert_int_equal(talker_reads(&victim, 1), SSL_ERROR_ZERO_RETURN);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void a_long_body_passes_through_many_records(void **state)
{
    (void)state;
    enum { LEN = 1000 * 1000 };
    char head[128], *body = malloc(LEN + 1);
    memset(body, 'x', LEN);
    body[LEN] = 0;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_2_VERSION, BANK);
    struct talker server = all_shake(&victim);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
             LEN);
    talker_says(&server, head);
    talker_hears(&victim, head);
    SSL_set_mode(server.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    size_t sent = 0;
    for (int i = 0; i < 100 * 1000 && buf_len(&victim.actor.got) < LEN; i++) {
        int wrote = SSL_write(server.ssl, body + sent, (int)(LEN - sent));
        sent += wrote > 0 ? (size_t)wrote : 0;
        stage_turn(&stage);
        int got =
            SSL_read(victim.ssl, buf_reserve(&victim.actor.got, 16384), 16384);
        if (got > 0)
            buf_filled(&victim.actor.got, (size_t)got);
    }
    talker_hears(&victim, body);
    free(body);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_victim_that_trusts_the_rogue_is_read),
        cmocka_unit_test(the_leaf_carries_the_name_that_was_asked_for),
        cmocka_unit_test(nothing_is_forged_for_a_name_outside_of_the_lab),
        cmocka_unit_test(a_server_that_does_not_verify_is_refused),
        cmocka_unit_test(unless_the_operator_does_not_care),
        cmocka_unit_test(without_a_signer_tls_passes_untouched),
        cmocka_unit_test(a_plain_victim_may_have_a_tls_server),
        cmocka_unit_test(a_tls_victim_may_have_a_plain_server),
        cmocka_unit_test(a_careful_victim_refuses_with_an_alert_at_its_place),
        cmocka_unit_test(a_victim_may_say_no_more_than_goodbye),
        cmocka_unit_test(a_victim_may_finish_and_leave_in_silence),
        cmocka_unit_test(a_victim_may_leave_before_it_has_finished),
        cmocka_unit_test(a_flow_that_we_end_has_no_verdict),
        cmocka_unit_test(the_keys_of_both_legs_are_told),
        cmocka_unit_test(an_end_without_close_notify_is_passed_on_as_that),
        cmocka_unit_test(a_clean_end_is_passed_on_with_close_notify),
        cmocka_unit_test(a_long_body_passes_through_many_records),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
