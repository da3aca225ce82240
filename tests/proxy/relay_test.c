/* SPDX-License-Identifier: MIT
 *
 * Plain HTTP through the proxy: what passes, byte for byte, and all the ways in
 * which either side can behave badly. What is refused: relay_refuse_test.c. */
#include "tests/proxy/later.h"
#include "tests/proxy/stage.h"

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* ---- passing on ---------------------------------------------------------- */

static void both_ways_bytes_pass_as_they_came(void **state)
{
    (void)state;
    static const char odd[] =
        "GET /a?b=%20 HTTP/1.1\r\nhOST:\tbank.lab.test \r\n"
        "X-A: 1\r\nx-a: 2\r\n\r\n";
    static const char reply[] = "HTTP/1.1 200 Fine  thanks\r\nETAG:x\r\n"
                                "Content-Length:   5\r\n\r\nhello";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, odd);
    struct actor server = server_enters(&stage);
    actor_hears(&server, odd);
    actor_says(&server, reply);
    actor_hears(&victim, reply);
    /* ... and again on the same connection. */
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_finishes(&victim);
    actor_hears_end(&server);
    actor_hears_end(&victim);
    stage_ends(&stage, &victim, &server);
}

/* Every way to cut request and response in two, and each byte on its own. */
static void no_split_matters(void **state)
{
    (void)state;
    static const char post[] = "POST /x HTTP/1.1\r\nHost: a\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "5;ext=1\r\nhello\r\n0\r\nX-Sum: t\r\n\r\n";
    static const char reply[] = "HTTP/1.1 200 OK\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n"
                                "a\r\n0123456789\r\n0\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says_bytes(&victim, post, 1);
    actor_says(&victim, post + 1);
    struct actor server = server_enters(&stage);
    actor_hears(&server, post);
    actor_says(&server, reply);
    actor_hears(&victim, reply);
    for (size_t cut = 1; cut < sizeof post - 1; cut++) {
        actor_says_bytes(&victim, post, cut);
        stage_turn(&stage);
        actor_says(&victim, post + cut);
        actor_hears(&server, post);
        size_t where = cut % (sizeof reply - 1);
        actor_says_bytes(&server, reply, where);
        stage_turn(&stage);
        actor_says(&server, reply + where);
        actor_hears(&victim, reply);
    }
    for (size_t i = 0; i < sizeof post - 1; i++)
        actor_says_bytes(&victim, post + i, 1);
    actor_hears(&server, post);
    for (size_t i = 0; i < sizeof reply - 1; i++)
        actor_says_bytes(&server, reply + i, 1);
    actor_hears(&victim, reply);
    actor_leaves(&victim);
    actor_hears_end(&server);
    actor_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "POST /2 HTTP/1.1\r\nHost: a\r\n"
                        "Content-Length: 3\r\n\r\nabc"
                        "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct actor server = server_enters(&stage);
    actor_hears(&server, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    actor_hears_nothing(&server);
    actor_says(&server, OK_HI);
    actor_hears(&server, "POST /2 HTTP/1.1\r\nHost: a\r\n"
                         "Content-Length: 3\r\n\r\nabc");
    actor_hears_nothing(&server);
    actor_says(&server, "HTTP/1.1 204 No Content\r\n\r\n");
    actor_hears(&server, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI "HTTP/1.1 204 No Content\r\n\r\n" OK_HI);
    actor_leaves(&victim);
    actor_hears_end(&server);
    actor_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void responses_without_a_body_do_not_wait_for_one(void **state)
{
    (void)state;
    static const struct {
        const char *request, *response;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"},
        {GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n"},
        {GET, "HTTP/1.1 204 No Content\r\n\r\n"},
        {GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    };
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        actor_says(&victim, rows[i].request);
        actor_hears(&server, rows[i].request);
        actor_says(&server, rows[i].response);
        actor_hears(&victim, rows[i].response);
    }
    actor_leaves(&victim);
    actor_hears_end(&server);
    actor_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void interim_responses_pass_before_the_final_one(void **state)
{
    (void)state;
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Expect: 100-continue\r\n"
                               "Content-Length: 4\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, head);
    struct actor server = server_enters(&stage);
    actor_hears(&server, head);
    actor_says(&server, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                        "HTTP/1.1 100 Continue\r\n\r\n");
    actor_hears(&victim, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                         "HTTP/1.1 100 Continue\r\n\r\n");
    actor_says(&victim, "body");
    actor_hears(&server, "body");
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    stage_ends(&stage, &victim, &server);
}

/* It need not even hang up: the hour that the proxy waits for victims that do
 * not is never begun. What it still says behind its last request must not turn
 * the end into a reset, though, which would destroy the answer. */
static void a_victim_that_asks_its_last_is_not_waited_for(void **state)
{
    (void)state;
    static const char last[] = "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n"
                               "Connection: close\r\n\r\n";
    static const char old[] = "GET / HTTP/1.0\r\n\r\n";
    static const char more[] = "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n"
                               "Connection: close\r\n\r\nmore";
    const struct {
        const char *asks, *reaches;
        bool leaves; /* by itself */
    } kinds[] = {{last, last, false}, {old, old, false}, {more, last, true}};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct stage stage;
        stage_prepare(&stage, "http");
        stage.options.drain_ms = 3600 * 1000;
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, kinds[i].asks);
        struct actor server = server_enters(&stage);
        actor_hears(&server, kinds[i].reaches);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        actor_hears_end(&victim);
        actor_hears_end(&server);
        if (kinds[i].leaves)
            actor_leaves(&victim);
        stage_empties(&stage);
        if (!kinds[i].leaves)
            actor_leaves(&victim);
        actor_leaves(&server);
        stage_close(&stage);
    }
}

static void a_response_until_close_ends_with_the_connection(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.0\r\n\r\n");
    struct actor server = server_enters(&stage);
    actor_hears(&server, "GET / HTTP/1.0\r\n\r\n");
    actor_says(&server, "HTTP/1.0 200 OK\r\n\r\none");
    actor_hears(&victim, "HTTP/1.0 200 OK\r\n\r\none");
    actor_says(&server, "two");
    actor_finishes(&server);
    actor_hears(&victim, "two");
    actor_hears_end(&victim);
    stage_ends(&stage, &victim, &server);
}

static void after_101_bytes_pass_both_ways_and_half_closes_too(void **state)
{
    (void)state;
    static const char ask[] = "GET /chat HTTP/1.1\r\nHost: a\r\n"
                              "Connection: Upgrade\r\nUpgrade: other\r\n\r\n";
    static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\n"
                              "Connection: Upgrade\r\nUpgrade: other\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, ask);
    struct actor server = server_enters(&stage);
    actor_hears(&server, ask);
    actor_says(&server, yes);
    actor_says_bytes(&server, "\0\1\2\3", 4);
    actor_hears(&victim, yes);
    actor_hears_bytes(&victim, "\0\1\2\3", 4);
    actor_says(&victim, "not HTTP at all");
    actor_hears(&server, "not HTTP at all");
    actor_finishes(&victim);
    actor_hears_end(&server);
    actor_says(&server, "last words");
    actor_finishes(&server);
    actor_hears(&victim, "last words");
    actor_hears_end(&victim);
    stage_ends(&stage, &victim, &server);
}

static void a_victim_that_has_said_all_still_gets_its_answer(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    actor_finishes(&victim);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_hears_end(&server);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_leaves(&server);
    actor_hears_end(&victim);
    stage_ends(&stage, &victim, NULL);
}

/* ---- bad servers --------------------------------------------------------- */

static void a_malformed_response_becomes_502(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "HTTP/1.1 20 OK\r\n\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage stage;
        stage_open(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, GET);
        struct actor server = server_enters(&stage);
        actor_hears(&server, GET);
        actor_says(&server, rows[i]);
        assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
        actor_leaves(&victim);
        actor_leaves(&server);
        stage_empties(&stage);
        assert_true(
            stage_has_event(&stage, "http.refused", "\"dir\":\"down\""));
        stage_close(&stage);
    }
}

static void nobody_listening_is_502_and_an_event(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    close(stage.listener);
    stage.listener = -1;
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
    assert_true(stage_has_event(&stage, "server.unreachable", "refused"));
    stage_ends(&stage, &victim, NULL);
}

static void a_name_outside_of_the_lab_is_502(void **state)
{
    (void)state;
    struct stage stage;
    stage_prepare(&stage, "http");
    stage_takes(&stage, WAY_SNI);
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    assert_non_null(strstr(actor_hears_all(&victim), "name not in this lab"));
    stage_ends(&stage, &victim, NULL);
}

static void without_an_upstream_the_host_field_says_where(void **state)
{
    (void)state;
    char request[128];
    struct stage stage;
    stage_prepare(&stage, "http");
    stage_takes(&stage, WAY_SNI);
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    snprintf(request, sizeof request,
             "GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n",
             stage.upstream.port);
    actor_says(&victim, request);
    struct actor server = server_enters(&stage);
    actor_hears(&server, request);
    stage_ends(&stage, &victim, &server);
}

/* ---- ends ---------------------------------------------------------------- */

static void a_response_cut_short_looks_cut_short(void **state)
{
    (void)state;
    static const char part[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, part);
    actor_hears(&victim, part);
    actor_leaves(&server);
    actor_hears_end(&victim);
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "http.response", "\"whole\":false"));
    stage_close(&stage);
}

