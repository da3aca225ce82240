/* SPDX-License-Identifier: MIT
 *
 * The ClientHello parser: OpenSSL's hellos and hand-made ones, cut and spoilt
 * in every place. */
#include "proxy/hello.h"
#include "tests/proxy/hello_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS(table) (sizeof table / sizeof *table)

static uint8_t scratch[HELLO_MOST];

/* Read a prefix that lies in a heap block of exactly its size. */
static ssize_t read_prefix(const struct buf *bytes, size_t len,
                           struct hello *hello, const char **why)
{
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    if (len)
        memcpy(exact, buf_head(bytes), len);
    *why = NULL;
    ssize_t rc = hello_read(exact, len, scratch, hello, why);
    free(exact);
    assert_true(rc >= 0 || *why);
    return rc;
}

/* Every shorter prefix needs more; the whole is used to its last byte. */
static void read_at_every_split(const struct buf *bytes, struct hello *hello)
{
    const char *why;
    for (size_t len = 0; len < buf_len(bytes); len++)
        assert_int_equal(read_prefix(bytes, len, hello, &why), 0);
    assert_int_equal(read_prefix(bytes, buf_len(bytes), hello, &why),
                     buf_len(bytes));
}

static unsigned entry(const struct hello_list *list, unsigned index)
{
    assert_true(index < list->count);
    return (unsigned)(list->bytes[2 * index] << 8 | list->bytes[2 * index + 1]);
}

static bool has(const struct hello_list *list, unsigned number)
{
    for (unsigned i = 0; i < list->count; i++)
        if (entry(list, i) == number)
            return true;
    return false;
}

static void check_openssl_hello(const struct hello *hello)
{
    assert_string_equal(hello->server_name, "bank.lab.test");
    assert_int_equal(hello->legacy_version, 0x0303);
    assert_int_equal(hello->record_version, 0x0301);
    assert_int_equal(hello->alpn.len, 12);
    assert_memory_equal(hello->alpn.bytes, "\x02h2\x08http/1.1", 12);
    assert_true(has(&hello->versions, 0x0304));
    assert_true(has(&hello->versions, 0x0303));
    assert_true(has(&hello->suites, 0x1301));
    assert_int_equal(hello->groups.count, 2);
    assert_int_equal(entry(&hello->groups, 0), 0x001d);
    assert_int_equal(entry(&hello->groups, 1), 0x0017);
    assert_true(has(&hello->signatures, 0x0403));
    assert_int_equal(hello->key_shares.count, 1);
    assert_int_equal(entry(&hello->key_shares, 0), 0x001d);
    assert_int_equal(entry(&hello->extensions, 0), 0);
    assert_true(has(&hello->extensions, 51));
    assert_true(hello->point_formats_count > 0);
    assert_true(hello->session_id);
    assert_true(hello->session_ticket);
    assert_true(hello->status_request);
    assert_false(hello->early_data);
    assert_false(hello->psk);
    assert_false(hello->sct);
}

static void hello_reads_what_openssl_offers(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct hello hello;
    hello_of_openssl(&bytes);
    read_at_every_split(&bytes, &hello);
    check_openssl_hello(&hello);
    assert_memory_equal(hello.random, buf_head(&bytes) + 11, 32);
    buf_free(&bytes);
}

static void hello_joins_records_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 7, 64, 100, 255};
    struct buf whole = {0}, message = {0};
    hello_of_openssl(&whole);
    buf_append(&message, buf_head(&whole) + 5, buf_len(&whole) - 5);
    for (size_t i = 0; i < ROWS(sizes); i++) {
        struct buf bytes = {0};
        struct hello hello;
        put_records(&bytes, &message, sizes[i]);
        read_at_every_split(&bytes, &hello);
        check_openssl_hello(&hello);
        buf_free(&bytes);
    }
    buf_free(&whole);
    buf_free(&message);
}

static void hello_leaves_what_follows_it(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct hello hello;
    const char *why;
    hello_of_openssl(&bytes);
    size_t len = buf_len(&bytes);
    buf_append_text(&bytes, "\x17\x03\x03 early data");
    assert_int_equal(read_prefix(&bytes, buf_len(&bytes), &hello, &why), len);
    buf_free(&bytes);
}

/* Shares as X25519MLKEM768 makes them (1216 bytes), then X25519, and as much
 * padding as it takes for more than one record. */
