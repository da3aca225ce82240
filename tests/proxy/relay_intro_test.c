/* SPDX-License-Identifier: MIT
 *
 * A balancer before the proxy says who the victim is, and the proxy says so to
 * servers: heads of the PROXY protocol, good and bad, on every way in. What a
 * head names is shown, and nobody is ever connected because of it. */
#include "proxy/proxy_head.h"
#include "tests/proxy/tls_stage.h"

#define V1       "PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\r\n"
#define V1_6     "PROXY TCP6 2001:db8:66::7 2001:db8:66::a 4660 443\r\n"
#define V2_START "\r\n\r\n\0\r\nQUIT\n"
#define V2       V2_START "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\x0a\x12\x34\1\xbb"
#define REQUEST  "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define TUPLE    "\"tuple\":[\"192.0.2.7\",4660,\"192.0.2.10\",443]"

/* A literal, and how many bytes it is. */
#define BYTES(text) text, sizeof(text) - 1

static void prepare(struct stage *stage)
{
    tls_stage_prepare(stage, "http");
    stage->options.ways[0].proxied = true;
}

static void open_proxied(struct stage *stage)
{
    prepare(stage);
    stage_raise(stage);
}

static void all_leave(struct stage *stage, struct actor *victim,
                      struct actor *server)
{
    actor_leaves(victim);
    if (server)
        actor_leaves(server);
    stage_empties(stage);
    stage_close(stage);
}

/* ---- the victim's side --------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t len;
    const char *opened, *told; /* in events; opened NULL: the real tuple */
} heads[] = {
    {BYTES(V1), TUPLE, "\"version\":1,\"told\":true,\"by\":\"127.0.0.1:"},
    {BYTES(V1_6), "\"tuple\":[\"2001:db8:66::7\",4660,\"2001:db8:66::a\",443]",
     "\"version\":1,\"told\":true"},
    {BYTES(V2), TUPLE, "\"version\":2,\"told\":true"},
    {BYTES("PROXY UNKNOWN\r\n"), NULL, "\"version\":1,\"told\":false"},
    {BYTES(V2_START "\x20\0\0\0"), NULL, "\"version\":2,\"told\":false"},
};

/* In one piece with the request, and byte by byte. */
static void a_head_says_who_the_victim_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof heads / sizeof *heads; i++) {
        struct stage stage;
        size_t row = i / 2, len = heads[row].len;
        char bytes[256];
        memcpy(bytes, heads[row].bytes, len);
        memcpy(bytes + len, BYTES(REQUEST));
        len += sizeof REQUEST - 1;
        open_proxied(&stage);
        struct actor victim = victim_enters(&stage);
        for (size_t at = 0; at < len; at += i % 2 ? 1 : len)
            actor_says_bytes(&victim, bytes + at, i % 2 ? 1 : len);
        struct actor server = server_enters(&stage);
        actor_hears(&server, REQUEST);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        const char *opened = heads[row].opened;
        assert_true(stage_has_event(
            &stage, "flow.open", opened ? opened : "\"tuple\":[\"127.0.0.1\""));
        assert_true(stage_has_event(&stage, "proxy.told", heads[row].told));
        assert_true(
            stage_has_event(&stage, "http.request",
                            opened ? opened : "\"tuple\":[\"127.0.0.1\""));
        all_leave(&stage, &victim, &server);
    }
}

/* Its question for this server, by HTTP or SOCKS. */
static size_t write_question(enum way_mode mode, int port, char out[128])
{
    static const char greeting[] = "\5\1\0\5\1\0\1\x7f\0\0\1";
    if (mode == WAY_HTTP)
        return (size_t)snprintf(
            out, 128, "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: a\r\n\r\n", port);
    memcpy(out, greeting, sizeof greeting - 1);
    out[sizeof greeting - 1] = (char)(port >> 8);
    out[sizeof greeting] = (char)port;
    return sizeof greeting + 1;
}

