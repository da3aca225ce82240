/* SPDX-License-Identifier: MIT
 *
 * The bank: its books, its manners towards requests that are none, and what it
 * notices of those who hang up on it. */
#include "tests/victims/stage.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[1 << 16];

static size_t talk(const struct stage *stage, const char *request)
{
    return stage_talk(stage->http, request, strlen(request), answer,
                      sizeof answer);
}

static int status_of(const char *text)
{
    return strncmp(text, "HTTP/1.1 ", 9) ? 0 : atoi(text + 9);
}

/* ---- the books ------------------------------------------------------------------ */

/* Log in; returns "Cookie: session=...". */
static const char *log_in(const struct stage *stage)
{
    static char cookie[128];
    talk(stage, "POST /login HTTP/1.1\r\nHost: bank\r\nContent-Length: 35\r\n"
                "\r\nuser=alice&password=correct%20horse");
    assert_int_equal(status_of(answer), 200);
    const char *from = strstr(answer, "session=");
    assert_non_null(from);
    snprintf(cookie, sizeof cookie, "Cookie: %.*s", (int)strcspn(from, ";\r\n"),
             from);
    return cookie;
}

static int transfer(const struct stage *stage, const char *cookie,
                    const char *form)
{
    char request[512];
    snprintf(request, sizeof request,
             "POST /transfer HTTP/1.1\r\nHost: bank\r\n%s\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             cookie, strlen(form), form);
    talk(stage, request);
    return status_of(answer);
}

static void the_books_balance(void **state)
{
    static const struct {
        const char *form;
        int status;
        const char *says;
    } rows[] = {
        {"payee=bob&amount=1", 200, "Balance: 999"},
        {"payee=bob&amount=998", 200, "Balance: 1<"},
        {"payee=bob&amount=2", 409, "not enough"},
        {"payee=bob&amount=1", 200, "Balance: 0"},
        {"payee=bob&amount=1", 409, "not enough"},
        {"payee=bob&amount=0", 400, "whole number"},
        {"payee=bob&amount=-5", 400, "whole number"},
        {"payee=bob&amount=1.5", 400, "whole number"},
        {"payee=bob&amount=1e3", 400, "whole number"},
        {"payee=bob&amount=", 400, "whole number"},
        {"payee=bob", 400, "whole number"},
        {"payee=bob&amount=99999999999999999999", 400, "whole number"},
        {"payee=bob&amount=%31", 409, "not enough"},
        {"payee=bob&amount=%3", 400, "whole number"},
        {"payee=&amount=1", 400, "payee"},
        {"amount=1", 400, "payee"},
        {"payee=a%0d%0ab&amount=1", 400, "payee"},
        {"xpayee=bob&amount=1", 400, "payee"},
        {"", 400, "payee"},
    };
    struct stage *stage = *state;
    const char *cookie = log_in(stage);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].form);
        assert_int_equal(transfer(stage, cookie, rows[i].form), rows[i].status);
        assert_non_null(strstr(answer, rows[i].says));
    }
    stage_close_bank(stage);
    assert_int_equal(stage_count(stage, "ledger.entry"), 3);
}

static void only_a_session_opens_the_books(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(transfer(stage, "X: y", "payee=bob&amount=1"), 403);
    assert_int_equal(transfer(stage, "Cookie: session=", "payee=b&amount=1"),
                     403);
    assert_int_equal(
        transfer(stage, "Cookie: session=00000000000000000000000000000000",
                 "payee=bob&amount=1"),
        403);
    talk(stage, "GET /balance HTTP/1.1\r\nHost: bank\r\n\r\n");
    assert_int_equal(status_of(answer), 403);
    stage_close_bank(stage);
    assert_int_equal(stage_count(stage, "ledger.entry"), 0);
}

/* ---- requests that are none --------------------------------------------------------- */

