/* SPDX-License-Identifier: MIT
 *
 * Two bytes choose how the input is cut, the rest is what a client sends
 * first. What must hold: a prefix needs more until the hello is whole, or is
 * refused for the same reason as the whole; what was read lies in the scratch;
 * and the same message cut into other records says the same. */
#include "proxy/hello.h"
#include "tests/fuzz/fuzz.h"
#include "tests/proxy/hello_bytes.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static uint8_t scratch[HELLO_MOST], other_scratch[HELLO_MOST];

/* From a heap block of exactly this size. */
static ssize_t read_exact(const uint8_t *bytes, size_t len, uint8_t *to,
                          struct hello *hello, const char **why)
{
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    memcpy(exact, bytes, len);
    *why = NULL;
    ssize_t rc = hello_read(exact, len, to, hello, why);
    CHECK(rc <= (ssize_t)len && (rc < 0) == (*why != NULL));
    free(exact);
    return rc;
}

static void check_list(const struct hello_list *list)
{
    if (list->count)
        CHECK(list->bytes >= scratch &&
              list->bytes + 2 * list->count <= scratch + sizeof scratch);
}

static void check_hello(const struct hello *hello)
{
    check_list(&hello->versions);
    check_list(&hello->suites);
    check_list(&hello->groups);
    check_list(&hello->signatures);
    check_list(&hello->key_shares);
    check_list(&hello->extensions);
    CHECK(memchr(hello->server_name, 0, sizeof hello->server_name));
    CHECK(hello->suites.count > 0);
    CHECK(!hello->alpn.len ||
          (hello->alpn.bytes >= scratch &&
           hello->alpn.bytes + hello->alpn.len <= scratch + sizeof scratch));
    struct alpn_name name;
    size_t at = 0;
    while (alpn_next(hello->alpn, &at, &name))
        CHECK(name.len > 0);
    CHECK(at == hello->alpn.len);
}

static bool same_list(const struct hello_list *one,
                      const struct hello_list *two)
{
    return one->count == two->count &&
           (!one->count || !memcmp(one->bytes, two->bytes, 2u * one->count));
}

/* Cut the message at `scratch` into records of another size. */
static void check_other_records(const struct hello *hello, size_t size,
                                const uint8_t *bytes, size_t used)
{
    struct buf message = {0}, records = {0};
    struct hello other;
    const char *why;
    for (size_t at = 0; at < used;) {
        size_t len = (size_t)(bytes[at + 3] << 8 | bytes[at + 4]);
        buf_append(&message, bytes + at + 5, len);
        at += 5 + len;
    }
    put_records(&records, &message, size);
    CHECK(read_exact(buf_head(&records), buf_len(&records), other_scratch,
                     &other, &why) == (ssize_t)buf_len(&records));
    CHECK(!strcmp(hello->server_name, other.server_name));
    CHECK(hello->alpn.len == other.alpn.len &&
          (!other.alpn.len ||
           !memcmp(hello->alpn.bytes, other.alpn.bytes, other.alpn.len)));
    CHECK(same_list(&hello->suites, &other.suites));
    CHECK(same_list(&hello->versions, &other.versions));
    CHECK(same_list(&hello->key_shares, &other.key_shares));
    CHECK(same_list(&hello->extensions, &other.extensions));
    buf_free(&message);
    buf_free(&records);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    size_t cut = (size_t)(bytes[0] << 8 | bytes[1]);
    bytes += 2;
    len -= 2;
    struct hello hello, part;
    const char *why, *part_why;
    ssize_t rc = read_exact(bytes, len, scratch, &hello, &why);
    if (rc > 0)
        check_hello(&hello);
    ssize_t part_rc =
        read_exact(bytes, cut % (len + 1), other_scratch, &part, &part_why);
    if (part_rc < 0)
        CHECK(rc < 0 && !strcmp(why, part_why));
    if (part_rc > 0)
        CHECK(rc == part_rc);
    if (rc > 0 && (size_t)rc > cut % (len + 1))
        CHECK(part_rc == 0);
    if (rc > 0)
        check_other_records(&hello, 1 + cut % 1500, bytes, (size_t)rc);
    return 0;
}

static void add_records(void (*add)(const void *bytes, size_t len),
                        const struct buf *message, size_t size)
{
    struct buf seed = {0};
    put_number(&seed, 2, 1000 + size);
    put_records(&seed, message, size);
    add(buf_head(&seed), buf_len(&seed));
    buf_free(&seed);
}

/* A hand-made hello with a share as large as a post-quantum one. */
static void add_large(void (*add)(const void *bytes, size_t len))
{
    struct buf extensions = {0}, message = {0};
    static const uint8_t share[1222] = {0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0};
    put_extension(&extensions, 51, share, sizeof share);
    put_extension(&extensions, 42, "", 0);
    put_extension(&extensions, 41, "psk", 3);
    put_hello(&message, &extensions);
    add_records(add, &message, 1400);
    add_records(add, &message, 100);
    buf_free(&extensions);
    buf_free(&message);
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    struct buf whole = {0}, message = {0};
    hello_of_openssl(&whole);
    buf_append(&message, buf_head(&whole) + 5, buf_len(&whole) - 5);
    add_records(add, &message, 16384);
    add_records(add, &message, 100);
    add_records(add, &message, 1);
    add_large(add);
    buf_free(&whole);
    buf_free(&message);
}

const char *const fuzz_words[] = {
    "\x16\x03\x01", "\x16\x03\x03", "\x01", "\x02",     "\x03\x04",
    "\x03\x03",     "\x11\xec",     "h2",   "http/1.1", "bank.lab.test",
    "\xff\xff",     "\x80",         NULL,
};
