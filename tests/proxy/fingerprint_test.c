/* SPDX-License-Identifier: MIT
 *
 * JA3 and JA4 of hellos that are made by hand. The expected hashes were made
 * with md5sum and sha256sum; the first JA4 is the example of its
 * specification. */
#include "proxy/fingerprint.h"
#include "tests/proxy/hello_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t scratch[HELLO_MOST];

/* A list of numbers as it stands in a hello: its length before it. */
static void put_list(struct buf *out, unsigned size, const uint16_t *numbers,
                     unsigned count)
{
    put_number(out, size, 2u * count);
    for (unsigned i = 0; i < count; i++)
        put_number(out, 2, numbers[i]);
}

/* What a hello says; extensions that carry nothing here are empty. */
struct offer {
    unsigned version;
    uint16_t suites[20], extensions[24], versions[4], groups[6], signatures[9];
    unsigned suites_count, extensions_count, versions_count, groups_count,
        signatures_count;
    const char *alpn;
};

static void put_offered(struct buf *out, const struct offer *offer,
                        uint16_t type)
{
    struct buf data = {0};
    switch (type) {
    case 0:
        buf_append(&data, "\0\x10\0\0\rbank.lab.test", 18);
        break;
    case 10:
        put_list(&data, 2, offer->groups, offer->groups_count);
        break;
    case 11:
        buf_append(&data, "\x02\x00\x01", 3);
        break;
    case 13:
        put_list(&data, 2, offer->signatures, offer->signatures_count);
        break;
    case 16:
        put_number(&data, 2, strlen(offer->alpn) + 1);
        put_number(&data, 1, strlen(offer->alpn));
        buf_append_text(&data, offer->alpn);
        break;
    case 43:
        put_list(&data, 1, offer->versions, offer->versions_count);
        break;
    case 51:
        buf_append(&data, "\0\5\0\x1d\0\1x", 7);
        break;
    }
    put_extension(out, type, buf_len(&data) ? buf_head(&data) : (void *)"",
                  buf_len(&data));
    buf_free(&data);
}

static void make_hello(const struct offer *offer, struct hello *hello)
{
    struct buf body = {0}, extensions = {0}, message = {0};
    put_number(&body, 2, offer->version);
    for (int i = 0; i < 32; i++)
        put_number(&body, 1, 7);
    put_number(&body, 1, 0);
    put_list(&body, 2, offer->suites, offer->suites_count);
    put_number(&body, 2, 0x0100);
    for (unsigned i = 0; i < offer->extensions_count; i++)
        put_offered(&extensions, offer, offer->extensions[i]);
    if (offer->extensions_count)
        put_vector(&body, 2, &extensions);
    put_number(&message, 1, 1);
    put_vector(&message, 3, &body);
    memcpy(scratch, buf_head(&message), buf_len(&message));
    const char *wrong = hello_read_message(scratch, buf_len(&message), hello);
    if (wrong)
        fail_msg("%s", wrong);
    buf_free(&body);
    buf_free(&extensions);
    buf_free(&message);
}

/* What the JA4 specification takes for its example, with GREASE in all lists
 * and everything in another order than that of the numbers. */
static const struct offer example = {
    .version = 0x0303,
    .suites = {0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
               0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
    .suites_count = 16,
    .extensions = {0xbaba, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017,
                   0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01,
                   0x000b, 0x000a, 0x0015, 0xcaca},
    .extensions_count = 18,
    .versions = {0x6a6a, 0x0304, 0x0303},
    .versions_count = 3,
    .groups = {0x8a8a, 0x001d, 0x0017, 0x0018},
    .groups_count = 4,
    .signatures = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806,
                   0x0601},
    .signatures_count = 8,
    .alpn = "h2",
};

