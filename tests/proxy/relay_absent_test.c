/* SPDX-License-Identifier: MIT
 *
 * Servers that are not there, not any more, or not yet: what becomes of
 * requests, who is asked about them, and that a server that comes back is
 * found. */
#include "tests/proxy/absent_stage.h"
#include "tests/proxy/tls_stage.h"

#define BANK  "bank.lab.test"
#define GET   "GET / HTTP/1.1\r\nHost: " BANK "\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static void prepare(struct stage *stage, const char *scheme,
                    struct puppet *puppet)
{
    tls_stage_prepare(stage, scheme);
    stage->options.connect_ms = 1000;
    puppet_joins(stage, puppet);
}

static void raise_with(struct stage *stage, const char *scheme,
                       struct puppet *puppet)
{
    prepare(stage, scheme, puppet);
    stage_raise(stage);
}

/* ---- not there ----------------------------------------------------------- */

static void a_hook_answers_where_nobody_listens(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    raise_with(&stage, "http", &puppet);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    for (int i = 0; i < 3; i++) {
        actor_says(&victim, "POST / HTTP/1.1\r\nHost: a\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n0\r\n\r\n");
        actor_hears(&victim, MINE);
    }
    assert_int_equal(puppet.requests, 3);
    assert_int_equal(puppet.responses, 3);
    assert_true(stage_has_event(&stage, "server.unreachable", "refused"));
    assert_true(stage_has_event(&stage, "http.request", "\"body\":\"abc\""));
    stage_ends(&stage, &victim, NULL);
}

static void a_server_that_comes_is_found_on_the_same_connection(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    raise_with(&stage, "http", &puppet);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    actor_hears(&victim, MINE);
    puppet.act = HOOK_PASS;
    server_comes(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    stage_ends(&stage, &victim, &server);
}

static void each_request_tries_the_server_once(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    raise_with(&stage, "http", &puppet);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    actor_hears(&victim, MINE);
    puppet.act = HOOK_PASS;
    actor_says(&victim, GET);
    const char *heard = actor_hears_all(&victim);
    assert_memory_equal(heard, "HTTP/1.1 502 ", 13);
    assert_non_null(strstr(heard, "connection refused"));
    assert_non_null(strstr(heard, "Connection: close"));
    char *events = stage_events(&stage);
    unsigned tried = 0;
    for (char *at = events; (at = strstr(at, "server.unreachable")); at++)
        tried++;
    free(events);
    assert_int_equal(tried, 2);
    stage_ends(&stage, &victim, NULL);
}

/* Our own word is no server's: hooks are not shown it, but it is told. */
static void what_no_hook_answers_is_502_and_is_told(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_PASS};
    raise_with(&stage, "http", &puppet);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET /lost HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
    stage_ends(&stage, &victim, NULL);
    assert_int_equal(puppet.requests, 1);
    assert_int_equal(puppet.responses, 0);
}

static void what_nobody_answers_is_in_the_events(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET /lost HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_true(
        stage_has_event(&stage, "http.request", "\"target\":\"/lost\""));
    assert_true(stage_has_event(&stage, "http.request", "\"whole\":true"));
    assert_true(stage_has_event(&stage, "http.response", "\"status\":502"));
    assert_true(stage_has_event(&stage, "http.response", "refused"));
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"failed\""));
    stage_close(&stage);
}

static void a_name_that_nobody_knows_may_be_answered(void **state)
{
    (void)state;
    static const char ask[] = "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    prepare(&stage, "http", &puppet);
    stage_takes(&stage, WAY_SNI);
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, ask);
    actor_hears(&victim, MINE);
    puppet.act = HOOK_PASS;
    actor_says(&victim, ask);
    assert_non_null(strstr(actor_hears_all(&victim), "name not in this lab"));
    stage_ends(&stage, &victim, NULL);
}

