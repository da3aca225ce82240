/* SPDX-License-Identifier: MIT
 *
 * Heads of the PROXY protocol, from blocks of exactly their size and cut at
 * every byte. */
#include "proxy/proxy_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* A literal, and how many bytes it is. */
#define BYTES(text) text, sizeof(text) - 1

/* 192.0.2.7:4660 to 192.0.2.10:443 */
#define BLOCK_4 "\xc0\0\2\7\xc0\0\2\x0a\x12\x34\1\xbb"
#define BLOCK_6                                                                \
    "\x20\1\x0d\xb8\0\x66\0\0\0\0\0\0\0\0\0\7"                                 \
    "\x20\1\x0d\xb8\0\x66\0\0\0\0\0\0\0\0\0\x0a\x12\x34\1\xbb"

/* From a block of exactly this size. */
static ssize_t read_exact(const char *bytes, size_t len, struct proxy_head *out,
                          const char **why)
{
    uint8_t *exact = malloc(len + !len);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    *why = NULL;
    ssize_t used = proxy_head_read(exact, len, out, why);
    out->authority = NULL; /* it went with the block */
    free(exact);
    return used;
}

static const struct row {
    const char *bytes;
    size_t len;
    int version;
    const char *from, *to; /* NULL: nothing is told */
} good[] = {
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\r\n"), 1, "192.0.2.7:4660",
     "192.0.2.10:443"},
    {BYTES("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), 1,
     "255.255.255.255:65535", "0.0.0.0:0"},
    {BYTES("PROXY TCP6 2001:db8:66::7 ::1 4660 443\r\n"), 1,
     "[2001:db8:66::7]:4660", "[::1]:443"},
    {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n"),
     1, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535"},
    {BYTES("PROXY UNKNOWN\r\n"), 1, NULL, NULL},
    {BYTES("PROXY UNKNOWN what \0 ever\r\n"), 1, NULL, NULL},
    {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     1, NULL, NULL}, /* the longest, of 107 bytes */
    {BYTES(SIGNATURE "\x21\x11\0\x0c" BLOCK_4), 2, "192.0.2.7:4660",
     "192.0.2.10:443"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" BLOCK_6), 2, "[2001:db8:66::7]:4660",
     "[2001:db8:66::a]:443"},
    {BYTES(SIGNATURE "\x21\x11\0\x16" BLOCK_4 "\4\0\3abc\xe0\0\1z"), 2,
     "192.0.2.7:4660", "192.0.2.10:443"},
    /* No connection was relayed: the block is not looked at. */
    {BYTES(SIGNATURE "\x20\0\0\0"), 2, NULL, NULL},
    {BYTES(SIGNATURE "\x20\x77\0\3abc"), 2, NULL, NULL},
    {BYTES(SIGNATURE "\x20\x11\0\x0c" BLOCK_4), 2, NULL, NULL},
    {BYTES(SIGNATURE "\x21\0\0\0"), 2, NULL, NULL},
    {BYTES(SIGNATURE "\x21\0\0\2\4\0"), 2, NULL, NULL},
};

static void a_head_names_two_addresses_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct row *row = &good[i];
        struct proxy_head head;
        const char *why;
        char text[ADDRESS_TEXT];
        for (size_t cut = 0; cut < row->len; cut++) {
            assert_int_equal(read_exact(row->bytes, cut, &head, &why), 0);
            assert_null(why);
        }
        assert_int_equal(read_exact(row->bytes, row->len, &head, &why),
                         row->len);
        assert_int_equal(head.version, row->version);
        assert_int_equal(head.told, row->from != NULL);
        if (!row->from)
            continue;
        address_text(&head.from, text);
        assert_string_equal(text, row->from);
        address_text(&head.to, text);
        assert_string_equal(text, row->to);
    }
}

static void what_follows_a_head_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char more[256] = {0};
        struct proxy_head head;
        const char *why;
        memcpy(more, good[i].bytes, good[i].len);
        memcpy(more + good[i].len, "GET / HTTP/1.1\r\n", 16);
        assert_int_equal(read_exact(more, good[i].len + 16, &head, &why),
                         good[i].len);
    }
}

