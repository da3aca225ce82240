/* SPDX-License-Identifier: MIT */
#include "proxy/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct {
    const char *url, *host;
    int port;
    bool tls;
    enum target_protocol protocol;
} good[] = {
    {"http://bank.lab.test", "bank.lab.test", 80, false, TARGET_HTTP},
    {"https://bank.lab.test/", "bank.lab.test", 443, true, TARGET_HTTP},
    {"https://127.0.0.1:8443", "127.0.0.1", 8443, true, TARGET_HTTP},
    {"http://[::1]:8080", "::1", 8080, false, TARGET_HTTP},
    {"http://[::1]", "::1", 80, false, TARGET_HTTP},
    {"tcp://localhost:25", "localhost", 25, false, TARGET_RAW},
    {"tls://localhost", "localhost", 443, true, TARGET_RAW},
    {"smtp://mail.lab.test", "mail.lab.test", 25, false, TARGET_RAW},
    {"ftp://localhost:2121", "localhost", 2121, false, TARGET_RAW},
};

static const char *const bad[] = {
    "",
    "bank.lab.test",
    "gopher://a",
    "http://",
    "http://a:b",
    "http://a:0",
    "http://a:65536",
    "http://a:+1",
    "http://[::1",
    "http://[::1]x",
    "http://a/path",
    "http://a?query",
    "http://user@a",
    "tcp://a",
};

static void urls_say_host_port_and_protocol(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct target target;
        struct err err = ERR_INIT;
        if (target_parse(good[i].url, &target, &err))
            fail_msg("%s: %s", good[i].url, err.text);
        assert_string_equal(target.host, good[i].host);
        assert_int_equal(target.port, good[i].port);
        assert_int_equal(target.tls, good[i].tls);
        assert_int_equal(target.protocol, good[i].protocol);
    }
}

static void other_urls_are_a_mistake_in_usage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct target target;
        struct err err = ERR_INIT;
        if (!target_parse(bad[i], &target, &err))
            fail_msg("allowed: %s", bad[i]);
        assert_int_equal(err.code, EXIT_USAGE);
    }
}

static void a_host_without_a_port_has_the_default(void **state)
{
    (void)state;
    struct target target;
    assert_int_equal(target_from_host("a:81", 4, 80, &target), 0);
    assert_int_equal(target.port, 81);
    assert_int_equal(target_from_host("a:81", 1, 80, &target), 0);
    assert_int_equal(target.port, 80);
    assert_int_equal(target_from_host("a:", 2, 80, &target), 0);
    assert_int_equal(target.port, 80);
    assert_int_equal(target_from_host("", 0, 80, &target), -1);
    assert_int_equal(target_from_host("a\0b", 3, 80, &target), -1);
    assert_int_equal(target_from_host(":80", 3, 80, &target), -1);
}

static void first_bytes_tell_http_from_other_things(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int like;
    } rows[] = {
        {"GET / HTTP/1.1\r\n", 16, 1},
        {"G", 1, -1},
        {"\r\nGET /", 7, 1},
        {" GET /", 6, 1},
        {"SSH-2.0-x\r\n", 11, 0},
        {"*1\r\n$4", 6, 0},
        {"\x10\x0c\0\4MQTT", 8, 0},
        {"\r\n", 2, -1},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 33, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(
            target_looks_like_http((const uint8_t *)rows[i].bytes, rows[i].len),
            rows[i].like);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_say_host_port_and_protocol),
        cmocka_unit_test(other_urls_are_a_mistake_in_usage),
        cmocka_unit_test(a_host_without_a_port_has_the_default),
        cmocka_unit_test(first_bytes_tell_http_from_other_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
