/* SPDX-License-Identifier: MIT
 *
 * A server that ends its connection without an answer: when it is asked once
 * more, and when the victim is told (proxy/again.h). */
#include "tests/proxy/absent_stage.h"
#include "tests/proxy/tls_stage.h"

#define BANK  "bank.lab.test"
#define GET   "GET / HTTP/1.1\r\nHost: " BANK "\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

#define FIELDS "Host: a\r\nContent-Length: 2\r\n\r\n"

/* A connection of the victim's whose server has answered something. */
static struct actor victim_who_was_answered(struct stage *stage,
                                            struct actor *server)
{
    static const char first[] = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t len;
    struct actor victim = victim_enters(stage);
    actor_says(&victim, first);
    *server = server_enters(stage);
    do {
        actor_waits_for(server, buf_len(&server->got) + 1);
        len = buf_len(&server->got);
    } while (len < 4 ||
             memcmp(buf_head(&server->got) + len - 4, "\r\n\r\n", 4));
    buf_clear(&server->got);
    actor_says(server, OK_HI);
    actor_hears(&victim, OK_HI);
    return victim;
}

static void what_died_without_a_word_is_asked_again_once(void **state)
{
    (void)state;
    static const char *const requests[] = {
        GET, "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /x HTTP/1.1\r\n" FIELDS "ab"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct stage stage;
        stage_open(&stage);
        struct actor server, victim = victim_who_was_answered(&stage, &server);
        actor_says(&victim, requests[i]);
        actor_hears(&server, requests[i]);
        actor_leaves(&server);
        server = server_enters(&stage);
        actor_hears(&server, requests[i]);
        if (i == 0) {
            actor_says(&server, OK_HI);
            actor_hears(&victim, OK_HI);
            actor_leaves(&server);
        } else {
            actor_resets(&server);
            assert_non_null(strstr(actor_hears_all(&victim), "502 Bad"));
        }
        stage_rest(&stage);
        assert_int_equal(stage_door(&stage), -1);
        stage_ends(&stage, &victim, NULL);
    }
}

