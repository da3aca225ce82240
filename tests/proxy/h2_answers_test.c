/* SPDX-License-Identifier: MIT
 *
 * Answers that are not one head and its body, where one leg speaks HTTP/2 and
 * the other HTTP/1.1: they come too early, before the real one, or without
 * what a body would say. */
#include "tests/proxy/h2_down.h"
#include "tests/proxy/h2_up.h"

#include <signal.h>

#define EXPECTS "expect: 100-continue\n"
#define CHUNKED "transfer-encoding: chunked\r\n\r\n"
#define BIG     "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n"

static void goes_on(struct down *down, struct said *said, int32_t id,
                    const char *bytes)
{
    said->bytes = bytes;
    said->len = strlen(bytes);
    said->at = 0;
    said->endless = false;
    nghttp2_session_resume_data(down->victim.session, id);
    framer_turns(&down->victim);
}

static void begins_with(const struct seen *seen, const char *head)
{
    if (strncmp(seen->head, head, strlen(head)))
        fail_msg("expected \"%s\", heard \"%s\"", head, seen->head);
}

/* ---- too early ----------------------------------------------------------- */

static void an_answer_that_ends_the_upload_reaches_the_victim(void **state)
{
    (void)state;
    struct down *down = down_new();
    struct said half = {.bytes = "half", .len = 4, .endless = true};
    int32_t id = framer_asks(&down->victim, H2_POST, &half);
    down_hears(down, POST_1 CHUNKED "4\r\nhalf\r\n");
    actor_says(&down->server, BIG "Connection: close\r\n\r\nbig");
    actor_finishes(&down->server);
    struct seen *seen = down_answered(down, id);
    begins_with(seen, ":status: 413\n");
    seen_is(seen, "big");
    /* It is not to go on (RFC 9113 8.1), and nothing is wrong. */
    assert_int_equal(seen->error, NGHTTP2_NO_ERROR);
    assert_false(down->victim.goaway);
    actor_leaves(&down->server);
    int32_t next = framer_asks(&down->victim, H2_GET, NULL);
    down->server = server_enters(&down->stage);
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, next), "hi");
    down_free(down);
}

static void an_upload_that_goes_on_all_the_same_comes_to_its_end(void **state)
{
    (void)state;
    struct down *down = down_new_with_one();
    struct said said = {.bytes = "half", .len = 4, .endless = true};
    int32_t id = framer_asks(&down->victim, H2_POST, &said);
    down_hears(down, POST_1 CHUNKED "4\r\nhalf\r\n");
    actor_says(&down->server, BIG "\r\nbig");
    struct seen *seen = framer_seen(&down->victim, id);
    FRAMERS_UNTIL(&down->victim, (struct framer *)NULL, seen->ended);
    begins_with(seen, ":status: 413\n");
    goes_on(down, &said, id, "rest");
    down_hears(down, "4\r\nrest\r\n0\r\n\r\n");
    down_answered(down, id);
    int32_t next = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, next), "hi");
    down_free(down);
}

