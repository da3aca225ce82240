/* SPDX-License-Identifier: MIT
 *
 * What is found and replaced does not depend on where the pieces end. */
#include "proxy/replace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct replace texts(const char *find, const char *with)
{
    return (struct replace){find, with, strlen(find), strlen(with)};
}

/* The same without any cleverness. */
static void replace_slowly(const struct replace *replace, const char *text,
                           size_t len, struct buf *out)
{
    for (size_t at = 0; at < len;) {
        if (len - at >= replace->find_len &&
            !memcmp(text + at, replace->find, replace->find_len)) {
            buf_append(out, replace->with, replace->with_len);
            at += replace->find_len;
        } else {
            buf_append(out, text + at++, 1);
        }
    }
}

static void assert_same(const struct buf *got, const struct buf *want)
{
    assert_int_equal(buf_len(got), buf_len(want));
    if (buf_len(want))
        assert_memory_equal(buf_head(got), buf_head(want), buf_len(want));
}

static const struct {
    const char *find, *with, *text, *result;
    unsigned count;
} rows[] = {
    {"cat", "dog", "a cat sat", "a dog sat", 1},
    {"cat", "dog", "catcat", "dogdog", 2},
    {"cat", "", "a cat", "a ", 1},
    {"a", "aa", "banana", "baanaanaa", 3},
    {"aab", "x", "aaab", "ax", 1},
    {"aaa", "b", "aaaaa", "baa", 1},
    {"abcabd", "x", "abcabcabd", "abcx", 1},
    {"cat", "dog", "ca", "ca", 0},
    {"cat", "dog", "cac", "cac", 0},
    {"cat", "dog", "", "", 0},
    {"ab", "b", "aab", "ab", 1},
};

static void each_row_gives_its_result_wherever_the_pieces_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct replace replace = texts(rows[i].find, rows[i].with);
        size_t len = strlen(rows[i].text);
        for (size_t one = 0; one <= len; one++)
            for (size_t two = one; two <= len; two++) {
                struct replace_stream stream = {.replace = &replace};
                struct buf out = {0};
                replace_feed(&stream, rows[i].text, one, &out);
                replace_feed(&stream, rows[i].text + one, two - one, &out);
                replace_feed(&stream, rows[i].text + two, len - two, &out);
                assert_int_equal(replace_end(&stream, &out), 0);
                assert_int_equal(stream.count, rows[i].count);
                assert_int_equal(buf_len(&out), strlen(rows[i].result));
                if (buf_len(&out))
                    assert_memory_equal(buf_head(&out), rows[i].result,
                                        buf_len(&out));
                buf_free(&out);
            }
    }
}

/* Few letters, so that beginnings of matches are everywhere. */
static void any_text_in_any_pieces_is_as_done_slowly(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 3000; round++) {
        char find[8], text[64];
        size_t find_len = 1 + (size_t)rand_r(&seed) % sizeof find;
        size_t len = (size_t)rand_r(&seed) % sizeof text;
        for (size_t i = 0; i < find_len; i++)
            find[i] = (char)('a' + rand_r(&seed) % 2);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)('a' + rand_r(&seed) % 2);
        struct replace replace = {find, "xyz", find_len,
                                  (size_t)rand_r(&seed) % 4};
        struct replace_stream stream = {.replace = &replace};
        struct buf got = {0}, want = {0};
        replace_slowly(&replace, text, len, &want);
        for (size_t at = 0; at < len;) {
            size_t piece = 1 + (size_t)rand_r(&seed) % (len - at);
            assert_int_equal(replace_feed(&stream, text + at, piece, &got), 0);
            at += piece;
        }
        assert_int_equal(replace_end(&stream, &got), 0);
        assert_same(&got, &want);
        buf_free(&got);
        buf_free(&want);
    }
}

static void only_the_beginning_of_a_match_is_held_back(void **state)
{
    (void)state;
    struct replace replace = texts("secret", "public");
    struct replace_stream stream = {.replace = &replace};
    struct buf out = {0};
    assert_int_equal(replace_feed(&stream, "a se", 4, &out), 0);
    assert_int_equal(buf_len(&out), 2);
    assert_int_equal(replace_feed(&stream, "at", 2, &out), 0);
    assert_int_equal(buf_len(&out), 6);
    assert_memory_equal(buf_head(&out), "a seat", 6);
    buf_free(&out);
}

static void without_a_match_all_at_once_writes_nothing(void **state)
{
    (void)state;
    struct replace replace = texts("cat", "dog");
    struct buf out = {0};
    uint64_t count = 9;
    assert_int_equal(replace_all(&replace, "a dog", 5, &out, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(buf_len(&out), 0);
    assert_int_equal(replace_all(&replace, "a cat", 5, &out, &count), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(buf_head(&out), "a dog", 5);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_gives_its_result_wherever_the_pieces_end),
        cmocka_unit_test(any_text_in_any_pieces_is_as_done_slowly),
        cmocka_unit_test(only_the_beginning_of_a_match_is_held_back),
        cmocka_unit_test(without_a_match_all_at_once_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