static void a_reset_reaches_the_other_side_as_a_reset(void **state)
{
    (void)state;
    static const char part[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    for (int victims = 0; victims < 2; victims++) {
        struct stage stage;
        stage_open(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, GET);
        struct actor server = server_enters(&stage);
        actor_hears(&server, GET);
        actor_says(&server, part);
        actor_hears(&victim, part);
        actor_resets(victims ? &victim : &server);
        actor_hears_reset(victims ? &server : &victim);
        stage_ends(&stage, &victim, &server);
    }
}

static void a_server_that_hangs_up_between_requests_is_no_error(void **state)
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
    actor_leaves(&server);
    actor_hears_nothing(&victim);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"done\""));
    actor_finishes(&victim);
    actor_hears_end(&victim);
    stage_ends(&stage, &victim, NULL);
}

static void connections_that_come_and_go_leave_nothing(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    for (int i = 0; i < 60; i++) {
        struct actor victim = victim_enters(&stage);
        if (i % 3)
            actor_says(&victim, i % 3 == 1 ? "GET / HT" : GET);
        if (i % 3 == 2) {
            struct actor server = server_enters(&stage);
            if (i % 2)
                actor_resets(&server);
            else
                actor_leaves(&server);
        }
        if (i % 4)
            actor_resets(&victim);
        else
            actor_leaves(&victim);
    }
    stage_empties(&stage);
    stage_close(&stage);
}