/* The walls are no matter of opinion. */
static void no_hook_is_asked_about_what_is_outside(void **state)
{
    (void)state;
    static const struct {
        enum way_mode mode;
        const char *request, *status;
    } rows[] = {
        {WAY_SNI, "GET / HTTP/1.1\r\nHost: 8.8.8.8\r\n\r\n", "403"},
        {WAY_HTTP, "GET http://8.8.8.8/ HTTP/1.1\r\nHost: a\r\n\r\n", "403"},
        {WAY_HTTP, "CONNECT 8.8.8.8:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage stage;
        struct puppet puppet = {.act = HOOK_ANSWER};
        prepare(&stage, "http", &puppet);
        stage_takes(&stage, rows[i].mode);
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, rows[i].request);
        const char *heard = actor_hears_all(&victim);
        assert_memory_equal(heard + 9, rows[i].status, 3);
        assert_non_null(strstr(heard, "outside the lab"));
        stage_ends(&stage, &victim, NULL);
        assert_int_equal(puppet.requests, 0);
    }
}

/* A listener whose queue is full takes nobody more, and refuses nobody. */
static void a_server_that_is_silent_may_be_answered_for(void **state)
{
    (void)state;
    for (int answers = 0; answers < 2; answers++) {
        struct stage stage;
        struct puppet puppet = {.act = answers ? HOOK_ANSWER : HOOK_PASS};
        struct sockaddr_in address;
        socklen_t len = sizeof address;
        int waits[4];
        prepare(&stage, "http", &puppet);
        stage.options.connect_ms = 200;
        stage_raise(&stage);
        assert_int_equal(listen(stage.listener, 0), 0);
        getsockname(stage.listener, (struct sockaddr *)&address, &len);
        for (int i = 0; i < 4; i++) {
            waits[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(waits[i], (struct sockaddr *)&address, len);
        }
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, GET);
        if (answers)
            actor_hears(&victim, MINE);
        else
            assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 504 ", 13);
        for (int i = 0; i < 4; i++)
            close(waits[i]);
        stage_ends(&stage, &victim, NULL);
    }
}

/* ---- TLS without a server ------------------------------------------------ */

static void
a_victim_of_tls_is_answered_with_a_leaf_made_of_its_sni(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    raise_with(&stage, "https", &puppet);
    server_goes(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    talkers_shake(&victim, NULL);
    assert_true(victim.done);
    talker_says(&victim, GET);
    talker_hears(&victim, MINE);
    /* And when it is there, it is asked, in its own TLS. */
    puppet.act = HOOK_PASS;
    server_comes(&stage);
    talker_says(&victim, GET);
    struct talker server = server_answers(&stage);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, OK_HI);
    talker_hears(&victim, OK_HI);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_ends(&stage, NULL, NULL);
}

static void inside_such_tls_the_502_has_its_reason(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_PASS};
    raise_with(&stage, "https", &puppet);
    server_goes(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    talkers_shake(&victim, NULL);
    assert_true(victim.done);
    talker_says(&victim, GET);
    talker_hears(&victim, "HTTP/1.1 502 Bad Gateway\r\n");
    talker_leaves(&victim);
    stage_ends(&stage, NULL, NULL);
}

/* Nobody is to be impersonated, and an alert is the sooner word. */
static void where_no_hook_answers_tls_hears_an_alert(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_PASS};
    prepare(&stage, "https", &puppet);
    puppet.hook.wants = 0;
    stage_raise(&stage);
    server_goes(&stage);
    struct talker victim = victim_calls(&stage, NULL, TLS1_3_VERSION, BANK);
    talkers_shake(&victim, NULL);
    assert_true(victim.failed);
    talker_leaves(&victim);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "tls.alert", "handshake_failure"));
    assert_int_equal(puppet.requests, 0);
    stage_close(&stage);
}

