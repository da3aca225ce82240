/* SPDX-License-Identifier: MIT
 *
 * What stands behind --listen. What is understood is an address that can be
 * written and read again, and a target only where the way has one; what is not
 * gets a sentence and an exit code. */
#include "proxy/way.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void check_address(const union address *address)
{
    union address again;
    struct err err = ERR_INIT;
    char text[ADDRESS_TEXT];
    address_text(address, text);
    CHECK(strlen(text) < sizeof text);
    CHECK(!address_parse(text, &again, &err));
    CHECK(!memcmp(&again.any, &address->any, address_len(address)));
}

static void check_way(const struct way_in *way)
{
    const struct target *target = way_target(way);
    CHECK(way_row(way->mode));
    CHECK(way->port >= 0 && way->port < 65536);
    CHECK(!way->port || way->mode == WAY_SNI);
    CHECK(memchr(way->target.host, 0, sizeof way->target.host));
    CHECK((way->mode == WAY_REVERSE) <= (target != NULL));
    CHECK(!target || (target->port > 0 && target->port < 65536));
    CHECK(!target || way->mode == WAY_REVERSE || way->mode == WAY_TRANSPARENT);
    CHECK(!way_is_asked(way) || !target);
    check_address(&way->address);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct way_in usual = {.mode = WAY_SNI};
    struct way_in way;
    struct err err = ERR_INIT;
    char *text = malloc(len + 1);
    CHECK(text);
    memcpy(text, bytes, len);
    text[len] = 0;
    if (!way_parse(text, &usual, &way, &err))
        check_way(&way);
    else
        CHECK(err.code && *err.text);
    free(text);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "127.0.0.1:80",
        "8080",
        ":8080",
        "localhost:8080=http://[::1]:81/",
        "sni@127.0.0.1:8443=443",
        "http,proxied,pass-tls@[::1]:0",
        "reverse@127.0.0.1:80=tls://bank.lab.test:99",
        "reverse@127.0.0.1:53=dns://127.0.0.1",
        "transparent@0.0.0.0:80=smtp://localhost:81",
        "keep@[fe80::1%1]:443",
        "socks@127.0.0.1:1080",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "sni",     "reverse", "http",    "socks", "transparent", "keep",
    ",",       "@",       "=",       ":",     "[",           "]",
    "::1",     "0",       "65536",   "://",   "https://",    "tls://",
    "tcp://",  "dns://",  "imap://", "%",     "127.0.0.1",   "pass-tls",
    "proxied", "/",       NULL,
};