static void a_victim_that_knows_of_the_proxy_comes_behind_a_head(void **state)
{
    (void)state;
    static const enum way_mode modes[] = {WAY_HTTP, WAY_SOCKS};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        char question[128];
        prepare(&stage);
        stage_takes(&stage, modes[i]);
        stage_raise(&stage);
        size_t len = write_question(modes[i], stage.upstream.port, question);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, V1);
        actor_says_bytes(&victim, question, len);
        struct actor server = server_enters(&stage);
        if (modes[i] == WAY_HTTP) {
            actor_hears(&victim, "HTTP/1.1 200 Connection established\r\n\r\n");
        } else {
            actor_hears_bytes(&victim, "\5\0\5\0\0\1", 6);
            actor_waits_for(&victim, 6);
            buf_consume(&victim.got, 6);
        }
        actor_says(&victim, REQUEST);
        actor_hears(&server, REQUEST);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        assert_true(stage_has_event(&stage, "proxy.asked", TUPLE));
        all_leave(&stage, &victim, &server);
    }
}

static void tls_comes_behind_a_head(void **state)
{
    (void)state;
    struct stage stage;
    tls_stage_prepare(&stage, "https");
    stage.options.ways[0].proxied = true;
    stage_raise(&stage);
    struct talker victim = victim_calls(&stage, authorities.rogue->root,
                                        TLS1_3_VERSION, "bank.lab.test");
    actor_says_bytes(&victim.actor, BYTES(V2));
    struct talker server = all_shake(&victim);
    assert_true(victim.done);
    talker_says(&victim, REQUEST);
    talker_hears(&server, REQUEST);
    assert_true(stage_has_event(&stage, "tls.hello", "\"at\":28,"));
    assert_true(stage_has_event(&stage, "tls.hello", TUPLE));
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static const struct {
    const char *bytes;
    size_t len;
    const char *sentence;
} refused[] = {
    {BYTES(REQUEST), "does not begin with a head"},
    {BYTES("PROXY TCP4 192.0.2.7\r\n" REQUEST), "without two addresses"},
    {BYTES(V2_START "\x21\x11\0\x0b"), "too short for its addresses"},
    {BYTES(V2_START "\x21\x11\xff\xff"), "more than 4096"},
};

/* Nothing is answered: who speaks is a balancer. */
static void a_bad_head_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct stage stage;
        open_proxied(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says_bytes(&victim, refused[i].bytes, refused[i].len);
        actor_hears_end(&victim);
        assert_int_equal(stage_door(&stage), -1);
        assert_true(stage_has_event(&stage, "http.refused",
                                    "\"rule\":\"PROXY protocol 2\""));
        assert_true(
            stage_has_event(&stage, "http.refused", refused[i].sentence));
        actor_leaves(&victim);
        stage_empties(&stage);
        assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"refused\""));
        stage_close(&stage);
    }
}

static void a_head_that_does_not_end_is_refused(void **state)
{
    (void)state;
    struct stage stage;
    open_proxied(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "PROXY TCP4 ");
    actor_finishes(&victim);
    actor_hears_end(&victim);
    assert_true(
        stage_has_event(&stage, "http.refused", "a PROXY head that does not"));
    all_leave(&stage, &victim, NULL);
}

/* A balancer that looks whether we live says nothing, and that is no fault. */
static void who_says_nothing_and_leaves_is_not_refused(void **state)
{
    (void)state;
    struct stage stage;
    open_proxied(&stage);
    struct actor victim = victim_enters(&stage);
    stage_rest(&stage);
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.open", "127.0.0.1"));
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"done\""));
    assert_false(stage_has_event(&stage, "http.refused", ""));
    stage_close(&stage);
}

static void a_head_has_the_time_of_a_hello(void **state)
{
    (void)state;
    static const char *const said[] = {"", "PROXY TCP4 "};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct stage stage;
        prepare(&stage);
        stage.options.head_ms = 30;
        stage.options.drain_ms = 30;
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, said[i]);
        actor_hears_end(&victim);
        assert_true(stage_has_event(&stage, "http.refused", "came in time"));
        all_leave(&stage, &victim, NULL);
    }
}