/* It is there, but it is not who it should be: nothing is said to it. */
static void a_server_that_does_not_verify_may_be_answered_for(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct stage stage;
        struct puppet puppet = {.act = HOOK_ANSWER};
        prepare(&stage, "https", &puppet);
        stage.options.terms.trust = NULL;
        stage_raise(&stage);
        struct talker victim = {.actor = {.stage = &stage, .fd = -1}};
        if (tls)
            victim = victim_calls(&stage, authorities.rogue->root,
                                  TLS1_3_VERSION, BANK);
        else
            victim.actor = victim_enters(&stage);
        if (tls)
            talker_shakes(&victim);
        else
            actor_says(&victim.actor, GET);
        struct talker server = server_answers(&stage);
        talkers_shake(&server, NULL);
        if (tls) {
            talkers_shake(&victim, NULL);
            assert_true(victim.done);
            talker_says(&victim, GET);
            talker_hears(&victim, MINE);
        } else {
            actor_hears(&victim.actor, MINE);
        }
        assert_int_equal(buf_len(&server.actor.got), 0);
        assert_true(stage_has_event(&stage, "tls.alert", "unknown_ca"));
        talker_leaves(&victim);
        talker_leaves(&server);
        stage_ends(&stage, NULL, NULL);
    }
}

/* ---- tunnels ------------------------------------------------------------- */

static void ask_tunnel(struct actor *victim, enum way_mode mode)
{
    int port = victim->stage->upstream.port;
    char text[96];
    uint8_t request[] = "\5\1\0\1\x7f\0\0\1..";
    if (mode == WAY_HTTP) {
        snprintf(text, sizeof text,
                 "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: a\r\n\r\n", port);
        actor_says(victim, text);
        return;
    }
    request[8] = (uint8_t)(port >> 8);
    request[9] = (uint8_t)port;
    actor_says_bytes(victim, "\5\1\0", 3);
    actor_hears_bytes(victim, "\5\0", 2);
    actor_says_bytes(victim, request, 10);
}

static void be_granted(struct actor *victim, enum way_mode mode)
{
    if (mode == WAY_HTTP)
        actor_hears(victim, "HTTP/1.1 200 Connection established\r\n\r\n");
    else
        actor_hears_bytes(victim, "\5\0\0\1\0\0\0\0\0\0", 10);
}

static void a_tunnel_to_nobody_is_granted_where_a_hook_answers(void **state)
{
    (void)state;
    static const enum way_mode modes[] = {WAY_HTTP, WAY_SOCKS};
    for (int i = 0; i < 4; i++) {
        struct stage stage;
        struct puppet puppet = {.act = HOOK_ANSWER};
        prepare(&stage, "http", &puppet);
        stage_takes(&stage, modes[i % 2]);
        stage_raise(&stage);
        server_goes(&stage);
        struct talker victim =
            victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
        ask_tunnel(&victim.actor, modes[i % 2]);
        be_granted(&victim.actor, modes[i % 2]);
        if (i / 2) {
            talkers_shake(&victim, NULL);
            assert_true(victim.done);
            talker_says(&victim, GET);
            talker_hears(&victim, MINE);
        } else {
            actor_says(&victim.actor, GET);
            actor_hears(&victim.actor, MINE);
        }
        talker_leaves(&victim);
        stage_ends(&stage, NULL, NULL);
    }
}

static void bytes_in_a_tunnel_to_nobody_end_it(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    prepare(&stage, "http", &puppet);
    stage_takes(&stage, WAY_SOCKS);
    stage_raise(&stage);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    ask_tunnel(&victim, WAY_SOCKS);
    be_granted(&victim, WAY_SOCKS);
    actor_says(&victim, "\1\2\3\4\5\6\7\10\11\12");
    actor_hears_reset(&victim);
    stage_ends(&stage, &victim, NULL);
}

static void a_request_to_another_server_may_find_nobody(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_PASS};
    char ask[96], other[96];
    struct sockaddr_in address;
    int nobody = stage_listen(&address);
    close(nobody);
    prepare(&stage, "http", &puppet);
    stage_takes(&stage, WAY_HTTP);
    stage_raise(&stage);
    snprintf(ask, sizeof ask,
             "GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
             stage.upstream.port);
    snprintf(other, sizeof other,
             "GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
             ntohs(address.sin_port));
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, ask);
    struct actor server = server_enters(&stage);
    actor_waits_for(&server, 20);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    puppet.act = HOOK_ANSWER;
    actor_says(&victim, other);
    actor_hears(&victim, MINE);
    puppet.act = HOOK_PASS;
    actor_says(&victim, ask);
    struct actor again = server_enters(&stage);
    actor_waits_for(&again, 20);
    actor_says(&again, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_leaves(&again);
    stage_ends(&stage, &victim, &server);
}

