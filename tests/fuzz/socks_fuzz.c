/* SPDX-License-Identifier: MIT
 *
 * The first byte chooses the message, the second how the input is cut. What
 * must hold: a prefix needs more, or is refused for the same reason as the
 * whole; a whole message is used to the same byte however it came; and a host
 * is a text without ends of lines in it. */
#include "proxy/socks.h"
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

union message {
    enum socks_method method;
    struct socks_login login;
    struct socks_request request;
};

static void check_request(const struct socks_request *request)
{
    CHECK(memchr(request->host, 0, sizeof request->host));
    CHECK(!*request->host || request->port);
    for (const char *c = request->host; *c; c++)
        CHECK(*c > ' ' && *c <= '~');
}

/* From a heap block of exactly this size. */
static ssize_t read_exact(unsigned kind, const uint8_t *bytes, size_t len,
                          const char **why)
{
    union message message;
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    memcpy(exact, bytes, len);
    *why = NULL;
    ssize_t rc =
        kind == 0   ? socks_greeting_read(exact, len, &message.method, why)
        : kind == 1 ? socks_login_read(exact, len, &message.login, why)
                    : socks_request_read(exact, len, &message.request, why);
    if (rc > 0 && kind == 2)
        check_request(&message.request);
    CHECK(rc <= (ssize_t)len && (rc < 0) == (*why != NULL));
    free(exact);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    unsigned kind = bytes[0] % 3;
    size_t cut = bytes[1] % (len - 1);
    const char *why, *part_why;
    ssize_t rc = read_exact(kind, bytes + 2, len - 2, &why);
    ssize_t part = read_exact(kind, bytes + 2, cut, &part_why);
    if (part < 0)
        CHECK(rc < 0 && !strcmp(why, part_why));
    if (part > 0)
        CHECK(rc == part);
    if (rc > 0)
        CHECK(read_exact(kind, bytes + 2, (size_t)rc - 1, &why) == 0);
    return 0;
}

#define SEED(bytes) add(bytes, sizeof(bytes) - 1)

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    SEED("\0\1\5\2\0\2");
    SEED("\1\7\1\5alice\6secret");
    SEED("\2\4\5\1\0\1\x7f\0\0\1\0\x50");
    SEED("\2\x09\5\1\0\3\x0d"
         "bank.lab.test\1\xbb");
    SEED("\2\x10\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\xbb");
}

const char *const fuzz_words[] = {
    "\x05", "\x01", "\x03", "\x04", "\xff", "\x05\x01", "lab.test", NULL,
};
