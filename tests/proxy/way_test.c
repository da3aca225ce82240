/* SPDX-License-Identifier: MIT */
#include "proxy/way.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct {
    const char *text;
    enum way_mode mode;
    const char *address, *host;
    int port;
    bool pass_tls, proxied;
} good[] = {
    {"127.0.0.1:80", WAY_SNI, "127.0.0.1:80", "", 0, false, false},
    {"[::1]:80", WAY_SNI, "[::1]:80", "", 0, false, false},
    {"sni@127.0.0.1:8443", WAY_SNI, "127.0.0.1:8443", "", 0, false, false},
    {"sni@127.0.0.1:8443=443", WAY_SNI, "127.0.0.1:8443", "", 443, false,
     false},
    {"sni,pass-tls@[::1]:0", WAY_SNI, "[::1]:0", "", 0, true, false},
    {"sni,proxied@[::1]:0", WAY_SNI, "[::1]:0", "", 0, false, true},
    {"http,proxied,pass-tls@[::1]:0", WAY_HTTP, "[::1]:0", "", 0, true, true},
    {"127.0.0.1:80=http://bank.lab.test", WAY_REVERSE, "127.0.0.1:80",
     "bank.lab.test", 80, false, false},
    {"reverse@127.0.0.1:80=tls://[::1]:99", WAY_REVERSE, "127.0.0.1:80", "::1",
     99, false, false},
    {"8080", WAY_SNI, "127.0.0.1:8080", "", 0, false, false},
    {"http@:3128", WAY_HTTP, "127.0.0.1:3128", "", 0, false, false},
    {"localhost:80=http://[::1]:81", WAY_REVERSE, "127.0.0.1:80", "::1", 81,
     false, false},
    {"http@127.0.0.1:3128", WAY_HTTP, "127.0.0.1:3128", "", 0, false, false},
    {"socks@127.0.0.1:1080", WAY_SOCKS, "127.0.0.1:1080", "", 0, false, false},
    {"transparent@0.0.0.0:443", WAY_TRANSPARENT, "0.0.0.0:443", "", 0, false,
     false},
    {"transparent@0.0.0.0:80=http://localhost:81", WAY_TRANSPARENT,
     "0.0.0.0:80", "localhost", 81, false, false},
    {"keep@[::]:443", WAY_KEEP, "[::]:443", "", 0, false, false},
};

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"", "is not an address"},
    {":", "is not an address"},
    {"80x", "is not an address"},
    {"localhost:", "is not an address"},
    {"localhosts:80", "is not an address"},
    {"http@", "is not an address"},
    {"@127.0.0.1:1", "no way in"},
    {"htpt@127.0.0.1:1", "sni, reverse, http, socks"},
    {"http,pass@127.0.0.1:1", "pass-tls"},
    {"reverse,proxied@127.0.0.1:1=dns://localhost", "cannot be proxied"},
    {"8080,proxied", "reverse,proxied@ADDRESS:PORT"},
    {"8080,proxied=http://localhost", "reverse,proxied@ADDRESS:PORT"},
    {"http@8080,x,pass-tls", "reverse,pass-tls@ADDRESS:PORT"},
    {"8080,proxy", "is not an address"},
    {"reverse@127.0.0.1:1", "reverse@ADDRESS:PORT=URL"},
    {"reverse@127.0.0.1:1=", "is no upstream"},
    {"127.0.0.1:1=gopher://a", "is no upstream"},
    {"http@127.0.0.1:1=http://a", "write --listen http@ADDRESS:PORT"},
    {"keep@127.0.0.1:1=tcp://a:1", "write --listen keep@ADDRESS:PORT"},
    {"sni@127.0.0.1:1=0", "sni@ADDRESS:PORT[=PORT]"},
    {"sni@127.0.0.1:1=65536", "sni@ADDRESS:PORT[=PORT]"},
    {"sni@127.0.0.1:1=80x", "sni@ADDRESS:PORT[=PORT]"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@"
     "127.0.0.1:1",
     "no way in"},
};

static void what_is_written_is_understood(void **state)
{
    (void)state;
    const struct way_in usual = {.mode = WAY_SNI};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct way_in way;
        struct err err = ERR_INIT;
        char address[ADDRESS_TEXT];
        if (way_parse(good[i].text, &usual, &way, &err))
            fail_msg("%s: %s", good[i].text, err.text);
        address_text(&way.address, address);
        assert_string_equal(address, good[i].address);
        assert_int_equal(way.mode, good[i].mode);
        assert_string_equal(way.target.host, good[i].host);
        assert_int_equal(way.mode == WAY_SNI ? way.port : way.target.port,
                         good[i].port);
        assert_int_equal(way.pass_tls, good[i].pass_tls);
        assert_int_equal(way.proxied, good[i].proxied);
        assert_int_equal(way_target(&way) != NULL, *good[i].host != 0);
    }
}

static void mistakes_say_what_to_write(void **state)
{
    (void)state;
    const struct way_in usual = {.mode = WAY_SNI};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct way_in way;
        struct err err = ERR_INIT;
        assert_int_equal(way_parse(bad[i].text, &usual, &way, &err), -1);
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, bad[i].sentence))
            fail_msg("%s: %s", bad[i].text, err.text);
    }
}

static void what_names_no_way_is_as_usual(void **state)
{
    (void)state;
    struct way_in way, usual = {.mode = WAY_REVERSE};
    struct err err = ERR_INIT;
    assert_int_equal(target_parse("http://localhost", &usual.target, &err), 0);
    assert_int_equal(way_parse("127.0.0.1:1", &usual, &way, &err), 0);
    assert_int_equal(way.mode, WAY_REVERSE);
    assert_string_equal(way.target.host, "localhost");
    /* ... and what names one has nothing of it. */
    assert_int_equal(way_parse("http@127.0.0.1:1", &usual, &way, &err), 0);
    assert_null(way_target(&way));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_understood),
        cmocka_unit_test(mistakes_say_what_to_write),
        cmocka_unit_test(what_names_no_way_is_as_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