/* ---- not any more -------------------------------------------------------- */

static void a_server_that_left_between_requests_is_asked_anew(void **state)
{
    (void)state;
    for (int resets = 0; resets < 2; resets++) {
        struct stage stage;
        stage_open(&stage);
        struct actor victim = victim_enters(&stage);
        for (int i = 0; i < 3; i++) {
            actor_says(&victim, GET);
            struct actor server = server_enters(&stage);
            actor_hears(&server, GET);
            actor_says(&server, OK_HI);
            actor_hears(&victim, OK_HI);
            if (resets)
                actor_resets(&server);
            else
                actor_leaves(&server);
            actor_hears_nothing(&victim);
        }
        stage_ends(&stage, &victim, NULL);
    }
}

static void in_tls_as_well(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    for (int i = 0; i < 3; i++) {
        talker_says(&victim, GET);
        if (i)
            server = server_answers(&stage);
        talkers_shake(&server, NULL);
        talker_hears(&server, GET);
        talker_says(&server, OK_HI);
        talker_hears(&victim, OK_HI);
        talker_says_bye(&server);
        talker_leaves(&server);
        stage_rest(&stage);
    }
    talker_leaves(&victim);
    stage_ends(&stage, NULL, NULL);
}

static void
a_server_that_left_while_a_request_was_held_is_asked_anew(void **state)
{
    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        struct stage stage;
        struct puppet puppet = {.act = HOOK_WAIT};
        puppet.field = changed ? "1" : NULL;
        raise_with(&stage, "http", &puppet);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, GET);
        struct actor server = server_enters(&stage);
        actor_hears_nothing(&server);
        actor_leaves(&server);
        stage_rest(&stage);
        flow_resume(puppet.flow);
        server = server_enters(&stage);
        actor_hears(&server, changed ? "GET / HTTP/1.1\r\nHost: " BANK
                                       "\r\nX-Puppet: 1\r\n\r\n"
                                     : GET);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        assert_int_equal(puppet.requests, 1);
        stage_ends(&stage, &victim, &server);
    }
}

static void a_server_that_comes_while_a_request_is_held_is_found(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_WAIT};
    raise_with(&stage, "http", &puppet);
    server_goes(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    actor_hears_nothing(&victim);
    server_comes(&stage);
    flow_resume(puppet.flow);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    stage_ends(&stage, &victim, &server);
}

static void a_server_that_speaks_unasked_ends_the_connection(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_says(&server, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    actor_hears_end(&victim);
    stage_ends(&stage, &victim, &server);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_answers_where_nobody_listens),
        cmocka_unit_test(a_server_that_comes_is_found_on_the_same_connection),
        cmocka_unit_test(each_request_tries_the_server_once),
        cmocka_unit_test(what_no_hook_answers_is_502_and_is_told),
        cmocka_unit_test(what_nobody_answers_is_in_the_events),
        cmocka_unit_test(a_name_that_nobody_knows_may_be_answered),
        cmocka_unit_test(no_hook_is_asked_about_what_is_outside),
        cmocka_unit_test(a_server_that_is_silent_may_be_answered_for),
        cmocka_unit_test(
            a_victim_of_tls_is_answered_with_a_leaf_made_of_its_sni),
        cmocka_unit_test(inside_such_tls_the_502_has_its_reason),
        cmocka_unit_test(where_no_hook_answers_tls_hears_an_alert),
        cmocka_unit_test(a_server_that_does_not_verify_may_be_answered_for),
        cmocka_unit_test(a_tunnel_to_nobody_is_granted_where_a_hook_answers),
        cmocka_unit_test(bytes_in_a_tunnel_to_nobody_end_it),
        cmocka_unit_test(a_request_to_another_server_may_find_nobody),
        cmocka_unit_test(a_server_that_left_between_requests_is_asked_anew),
        cmocka_unit_test(in_tls_as_well),
        cmocka_unit_test(
            a_server_that_left_while_a_request_was_held_is_asked_anew),
        cmocka_unit_test(a_server_that_comes_while_a_request_is_held_is_found),
        cmocka_unit_test(a_server_that_speaks_unasked_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
