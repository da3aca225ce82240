/* SPDX-License-Identifier: MIT
 *
 * Content codings: round trips, damage, and bombs. */
#include "proxy/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define ROWS(table) (sizeof table / sizeof *table)

static const enum codec coded[] = {CODEC_GZIP, CODEC_DEFLATE, CODEC_BR,
                                   CODEC_ZSTD};

static void codec_names_are_read_as_http_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum codec codec;
    } rows[] = {
        {"gzip", CODEC_GZIP},
        {"GZip", CODEC_GZIP},
        {"x-gzip", CODEC_GZIP},
        {"deflate", CODEC_DEFLATE},
        {"br", CODEC_BR},
        {"zstd", CODEC_ZSTD},
        {"identity", CODEC_IDENTITY},
        {"", CODEC_IDENTITY},
        {"gzip, br", CODEC_UNKNOWN},
        {"gzi", CODEC_UNKNOWN},
        {"unknown", CODEC_UNKNOWN},
        {"x-gzip2", CODEC_UNKNOWN},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        assert_int_equal(codec_named(rows[i].value, strlen(rows[i].value)),
                         rows[i].codec);
    assert_int_equal(codec_named(NULL, 0), CODEC_IDENTITY);
    for (size_t i = 0; i < ROWS(coded); i++)
        assert_int_equal(
            codec_named(codec_name(coded[i]), strlen(codec_name(coded[i]))),
            coded[i]);
}

/* Text, then noise: compresses, but not to nothing. */
static void fill(uint8_t *bytes, size_t len)
{
    uint32_t noise = 1;
    for (size_t i = 0; i < len; i++) {
        noise = noise * 1664525 + 1013904223;
        bytes[i] = i < len / 2 ? (uint8_t)("bank.lab.test "[i % 14])
                               : (uint8_t)(noise >> 24);
    }
}

static void codec_gives_back_what_it_took(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 65536, 65537, 1000000};
    for (size_t c = 0; c <= ROWS(coded); c++)
        for (size_t s = 0; s < ROWS(sizes); s++) {
            enum codec codec = c < ROWS(coded) ? coded[c] : CODEC_IDENTITY;
            struct buf there = {0}, back = {0};
            const char *why;
            uint8_t *bytes = malloc(sizes[s]);
            assert_non_null(bytes);
            fill(bytes, sizes[s]);
            buf_append_text(&back, "before");
            assert_int_equal(codec_encode(codec, bytes, sizes[s], &there, &why),
                             0);
            assert_int_equal(codec_decode(codec, buf_head(&there),
                                          buf_len(&there), sizes[s], &back,
                                          &why),
                             0);
            assert_null(why);
            assert_int_equal(buf_len(&back), 6 + sizes[s]);
            assert_memory_equal(buf_head(&back), "before", 6);
            assert_memory_equal(buf_head(&back) + 6, bytes, sizes[s]);
            free(bytes);
            buf_free(&there);
            buf_free(&back);
        }
}

/* Decode must fail for this reason and leave the buffer as it was. */
static void refuse(enum codec codec, const void *bytes, size_t len, size_t most,
                   const char *reason)
{
    struct buf out = {0};
    const char *why;
    buf_append_text(&out, "kept");
    assert_int_equal(codec_decode(codec, bytes, len, most, &out, &why), -1);
    assert_non_null(strstr(why, reason));
    assert_int_equal(buf_len(&out), 4);
    assert_memory_equal(buf_head(&out), "kept", 4);
    /* What a bomb may cost: the limit, doubled by the growth of the buffer,
     * and the piece that went over it. */
    assert_true(out.room <= 2 * (most + 65536 + 4096));
    buf_free(&out);
}

static void codec_stops_a_bomb_at_the_limit(void **state)
{
    (void)state;
    enum { BOMB = 64 << 20, MOST = 1 << 20 };
    uint8_t *zeros = calloc(1, BOMB);
    assert_non_null(zeros);
    for (size_t c = 0; c < ROWS(coded); c++) {
        struct buf bomb = {0};
        const char *why;
        assert_int_equal(codec_encode(coded[c], zeros, BOMB, &bomb, &why), 0);
        assert_true(buf_len(&bomb) < 100000);
        refuse(coded[c], buf_head(&bomb), buf_len(&bomb), MOST, "bomb");
        buf_free(&bomb);
    }
    free(zeros);
    refuse(CODEC_IDENTITY, "12345", 5, 4, "over the limit");
}

static void codec_decodes_exactly_the_limit_and_no_byte_more(void **state)
{
    (void)state;
    uint8_t bytes[70000];
    fill(bytes, sizeof bytes);
    for (size_t c = 0; c < ROWS(coded); c++) {
        struct buf there = {0}, back = {0};
        const char *why;
        codec_encode(coded[c], bytes, sizeof bytes, &there, &why);
        assert_int_equal(codec_decode(coded[c], buf_head(&there),
                                      buf_len(&there), sizeof bytes, &back,
                                      &why),
                         0);
        refuse(coded[c], buf_head(&there), buf_len(&there), sizeof bytes - 1,
               "bomb");
        buf_free(&there);
        buf_free(&back);
    }
}