static const struct bad {
    const char *bytes;
    size_t len;
    const char *part;
} bad[] = {
    {BYTES("G"), "does not begin"},
    {BYTES("\x16\3\1"), "does not begin"},
    {BYTES("PROXZ"), "does not begin"},
    {BYTES("proxy TCP4"), "does not begin"},
    {BYTES("\r\n\r\n\r"), "does not begin"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\n"), "without CR"},
    {BYTES("PROXY \n"), "without CR"},
    {BYTES("PROXY \r\n"), "another family"},
    {BYTES("PROXY UNKNOWNS\r\n"), "another family"},
    {BYTES("PROXY UDP4 192.0.2.7 192.0.2.10 4660 443\r\n"), "another family"},
    {BYTES("PROXY TCP4\r\n"), "another family"},
    {BYTES("PROXY TCP4 \r\n"), "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 443 \r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 443 1\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4  192.0.2.7 192.0.2.10 4660 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\r\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7\0 192.0.2.10 4660 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.007 192.0.2.10 4660 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2 192.0.2.10 4660 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 ::1 ::2 4660 443\r\n"), "without two addresses"},
    {BYTES("PROXY TCP6 192.0.2.7 192.0.2.10 4660 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP6 fe80::1%lo ::1 4660 443\r\n"), "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 65536 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 0443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 -1 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY TCP4 bank.lab.test 192.0.2.10 4660 443\r\n"),
     "without two addresses"},
    {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655359\r\n"),
     "more than 107"},
    {BYTES(SIGNATURE "\x11"), "another version"},
    {BYTES(SIGNATURE "\x31"), "another version"},
    {BYTES(SIGNATURE "\x22"), "neither LOCAL nor PROXY"},
    {BYTES(SIGNATURE "\x21\x12\0\x0c"), "no connection has"},
    {BYTES(SIGNATURE "\x21\x41\0\0"), "no connection has"},
    {BYTES(SIGNATURE "\x21\x11\0\x0b"), "too short"},
    {BYTES(SIGNATURE "\x21\x21\0\x23"), "too short"},
    {BYTES(SIGNATURE "\x21\x31\0\x0c"), "too short"},
    {BYTES(SIGNATURE "\x21\x11\x0f\xf1"), "more than 4096"},
    {BYTES(SIGNATURE "\x21\x11\0\x0e" BLOCK_4 "\4\0"), "longer than it"},
    {BYTES(SIGNATURE "\x21\x11\0\x0f" BLOCK_4 "\4\0\1"), "longer than it"},
    {BYTES(SIGNATURE "\x21\x11\0\x12" BLOCK_4 "\3\0\3abc"), "another size"},
    {BYTES(SIGNATURE "\x21\x11\0\x13" BLOCK_4 "\3\0\4abcd"), "is wrong"},
};

/* And not a byte later than it can be known; nor for another reason. */
static void nonsense_has_its_reason_as_soon_as_it_is_some(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct proxy_head head;
        const char *why;
        for (size_t cut = 0; cut <= bad[i].len; cut++) {
            ssize_t used = read_exact(bad[i].bytes, cut, &head, &why);
            if (used && (used != -1 || !strstr(why, bad[i].part)))
                fail_msg("row %zu cut at %zu: %zd, %s", i, cut, used,
                         why ? why : "");
            if (cut == bad[i].len && !used)
                fail_msg("row %zu was not refused", i);
        }
    }
}

/* A connection by a socket that is a file has no addresses for us. */
static void a_socket_that_is_a_file_names_nobody(void **state)
{
    (void)state;
    char bytes[16 + 216] = {0};
    struct proxy_head head;
    const char *why;
    memcpy(bytes, SIGNATURE "\x21\x31\0\xd8", 16);
    strcpy(bytes + 16, "/run/a");
    assert_int_equal(read_exact(bytes, sizeof bytes, &head, &why),
                     sizeof bytes);
    assert_false(head.told);
}

static void the_longest_head_is_read(void **state)
{
    (void)state;
    static char bytes[PROXY_HEAD_MOST];
    struct proxy_head head;
    const char *why;
    memcpy(bytes, SIGNATURE "\x21\x11\x0f\xf0" BLOCK_4 "\4\x0f\xe1", 31);
    assert_int_equal(read_exact(bytes, sizeof bytes, &head, &why),
                     sizeof bytes);
    assert_int_equal(read_exact(bytes, sizeof bytes - 1, &head, &why), 0);
}