static void put_large_extensions(struct buf *out, size_t padding)
{
    struct buf shares = {0}, list = {0};
    uint8_t *zeros = calloc(1, padding + 1216);
    assert_non_null(zeros);
    put_number(&shares, 2, 0x11ec);
    put_number(&shares, 2, 1216);
    buf_append(&shares, zeros, 1216);
    put_number(&shares, 2, 0x001d);
    put_number(&shares, 2, 32);
    buf_append(&shares, zeros, 32);
    put_vector(&list, 2, &shares);
    put_extension(out, 51, buf_head(&list), buf_len(&list));
    put_extension(out, 21, zeros, padding);
    put_extension(out, 0, "\0\x04\0\0\x01x", 6);
    free(zeros);
    buf_free(&shares);
    buf_free(&list);
}

static void hello_reads_post_quantum_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t padding, record;
    } rows[] = {{10, 16384}, {10, 1000}, {4000, 1400}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf extensions = {0}, message = {0}, bytes = {0};
        struct hello hello;
        put_large_extensions(&extensions, rows[i].padding);
        put_hello(&message, &extensions);
        put_records(&bytes, &message, rows[i].record);
        read_at_every_split(&bytes, &hello);
        assert_int_equal(hello.key_shares.count, 2);
        assert_int_equal(entry(&hello.key_shares, 0), 0x11ec);
        assert_int_equal(entry(&hello.key_shares, 1), 0x001d);
        assert_int_equal(hello.extensions.count, 3);
        assert_int_equal(entry(&hello.extensions, 2), 0);
        assert_string_equal(hello.server_name, "x");
        buf_free(&extensions);
        buf_free(&message);
        buf_free(&bytes);
    }
}

/* Read a hello with one extension block; returns the reason or NULL. */
static const char *why_refused(const struct buf *extensions, size_t record,
                               struct hello *hello)
{
    struct buf message = {0}, bytes = {0};
    const char *why;
    put_hello(&message, extensions);
    put_records(&bytes, &message, record);
    ssize_t rc = read_prefix(&bytes, buf_len(&bytes), hello, &why);
    buf_free(&message);
    buf_free(&bytes);
    assert_true(rc != 0);
    return rc < 0 ? why : NULL;
}

static void hello_reads_up_to_its_limit_and_refuses_more(void **state)
{
    (void)state;
    /* 64 KiB less the room for the types of 256 extensions. */
    enum { MOST = HELLO_MOST - 512, AROUND = 4 + 2 + 32 + 1 + 6 + 2 + 2 };
    for (size_t over = 0; over < 2; over++) {
        struct buf extensions = {0};
        struct hello hello;
        size_t rest = MOST - AROUND - 4 + over;
        uint8_t *zeros = calloc(1, rest);
        assert_non_null(zeros);
        put_extension(&extensions, 21, zeros, rest);
        const char *why = why_refused(&extensions, 16384, &hello);
        if (over)
            assert_non_null(strstr(why, "longer than this program reads"));
        else
            assert_null(why);
        free(zeros);
        buf_free(&extensions);
    }
}

static const struct {
    unsigned type;
    const char *data;
    size_t len;
    const char *why; /* a part of it; NULL: fine */
} extensions[] = {
#define DATA(text) text, sizeof text - 1
    {0, DATA("\0\x04\0\0\x01x"), NULL},
    {0, DATA(""), "server_name"},
    {0, DATA("\0\0"), "server_name"},
    {0, DATA("\0\x04\0\0\x02x"), "one host name"},
    {0, DATA("\0\x05\0\0\x01xy"), "one host name"},
    {0, DATA("\0\x04\0\0\x01xy"), "server_name"},
    {0, DATA("\0\x03\0\0\0"), "one host name"},
    {0, DATA("\0\x04\x01\0\x01x"), "one host name"},
    {0, DATA("\0\x08\0\0\x01x\0\0\x01y"), "one host name"},
    {0, DATA("\0\x06\0\0\x03x\0y"), "a character"},
    {0, DATA("\0\x06\0\0\x03x/y"), "a character"},
    {0,
     DATA("\0\x06\0\0\x03x\xff"
          "y"),
     "a character"},
    {16, DATA("\0\x03\x02h2"), NULL},
    {16, DATA("\0\x02\x02h"), "ALPN"},
    {16, DATA("\0\x04\x02h2\0"), "ALPN"},
    {16, DATA("\0\0"), "ALPN"},
    {43, DATA("\x02\x03\x04"), NULL},
    {43, DATA("\x03\x03\x04"), "supported_versions"},
    {43, DATA("\x01\x03"), "supported_versions"},
    {43, DATA("\0"), "supported_versions"},
    {43, DATA("\x02\x03\x04x"), "supported_versions"},
    {10, DATA("\0\x02\0\x1d"), NULL},
    {10, DATA("\0\x01\0"), "supported_groups"},
    {10, DATA("\0\x04\0\x1d"), "supported_groups"},
    {13, DATA("\0\x02\x04\x03"), NULL},
    {13, DATA("\0\x03\x04\x03\0"), "signature_algorithms"},
    {11, DATA("\x01\0"), NULL},
    {11, DATA("\x02\0"), "ec_point_formats"},
    {51, DATA("\0\0"), NULL},
    {51, DATA("\0\x05\0\x1d\0\x01x"), NULL},
    {51, DATA("\0\x05\0\x1d\0\x02x"), "key_share"},
    {51, DATA("\0\x04\0\x1d\0\0"), "key_share"},
    {51, DATA("\0\x05\0\x1d\0\x01xy"), "key_share"},
    {51, DATA("\0"), "key_share"},
    {41, DATA("anything"), NULL},
    {18, DATA(""), NULL},
    {42, DATA(""), NULL},
    {0x0a0a, DATA("grease"), NULL},
};