/* What follows the head has its own time, no longer than without one. */
static void behind_a_head_a_victim_must_speak_in_time(void **state)
{
    (void)state;
    struct stage stage;
    prepare(&stage);
    stage.options.head_ms = 60;
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, V1);
    actor_hears_end(&victim);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"timeout\""));
    assert_false(stage_has_event(&stage, "http.refused", ""));
    all_leave(&stage, &victim, NULL);
}

static void without_room_it_is_said_behind_the_head(void **state)
{
    (void)state;
    struct stage stage;
    prepare(&stage);
    stage.options.relays_most = 1;
    stage_raise(&stage);
    struct actor first = victim_enters(&stage);
    stage_rest(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, V1 REQUEST);
    const char *heard = actor_hears_all(&victim);
    assert_memory_equal(heard, "HTTP/1.1 503", 12);
    actor_leaves(&first);
    all_leave(&stage, &victim, NULL);
}

/* ---- only data ----------------------------------------------------------- */

static void note_victim(void *context, const struct proxy_line *line)
{
    address_text(line->victim, context);
}

/* Somebody listens where the heads point, and hears nothing; nor does it
 * matter that another head points outside of the walls. */
static void an_address_in_a_head_is_never_a_target(void **state)
{
    (void)state;
    static const enum way_mode modes[] = {WAY_REVERSE, WAY_SNI, WAY_HTTP};
    for (size_t i = 0; i < 2 * sizeof modes / sizeof *modes; i++) {
        struct stage stage;
        char said[512], victim_text[ADDRESS_TEXT] = "", expected[64];
        struct sockaddr_in other;
        int decoy = stage_listen(&other), port = ntohs(other.sin_port);
        const char *host = i % 2 ? "127.0.0.1" : "198.51.100.1";
        prepare(&stage);
        stage.options.on_line = note_victim;
        stage.options.context = victim_text;
        if (modes[i / 2] != WAY_REVERSE)
            stage_takes(&stage, modes[i / 2]);
        stage_raise(&stage);
        int real = stage.upstream.port;
        size_t len = (size_t)snprintf(said, sizeof said,
                                      "PROXY TCP4 %s %s %d %d\r\nGET ", host,
                                      host, port, port);
        if (modes[i / 2] == WAY_HTTP)
            len += (size_t)snprintf(said + len, sizeof said - len,
                                    "http://127.0.0.1:%d", real);
        snprintf(said + len, sizeof said - len,
                 "/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", real);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, said);
        struct actor server = server_enters(&stage);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        stage_rest(&stage);
        assert_int_equal(accept(decoy, NULL, NULL), -1);
        snprintf(expected, sizeof expected, "%s:%d", host, port);
        assert_string_equal(victim_text, expected);
        close(decoy);
        all_leave(&stage, &victim, &server);
    }
}

/* ---- the server's side --------------------------------------------------- */

/* The head of this version for this victim and the listener of the stage. */
static size_t expect_head(struct stage *stage, struct actor *victim,
                          int version, uint8_t out[PROXY_HEAD_OWN])
{
    union address from;
    socklen_t len = sizeof from;
    getsockname(victim->fd, &from.any, &len);
    return proxy_head_write(version, &from, proxy_address(stage->proxy, 0),
                            out);
}

static void a_server_hears_first_who_the_victim_is(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        struct stage stage;
        uint8_t head[PROXY_HEAD_OWN];
        tls_stage_prepare(&stage, "http");
        stage.options.introduce = version;
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, REQUEST);
        struct actor server = server_enters(&stage);
        size_t len = expect_head(&stage, &victim, version, head);
        actor_hears_bytes(&server, head, len);
        actor_hears(&server, REQUEST);
        /* The next one on the same connection has no head of its own. */
        actor_says(&server, OK_HI);
        actor_says(&victim, REQUEST);
        actor_hears(&server, REQUEST);
        char at[32];
        snprintf(at, sizeof at, "\"at\":%zu,", len);
        assert_true(stage_has_event(&stage, "http.request", at));
        all_leave(&stage, &victim, &server);
    }
}

