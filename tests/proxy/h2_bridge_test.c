/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 on one leg and HTTP/1.1 on the other: what is said in one is meant in
 * the other, and nothing that a header block may hold becomes a second
 * request (the smuggling of downgrades, Kettle 2021). */
#include "tests/proxy/h2_down.h"
#include "tests/proxy/h2_up.h"

#include <signal.h>

/* ---- a victim of HTTP/2, a server of HTTP/1.1 ---------------------------- */

static void on_one_connection_they_go_down_one_after_the_other(void **state)
{
    (void)state;
    struct down *down = down_new_with_one();
    int32_t one = framer_asks(&down->victim, H2_GET, NULL);
    int32_t two = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_hears_nothing(&down->server);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, one), "hi");
    down_hears(down, GET_1);
    actor_says(&down->server,
               "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\n"
               "Keep-Alive: timeout=5\r\nX-A: 1\r\nX-B: 2\r\n"
               "Transfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n0\r\n\r\n");
    struct seen *seen = down_answered(down, two);
    seen_is(seen, "abc");
    assert_string_equal(seen->head, H2_OK "x-b: 2\n");
    down_free(down);
}

static const struct {
    const char *what, *head, *body, *trailer, *expected;
} bodies[] = {
    {"a length", H2_POST "content-length: 5\n", "hello", NULL,
     POST_1 "content-length: 5\r\n\r\nhello"},
    {"none", H2_POST, "hello", NULL,
     POST_1 "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    {"trailers", H2_POST "te: trailers\n", "hello", "x-sum",
     POST_1 "te: trailers\r\nconnection: te\r\n"
            "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
            "x-sum: end\r\n\r\n"},
    {"trailers that come too late", H2_POST, "hello", "authorization",
     POST_1 "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    {"crumbs", H2_GET "cookie: a=1\nx: y\ncookie: b=2\n", NULL, NULL,
     "GET / HTTP/1.1\r\nhost: bank.lab.test\r\ncookie: a=1; b=2\r\nx: y\r\n"
     "\r\n"},
    {"what waits for leave",
     H2_POST "content-length: 2\nexpect: 100-continue\n", "hi", NULL,
     POST_1 "content-length: 2\r\nexpect: 100-continue\r\n\r\nhi"},
};

static void bodies_keep_their_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct down *down = down_new();
        struct said body = {.bytes = bodies[i].body,
                            .len = bodies[i].body ? strlen(bodies[i].body) : 0,
                            .trailer = bodies[i].trailer};
        int32_t id = framer_asks(&down->victim, bodies[i].head,
                                 bodies[i].body ? &body : NULL);
        down_hears(down, bodies[i].expected);
        actor_says(&down->server, OK_HI);
        seen_is(down_answered(down, id), "hi");
        down_free(down);
    }
}

/* Each is one request, or none. */
static const struct {
    const char *trick, *head, *body;
} tricks[] = {
    {"H2.CL: a body behind a length of 0", H2_POST "content-length: 0\n",
     "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"H2.CL: more than the length", H2_POST "content-length: 3\n",
     "abcGET /evil HTTP/1.1\r\n\r\n"},
    {"H2.CL: less than the length", H2_POST "content-length: 50\n", "abc"},
    {"H2.TE", H2_POST "transfer-encoding: chunked\n",
     "0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n"},
    {"H2.TE behind a line end in a value",
     H2_POST "a: b\rtransfer-encoding: chunked\n", "0\r\n\r\nX"},
    {"H2.TE behind a line end in a name",
     H2_POST "a\rtransfer-encoding: chunked\n", "0\r\n\r\nX"},
    {"a name with a colon", H2_POST "transfer-encoding:x: chunked\n", "0"},
    {"a name with a space", H2_POST "transfer-encoding : chunked\n", "0"},
    {"connection takes a field away",
     H2_POST "connection: content-length\ncontent-length: 1\n", "a"},
    {"a length twice", H2_POST "content-length: 1\ncontent-length: 2\n", "a"},
    {"a length that is a list", H2_POST "content-length: 1, 1\n", "a"},
    {"a request line in :path",
     ":method: GET\n:scheme: http\n:authority: a\n"
     ":path: / HTTP/1.1\rHost: evil\n",
     NULL},
    {"a space in :path",
     ":method: GET\n:scheme: http\n:authority: a\n:path: /a /b\n", NULL},
    {"a fragment in :path",
     ":method: GET\n:scheme: http\n:authority: a\n:path: /a#b\n", NULL},
    {"an URL in :path",
     ":method: GET\n:scheme: http\n:authority: a\n:path: http://evil/\n", NULL},
    {"a request line in :method",
     ":method: GET /evil HTTP/1.1\n:scheme: http\n:authority: a\n:path: /\n",
     NULL},
    {"a path in :authority",
     ":method: GET\n:scheme: http\n:authority: a/evil?\n:path: /\n", NULL},
    {"a space in :authority",
     ":method: GET\n:scheme: http\n:authority: a b\n:path: /\n", NULL},
    {"a user name in :authority",
     ":method: GET\n:scheme: http\n:authority: a@evil\n:path: /\n", NULL},
    {"an URL in :scheme",
     ":method: GET\n:scheme: http://evil/?\n:authority: a\n:path: /\n", NULL},
    {"Host says something else", H2_GET "host: evil\n", NULL},
    {"Host twice", H2_GET "host: bank.lab.test\nhost: evil\n", NULL},
    {"an upgrade", H2_GET "upgrade: h2c\n", NULL},
    {"te", H2_GET "te: chunked\n", NULL},
    {"proxy-connection", H2_GET "proxy-connection: close\n", NULL},
};

