/* SPDX-License-Identifier: MIT
 *
 * Victims, servers and hooks that do what nobody should, or do it at the worst
 * moment: nothing may get stuck, grow without end, slip past a hook or lose
 * what was already said. */
#include "tests/proxy/later.h"
#include "tests/proxy/tls_stage.h"

#include <signal.h>

#define GET     "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n"

static const char BANK[] = "bank.lab.test";

/* ---- hooks --------------------------------------------------------------- */

/* Holds the first thing that it is shown, then passes all. */
struct holder {
    struct hook hook;
    struct flow *flow;
    bool held;
    const char *method; /* to put into requests */
    struct buf heard;   /* all bytes that on_data was shown */
};

static enum hook_act hold_once(struct holder *holder, struct flow *flow)
{
    bool first = !holder->held;
    holder->held = true;
    holder->flow = flow;
    return first ? HOOK_WAIT : HOOK_PASS;
}

static enum hook_act hold_data(void *config, struct flow *flow,
                               enum event_leg to, struct buf *data)
{
    struct holder *holder = config;
    (void)to;
    if (holder->held)
        (void)buf_append(&holder->heard, buf_head(data), buf_len(data));
    return hold_once(holder, flow);
}

static enum hook_act hold_response(void *config, struct flow *flow,
                                   struct message *response)
{
    (void)response;
    return hold_once(config, flow);
}

static enum hook_act set_method(void *config, struct flow *flow,
                                struct message *request)
{
    const struct holder *holder = config;
    (void)flow;
    request->method = holder->method;
    return HOOK_CHANGED;
}

static void raise_with(struct stage *stage, struct holder *holder,
                       struct hook **list)
{
    holder->hook.name = "holder";
    holder->hook.config = holder;
    list[0] = &holder->hook;
    stage->options.hooks = list;
    stage->options.hooks_count = 1;
    stage_raise(stage);
}

static void leave(struct stage *stage, struct actor *victim,
                  struct actor *server)
{
    actor_leaves(victim);
    actor_leaves(server);
    stage_empties(stage);
    stage_close(stage);
}

/* How much does this end get rid of until nobody takes more? */
static size_t pour(struct actor *actor, const char *piece, size_t most)
{
    static char block[64 * 1024];
    size_t len = strlen(piece), whole = sizeof block / len * len, sent = 0;
    size_t at = 0;
    for (size_t i = 0; i < whole; i += len)
        memcpy(block + i, piece, len);
    for (int stuck = 0; stuck < 100 && sent < most; stage_turn(actor->stage)) {
        ssize_t got = send(actor->fd, block + at, whole - at, MSG_NOSIGNAL);
        stuck = got > 0 ? 0 : stuck + 1;
        sent += got > 0 ? (size_t)got : 0;
        at = got > 0 ? (at + (size_t)got) % whole : at;
    }
    return sent;
}

/* ---- TLS whose first bytes do not say what it is -------------------------- */

/* Without an upstream's scheme; the proxy has the server's port on another
 * address, because a name in SNI says nothing of a port. */
static void guess_prepare(struct stage *stage)
{
    char text[ADDRESS_TEXT];
    struct err err = ERR_INIT;
    tls_stage_prepare(stage, "https");
    stage_takes(stage, WAY_SNI);
    stage->options.insecure_upstream = true;
    snprintf(text, sizeof text, "127.0.0.2:%d", stage->upstream.port);
    assert_int_equal(address_parse(text, &stage->options.ways[0].address, &err),
                     0);
    stage_raise(stage);
}