/* ---- time and room ------------------------------------------------------- */

static void a_head_that_drips_is_answered_408(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.1\r\nHost:");
    stage_holds(&stage);
    stage_later(&stage, HEAD_IS_LATE / 2);
    actor_says(&victim, " a"); /* each byte does not begin it anew */
    actor_hears_nothing(&victim);
    stage_later(&stage, HEAD_IS_LATE / 2);
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 408 ", 13);
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_int_equal(stage_door(&stage), -1);
    stage_close(&stage);
}

static void a_second_head_has_a_deadline_too(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_says(&victim, "GET / HT");
    stage_holds(&stage);
    stage_later(&stage, HEAD_IS_LATE);
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 408 ", 13);
    stage_ends(&stage, &victim, &server);
}

static void an_idle_connection_is_closed(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    stage_later(&stage, IDLE_IS_OVER / 2);
    actor_hears_nothing(&victim);
    assert_false(victim.eof);
    stage_later(&stage, IDLE_IS_OVER / 2);
    actor_hears_end(&victim);
    actor_leaves(&victim);
    actor_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"timeout\""));
    stage_close(&stage);
}

/* Fills the proxy up, and says what one more victim hears to these bytes. */
static void turned_away_hears(enum way_mode mode, const char *says, size_t len,
                              const char *hears, size_t hears_len)
{
    struct stage stage;
    stage_prepare(&stage, "http");
    if (mode != WAY_REVERSE)
        stage_takes(&stage, mode);
    stage.options.relays_most = 2;
    stage_raise(&stage);
    struct actor one = victim_enters(&stage), two = victim_enters(&stage);
    stage_fills(&stage, 2);
    struct actor three = victim_enters(&stage);
    actor_says_bytes(&three, says, len);
    if (!len) {
        actor_hears_nothing(&three);
        assert_false(three.eof);
        stage_later(&stage, DRAIN_IS_OVER);
    }
    const char *heard = actor_hears_all(&three);
    assert_int_equal(strncmp(heard, hears, hears_len), 0);
    if (!hears_len)
        assert_string_equal(heard, "");
    actor_leaves(&one);
    actor_leaves(&two);
    actor_leaves(&three);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"refused\""));
    stage_close(&stage);
}