static void tricks_of_downgrades_do_not_reach_the_server(void **state)
{
    (void)state;
    struct down *down = down_new();
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        struct said body = {.bytes = tricks[i].body,
                            .len = tricks[i].body ? strlen(tricks[i].body) : 0};
        int32_t id = framer_asks(&down->victim, tricks[i].head,
                                 tricks[i].body ? &body : NULL);
        struct seen *seen = down_answered(down, id);
        actor_listens(&down->server);
        if (buf_len(&down->server.got))
            fail_msg("%s: the server heard \"%.*s\"", tricks[i].trick,
                     (int)buf_len(&down->server.got),
                     (char *)buf_head(&down->server.got));
        if (!seen->error && !strstr(seen->head, ":status: 4"))
            fail_msg("%s: \"%s\"", tricks[i].trick, seen->head);
    }
    /* And the connection to the server is as good as new. */
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, id), "hi");
    down_free(down);
}

static const struct {
    const char *what, *trailer, *seen;
} trailers[] = {
    {"some", "X-Sum: 1\r\nx-b:  two words \r\n", "x-sum: 1\nx-b: two words\n"},
    {"none", "", ""},
    {"what comes too late",
     "Set-Cookie: a=b\r\nX-Sum: 1\r\nWWW-Authenticate: Basic\r\n"
     "Cache-Control: no-store\r\nContent-Type: a/b\r\n",
     "x-sum: 1\n"},
};

/* In any pieces. */
static void trailers_come_behind_the_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof trailers / sizeof *trailers); i++) {
        struct down *down = down_new();
        char text[1024];
        int32_t id = framer_asks(&down->victim, H2_GET, NULL);
        down_hears(down, GET_1);
        snprintf(text, sizeof text,
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n0\r\n%s\r\n",
                 trailers[i / 2].trailer);
        if (i % 2)
            actor_says(&down->server, text);
        for (size_t at = 0; !(i % 2) && text[at]; at++)
            actor_says_bytes(&down->server, &text[at], 1);
        struct seen *seen = down_answered(down, id);
        seen_is(seen, "abc");
        assert_string_equal(seen->after, trailers[i / 2].seen);
        assert_int_equal(seen->error, 0);
        down_free(down);
    }
}

static void trailers_of_one_response_are_not_those_of_the_next(void **state)
{
    (void)state;
    struct down *down = down_new();
    for (int i = 0; i < 2; i++) {
        int32_t id = framer_asks(&down->victim, H2_GET, NULL);
        down_hears(down, GET_1);
        actor_says(&down->server,
                   i ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "1\r\na\r\n0\r\n\r\n"
                     : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "1\r\na\r\n0\r\nX: 1\r\n\r\n");
        assert_string_equal(down_answered(down, id)->after, i ? "" : "x: 1\n");
    }
    down_free(down);
}

static void a_response_cut_short_is_not_taken_for_whole(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
    actor_finishes(&down->server);
    assert_int_not_equal(down_answered(down, id)->error, 0);
    down_free(down);
}

static void a_malformed_response_becomes_502(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                              "Content-Length: 3\r\n\r\nhi");
    assert_non_null(strstr(down_answered(down, id)->head, ":status: 502"));
    down_free(down);
}