static void a_request_in_two_records_is_http_all_the_same(void **state)
{
    (void)state;
    const char *rest = &(GET)[2];
    struct stage stage;
    guess_prepare(&stage);
    struct talker victim =
        victim_calls(&stage, NULL, TLS1_3_VERSION, "localhost");
    struct talker server = all_shake(&victim);
    talker_says(&victim, "GE");
    stage_rest(&stage);
    talker_says(&victim, rest);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, OK_HI);
    talker_hears(&victim, OK_HI);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void a_server_may_speak_first_inside_tls(void **state)
{
    (void)state;
    struct stage stage;
    guess_prepare(&stage);
    struct talker victim =
        victim_calls(&stage, NULL, TLS1_3_VERSION, "localhost");
    struct talker server = all_shake(&victim);
    talkers_shake(&server, NULL);
    talker_says(&server, "220 ready\r\n");
    talker_hears(&victim, "220 ready\r\n");
    talker_says(&victim, "EHLO a\r\n");
    talker_hears(&server, "EHLO a\r\n");
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void a_first_word_that_drips_inside_tls_has_a_deadline(void **state)
{
    (void)state;
    struct stage stage;
    struct err err = ERR_INIT;
    char text[ADDRESS_TEXT];
    tls_stage_prepare(&stage, "https");
    stage_takes(&stage, WAY_SNI);
    stage.options.insecure_upstream = true;
    snprintf(text, sizeof text, "127.0.0.2:%d", stage.upstream.port);
    assert_int_equal(address_parse(text, &stage.options.ways[0].address, &err),
                     0);
    stage_raise(&stage);
    struct talker victim =
        victim_calls(&stage, NULL, TLS1_3_VERSION, "localhost");
    struct talker server = all_shake(&victim);
    talker_says(&victim, "G");
    stage_later(&stage, HEAD_IS_LATE);
    talker_reads(&victim, 1);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"timeout\""));
    stage_close(&stage);
}

/* A body that lasts until the end, and an end that anybody could have made. */
static void a_body_until_close_that_is_truncated_looks_truncated(void **state)
{
    (void)state;
    static const char part[] = "HTTP/1.0 200 OK\r\n\r\npay 1";
    struct stage stage;
    tls_stage_open(&stage);
    struct talker victim =
        victim_calls(&stage, authorities.rogue->root, TLS1_3_VERSION, BANK);
    struct talker server = all_shake(&victim);
    talker_says(&victim, GET);
    talkers_shake(&server, NULL);
    talker_hears(&server, GET);
    talker_says(&server, part);
    talker_hears(&victim, part);
    actor_finishes(&server.actor);
    assert_int_equal(talker_reads(&victim, 1), SSL_ERROR_SSL);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "http.response", "\"whole\":false"));
    stage_close(&stage);
}

/* ---- who does not read ---------------------------------------------------- */

static void the_last_response_waits_for_a_slow_reader(void **state)
{
    (void)state;
    enum { LEN = 8 * 1024 * 1024 };
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    char *body = calloc(1, LEN);
    struct stage stage;
    stage_prepare(&stage, "http");
    stage.options.trace = true;
    stage_raise(&stage);
    struct actor victim = victim_enters_with(&stage, 4096);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, head);
    size_t sent = 0;
    for (int stuck = 0; stuck < 100 && sent < LEN; stage_turn(&stage)) {
        ssize_t got = send(server.fd, body, LEN - sent, MSG_NOSIGNAL);
        stuck = got > 0 ? 0 : stuck + 1;
        sent += got > 0 ? (size_t)got : 0;
    }
    actor_finishes(&server);
    /* The victim takes a little, so that the rest gets as far as the proxy;
     * then it thinks. */
    size_t heard = 0;
    while (!stage_has_event(&stage, "flow.state", "\"to\":\"DRAIN\"")) {
        ssize_t got = recv(victim.fd, body, 4096, 0);
        heard += got > 0 ? (size_t)got : 0;
        stage_turn(&stage);
    }
    stage_later(&stage, 5 * DRAIN_IS_OVER);
    while (!victim.eof && !victim.reset) {
        actor_listens(&victim);
        heard += buf_len(&victim.got);
        buf_clear(&victim.got);
        stage_turn(&stage);
    }
    assert_int_equal(heard, sizeof head - 1 + sent);
    leave(&stage, &victim, &server);
    free(body);
}

static void interim_responses_wait_for_a_slow_reader(void **state)
{
    (void)state;
    enum { MOST = 64 * 1024 * 1024 };
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters_with(&stage, 4096);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    assert_true(pour(&server, INTERIM, MOST) < 16 * 1024 * 1024);
    leave(&stage, &victim, &server);
}