/* The check value of CRC-32C over "123456789" is in every table of CRCs
 * (0xe3069283); here a whole head has one. */
static void a_checksum_is_verified_byte_by_byte(void **state)
{
    (void)state;
    static const char head_bytes[] =
        SIGNATURE "\x21\x11\0\x1a" BLOCK_4 "\3\0\4CRCC\4\0\4pads";
    enum { LEN = sizeof head_bytes - 1, SUM = 31 };
    char bytes[LEN];
    struct proxy_head head;
    const char *why;
    memcpy(bytes, head_bytes, LEN);
    memcpy(bytes + SUM, "\x7b\x13\x20\x19", 4);
    assert_int_equal(read_exact(bytes, LEN, &head, &why), LEN);
    /* 16 to 27 are addresses, behind the next four the padding's value. */
    for (size_t at = 16; at < LEN; at++) {
        if ((at >= 28 && at < SUM) || (at >= SUM + 4 && at < SUM + 7))
            continue; /* what says where things lie */
        bytes[at] ^= 0x10;
        assert_int_equal(read_exact(bytes, LEN, &head, &why), -1);
        assert_non_null(strstr(why, "checksum is wrong"));
        bytes[at] ^= 0x10;
    }
}

static void the_name_that_was_asked_for_is_in_a_tlv(void **state)
{
    (void)state;
    static const char bytes[] = SIGNATURE "\x21\x11\0\x1c" BLOCK_4 "\2\0\x0d"
                                          "bank.lab.test";
    struct proxy_head head;
    const char *why = NULL;
    assert_int_equal(
        proxy_head_read((const uint8_t *)bytes, sizeof bytes - 1, &head, &why),
        sizeof bytes - 1);
    assert_int_equal(head.authority_len, 13);
    assert_memory_equal(head.authority, "bank.lab.test", 13);
}

static const struct {
    int version;
    const char *from, *to;
    const char *bytes;
    size_t len;
} written[] = {
    {1, "192.0.2.7:4660", "192.0.2.10:443",
     BYTES("PROXY TCP4 192.0.2.7 192.0.2.10 4660 443\r\n")},
    {1, "[2001:db8:66::7]:4660", "[2001:db8:66::a]:443",
     BYTES("PROXY TCP6 2001:db8:66::7 2001:db8:66::a 4660 443\r\n")},
    {1, "192.0.2.7:4660", "[::1]:443", BYTES("PROXY UNKNOWN\r\n")},
    {2, "192.0.2.7:4660", "192.0.2.10:443",
     BYTES(SIGNATURE "\x21\x11\0\x0c" BLOCK_4)},
    {2, "[2001:db8:66::7]:4660", "[2001:db8:66::a]:443",
     BYTES(SIGNATURE "\x21\x21\0\x24" BLOCK_6)},
    {2, "[::1]:4660", "192.0.2.10:443", BYTES(SIGNATURE "\x21\0\0\0")},
};

static void what_is_written_is_what_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        union address from, to;
        struct err err = ERR_INIT;
        struct proxy_head head;
        const char *why = NULL;
        uint8_t out[PROXY_HEAD_OWN];
        assert_int_equal(address_parse(written[i].from, &from, &err), 0);
        assert_int_equal(address_parse(written[i].to, &to, &err), 0);
        size_t len = proxy_head_write(written[i].version, &from, &to, out);
        assert_int_equal(len, written[i].len);
        assert_memory_equal(out, written[i].bytes, len);
        assert_int_equal(proxy_head_read(out, len, &head, &why), len);
        assert_int_equal(head.told, from.any.sa_family == to.any.sa_family);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_names_two_addresses_or_none),
        cmocka_unit_test(what_follows_a_head_is_left),
        cmocka_unit_test(nonsense_has_its_reason_as_soon_as_it_is_some),
        cmocka_unit_test(a_socket_that_is_a_file_names_nobody),
        cmocka_unit_test(the_longest_head_is_read),
        cmocka_unit_test(a_checksum_is_verified_byte_by_byte),
        cmocka_unit_test(the_name_that_was_asked_for_is_in_a_tlv),
        cmocka_unit_test(what_is_written_is_what_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