static void what_is_not_http_is_refused_with_the_rule(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *rule;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400, "RFC 9112 3.2"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "RFC 9112 3.2"},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "RFC 9112 2.3"},
        {"GET /\r\n\r\n", 400, "RFC 9112 2.3"},
        {"GET\r\n\r\n", 400, "RFC 9112 3"},
        {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112 3"},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112 3"},
        {"GET http://bank/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112 3"},
        {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112 3.2"},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "RFC 9112 5.1"},
        {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, "RFC 9112 5.2"},
        {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, "RFC 9112 5.1"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400,
         "RFC 9112 6.3"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: "
         "5\r\n\r\nhello",
         400, "RFC 9112 6.3"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
         "5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "RFC 9112 6.3"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501,
         "RFC 9112 6.1"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413,
         "RFC 9110 15.5.14"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "chunked\r\n\r\nz\r\n",
         400, "RFC 9112 7.1"},
    };
    struct stage *stage = *state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        talk(stage, rows[i].request);
        print_message("row %u: %d\n", i, status_of(answer));
        assert_int_equal(status_of(answer), rows[i].status);
        assert_non_null(strstr(answer, rows[i].rule));
        json_t *refused = stage_event(stage, "http.refused", i);
        assert_string_equal(json_string_value(json_object_get(refused, "rule")),
                            rows[i].rule);
    }
    static char endless[1 << 16];
    memset(endless, 'a', sizeof endless);
    memcpy(endless, "GET / HTTP/1.1\r\nX: ", 19);
    stage_talk(stage->http, endless, sizeof endless, answer, sizeof answer);
    assert_int_equal(status_of(answer), 431);
}

/* Small and repeatable: the rows of a failure can be played again. */
static unsigned draw(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % below;
}

static void mutate(char *bytes, size_t *len, unsigned *seed)
{
    static const char nasty[] = "\r\n :;\t\0%&=/\x7f\xff"
                                "09azHC";
    for (unsigned edits = 1 + draw(seed, 4); edits; edits--) {
        size_t at = draw(seed, (unsigned)*len);
        char byte = nasty[draw(seed, sizeof nasty)];
        switch (draw(seed, 3)) {
        case 0: /* another byte */
            bytes[at] = byte;
            break;
        case 1: /* one more */
            memmove(bytes + at + 1, bytes + at, *len - at);
            bytes[at] = byte;
            ++*len;
            break;
        case 2: /* some less */
            *len = *len > at + 4 ? *len - 3 : *len;
            memmove(bytes + at, bytes + at + 3, *len - at);
            break;
        }
    }
}

static void no_request_brings_the_bank_down(void **state)
{
    static const char model[] =
        "POST /transfer HTTP/1.1\r\nHost: bank.lab.test\r\nCookie: "
        "session=0123456789abcdef0123456789abcdef\r\nContent-Length: "
        "19\r\n\r\npayee=bob&amount=12GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct stage *stage = *state;
    unsigned seed = 7, answered = 0;
    for (unsigned i = 0; i < 600; i++) {
        char bytes[sizeof model + 64];
        size_t len = sizeof model - 1;
        memcpy(bytes, model, sizeof model);
        mutate(bytes, &len, &seed);
        size_t got = stage_talk(stage->http, bytes, len, answer, sizeof answer);
        assert_true(got == 0 || status_of(answer) >= 200);
        answered += got > 0;
    }
    print_message("%u of 600 were answered\n", answered);
    assert_true(answered > 300);
    talk(stage, "GET / HTTP/1.1\r\nHost: bank\r\n\r\n");
    assert_int_equal(status_of(answer), 200);
}

/* ---- many at once --------------------------------------------------------------------- */

static void *press(void *argument)
{
    const struct stage *stage = argument;
    static const char request[] = "GET / HTTP/1.1\r\nHost: bank\r\n\r\nGET "
                                  "/nothing HTTP/1.1\r\nHost: bank\r\n\r\n";
    char text[8192];
    long good = 0;
    for (int i = 0; i < 25; i++) {
        stage_talk(stage->http, request, sizeof request - 1, text, sizeof text);
        good += status_of(text) == 200 && strstr(text, " 404 ") != NULL;
    }
    return (void *)good;
}