static void a_held_response_is_not_read_on_without_end(void **state)
{
    (void)state;
    enum { MOST = 64 * 1024 * 1024 };
    struct stage stage;
    struct hook *list[1];
    struct holder holder = {.hook = {.wants = HOOK_WANTS_RESPONSE_BODY,
                                     .on_response = hold_response}};
    stage_prepare(&stage, "http");
    raise_with(&stage, &holder, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_true(pour(&server, "0123456789abcdef", MOST) < 16 * 1024 * 1024);
    assert_true(holder.held);
    flow_resume(holder.flow);
    leave(&stage, &victim, &server);
}

/* ---- what comes at the wrong moment --------------------------------------- */

static void bytes_behind_held_ones_do_not_slip_past_the_hook(void **state)
{
    (void)state;
    struct stage stage;
    struct hook *list[1];
    struct holder holder = {.hook = {.on_data = hold_data}};
    stage_prepare(&stage, "tcp");
    raise_with(&stage, &holder, list);
    struct actor victim = victim_enters(&stage);
    struct actor server = server_enters(&stage);
    actor_says(&victim, "held,");
    stage_rest(&stage);
    assert_true(holder.held);
    actor_says(&victim, "late");
    stage_rest(&stage);
    flow_resume(holder.flow);
    actor_hears(&server, "held,late");
    assert_int_equal(buf_len(&holder.heard), 4);
    assert_memory_equal(buf_head(&holder.heard), "late", 4);
    buf_free(&holder.heard);
    leave(&stage, &victim, &server);
}

/* The server refuses an upload and hangs up; the next piece of it then finds
 * nobody. What the server had said still counts. */
static void an_early_refusal_is_heard_although_the_upload_fails(void **state)
{
    (void)state;
    static const char refusal[] = "HTTP/1.1 413 Too Large\r\n"
                                  "Content-Length: 0\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "PUT / HTTP/1.1\r\nHost: a\r\n"
                        "Content-Length: 99\r\n\r\npart");
    struct actor server = server_enters(&stage);
    stage_rest(&stage);
    assert_int_equal(send(victim.fd, "more", 4, MSG_NOSIGNAL), 4);
    assert_true(send(server.fd, refusal, sizeof refusal - 1, 0) > 0);
    actor_leaves(&server);
    actor_hears(&victim, refusal);
    actor_hears_end(&victim);
    leave(&stage, &victim, &server);
}

static void a_101_that_nobody_asked_for_is_502(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, "HTTP/1.1 101 Switching Protocols\r\n"
                        "Connection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 502 ", 13);
    leave(&stage, &victim, &server);
}

/* The server answers what it was asked, not what the victim had asked. */
static void a_method_made_head_gets_no_body_and_is_the_last(void **state)
{
    (void)state;
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
    struct stage stage;
    struct hook *list[1];
    struct holder holder = {.hook = {.on_request = set_method},
                            .method = "HEAD"};
    stage_prepare(&stage, "http");
    raise_with(&stage, &holder, list);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, "HEAD / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n");
    actor_says(&server, reply);
    actor_hears(&victim, reply);
    actor_hears_end(&victim);
    leave(&stage, &victim, &server);
}

static void a_tunnel_that_breaks_was_not_cut_by_a_hook(void **state)
{
    (void)state;
    struct stage stage;
    stage_prepare(&stage, "tcp");
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    struct actor server = server_enters(&stage);
    actor_says(&victim, "unread");
    stage_rest(&stage);
    assert_int_equal(send(victim.fd, "more", 4, MSG_NOSIGNAL), 4);
    actor_leaves(&server);
    actor_hears_reset(&victim);
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"failed\""));
    stage_close(&stage);
}

static void a_response_that_goes_wrong_midway_is_cut_and_named(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "2\r\nhi\r\n");
    stage_rest(&stage);
    actor_says(&server, "zz\r\n");
    actor_hears_reset(&victim);
    actor_leaves(&victim);
    actor_leaves(&server);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "http.refused", "RFC 9112 7.1"));
    stage_close(&stage);
}

/* ---- where it goes -------------------------------------------------------- */

static void no_spelling_of_our_own_address_makes_a_circle(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]", "localhost",
                                        "localhost."};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char request[128];
        struct stage stage;
        stage_prepare(&stage, "http");
        stage_takes(&stage, WAY_SNI);
        stage.options.relays_most = 40;
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        snprintf(request, sizeof request,
                 "GET / HTTP/1.1\r\nHost: %s:%d\r\n\r\n", hosts[i],
                 ntohs(proxy_address(stage.proxy, 0)->v4.sin_port));
        actor_says(&victim, request);
        assert_non_null(strstr(actor_hears_all(&victim), "this proxy itself"));
        actor_leaves(&victim);
        stage_empties(&stage);
        stage_close(&stage);
    }
}

