/* SPDX-License-Identifier: MIT
 *
 * What each leg of a relay speaks: staples, sessions, early data,
 * renegotiation, and sockets that take a few bytes at a time. */
#include "tests/proxy/tls_stage.h"

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const char BANK[] = "bank.lab.test";
static const char STAPLE[] = "what the server staples";

/* ---- staples ------------------------------------------------------------- */

static int on_status(SSL *ssl, void *context)
{
    (void)context;
    SSL_set_tlsext_status_ocsp_resp(ssl, OPENSSL_strdup(STAPLE),
                                    sizeof STAPLE - 1);
    return SSL_TLSEXT_ERR_OK;
}

/* A visit of a victim that asks for a staple; what it got, or NULL. */
static char *staple_got(struct stage *stage, X509 *root)
{
    const unsigned char *bytes = NULL;
    struct talker victim = victim_calls(stage, root, TLS1_3_VERSION, BANK);
    SSL_set_tlsext_status_type(victim.ssl, TLSEXT_STATUSTYPE_ocsp);
    talker_shakes(&victim);
    struct talker server = server_answers(stage);
    SSL_CTX_set_tlsext_status_cb(SSL_get_SSL_CTX(server.ssl), on_status);
    talkers_shake(&victim, &server);
    assert_true(victim.done);
    long len = SSL_get_tlsext_status_ocsp_resp(victim.ssl, &bytes);
    char *got =
        len > 0 ? OPENSSL_strndup((const char *)bytes, (size_t)len) : NULL;
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(stage);
    return got;
}

static void a_staple_is_passed_on_where_that_is_wanted(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        struct stage stage;
        tls_stage_prepare(&stage, "https");
        stage.options.terms.victim.staple = wanted;
        stage_raise(&stage);
        char *got = staple_got(&stage, authorities.rogue->root);
        if (wanted)
            assert_string_equal(got, STAPLE);
        else
            assert_null(got);
        OPENSSL_free(got);
        stage_close(&stage);
    }
}

static enum hook_act show_r12(void *config, struct flow *flow, X509 *real,
                              struct forge_plan *plan)
{
    (void)config, (void)flow, (void)real;
    plan->forgery = forgery_find("r12");
    return HOOK_CHANGED;
}

static void a_forgery_may_bring_its_own(void **state)
{
    (void)state;
    struct stage stage;
    struct hook hook = {.name = "r12", .on_server_cert = show_r12};
    struct hook *hooks[] = {&hook};
    tls_stage_prepare(&stage, "https");
    stage.options.signers.lab = authorities.lab;
    stage.options.hooks = hooks;
    stage.options.hooks_count = 1;
    stage.options.terms.victim.staple = true;
    stage_raise(&stage);
    char *got = staple_got(&stage, authorities.lab->root);
    assert_non_null(got);
    assert_string_not_equal(got, STAPLE);
    assert_int_equal(got[0], 0x30); /* DER */
    OPENSSL_free(got);
    stage_close(&stage);
}

/* ---- sessions ------------------------------------------------------------ */

/* One exchange; the session that the victim has then. */
static SSL_SESSION *visit(struct stage *stage, int version, SSL_SESSION *with,
                          bool *out_reused)
{
    struct talker victim =
        victim_calls(stage, authorities.rogue->root, version, BANK);
    if (with)
        SSL_set_session(victim.ssl, with);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, OK_HI);
    talker_hears(&victim, OK_HI);
    SSL_SESSION *session = SSL_get1_session(victim.ssl);
    *out_reused = SSL_session_reused(victim.ssl);
    talker_says_bye(&victim);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(stage);
    return session;
}

static void a_session_is_for_what_was_shown_with_it(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        bool reused;
        struct hook hook = {.name = "r12", .on_server_cert = NULL};
        struct hook *hooks[] = {&hook};
        tls_stage_prepare(&stage, "https");
        stage.options.signers.lab = authorities.lab;
        stage.options.hooks = hooks;
        stage.options.hooks_count = 1;
        stage.options.terms.victim.resume = RESUME_ON;
        stage_raise(&stage);
        SSL_SESSION *first = visit(&stage, versions[i], NULL, &reused);
        assert_false(reused);
        SSL_SESSION *second = visit(&stage, versions[i], first, &reused);
        assert_true(reused);
        /* Another forgery: it must be shown, and judged. */
        hook.on_server_cert = show_r12;
        struct talker victim =
            victim_calls(&stage, authorities.lab->root, versions[i], BANK);
        SSL_set_session(victim.ssl, second);
        struct talker server = all_shake(&victim);
        assert_true(victim.done);
        assert_false(SSL_session_reused(victim.ssl));
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_empties(&stage);
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        stage_close(&stage);
    }
}

