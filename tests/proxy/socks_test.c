/* SPDX-License-Identifier: MIT */
#include "proxy/socks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* A literal, and how many bytes it is. */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* The whole is used up, and every shorter prefix needs more; each from a block
 * of exactly its size. */
#define EACH_PREFIX(read, out, bytes, len)                                     \
    do {                                                                       \
        for (size_t cut = 0; cut <= (len); cut++) {                            \
            const char *why = NULL;                                            \
            uint8_t *exact = malloc(cut + !cut);                               \
            assert_non_null(exact);                                            \
            memcpy(exact, bytes, cut);                                         \
            ssize_t used = read(exact, cut, out, &why);                        \
            assert_int_equal(used, cut == (len) ? (ssize_t)cut : 0);           \
            assert_null(why);                                                  \
            free(exact);                                                       \
        }                                                                      \
    } while (0)

static void a_greeting_offers_methods(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *bytes;
        size_t len;
        enum socks_method method;
    } rows[] = {
        {BYTES("\5\1\0"), SOCKS_NO_LOGIN},
        {BYTES("\5\2\0\1"), SOCKS_NO_LOGIN},
        {BYTES("\5\3\0\1\2"), SOCKS_PASSWORD},
        {BYTES("\5\1\2"), SOCKS_PASSWORD},
        {BYTES("\5\2\1\x80"), SOCKS_NO_METHOD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum socks_method method = SOCKS_NO_LOGIN;
        EACH_PREFIX(socks_greeting_read, &method, rows[i].bytes, rows[i].len);
        assert_int_equal(method, rows[i].method);
    }
}

static void a_login_is_two_texts(void **state)
{
    (void)state;
    struct socks_login login;
    EACH_PREFIX(socks_login_read, &login, "\1\5alice\6secret", 14);
    assert_string_equal(login.user, "alice");
    assert_string_equal(login.password, "secret");
    EACH_PREFIX(socks_login_read, &login, "\1\1a\0", 4);
    assert_string_equal(login.password, "");
    EACH_PREFIX(socks_login_read, &login, "\1\0\0", 3);
    assert_string_equal(login.user, "");
}

static void a_request_names_a_server_in_three_forms(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *host;
        unsigned command, port;
    } rows[] = {
        {BYTES("\5\1\0\1\x7f\0\0\1\0\x50"), "127.0.0.1", SOCKS_CONNECT, 80},
        {BYTES("\5\1\0\3\1a\1\xbb"), "a", SOCKS_CONNECT, 443},
        {BYTES("\5\2\0\3\x0d"
               "bank.lab.test\xff\xff"),
         "bank.lab.test", SOCKS_BIND, 65535},
        {BYTES("\5\3\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1"), "::1",
         SOCKS_UDP, 1},
        {BYTES("\5\1\0\2"), "", SOCKS_CONNECT, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct socks_request request;
        EACH_PREFIX(socks_request_read, &request, rows[i].bytes, rows[i].len);
        assert_string_equal(request.host, rows[i].host);
        assert_int_equal(request.command, rows[i].command);
        assert_int_equal(request.port, rows[i].port);
    }
}

static void nonsense_is_told_apart(void **state)
{
    (void)state;
    struct socks_request request;
    struct socks_login login;
    enum socks_method method;
    const char *why = NULL;
    assert_int_equal(socks_greeting_read(BYTES("GET /"), &method, &why), -1);
    assert_non_null(strstr(why, "not 5"));
    assert_int_equal(socks_greeting_read(BYTES("\5\0"), &method, &why), -1);
    assert_int_equal(socks_login_read(BYTES("\5"), &login, &why), -1);
    assert_int_equal(socks_request_read(BYTES("\4\1"), &request, &why), -1);
    assert_int_equal(socks_request_read(BYTES("\5\1\1"), &request, &why), -1);
    /* A name that is none, or that would be another one for who reads on. */
    assert_int_equal(
        socks_request_read(BYTES("\5\1\0\3\0\0\1"), &request, &why), -1);
    assert_int_equal(
        socks_request_read(BYTES("\5\1\0\3\3a\0b\0\1"), &request, &why), -1);
    assert_int_equal(
        socks_request_read(BYTES("\5\1\0\3\3a\nb\0\1"), &request, &why), -1);
    assert_non_null(strstr(why, "name"));
    assert_int_equal(
        socks_request_read(BYTES("\5\1\0\1\x7f\0\0\1\0\0"), &request, &why),
        -1);
    assert_non_null(strstr(why, "port 0"));
}

static void replies_say_where_we_are(void **state)
{
    (void)state;
    union address four = {.v4 = {.sin_family = AF_INET, .sin_port = htons(80)}};
    union address six = {
        .v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)}};
    union address none = {.any = {.sa_family = 0}};
    uint8_t out[SOCKS_REPLY_MOST];
    four.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    six.v6.sin6_addr = in6addr_loopback;
    assert_int_equal(socks_reply_write(out, SOCKS_GRANTED, &four), 10);
    assert_memory_equal(out, "\5\0\0\1\x7f\0\0\1\0\x50", 10);
    assert_int_equal(socks_reply_write(out, SOCKS_GRANTED, &six), 22);
    assert_memory_equal(out, "\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\xbb",
                        22);
    assert_int_equal(socks_reply_write(out, SOCKS_REFUSED, &none), 10);
    assert_memory_equal(out, "\5\5\0\1\0\0\0\0\0\0", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_offers_methods),
        cmocka_unit_test(a_login_is_two_texts),
        cmocka_unit_test(a_request_names_a_server_in_three_forms),
        cmocka_unit_test(nonsense_is_told_apart),
        cmocka_unit_test(replies_say_where_we_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