/* RFC 9112 3.2.2: the target decides, and a Host that says otherwise is a
 * second reading for whoever comes behind us. */
static void a_url_and_a_host_that_differ_go_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *target, *host;
        bool passes;
    } rows[] = {
        {"http://bank.lab.test/", "bank.lab.test", true},
        {"http://bank.lab.test/", "BANK.lab.test", true},
        {"http://bank.lab.test:80/", "bank.lab.test", true},
        {"http://bank.lab.test", "bank.lab.test:80", true},
        {"https://bank.lab.test/", "bank.lab.test:443", true},
        {"http://bank.lab.test:8080/", "bank.lab.test:8080", true},
        {"http://bank.lab.test/", "evil.lab.test", false},
        {"http://bank.lab.test/", "bank.lab.test:81", false},
        {"http://bank.lab.test:443/", "bank.lab.test", false},
        {"http://bank.lab.test/", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[128];
        struct stage stage;
        stage_open(&stage);
        struct actor victim = victim_enters(&stage), server = {.fd = -1};
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                 rows[i].target, rows[i].host);
        actor_says(&victim, request);
        if (rows[i].passes) {
            server = server_enters(&stage);
            actor_hears(&server, request);
        } else {
            assert_non_null(strstr(actor_hears_all(&victim), "RFC 9112 3.2.2"));
            assert_int_equal(stage_door(&stage), -1);
        }
        leave(&stage, &victim, &server);
    }
}

static void
a_second_request_for_another_server_does_not_reach_the_first(void **state)
{
    (void)state;
    static const char *const hosts[] = {"localhost", "LOCALHOST", "127.0.0.1"};
    struct stage stage;
    stage_prepare(&stage, "http");
    stage_takes(&stage, WAY_SNI);
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage), server = {.fd = -1};
    for (size_t i = 0; i < 3; i++) {
        char request[128];
        snprintf(request, sizeof request,
                 "GET / HTTP/1.1\r\nHost: %s:%d\r\n\r\n", hosts[i],
                 stage.upstream.port);
        actor_says(&victim, request);
        if (i == 2)
            break;
        if (!i)
            server = server_enters(&stage);
        actor_hears(&server, request);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
    }
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 421 ", 13);
    actor_hears_end(&server);
    leave(&stage, &victim, &server);
}

/* Between the handshake and accept(2) a victim may reset. Then nobody knows
 * any more who it was, and nothing is to be told of it. */
static void who_has_gone_before_it_is_accepted_is_nobody(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_resets(&victim);
    stage_rest(&stage);
    stage_empties(&stage);
    assert_false(stage_has_event(&stage, "flow.open", ""));
    assert_false(stage_has_event(&stage, "flow.end", ""));
    stage_close(&stage);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_in_two_records_is_http_all_the_same),
        cmocka_unit_test(a_server_may_speak_first_inside_tls),
        cmocka_unit_test(a_first_word_that_drips_inside_tls_has_a_deadline),
        cmocka_unit_test(a_body_until_close_that_is_truncated_looks_truncated),
        cmocka_unit_test(the_last_response_waits_for_a_slow_reader),
        cmocka_unit_test(interim_responses_wait_for_a_slow_reader),
        cmocka_unit_test(a_held_response_is_not_read_on_without_end),
        cmocka_unit_test(bytes_behind_held_ones_do_not_slip_past_the_hook),
        cmocka_unit_test(an_early_refusal_is_heard_although_the_upload_fails),
        cmocka_unit_test(a_101_that_nobody_asked_for_is_502),
        cmocka_unit_test(a_method_made_head_gets_no_body_and_is_the_last),
        cmocka_unit_test(a_tunnel_that_breaks_was_not_cut_by_a_hook),
        cmocka_unit_test(no_spelling_of_our_own_address_makes_a_circle),
        cmocka_unit_test(a_url_and_a_host_that_differ_go_nowhere),
        cmocka_unit_test(who_has_gone_before_it_is_accepted_is_nobody),
        cmocka_unit_test(
            a_second_request_for_another_server_does_not_reach_the_first),
        cmocka_unit_test(a_response_that_goes_wrong_midway_is_cut_and_named),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