static void hello_checks_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(extensions); i++) {
        struct buf block = {0};
        struct hello hello;
        put_extension(&block, extensions[i].type, extensions[i].data,
                      extensions[i].len);
        const char *why = why_refused(&block, 16384, &hello);
        if (!why != !extensions[i].why)
            print_message("row %zu: %s\n", i, why ? why : "accepted");
        assert_int_equal(!why, !extensions[i].why);
        if (why)
            assert_non_null(strstr(why, extensions[i].why));
        buf_free(&block);
    }
}

static void hello_refuses_extensions_that_may_not_stand_so(void **state)
{
    (void)state;
    struct buf twice = {0}, late = {0}, many = {0}, cut = {0};
    struct hello hello;
    put_extension(&twice, 18, "", 0);
    put_extension(&twice, 18, "", 0);
    assert_non_null(strstr(why_refused(&twice, 999, &hello), "sent twice"));
    put_extension(&late, 41, "", 0);
    put_extension(&late, 18, "", 0);
    assert_non_null(strstr(why_refused(&late, 999, &hello), "must be last"));
    for (unsigned i = 0; i < 257; i++)
        put_extension(&many, 1000 + i, "", 0);
    assert_non_null(strstr(why_refused(&many, 999, &hello), "256"));
    put_number(&cut, 4, 0x00120001);
    assert_non_null(strstr(why_refused(&cut, 999, &hello), "longer than"));
    buf_free(&twice);
    buf_free(&late);
    buf_free(&many);
    buf_free(&cut);
}

static void hello_keeps_all_of_a_long_alpn_list(void **state)
{
    (void)state;
    struct buf list = {0}, data = {0}, block = {0};
    struct hello hello;
    buf_append_text(&list, "\x20"
                           "a-name-of-more-than-31-character");
    assert_int_equal(buf_len(&list), 33);
    for (int i = 0; i < 12; i++)
        buf_append_text(&list, "\x02h2");
    put_vector(&data, 2, &list);
    put_extension(&block, 16, buf_head(&data), buf_len(&data));
    assert_null(why_refused(&block, 999, &hello));
    assert_int_equal(hello.alpn.len, buf_len(&list));
    assert_memory_equal(hello.alpn.bytes, buf_head(&list), buf_len(&list));
    struct alpn_name name;
    size_t at = 0;
    assert_true(alpn_next(hello.alpn, &at, &name));
    assert_int_equal(name.len, 32);
    for (int i = 0; i < 12; i++) {
        assert_true(alpn_next(hello.alpn, &at, &name));
        assert_true(alpn_is(name, "h2"));
    }
    assert_false(alpn_next(hello.alpn, &at, &name));
    buf_free(&list);
    buf_free(&data);
    buf_free(&block);
}

static void hello_reads_a_client_without_extensions(void **state)
{
    (void)state;
    struct buf nothing = {0}, message = {0}, bytes = {0};
    struct hello hello;
    put_hello(&message, &nothing);
    buf_head(&message)[3] -= 2; /* not even an empty block */
    message.end -= 2;
    put_records(&bytes, &message, 16384);
    read_at_every_split(&bytes, &hello);
    assert_int_equal(hello.suites.count, 2);
    assert_int_equal(hello.extensions.count, 0);
    assert_int_equal(hello.versions.count, 0);
    assert_string_equal(hello.server_name, "");
    buf_free(&message);
    buf_free(&bytes);
}