static void many_at_once_are_all_served(void **state)
{
    pthread_t threads[16];
    int silent[100];
    struct stage *stage = *state;
    for (int i = 0; i < 100; i++) /* these never say a word */
        silent[i] = stage_connect(i % 2 ? stage->http : stage->https);
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, press, stage);
    for (int i = 0; i < 16; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_int_equal((long)good, 25);
    }
    stage_close_bank(stage); /* within two seconds, with all these open */
    for (int i = 0; i < 100; i++)
        close(silent[i]);
    assert_int_equal(stage_count(stage, "flow.open"), 500);
    assert_int_equal(stage_count(stage, "flow.end"), 500);
    assert_int_equal(stage_count(stage, "tls.verdict"), 50);
}

/* ---- verdicts --------------------------------------------------------------------------- */

enum manner { SAYS_SOMETHING, SAYS_GOODBYE, JUST_LEAVES, LEAVES_AT_ONCE };

/* A client that trusts everybody and then behaves in one of these ways. */
static void behave(const struct stage *stage, enum manner manner)
{
    int fd = stage_connect(stage->https);
    if (manner != LEAVES_AT_ONCE) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        assert_int_equal(SSL_connect(ssl), 1);
        if (manner == SAYS_SOMETHING)
            SSL_write(ssl, "GET", 3);
        if (manner == SAYS_GOODBYE)
            SSL_shutdown(ssl);
        SSL_free(ssl);
        SSL_CTX_free(context);
    }
    close(fd);
}

static void a_verdict_is_what_the_victim_did(void **state)
{
    static const struct {
        enum manner manner;
        const char *verdict, *how;
        int app_bytes;
        bool finished;
    } rows[] = {
        {SAYS_SOMETHING, "accepted", "data", 3, true},
        {SAYS_GOODBYE, "refused", "close_notify", 0, true},
        {JUST_LEAVES, "refused", "silent", 0, true},
        {LEAVES_AT_ONCE, "refused", "abort", 0, false},
    };
    struct stage *stage = *state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        behave(stage, rows[i].manner);
        json_t *verdict = stage_event(stage, "tls.verdict", i);
        assert_string_equal(
            json_string_value(json_object_get(verdict, "verdict")),
            rows[i].verdict);
        assert_string_equal(json_string_value(json_object_get(verdict, "how")),
                            rows[i].how);
        assert_int_equal(
            json_integer_value(json_object_get(verdict, "app_bytes")),
            rows[i].app_bytes);
        assert_int_equal(json_is_true(json_object_get(verdict, "finished")),
                         rows[i].finished);
    }
}

/* ---- places ------------------------------------------------------------------------------ */

/* Where the events say that requests are, without TLS and in one write. */
static void an_event_says_where_its_bytes_are(void **state)
{
    static const char first[] = "GET / HTTP/1.1\r\nHost: bank\r\n\r\n";
    static const char second[] = "POST /login HTTP/1.1\r\nHost: bank\r\n"
                                 "Content-Length: 6\r\n\r\nuser=a";
    struct stage *stage = *state;
    char both[sizeof first + sizeof second];
    snprintf(both, sizeof both, "%s%s", first, second);
    size_t got = talk(stage, both);
    stage_close_bank(stage);
    json_t *event;
    size_t index, up = 0, down = 0;
    json_array_foreach(stage->seen, index, event)
    {
        const char *kind = json_string_value(json_object_get(event, "kind"));
        size_t at = (size_t)json_integer_value(json_object_get(event, "at"));
        size_t len = (size_t)json_integer_value(json_object_get(event, "len"));
        if (!strcmp(kind, "http.request")) {
            assert_int_equal(at, up);
            up += len;
        } else if (!strcmp(kind, "http.response")) {
            assert_int_equal(at, down);
            down += len;
        }
    }
    assert_int_equal(up, strlen(both));
    assert_int_equal(down, got);
}

static int open_stage(void **state)
{
    int rc = stage_setup(state);
    if (rc == 0)
        stage_open_bank(*state, NULL);
    return rc;
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_stage, stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_books_balance),
        CASE(only_a_session_opens_the_books),
        CASE(what_is_not_http_is_refused_with_the_rule),
        CASE(no_request_brings_the_bank_down),
        CASE(many_at_once_are_all_served),
        CASE(a_verdict_is_what_the_victim_did),
        CASE(an_event_says_where_its_bytes_are),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