static void codec_refuses_what_is_cut_or_goes_on(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    fill(bytes, sizeof bytes);
    for (size_t c = 0; c < ROWS(coded); c++) {
        struct buf there = {0};
        const char *why;
        codec_encode(coded[c], bytes, sizeof bytes, &there, &why);
        size_t len = buf_len(&there);
        for (size_t cut = 1; cut < len; cut++)
            refuse(coded[c], buf_head(&there), cut, 4000, "");
        buf_append_text(&there, "junk that is no frame");
        refuse(coded[c], buf_head(&there), buf_len(&there), 4000, "");
        buf_free(&there);
        refuse(coded[c], "this is not coded at all", 24, 4000, "");
    }
    refuse(CODEC_UNKNOWN, "x", 1, 10, "not known");
}

static void codec_survives_any_change_of_one_byte(void **state)
{
    (void)state;
    uint8_t bytes[500];
    fill(bytes, sizeof bytes);
    for (size_t c = 0; c < ROWS(coded); c++) {
        struct buf there = {0};
        const char *why;
        codec_encode(coded[c], bytes, sizeof bytes, &there, &why);
        for (size_t at = 0; at < buf_len(&there); at++) {
            struct buf back = {0};
            buf_head(&there)[at] ^= 0x55;
            if (codec_decode(coded[c], buf_head(&there), buf_len(&there), 4000,
                             &back, &why) == 0)
                assert_true(buf_len(&back) <= 4000);
            buf_head(&there)[at] ^= 0x55;
            buf_free(&back);
        }
        buf_free(&there);
    }
}

static void codec_reads_several_gzip_members(void **state)
{
    (void)state;
    struct buf there = {0}, back = {0};
    const char *why;
    codec_encode(CODEC_GZIP, "one ", 4, &there, &why);
    codec_encode(CODEC_GZIP, "two", 3, &there, &why);
    assert_int_equal(codec_decode(CODEC_GZIP, buf_head(&there), buf_len(&there),
                                  100, &back, &why),
                     0);
    assert_int_equal(buf_len(&back), 7);
    assert_memory_equal(buf_head(&back), "one two", 7);
    buf_free(&there);
    buf_free(&back);
}

static void codec_reads_deflate_without_its_header(void **state)
{
    (void)state;
    uint8_t raw[100];
    struct buf back = {0};
    const char *why;
    z_stream zlib = {.next_in = (Bytef *)(uintptr_t) "raw deflate",
                     .avail_in = 11,
                     .next_out = raw,
                     .avail_out = sizeof raw};
    assert_int_equal(
        deflateInit2(&zlib, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    deflateEnd(&zlib);
    assert_int_equal(
        codec_decode(CODEC_DEFLATE, raw, zlib.total_out, 100, &back, &why), 0);
    assert_memory_equal(buf_head(&back), "raw deflate", 11);
    buf_free(&back);
}

static void codec_takes_an_empty_body_for_empty(void **state)
{
    (void)state;
    for (size_t c = 0; c < ROWS(coded); c++) {
        struct buf out = {0}, back = {0};
        const char *why;
        assert_int_equal(codec_decode(coded[c], NULL, 0, 10, &out, &why), 0);
        assert_int_equal(buf_len(&out), 0);
        assert_int_equal(codec_encode(coded[c], NULL, 0, &out, &why), 0);
        assert_int_equal(codec_decode(coded[c], buf_head(&out), buf_len(&out),
                                      0, &back, &why),
                         0);
        assert_int_equal(buf_len(&back), 0);
        buf_free(&out);
        buf_free(&back);
    }
}

/* Whoever gave an empty buffer need not free it. */
static void codec_that_refuses_leaves_no_allocation(void **state)
{
    (void)state;
    static const uint8_t damaged[] = "\x1f\x8b\x08 and nothing of the kind";
    for (size_t c = 0; c < ROWS(coded); c++) {
        struct buf out = {0};
        const char *why;
        assert_int_equal(
            codec_decode(coded[c], damaged, sizeof damaged, 1000, &out, &why),
            -1);
        assert_null(out.bytes);
        assert_non_null(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codec_names_are_read_as_http_writes_them),
        cmocka_unit_test(codec_gives_back_what_it_took),
        cmocka_unit_test(codec_stops_a_bomb_at_the_limit),
        cmocka_unit_test(codec_decodes_exactly_the_limit_and_no_byte_more),
        cmocka_unit_test(codec_refuses_what_is_cut_or_goes_on),
        cmocka_unit_test(codec_survives_any_change_of_one_byte),
        cmocka_unit_test(codec_reads_several_gzip_members),
        cmocka_unit_test(codec_reads_deflate_without_its_header),
        cmocka_unit_test(codec_takes_an_empty_body_for_empty),
        cmocka_unit_test(codec_that_refuses_leaves_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