static void what_is_asked_again_is_told_again_with_its_body(void **state)
{
    (void)state;
    static const char put[] = "PUT /twice HTTP/1.1\r\nHost: a\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor server, victim = victim_who_was_answered(&stage, &server);
    actor_says(&victim, put);
    for (int i = 0; i < 2; i++) {
        if (i)
            server = server_enters(&stage);
        actor_hears(&server, put);
        if (i) {
            actor_says(&server, OK_HI);
            actor_hears(&victim, OK_HI);
        }
        actor_leaves(&server);
    }
    actor_leaves(&victim);
    stage_empties(&stage);
    char *events = stage_events(&stage), *rest = NULL;
    unsigned came = 0, went = 0;
    for (char *line = strtok_r(events, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        bool told = strstr(line, "http.request") && strstr(line, "/twice") &&
                    strstr(line, "\"body\":\"abcde\"");
        came += told && strstr(line, "\"leg\":\"victim\"");
        went += told && strstr(line, "\"leg\":\"server\"");
    }
    free(events);
    assert_int_equal(came, 1);
    assert_int_equal(went, 2);
    stage_close(&stage);
}

static void what_a_hook_made_of_it_is_asked_again(void **state)
{
    (void)state;
    static const char changed[] =
        "GET / HTTP/1.1\r\nHost: " BANK "\r\nX-Puppet: 1\r\n\r\n";
    struct stage stage;
    struct puppet puppet = {.act = HOOK_CHANGED, .field = "1"};
    stage_prepare(&stage, "http");
    puppet_joins(&stage, &puppet);
    stage_raise(&stage);
    struct actor server, victim = victim_who_was_answered(&stage, &server);
    actor_says(&victim, GET);
    actor_hears(&server, changed);
    actor_leaves(&server);
    server = server_enters(&stage);
    actor_hears(&server, changed);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    assert_int_equal(puppet.requests, 2);
    stage_ends(&stage, &victim, &server);
}

static void what_must_not_be_asked_twice_is_502(void **state)
{
    (void)state;
    static const char *const requests[][2] = {
        {"POST /x HTTP/1.1\r\n" FIELDS "ab", ""},
        /* Its body is not all there, or will not stay. */
        {"PUT /x HTTP/1.1\r\n" FIELDS, "a"},
        {"PUT /x HTTP/1.1\r\n" FIELDS, "ab"},
        {"PATCH /x HTTP/1.1\r\n" FIELDS "ab", ""},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct stage stage;
        stage_open(&stage);
        struct actor server, victim = victim_who_was_answered(&stage, &server);
        actor_says(&victim, requests[i][0]);
        actor_hears(&server, requests[i][0]);
        actor_says(&victim, requests[i][1]);
        actor_hears(&server, requests[i][1]);
        actor_leaves(&server);
        if (i == 1)
            actor_says(&victim, "b");
        const char *heard = actor_hears_all(&victim);
        assert_memory_equal(heard, "HTTP/1.1 502 ", 13);
        assert_non_null(strstr(heard, "without an answer"));
        assert_int_equal(stage_door(&stage), -1);
        stage_ends(&stage, &victim, NULL);
    }
}

static void asked_again_where_nobody_listens_any_more_is_502(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor server, victim = victim_who_was_answered(&stage, &server);
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    server_goes(&stage);
    actor_leaves(&server);
    const char *heard = actor_hears_all(&victim);
    assert_memory_equal(heard, "HTTP/1.1 502 ", 13);
    assert_non_null(strstr(heard, "refused"));
    stage_ends(&stage, &victim, NULL);
}

/* It was dialled for this request, so it did not close because it was idle: for
 * the first request of a connection, and for one that dialled anew. */
static void a_fresh_connection_that_dies_is_502(void **state)
{
    (void)state;
    for (int anew = 0; anew < 2; anew++) {
        struct stage stage;
        struct actor server, victim;
        stage_open(&stage);
        if (anew) {
            victim = victim_who_was_answered(&stage, &server);
            actor_leaves(&server);
            stage_rest(&stage);
        } else {
            victim = victim_enters(&stage);
        }
        actor_says(&victim, GET);
        server = server_enters(&stage);
        actor_hears(&server, GET);
        actor_leaves(&server);
        const char *heard = actor_hears_all(&victim);
        assert_memory_equal(heard, "HTTP/1.1 502 ", 13);
        assert_non_null(strstr(heard, "without an answer"));
        assert_int_equal(stage_door(&stage), -1);
        stage_ends(&stage, &victim, NULL);
    }
}

static void a_server_that_ends_with_an_alert_is_not_asked_again(void **state)
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

/* An answer of a hook's is not the server's. */
static void what_a_hook_answered_does_not_count(void **state)
{
    (void)state;
    struct stage stage;
    struct puppet puppet = {.act = HOOK_ANSWER};
    stage_prepare(&stage, "http");
    puppet_joins(&stage, &puppet);
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    actor_hears(&victim, MINE);
    struct actor server = server_enters(&stage);
    puppet.act = HOOK_PASS;
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    actor_leaves(&server);
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
    stage_ends(&stage, &victim, NULL);
}

/* It has begun to answer, so it has begun to act. */
static void after_an_interim_response_nothing_is_asked_again(void **state)
{
    (void)state;
    static const char early[] = "HTTP/1.1 103 Early Hints\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor server, victim = victim_who_was_answered(&stage, &server);
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    actor_says(&server, early);
    actor_hears(&victim, early);
    actor_leaves(&server);
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
    assert_int_equal(stage_door(&stage), -1);
    stage_ends(&stage, &victim, NULL);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_died_without_a_word_is_asked_again_once),
        cmocka_unit_test(what_is_asked_again_is_told_again_with_its_body),
        cmocka_unit_test(what_a_hook_made_of_it_is_asked_again),
        cmocka_unit_test(what_must_not_be_asked_twice_is_502),
        cmocka_unit_test(asked_again_where_nobody_listens_any_more_is_502),
        cmocka_unit_test(a_fresh_connection_that_dies_is_502),
        cmocka_unit_test(a_server_that_ends_with_an_alert_is_not_asked_again),
        cmocka_unit_test(what_a_hook_answered_does_not_count),
        cmocka_unit_test(after_an_interim_response_nothing_is_asked_again),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