static void early_data_is_refused(void **state)
{
    (void)state;
    struct stage stage;
    bool reused;
    size_t wrote = 0;
    tls_stage_prepare(&stage, "https");
    stage.options.terms.victim.resume = RESUME_ON;
    stage_raise(&stage);
    SSL_SESSION *session = visit(&stage, TLS1_3_VERSION, NULL, &reused);
    assert_true(SSL_SESSION_set_max_early_data(session, 16384));
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    SSL_set_session(victim.ssl, session);
    assert_int_equal(SSL_write_early_data(victim.ssl, GET, strlen(GET), &wrote),
                     1);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    assert_int_equal(SSL_get_early_data_status(victim.ssl),
                     SSL_EARLY_DATA_REJECTED);
    /* Nothing of it reached the server. */
    talker_says(&victim, "POST /once HTTP/1.1\r\nHost: bank.lab.test\r\n"
                         "Content-Length: 0\r\n\r\n");
    talkers_shake(&server, NULL);
    talker_hears(&server, "POST /once HTTP/1.1\r\nHost: bank.lab.test\r\n"
                          "Content-Length: 0\r\n\r\n");
    SSL_SESSION_free(session);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

/* ---- renegotiation ------------------------------------------------------- */

static void renegotiation_is_refused(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_2_VERSION, BANK);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    assert_int_equal(SSL_renegotiate(victim.ssl), 1);
    ERR_clear_error();
    for (int i = 0; i < 50; i++) {
        SSL_do_handshake(victim.ssl);
        stage_turn(&stage);
    }
    assert_int_not_equal(SSL_get_state(victim.ssl), TLS_ST_OK);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "tls.alert",
                                "\"level\":\"warning\",\"code\":100"));
    stage_close(&stage);
}

/* ---- protocols ----------------------------------------------------------- */

/* What the victim offered, as the server saw it, which takes the last. */
struct seen {
    struct buf list;
};

static int on_offer(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                    const unsigned char *in, unsigned in_len, void *context)
{
    (void)ssl;
    struct seen *seen = context;
    const struct alpn_list offered = {in, in_len};
    struct alpn_name name = {0};
    for (size_t at = 0; alpn_next(offered, &at, &name);)
        ;
    *out = name.bytes;
    *out_len = name.len;
    buf_clear(&seen->list);
    return buf_append(&seen->list, in, in_len) ? SSL_TLSEXT_ERR_NOACK
                                               : SSL_TLSEXT_ERR_OK;
}

/* So many names, each as long as names can be and like no other. */
static void add_long_names(struct buf *list, int count)
{
    char text[256];
    for (int i = 0; i < count; i++) {
        memset(text, 'a' + i % 26, 255);
        text[255] = 0;
        memcpy(text, &i, sizeof i);
        struct alpn_name name = {(uint8_t *)text, 255};
        assert_int_equal(alpn_append(list, name), 0);
    }
}

/* The victim offers `list`; the server must see its first `len` bytes, and
 * both agree on the last name of these. */