static void a_server_of_http2_may_answer_early_too(void **state)
{
    (void)state;
    struct up *up = up_new("POST / HTTP/1.1\r\nHost: a\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    struct said big = {.bytes = "big", .len = 3};
    FRAMERS_UNTIL(&up->server, (struct framer *)NULL,
                  up->server.count && buf_len(&up->server.seen[0].body) == 3);
    framer_answers(&up->server, 1, ":status: 413\ncontent-length: 3\n", &big);
    up_hears(up, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n"
                 "connection: close\r\n\r\nbig");
    actor_hears_end(&up->victim);
    up_free(up);
}

/* ---- before the real one ------------------------------------------------- */

static void interim_answers_go_on_as_they_come(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    struct seen *seen = framer_seen(&down->victim, id);
    down_hears(down, GET_1);
    actor_says(&down->server, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    FRAMERS_UNTIL(&down->victim, (struct framer *)NULL, seen->heads == 1);
    assert_string_equal(seen->head, ":status: 103\nlink: </a>\n");
    actor_says(&down->server, "HTTP/1.1 102 Processing\r\n\r\n" OK_HI);
    seen_is(down_answered(down, id), "hi");
    assert_string_equal(seen->head,
                        ":status: 103\nlink: </a>\n"
                        ":status: 102\n" H2_OK "content-length: 2\n");
    down_free(down);
}

static void interim_answers_without_an_end_hit_their_stream(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t flooded = framer_asks(&down->victim, H2_GET, NULL);
    int32_t other = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    struct actor second = server_enters(&down->stage);
    down_server_hears(down, &second, GET_1);
    for (int i = 0; i < 100; i++) {
        (void)!send(down->server.fd, "HTTP/1.1 102 Wait\r\n\r\n", 21,
                    MSG_NOSIGNAL);
        framer_turns(&down->victim);
        stage_turn(&down->stage);
    }
    const struct seen *seen = down_answered(down, flooded);
    assert_true(seen->heads < 100);
    assert_int_equal(strncmp((char *)buf_head(&seen->body), "mitmlab: ", 9), 0);
    actor_says(&second, OK_HI);
    seen_is(down_answered(down, other), "hi");
    actor_leaves(&second);
    down_free(down);
}

static void interim_answers_of_http2_have_an_end_too(void **state)
{
    (void)state;
    struct up *up = up_new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    nghttp2_nv field = {(uint8_t *)":status", (uint8_t *)"103", 7, 3, 0};
    unsigned heard = 0;
    up_asked(up, 1);
    for (int i = 0; i < 100; i++) {
        nghttp2_submit_headers(up->server.session, 0, 1, NULL, &field, 1, NULL);
        framer_turns(&up->server);
        stage_turn(&up->stage);
    }
    framer_answers(&up->server, 1, ":status: 204\n", NULL);
    framer_turns(&up->server);
    const char *at = actor_hears_all(&up->victim);
    while ((at = strstr(at, "HTTP/1.1 103 "))) {
        heard++;
        at++;
    }
    assert_in_range(heard, 1, 99);
    up_free(up);
}

static void interim_answers_go_down_to_those_who_know_them(void **state)
{
    (void)state;
    static const struct {
        const char *request, *heard;
    } victims[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
         "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
         "HTTP/1.1 204 No Content\r\n\r\n"},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
         "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"},
    };
    for (int i = 0; i < 2; i++) {
        struct up *up = up_new(victims[i].request);
        nghttp2_nv fields[] = {
            {(uint8_t *)":status", (uint8_t *)"103", 7, 3, 0},
            {(uint8_t *)"link", (uint8_t *)"</a>", 4, 4, 0}};
        up_asked(up, 1);
        nghttp2_submit_headers(up->server.session, 0, 1, NULL, fields, 2, NULL);
        framer_turns(&up->server);
        framer_answers(&up->server, 1, ":status: 204\n", NULL);
        up_hears(up, victims[i].heard);
        up_free(up);
    }
}

/* What was translated cannot become another protocol. */
static void nobody_changes_the_protocol_of_a_stream(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, "HTTP/1.1 101 Switching Protocols\r\n"
                              "Connection: Upgrade\r\nUpgrade: x\r\n\r\nbytes");
    begins_with(down_answered(down, id), ":status: 502\n");
    assert_false(down->victim.goaway);
    down_free(down);
}

/* ---- leave to go on ------------------------------------------------------ */

static void the_servers_leave_reaches_the_victim(void **state)
{
    (void)state;
    struct down *down = down_new();
    struct said said = {.bytes = "", .endless = true};
    int32_t id = framer_asks(&down->victim, H2_POST EXPECTS, &said);
    struct seen *seen = framer_seen(&down->victim, id);
    down_hears(down, POST_1 "expect: 100-continue\r\n" CHUNKED);
    assert_int_equal(seen->heads, 0);
    actor_says(&down->server, "HTTP/1.1 100 Continue\r\n\r\n");
    FRAMERS_UNTIL(&down->victim, (struct framer *)NULL, seen->heads == 1);
    assert_string_equal(seen->head, ":status: 100\n");
    goes_on(down, &said, id, "body");
    down_hears(down, "4\r\nbody\r\n0\r\n\r\n");
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, id), "hi");
    down_free(down);
}

static void a_server_that_gives_no_leave_is_heard(void **state)
{
    (void)state;
    struct down *down = down_new();
    struct said said = {.bytes = "", .endless = true};
    int32_t id = framer_asks(&down->victim, H2_POST EXPECTS, &said);
    struct seen *seen = framer_seen(&down->victim, id);
    down_hears(down, POST_1 "expect: 100-continue\r\n" CHUNKED);
    actor_says(&down->server, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n"
                              "Connection: close\r\n\r\n");
    actor_finishes(&down->server);
    FRAMERS_UNTIL(&down->victim, (struct framer *)NULL, seen->closed);
    begins_with(seen, ":status: 417\n");
    assert_int_equal(seen->error, NGHTTP2_NO_ERROR);
    down_free(down);
}

/* A body of a known length is wanted whole before the server hears of it: the
 * proxy gives leave, and the server's own says nothing new. */