static void a_server_of_tls_hears_it_in_clear(void **state)
{
    (void)state;
    struct stage stage;
    uint8_t head[PROXY_HEAD_OWN];
    tls_stage_prepare(&stage, "https");
    stage.options.introduce = 2;
    stage_raise(&stage);
    struct talker victim = victim_calls(&stage, authorities.rogue->root,
                                        TLS1_3_VERSION, "bank.lab.test");
    talker_shakes(&victim);
    struct actor raw = server_enters(&stage);
    size_t len = expect_head(&stage, &victim.actor, 2, head);
    uint8_t got[PROXY_HEAD_OWN];
    for (int i = 0; i < PATIENCE_TURNS; i++) {
        if (recv(raw.fd, got, len, MSG_PEEK) == (ssize_t)len)
            break;
        stage_turn(&stage);
    }
    assert_int_equal(recv(raw.fd, got, len, 0), len);
    assert_memory_equal(got, head, len);
    struct talker server = server_greets(raw);
    talkers_shake(&victim, &server);
    assert_true(victim.done);
    talker_says(&victim, REQUEST);
    talker_hears(&server, REQUEST);
    talker_leaves(&victim);
    talker_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

/* Where servers speak first the head goes at once, and only once. */
static void what_was_told_is_told_on(void **state)
{
    (void)state;
    static const char *const schemes[] = {"http", "tcp"};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        tls_stage_prepare(&stage, schemes[i]);
        stage.options.ways[0].proxied = true;
        stage.options.introduce = 1;
        stage_raise(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says_bytes(&victim, BYTES(V2));
        if (!i)
            actor_says(&victim, REQUEST);
        struct actor server = server_enters(&stage);
        actor_hears(&server, V1);
        if (i)
            actor_says(&victim, REQUEST);
        actor_hears(&server, REQUEST);
        actor_says(&server, OK_HI);
        actor_hears(&victim, OK_HI);
        all_leave(&stage, &victim, &server);
    }
}

/* A victim of an HTTP proxy goes from server to server. */
static void each_server_is_told(void **state)
{
    (void)state;
    struct stage stage;
    struct sockaddr_in address;
    int listener = stage_listen(&address), own;
    char said[256];
    prepare(&stage);
    stage_takes(&stage, WAY_HTTP);
    stage.options.introduce = 1;
    stage_raise(&stage);
    snprintf(said, sizeof said,
             V1 "GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: a\r\n\r\n"
                "GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: a\r\n\r\n",
             stage.upstream.port, ntohs(address.sin_port));
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, said);
    struct actor one = server_enters(&stage);
    actor_hears(&one, V1 "GET / HTTP/1.1\r\n");
    actor_says(&one, OK_HI);
    own = stage.listener;
    stage.listener = listener;
    struct actor two = server_enters(&stage);
    stage.listener = own;
    actor_hears(&two, V1 "GET / HTTP/1.1\r\n");
    actor_says(&two, OK_HI);
    actor_hears(&victim, OK_HI OK_HI);
    actor_leaves(&one);
    close(listener);
    all_leave(&stage, &victim, &two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_says_who_the_victim_is),
        cmocka_unit_test(a_victim_that_knows_of_the_proxy_comes_behind_a_head),
        cmocka_unit_test(tls_comes_behind_a_head),
        cmocka_unit_test(a_bad_head_is_refused_with_its_reason),
        cmocka_unit_test(a_head_that_does_not_end_is_refused),
        cmocka_unit_test(who_says_nothing_and_leaves_is_not_refused),
        cmocka_unit_test(a_head_has_the_time_of_a_hello),
        cmocka_unit_test(behind_a_head_a_victim_must_speak_in_time),
        cmocka_unit_test(without_room_it_is_said_behind_the_head),
        cmocka_unit_test(an_address_in_a_head_is_never_a_target),
        cmocka_unit_test(a_server_hears_first_who_the_victim_is),
        cmocka_unit_test(a_server_of_tls_hears_it_in_clear),
        cmocka_unit_test(what_was_told_is_told_on),
        cmocka_unit_test(each_server_is_told),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