static void offers_arrive(const struct buf *list, size_t len)
{
    struct stage stage;
    struct seen seen = {0};
    const unsigned char *chosen;
    unsigned chosen_len;
    tls_stage_prepare(&stage, "tls");
    stage_raise(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    SSL_set_alpn_protos(victim.ssl, buf_head(list), (unsigned)buf_len(list));
    talker_shakes(&victim);
    struct talker server = server_answers(&stage);
    SSL_CTX_set_alpn_select_cb(SSL_get_SSL_CTX(server.ssl), on_offer, &seen);
    talkers_shake(&victim, &server);
    assert_true(victim.done);
    assert_int_equal(buf_len(&seen.list), len);
    assert_memory_equal(buf_head(&seen.list), buf_head(list), len);
    SSL_get0_alpn_selected(victim.ssl, &chosen, &chosen_len);
    assert_int_equal(chosen_len, 255);
    assert_memory_equal(chosen, buf_head(&seen.list) + len - 255, 255);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
    buf_free(&seen.list);
}

/* One that means nothing (RFC 8701), a short one, one with a 0 in it, and many
 * that are long; and more than a hello of ours has room for. */
static void all_protocols_of_a_victim_reach_the_server_in_order(void **state)
{
    (void)state;
    struct buf list = {0};
    buf_append(&list, "\2\x0a\x0a\3a\0b\4imap", 12);
    add_long_names(&list, 9);
    offers_arrive(&list, buf_len(&list));
    add_long_names(&list, 191);
    offers_arrive(&list, buf_len(&list));
    add_long_names(&list, 50);
    offers_arrive(&list, 12 + 256 * 239);
    buf_free(&list);
}

/* ---- what is shown counts ------------------------------------------------ */

/* After a HelloRetryRequest a victim has seen no certificate yet. */
static void who_leaves_after_a_retry_request_has_judged_nothing(void **state)
{
    (void)state;
    struct stage stage;
    char byte;
    tls_stage_prepare(&stage, "http");
    strcpy(stage.options.terms.victim.groups, "P-384");
    stage_raise(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    SSL_set1_groups_list(victim.ssl, "X25519:P-384");
    talker_shakes(&victim);
    struct actor server = server_enters(&stage);
    for (int i = 0;
         i < PATIENCE_TURNS && recv(victim.actor.fd, &byte, 1, MSG_PEEK) <= 0;
         i++)
        stage_turn(&stage);
    talker_leaves(&victim);
    actor_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "tls.hello", "\"ja4\":\"t13"));
    assert_false(stage_has_event(&stage, "tls.verdict", ""));
    stage_close(&stage);
}

/* ---- narrow sockets ------------------------------------------------------ */

/* The least that the kernel gives, on both legs: every write of a record has
 * to wait many times. */
static void make_narrow(int fd)
{
    int least = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
}

static void pour(struct talker *from, struct talker *to, const char *bytes,
                 size_t len)
{
    size_t sent = 0;
    SSL_set_mode(from->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (int i = 0; i < 100 * 1000 && buf_len(&to->actor.got) < len; i++) {
        int wrote = sent < len
                        ? SSL_write(from->ssl, bytes + sent, (int)(len - sent))
                        : 0;
        sent += wrote > 0 ? (size_t)wrote : 0;
        stage_turn(from->actor.stage);
        int got = SSL_read(to->ssl, buf_reserve(&to->actor.got, 16384), 16384);
        if (got > 0)
            buf_filled(&to->actor.got, (size_t)got);
    }
    assert_int_equal(buf_len(&to->actor.got), len);
    assert_memory_equal(buf_head(&to->actor.got), bytes, len);
    buf_clear(&to->actor.got);
}

static void records_larger_than_socket_buffers_pass(void **state)
{
    (void)state;
    enum { LEN = 200 * 1000 };
    char *bytes = malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    struct stage stage;
    tls_stage_prepare(&stage, "tls");
    stage_raise(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    make_narrow(victim.actor.fd);
    talker_shakes(&victim);
    struct talker server = server_answers(&stage);
    make_narrow(server.actor.fd);
    talkers_shake(&victim, &server);
    assert_true(victim.done);
    talkers_shake(&server, NULL);
    memcpy(bytes, "not HTTP\r\n", 10);
    pour(&victim, &server, bytes, LEN);
    pour(&server, &victim, bytes, LEN);
    free(bytes);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_staple_is_passed_on_where_that_is_wanted),
        cmocka_unit_test(a_forgery_may_bring_its_own),
        cmocka_unit_test(a_session_is_for_what_was_shown_with_it),
        cmocka_unit_test(early_data_is_refused),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(all_protocols_of_a_victim_reach_the_server_in_order),
        cmocka_unit_test(who_leaves_after_a_retry_request_has_judged_nothing),
        cmocka_unit_test(records_larger_than_socket_buffers_pass),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