static void beyond_the_cap_a_victim_hears_it_in_its_language(void **state)
{
    (void)state;
    static const char get[] = GET, hello[] = "\x16\x03\x01\x02",
                      smtp[] = "\x01";
    static const char socks[] = "\x05\x01",
                      alert[] = "\x15\x03\x03\x00\x02\x02";
    turned_away_hears(WAY_REVERSE, get, sizeof get - 1, "HTTP/1.1 503 ", 13);
    turned_away_hears(WAY_HTTP, get, sizeof get - 1, "HTTP/1.1 503 ", 13);
    turned_away_hears(WAY_REVERSE, hello, 4, alert, 6);
    turned_away_hears(WAY_SNI, smtp, 1, "", 0);
    turned_away_hears(WAY_SOCKS, socks, 2, "", 0);
    turned_away_hears(WAY_REVERSE, "", 0, "", 0); /* but not for long */
}

/* How much does a server get rid of while the victim does not read? No more
 * than socket buffers and two blocks hold. */
static void a_slow_reader_holds_the_sender_back(void **state)
{
    (void)state;
    enum { WHOLE = 64 * 1024 * 1024, BUFFER = 16 * 1024 };
    static char block[64 * 1024];
    char head[128];
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters_with(&stage, BUFFER);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    int buffer = BUFFER;
    setsockopt(server.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    actor_hears(&server, GET);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
             WHOLE);
    actor_says(&server, head);
    size_t sent = 0;
    int stuck = 0;
    while (stuck < 100) {
        ssize_t got = send(server.fd, block, sizeof block, MSG_NOSIGNAL);
        stuck = got > 0 ? 0 : stuck + 1;
        sent += got > 0 ? (size_t)got : 0;
        stage_turn(&stage);
    }
    /* The kernel's own buffers on the proxy's side are the larger part. */
    assert_true(sent < 16 * 1024 * 1024);
    /* Once it reads, all of it comes. */
    size_t heard = 0;
    for (int i = 0; i < 100 * 1000 && heard < sent; i++) {
        actor_listens(&victim);
        heard += buf_len(&victim.got);
        buf_clear(&victim.got);
        stage_turn(&stage);
    }
    assert_true(heard >= sent);
    stage_ends(&stage, &victim, &server);
}

static void tiny_socket_buffers_lose_nothing(void **state)
{
    (void)state;
    enum { LEN = 60 * 1000 };
    char head[128];
    char *body = malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        body[i] = (char)(i * 31 + i / 251);
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters_with(&stage, 1);
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", LEN);
    actor_says(&victim, head);
    struct actor server = server_enters(&stage);
    int one = 1;
    setsockopt(server.fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof one);
    setsockopt(server.fd, SOL_SOCKET, SO_SNDBUF, &one, sizeof one);
    actor_hears(&server, head);
    size_t sent = 0;
    for (int i = 0; i < 1000 * 1000 && buf_len(&server.got) < LEN; i++) {
        ssize_t got = send(victim.fd, body + sent, LEN - sent, MSG_NOSIGNAL);
        sent += got > 0 ? (size_t)got : 0;
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        actor_listens(&server);
    }
    actor_hears_bytes(&server, body, LEN);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    stage_ends(&stage, &victim, &server);
    free(body);
}

