/* SPDX-License-Identifier: MIT
 *
 * The first byte says how the input is cut. What must hold: a prefix needs
 * more, or is refused for the same reason as the whole; a whole head is used
 * to the same byte however it came, and no byte of it is too many; and what
 * it tells can be written in both versions and is read back the same. */
#include "proxy/proxy_head.h"
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

static bool is_same(const union address *a, const union address *b)
{
    return !memcmp(&a->any, &b->any, address_len(a));
}

static void write_and_read(const struct proxy_head *told, int version)
{
    uint8_t out[PROXY_HEAD_OWN];
    struct proxy_head again;
    const char *why;
    size_t len = proxy_head_write(version, &told->from, &told->to, out);
    CHECK(len && len <= sizeof out);
    CHECK(proxy_head_read(out, len, &again, &why) == (ssize_t)len);
    CHECK(again.told && again.version == version);
    CHECK(is_same(&again.from, &told->from) && is_same(&again.to, &told->to));
}

static void check_head(const struct proxy_head *head, const uint8_t *bytes,
                       size_t used)
{
    CHECK(used <= PROXY_HEAD_MOST);
    CHECK(head->version == 1 || head->version == 2);
    if (head->authority)
        CHECK(head->authority >= bytes &&
              head->authority + head->authority_len <= bytes + used);
    if (!head->told)
        return;
    CHECK(head->from.any.sa_family == head->to.any.sa_family);
    write_and_read(head, 1);
    write_and_read(head, 2);
}

/* From a heap block of exactly this size. */
static ssize_t read_exact(const uint8_t *bytes, size_t len, const char **why)
{
    struct proxy_head head;
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    memcpy(exact, bytes, len);
    *why = NULL;
    ssize_t rc = proxy_head_read(exact, len, &head, why);
    CHECK(rc <= (ssize_t)len && (rc < 0) == (*why != NULL));
    if (rc > 0)
        check_head(&head, exact, (size_t)rc);
    free(exact);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    size_t cut = bytes[0] % len;
    const char *why, *part_why;
    ssize_t rc = read_exact(bytes + 1, len - 1, &why);
    ssize_t part = read_exact(bytes + 1, cut, &part_why);
    if (part < 0)
        CHECK(rc < 0 && !strcmp(why, part_why));
    if (part > 0)
        CHECK(rc == part);
    if (rc > 0)
        CHECK(read_exact(bytes + 1, (size_t)rc - 1, &why) == 0);
    return 0;
}

#define SEED(bytes) add(bytes, sizeof(bytes) - 1)
#define SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define BLOCK       "\xc0\0\2\7\xc0\0\2\x0a\x12\x34\1\xbb"

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    SEED("\7PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\r\nGET /");
    SEED("\1PROXY TCP6 2001:db8:66::7 ::1 4660 443\r\n");
    SEED("\x0dPROXY UNKNOWN ever\r\n");
    SEED("\x0d" SIGNATURE "\x21\x11\0\x0c" BLOCK "GET /");
    SEED("\x10" SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\x66\0\0\0\0\0\0\0\0"
         "\0\7\x20\1\x0d\xb8\0\x66\0\0\0\0\0\0\0\0\0\x0a\x12\x34\1\xbb");
    SEED("\x20" SIGNATURE "\x20\0\0\0GET /");
    SEED("\x20" SIGNATURE "\x21\x11\0\x1a" BLOCK
         "\3\0\4\x7b\x13\x20\x19\4\0\4pads");
    SEED("\x20" SIGNATURE "\x21\x11\0\x1c" BLOCK "\2\0\x0d"
         "bank.lab.test");
}

const char *const fuzz_words[] = {
    "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN",  "\r\n", " ",  "0",
    "65535",  "::",    "\x21",  "\x21\x11", "\x20", NULL,
};