static void what_nobody_waits_for_is_thrown_away(void **state)
{
    (void)state;
    struct down *down = down_new_with_one();
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    nghttp2_submit_rst_stream(down->victim.session, 0, id, NGHTTP2_CANCEL);
    int32_t next = framer_asks(&down->victim, H2_GET, NULL);
    for (int i = 0; i < 20; i++) {
        framer_turns(&down->victim);
        stage_turn(&down->stage);
    }
    actor_says(&down->server,
               "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, next), "hi");
    down_free(down);
}

/* ---- a victim of HTTP/1.1, a server of HTTP/2 ---------------------------- */

static const struct {
    const char *request, *head, *body;
} ups[] = {
    {"GET /a?b HTTP/1.1\r\nHost: bank.lab.test\r\nConnection: x-hop\r\n"
     "X-Hop: 1\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Kept: 2\r\n\r\n",
     ":method: GET\n:scheme: http\n:authority: bank.lab.test\n:path: /a?b\n"
     "x-kept: 2\n",
     ""},
    {"GET http://bank.lab.test/abs HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n",
     ":method: GET\n:scheme: http\n:authority: bank.lab.test\n:path: /abs\n",
     ""},
    {"GET http://bank.lab.test?q HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n",
     ":method: GET\n:scheme: http\n:authority: bank.lab.test\n:path: /?q\n",
     ""},
    {"POST / HTTP/1.1\r\nHost: bank.lab.test\r\nContent-Length: 5\r\n\r\nhello",
     H2_POST "content-length: 5\n", "hello"},
    {"POST / HTTP/1.1\r\nHost: bank.lab.test\r\n"
     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
     H2_POST, "abcde"},
};

static void requests_go_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ups / sizeof *ups; i++) {
        struct up *up = up_new(ups[i].request);
        struct said body = {.bytes = "hi", .len = 2};
        struct seen *seen = up_asked(up, 1);
        assert_string_equal(seen->head, ups[i].head);
        seen_is(seen, ups[i].body);
        framer_answers(&up->server, 1, H2_OK "content-length: 2\n", &body);
        up_hears(up, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
        up_free(up);
    }
}

static void trailers_of_a_request_go_up(void **state)
{
    (void)state;
    struct up *up = up_new("POST / HTTP/1.1\r\nHost: a\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                           "0\r\nX-Sum: 1\r\nAge: 3\r\n\r\n");
    struct seen *seen = up_asked(up, 1);
    seen_is(seen, "abc");
    assert_string_equal(seen->after, "x-sum: 1\n");
    framer_answers(&up->server, 1, H2_OK, NULL);
    up_hears(up, "HTTP/1.1 200 OK\r\n");
    up_free(up);
}

static void responses_without_a_length_are_chunked(void **state)
{
    (void)state;
    struct up *up = up_new("GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                           "GET /2 HTTP/1.0\r\nHost: a\r\n\r\n");
    struct said body = {.bytes = "hi", .len = 2}, next = body;
    up_asked(up, 1);
    framers_rest(&up->server, NULL);
    assert_int_equal(up->server.count, 1);
    framer_answers(&up->server, 1, H2_OK, &body);
    up_hears(up, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                 "2\r\nhi\r\n0\r\n\r\n");
    up_asked(up, 3);
    framer_answers(&up->server, 3, H2_OK, &next);
    up_hears(up, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhi");
    actor_hears_end(&up->victim);
    up_free(up);
}

static void a_refusal_by_reset_becomes_502(void **state)
{
    (void)state;
    struct up *up = up_new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    up_asked(up, 1);
    nghttp2_submit_rst_stream(up->server.session, 0, 1, NGHTTP2_INTERNAL_ERROR);
    up_hears(up, "HTTP/1.1 502 Bad Gateway\r\n");
    up_free(up);
}

static void what_is_cut_up_there_is_cut_down_here(void **state)
{
    (void)state;
    struct up *up = up_new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct said body = {.bytes = "half", .len = 4, .endless = true};
    up_asked(up, 1);
    framer_answers(&up->server, 1, H2_OK "content-length: 9\n", &body);
    up_hears(up, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    nghttp2_submit_rst_stream(up->server.session, 0, 1, NGHTTP2_INTERNAL_ERROR);
    FRAMERS_UNTIL(&up->server, (struct framer *)NULL,
                  (actor_listens(&up->victim), up->victim.eof));
    up_free(up);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_one_connection_they_go_down_one_after_the_other),
        cmocka_unit_test(bodies_keep_their_bounds),
        cmocka_unit_test(tricks_of_downgrades_do_not_reach_the_server),
        cmocka_unit_test(trailers_come_behind_the_body),
        cmocka_unit_test(trailers_of_one_response_are_not_those_of_the_next),
        cmocka_unit_test(a_response_cut_short_is_not_taken_for_whole),
        cmocka_unit_test(a_malformed_response_becomes_502),
        cmocka_unit_test(what_nobody_waits_for_is_thrown_away),
        cmocka_unit_test(requests_go_up),
        cmocka_unit_test(trailers_of_a_request_go_up),
        cmocka_unit_test(responses_without_a_length_are_chunked),
        cmocka_unit_test(a_refusal_by_reset_becomes_502),
        cmocka_unit_test(what_is_cut_up_there_is_cut_down_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