static void leave_is_given_once(void **state)
{
    (void)state;
    struct down *down = down_new();
    struct said said = {.bytes = "", .endless = true};
    int32_t id = framer_asks(&down->victim,
                             H2_POST "content-length: 4\n" EXPECTS, &said);
    struct seen *seen = framer_seen(&down->victim, id);
    FRAMERS_UNTIL(&down->victim, (struct framer *)NULL, seen->heads == 1);
    goes_on(down, &said, id, "body");
    down_hears(down, POST_1 "content-length: 4\r\nexpect: 100-continue\r\n\r\n"
                            "body");
    actor_says(&down->server, "HTTP/1.1 100 Continue\r\n\r\n" OK_HI);
    seen_is(down_answered(down, id), "hi");
    assert_string_equal(seen->head,
                        ":status: 100\n" H2_OK "content-length: 2\n");
    down_free(down);
}

/* ---- without a body ------------------------------------------------------ */

static const struct {
    const char *method, *says, *head;
} bodyless[] = {
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
     H2_OK "content-length: 99\n"},
    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", H2_OK},
    {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", H2_OK},
    {"GET", "HTTP/1.1 204 No Content\r\n\r\n", ":status: 204\n"},
    {"GET",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: a\r\n\r\n",
     ":status: 304\ncontent-length: 99\netag: a\n"},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
     H2_OK "content-length: 0\n"},
    {"OPTIONS", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
     H2_OK "content-length: 0\n"},
};

/* One behind the other on one connection: what one of them says of a body that
 * does not come is not taken from the next. */
static void answers_without_a_body_end_with_their_heads(void **state)
{
    (void)state;
    struct down *down = down_new_with_one();
    for (size_t i = 0; i < sizeof bodyless / sizeof *bodyless; i++) {
        char head[256], asked[256];
        snprintf(head, sizeof head,
                 ":method: %s\n:scheme: http\n:authority: bank.lab.test\n"
                 ":path: /\n",
                 bodyless[i].method);
        snprintf(asked, sizeof asked,
                 "%s / HTTP/1.1\r\nhost: bank.lab.test\r\n\r\n",
                 bodyless[i].method);
        int32_t id = framer_asks(&down->victim, head, NULL);
        down_hears(down, asked);
        actor_says(&down->server, bodyless[i].says);
        struct seen *seen = down_answered(down, id);
        assert_string_equal(seen->head, bodyless[i].head);
        seen_is(seen, "");
        assert_int_equal(seen->error, 0);
    }
    down_free(down);
}

static const struct {
    const char *method, *says, *heard;
} bodyless_up[] = {
    {"HEAD", ":status: 200\ncontent-length: 99\n",
     "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"},
    {"HEAD", ":status: 200\n", "HTTP/1.1 200 OK\r\n\r\n"},
    {"GET", ":status: 204\n", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"GET", ":status: 304\netag: a\n",
     "HTTP/1.1 304 Not Modified\r\netag: a\r\n\r\n"},
};

static void answers_without_a_body_go_down_without_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodyless_up / sizeof *bodyless_up; i++) {
        char asks[128];
        snprintf(asks, sizeof asks, "%s / HTTP/1.1\r\nHost: a\r\n\r\n",
                 bodyless_up[i].method);
        struct up *up = up_new(asks);
        up_asked(up, 1);
        framer_answers(&up->server, 1, bodyless_up[i].says, NULL);
        up_hears(up, bodyless_up[i].heard);
        framers_rest(&up->server, NULL);
        actor_hears_nothing(&up->victim);
        assert_false(up->victim.eof);
        up_free(up);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_ends_the_upload_reaches_the_victim),
        cmocka_unit_test(an_upload_that_goes_on_all_the_same_comes_to_its_end),
        cmocka_unit_test(a_server_of_http2_may_answer_early_too),
        cmocka_unit_test(interim_answers_go_on_as_they_come),
        cmocka_unit_test(interim_answers_without_an_end_hit_their_stream),
        cmocka_unit_test(interim_answers_of_http2_have_an_end_too),
        cmocka_unit_test(interim_answers_go_down_to_those_who_know_them),
        cmocka_unit_test(nobody_changes_the_protocol_of_a_stream),
        cmocka_unit_test(the_servers_leave_reaches_the_victim),
        cmocka_unit_test(a_server_that_gives_no_leave_is_heard),
        cmocka_unit_test(leave_is_given_once),
        cmocka_unit_test(answers_without_a_body_end_with_their_heads),
        cmocka_unit_test(answers_without_a_body_go_down_without_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