static void stopping_waits_for_what_is_under_way(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    struct actor idle = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    proxy_stop(stage.proxy);
    actor_hears_end(&idle);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_hears_end(&victim);
    actor_leaves(&victim);
    actor_leaves(&idle);
    actor_leaves(&server);
    uv_run(&stage.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stage.loop), 0);
    close(stage.listener);
    event_close();
    close(stage.events);
}

/* ---- bytes --------------------------------------------------------------- */

static void towards_tcp_nothing_is_looked_at(void **state)
{
    (void)state;
    struct stage stage;
    stage_prepare(&stage, "tcp");
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    /* Here a server may speak first. */
    struct actor server = server_enters(&stage);
    actor_says(&server, "220 ready\r\n");
    actor_hears(&victim, "220 ready\r\n");
    actor_says(&victim, "GET nonsense\n");
    actor_hears(&server, "GET nonsense\n");
    actor_finishes(&server);
    actor_hears_end(&victim);
    actor_says(&victim, "more");
    actor_hears(&server, "more");
    actor_finishes(&victim);
    actor_hears_end(&server);
    stage_ends(&stage, &victim, &server);
}

/* ---- events -------------------------------------------------------------- */

static void events_say_where_the_bytes_were(void **state)
{
    (void)state;
    char part[128];
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    actor_says(&victim, GET);
    actor_hears(&server, GET);
    actor_says(&server, OK_HI);
    actor_hears(&victim, OK_HI);
    size_t get = strlen(GET), ok = strlen(OK_HI);
    snprintf(part, sizeof part, "\"dir\":\"up\",\"at\":%zu,\"len\":%zu", get,
             get);
    assert_true(stage_has_event(&stage, "http.request", part));
    snprintf(part, sizeof part, "\"dir\":\"down\",\"at\":%zu,\"len\":%zu", ok,
             ok);
    assert_true(stage_has_event(&stage, "http.response", part));
    assert_true(stage_has_event(&stage, "http.response", "\"body\":\"hi\""));
    actor_leaves(&victim);
    actor_leaves(&server);
    stage_empties(&stage);
    snprintf(part, sizeof part, "\"up\":%zu,\"down\":%zu", 2 * get, 2 * ok);
    assert_true(stage_has_event(&stage, "flow.end", part));
    stage_close(&stage);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_bytes_pass_as_they_came),
        cmocka_unit_test(no_split_matters),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(responses_without_a_body_do_not_wait_for_one),
        cmocka_unit_test(interim_responses_pass_before_the_final_one),
        cmocka_unit_test(a_victim_that_asks_its_last_is_not_waited_for),
        cmocka_unit_test(a_response_until_close_ends_with_the_connection),
        cmocka_unit_test(after_101_bytes_pass_both_ways_and_half_closes_too),
        cmocka_unit_test(a_victim_that_has_said_all_still_gets_its_answer),
        cmocka_unit_test(a_malformed_response_becomes_502),
        cmocka_unit_test(nobody_listening_is_502_and_an_event),
        cmocka_unit_test(a_name_outside_of_the_lab_is_502),
        cmocka_unit_test(without_an_upstream_the_host_field_says_where),
        cmocka_unit_test(a_response_cut_short_looks_cut_short),
        cmocka_unit_test(a_reset_reaches_the_other_side_as_a_reset),
        cmocka_unit_test(a_server_that_hangs_up_between_requests_is_no_error),
        cmocka_unit_test(connections_that_come_and_go_leave_nothing),
        cmocka_unit_test(a_head_that_drips_is_answered_408),
        cmocka_unit_test(a_second_head_has_a_deadline_too),
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(beyond_the_cap_a_victim_hears_it_in_its_language),
        cmocka_unit_test(a_slow_reader_holds_the_sender_back),
        cmocka_unit_test(tiny_socket_buffers_lose_nothing),
        cmocka_unit_test(stopping_waits_for_what_is_under_way),
        cmocka_unit_test(towards_tcp_nothing_is_looked_at),
        cmocka_unit_test(events_say_where_the_bytes_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