static const struct {
    const char *bytes;
    size_t len;
    const char *why;
} nonsense[] = {
    {DATA("GET / HTTP/1.1\r\n"), "not a TLS handshake"},
    {DATA("\x15\x03\x01\0\x02\x02\x28"), "not a TLS handshake"},
    {DATA("\x80\x2e\x01\x03\x01"), "SSL 2.0"},
    {DATA("\x80\x2e\x02\x03\x01"), "not a TLS handshake"},
    {DATA("\x16\x02\x01\0\x05"), "not 3.x"},
    {DATA("\x16\x03\x01\0\0"), "empty handshake record"},
    {DATA("\x16\x03\x01\x40\x01"), "more than 16 KiB"},
    {DATA("\x16\x03\x01\0\x05\x02"), "other than ClientHello"},
    {DATA("\x16\x03\x01\0\x05\x01\x01\0\0"), "longer than this program"},
    {DATA("\x16\x03\x01\0\x06\x01\0\0\x01\x03\x03"), "follows"},
    {DATA("\x16\x03\x01\0\x05\x01\0\0\x01\x03"), "damaged"},
    {DATA("\x16\x03\x01\0\x02\x01\0\x15"), "not a TLS handshake"},
};

static void hello_refuses_nonsense_at_the_first_byte_that_shows_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(nonsense); i++) {
        struct buf bytes = {0};
        struct hello hello;
        const char *why = NULL, *first = NULL;
        buf_append(&bytes, nonsense[i].bytes, nonsense[i].len);
        for (size_t len = 0; len <= nonsense[i].len; len++) {
            ssize_t rc = read_prefix(&bytes, len, &hello, &why);
            assert_true(rc <= 0);
            /* Once refused, refused for ever and for the same reason. */
            assert_true(rc < 0 || !first);
            if (rc < 0 && first)
                assert_string_equal(first, why);
            first = rc < 0 ? why : NULL;
        }
        assert_non_null(first);
        assert_non_null(strstr(first, nonsense[i].why));
        buf_free(&bytes);
    }
}

static void hello_survives_any_change_of_one_byte(void **state)
{
    (void)state;
    struct buf bytes = {0};
    hello_of_openssl(&bytes);
    for (size_t at = 0; at < buf_len(&bytes); at++) {
        uint8_t *place = buf_head(&bytes) + at, was = *place;
        for (int i = 0; i < 256; i += at < 60 ? 1 : 17) {
            struct hello hello;
            const char *why;
            *place = (uint8_t)i;
            ssize_t rc = read_prefix(&bytes, buf_len(&bytes), &hello, &why);
            assert_true(rc <= (ssize_t)buf_len(&bytes));
        }
        *place = was;
    }
    buf_free(&bytes);
}

static void hello_tells_tls_by_three_bytes(void **state)
{
    (void)state;
    assert_true(hello_looks_like_tls((const uint8_t *)"\x16", 1));
    assert_true(hello_looks_like_tls((const uint8_t *)"\x16\x03", 2));
    assert_true(hello_looks_like_tls((const uint8_t *)"\x16\x03\x01", 3));
    assert_false(hello_looks_like_tls((const uint8_t *)"\x16\x03\x09", 3));
    assert_false(hello_looks_like_tls((const uint8_t *)"\x16\x02", 2));
    assert_false(hello_looks_like_tls((const uint8_t *)"GET", 3));
    assert_false(hello_looks_like_tls((const uint8_t *)"", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_reads_what_openssl_offers),
        cmocka_unit_test(hello_joins_records_of_any_size),
        cmocka_unit_test(hello_leaves_what_follows_it),
        cmocka_unit_test(hello_reads_post_quantum_sizes),
        cmocka_unit_test(hello_reads_up_to_its_limit_and_refuses_more),
        cmocka_unit_test(hello_checks_every_length),
        cmocka_unit_test(hello_refuses_extensions_that_may_not_stand_so),
        cmocka_unit_test(hello_keeps_all_of_a_long_alpn_list),
        cmocka_unit_test(hello_reads_a_client_without_extensions),
        cmocka_unit_test(
            hello_refuses_nonsense_at_the_first_byte_that_shows_it),
        cmocka_unit_test(hello_survives_any_change_of_one_byte),
        cmocka_unit_test(hello_tells_tls_by_three_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
