/* SPDX-License-Identifier: MIT
 *
 * Plain HTTP that breaks a rule: the victim hears which one, and nothing of it
 * reaches the server. */
#include "tests/proxy/stage.h"

static const struct {
    const char *what, *request, *status;
} malformed[] = {
    {"no version", "GET /\r\n\r\n", "505"},
    {"a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
    {"a folded field", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "400"},
    {"a bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400"},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
    {"two lengths",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
     "\r\nab",
     "400"},
    {"length and chunks",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400"},
    {"a signed length",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", "400"},
    {"an unknown transfer coding",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "501"},
    {"another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
    {"a leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"},
};

static void what_is_malformed_never_reaches_the_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct stage stage;
        char expected[32];
        stage_open(&stage);
        struct actor victim = victim_enters(&stage);
        actor_says(&victim, malformed[i].request);
        const char *heard = actor_hears_all(&victim);
        snprintf(expected, sizeof expected, "HTTP/1.1 %s ",
                 malformed[i].status);
        if (strncmp(heard, expected, strlen(expected)) ||
            !strstr(heard, "Connection: close\r\n"))
            fail_msg("%s: %s", malformed[i].what, heard);
        actor_leaves(&victim);
        stage_empties(&stage);
        int fd = stage_door(&stage);
        char byte;
        if (fd >= 0) /* connected to, but never spoken to */
            assert_true(recv(fd, &byte, 1, 0) <= 0);
        close(fd);
        stage_close(&stage);
    }
}

static void a_head_without_end_is_too_large(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.1\r\nHost: a\r\n");
    char line[1100];
    memset(line, 'x', sizeof line);
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (int i = 0; i < 70 && !victim.eof; i++) {
        (void)!send(victim.fd, line, sizeof line, MSG_NOSIGNAL);
        stage_turn(&stage);
        actor_listens(&victim);
    }
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 431 ", 13);
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_int_equal(stage_door(&stage), -1);
    stage_close(&stage);
}

static void a_refusal_names_the_rule_in_body_and_event(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    assert_non_null(strstr(actor_hears_all(&victim), "RFC 9112 5.1"));
    assert_true(stage_has_event(&stage, "http.refused", "RFC 9112 5.1"));
    actor_leaves(&victim);
    stage_empties(&stage);
    assert_true(stage_has_event(&stage, "flow.end", "\"why\":\"refused\""));
    stage_close(&stage);
}

static void bad_chunks_cut_the_server_off_before_it_has_all(void **state)
{
    (void)state;
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    struct stage stage;
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, head);
    struct actor server = server_enters(&stage);
    actor_hears(&server, head);
    actor_says(&victim, "zz\r\n");
    assert_memory_equal(actor_hears_all(&victim), "HTTP/1.1 400 ", 13);
    actor_hears_end(&server);
    stage_ends(&stage, &victim, &server);
}

static void a_leniency_lets_one_flaw_pass(void **state)
{
    (void)state;
    static const char flawed[] = "GET / HTTP/1.1\nHost: a\n\n";
    struct stage stage;
    stage_prepare(&stage, "http");
    stage.options.lenient = HTTP1_LENIENT_BARE_LF;
    stage_raise(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, flawed);
    struct actor server = server_enters(&stage);
    actor_hears(&server, flawed);
    stage_ends(&stage, &victim, &server);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_malformed_never_reaches_the_server),
        cmocka_unit_test(a_head_without_end_is_too_large),
        cmocka_unit_test(a_refusal_names_the_rule_in_body_and_event),
        cmocka_unit_test(bad_chunks_cut_the_server_off_before_it_has_all),
        cmocka_unit_test(a_leniency_lets_one_flaw_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
