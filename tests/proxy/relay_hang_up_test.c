/* SPDX-License-Identifier: MIT
 *
 * A server that hangs up instead of answering: what its victim sees of that,
 * and who hears of it in words. */
#include "tests/proxy/absent_stage.h"
#include "tests/proxy/tls_stage.h"

#define BANK  "bank.lab.test"
#define GET   "GET / HTTP/1.1\r\nHost: " BANK "\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* The victim sees what the server did, as it would without us; nothing is asked
 * twice, though the method would allow it and the connection had answered. */
static void a_server_that_leaves_without_a_word_is_seen_to_do_so(void **state)
{
    (void)state;
    static const char post[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    static const char early[] = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for (int kind = 0; kind < 16; kind++) {
        bool resets = kind & 1, used = kind & 2, hints = kind & 8;
        const char *request = kind & 4 ? post : GET;
        struct stage stage;
        stage_open(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, used ? GET : request);
        struct actor server = server_enters(&stage);
        actor_hears(&server, used ? GET : request);
        if (used) {
            actor_says(&server, OK_HI);
            actor_hears(&victim, OK_HI);
            actor_says(&victim, request);
            actor_hears(&server, request);
        }
        if (hints) {
            actor_says(&server, early);
            actor_hears(&victim, early);
        }
        (resets ? actor_resets : actor_leaves)(&server);
        (resets ? actor_hears_reset : actor_hears_end)(&victim);
        assert_int_equal(buf_len(&victim.got), 0);
        assert_int_equal(stage_door(&stage), -1);
        actor_leaves(&victim);
        stage_empties(&stage);
        assert_false(
            stage_has_event(&stage, "http.response", "\"status\":502"));
        stage_close(&stage);
    }
}

/* Who asks the proxy itself hears of it why. */
static void a_client_of_the_proxy_hears_502_instead(void **state)
{
    (void)state;
    for (int resets = 0; resets < 2; resets++) {
        struct stage stage;
        char request[128];
        stage_prepare(&stage, "http");
        stage_takes(&stage, WAY_HTTP);
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        snprintf(request, sizeof request,
                 "GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
                 stage.upstream.port);
        actor_says(&victim, request);
        struct actor server = server_enters(&stage);
        actor_waits_for(&server, 20);
        (resets ? actor_resets : actor_leaves)(&server);
        const char *heard = actor_hears_all(&victim);
        assert_memory_equal(heard, "HTTP/1.1 502 ", 13);
        assert_non_null(strstr(heard, resets ? "reset the connection"
                                             : "ended the connection"));
        actor_leaves(&victim);
        stage_empties(&stage);
        assert_true(stage_has_event(&stage, "http.response", "\"status\":502"));
        stage_close(&stage);
    }
}

/* It is about our handshake: the victim had another one. */
static void an_alert_is_told_by_502(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, OK_HI);
    talker_hears(&victim, OK_HI);
    talker_says(&victim, GET);
    talker_hears(&server, GET);
    talker_alerts(&server);
    talker_hears(&victim, "HTTP/1.1 502 ");
    assert_int_equal(stage_door(&stage), -1);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_ends(&stage, NULL, NULL);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_leaves_without_a_word_is_seen_to_do_so),
        cmocka_unit_test(a_client_of_the_proxy_hears_502_instead),
        cmocka_unit_test(an_alert_is_told_by_502),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