static void ja4_is_that_of_its_specification(void **state)
{
    (void)state;
    struct hello hello;
    struct fingerprint print;
    make_hello(&example, &hello);
    assert_int_equal(fingerprint_make(&hello, &print), 0);
    assert_string_equal(print.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

static void ja3_keeps_the_order_and_leaves_grease_out(void **state)
{
    (void)state;
    static const char expected[] =
        "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-"
        "156-157-47-53,27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,"
        "29-23-24,0-1";
    struct hello hello;
    struct buf text = {0};
    make_hello(&example, &hello);
    assert_int_equal(fingerprint_ja3_text(&hello, &text), 0);
    assert_int_equal(buf_len(&text), strlen(expected));
    assert_memory_equal(buf_head(&text), expected, strlen(expected));
    buf_free(&text);
}

struct row {
    const char *what;
    struct offer offer;
    const char *ja3, *ja4;
};

static const struct row rows[] = {
    {"nothing but a suite",
     {.version = 0x0301, .suites = {0x002f}, .suites_count = 1},
     "b02be259814e870a469a20ce9b2a7900",
     "t10i010000_ba72b8082249_000000000000"},
    {"an old client with a name and without signatures",
     {.version = 0x0302,
      .suites = {0xc014, 0x000a},
      .suites_count = 2,
      .extensions = {0x0000, 0x000b},
      .extensions_count = 2},
     "bc1b3258cfccf28f6bf073a2bd63bbcf",
     "t11d020200_b9598685786f_bcb145a8c2a7"},
    {"one letter is first and last",
     {.version = 0x0303,
      .suites = {0x1301},
      .suites_count = 1,
      .extensions = {0x0010},
      .extensions_count = 1,
      .alpn = "x"},
     "79bec9f8e9d974a2ec7ceb481134f481",
     "t12i0101xx_0f2cb44170f4_000000000000"},
    {"a protocol that is no text",
     {.version = 0x0303,
      .suites = {0x1301},
      .suites_count = 1,
      .extensions = {0x0010},
      .extensions_count = 1,
      .alpn = "\xab"
              "b\xcd"},
     "79bec9f8e9d974a2ec7ceb481134f481",
     "t12i0101ad_0f2cb44170f4_000000000000"},
    {"a version that nobody knows",
     {.version = 0x0303,
      .suites = {0x1301},
      .suites_count = 1,
      .extensions = {0x002b},
      .extensions_count = 1,
      .versions = {0x7f1c},
      .versions_count = 1},
     "97eaea5f384969f5c4f9874d0bcbd240",
     "t00i010100_0f2cb44170f4_b9a491fefe05"},
};

static void fingerprints_of_odd_hellos(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hello hello;
        struct fingerprint print;
        make_hello(&rows[i].offer, &hello);
        assert_int_equal(fingerprint_make(&hello, &print), 0);
        if (strcmp(print.ja3, rows[i].ja3) || strcmp(print.ja4, rows[i].ja4))
            fail_msg("%s: %s %s, not %s %s", rows[i].what, print.ja3, print.ja4,
                     rows[i].ja3, rows[i].ja4);
    }
}

static void a_message_must_be_whole(void **state)
{
    (void)state;
    struct buf message = {0}, extensions = {0};
    struct hello hello;
    put_hello(&message, &extensions);
    for (size_t len = 0; len < buf_len(&message); len++) {
        memcpy(scratch, buf_head(&message), len);
        assert_non_null(hello_read_message(scratch, len, &hello));
    }
    memcpy(scratch, buf_head(&message), buf_len(&message));
    scratch[buf_len(&message)] = 0;
    assert_null(hello_read_message(scratch, buf_len(&message), &hello));
    memcpy(scratch, buf_head(&message), buf_len(&message));
    assert_non_null(hello_read_message(scratch, buf_len(&message) + 1, &hello));
    buf_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ja4_is_that_of_its_specification),
        cmocka_unit_test(ja3_keeps_the_order_and_leaves_grease_out),
        cmocka_unit_test(fingerprints_of_odd_hellos),
        cmocka_unit_test(a_message_must_be_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
