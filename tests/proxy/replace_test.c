/* SPDX-License-Identifier: MIT
 *
 * What is found and replaced does not depend on where the pieces end. */
#include "proxy/replace.h"

#include "proxy/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct replace texts(const char *find, const char *with)
{
    return (struct replace){find, with, strlen(find), strlen(with), NULL};
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
                                  (size_t)rand_r(&seed) % 4, NULL};
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
    struct replace_spot first;
    struct buf out = {0};
    uint64_t count = 9;
    assert_int_equal(replace_all(&replace, "a dog", 5, 0, &out, &count, &first),
                     0);
    assert_int_equal(count, 0);
    assert_int_equal(buf_len(&out), 0);
    assert_int_equal(replace_all(&replace, "a cat", 5, 0, &out, &count, &first),
                     0);
    assert_int_equal(count, 1);
    assert_int_equal(first.at, 2);
    assert_memory_equal(buf_head(&out), "a dog", 5);
    buf_free(&out);
}

static void what_grows_too_much_is_refused(void **state)
{
    (void)state;
    struct replace replace = texts("a", "123456789");
    struct replace_spot first;
    struct buf out = {0};
    uint64_t count = 9;
    assert_int_equal(replace_all(&replace, "aaaa", 4, 35, &out, &count, &first),
                     -1);
    assert_int_equal(count, 0);
    assert_int_equal(buf_len(&out), 0);
    assert_int_equal(replace_all(&replace, "aaaa", 4, 36, &out, &count, &first),
                     0);
    assert_int_equal(count, 4);
    buf_free(&out);
}

/* ---- patterns ------------------------------------------------------------ */

static struct replace compiled(const char *find, const char *with)
{
    struct err err = ERR_INIT;
    struct pattern *pattern = NULL;
    if (pattern_new(find, false, &pattern, &err))
        fail_msg("%s", err.text);
    return (struct replace){
        .with = with, .with_len = strlen(with), .pattern = pattern};
}

static void forget(struct replace *replace)
{
    pattern_free((struct pattern *)(uintptr_t)replace->pattern);
}

/* All of it, with new pieces as the chance wants; `most` bytes each. */
static uint64_t feed_by_chance(const struct replace *replace, const char *text,
                               size_t len, size_t most, unsigned *seed,
                               struct buf *out)
{
    struct replace_stream stream = {.replace = replace};
    for (size_t at = 0; at < len;) {
        size_t left = len - at < most ? len - at : most;
        size_t piece = 1 + (size_t)rand_r(seed) % left;
        char *exact = malloc(piece);
        assert_non_null(exact);
        memcpy(exact, text + at, piece);
        assert_int_equal(replace_feed(&stream, exact, piece, out), 0);
        free(exact);
        at += piece;
    }
    assert_int_equal(replace_end(&stream, out), 0);
    replace_close(&stream);
    return stream.count;
}

static const struct {
    const char *find, *with, *text, *result;
    unsigned count;
} pattern_rows[] = {
    {"id=(\\d+)", "id=<\\1>", "id=12; id=7", "id=<12>; id=<7>", 2},
    {"a+", "x", "baaac", "bxc", 1},
    {"a+?", "x", "aaa", "xxx", 3},
    {"x*", "-", "abxd", "-a-b--d-", 5},
    {"^a", "x", "aaa", "xaa", 1},
    {"a$", "x", "aaa", "aax", 1},
    {"$", "!", "ab", "ab!", 1},
    {"", "-", "ab", "-a-b-", 3},
    {"a.*b|a", "x", "a1ab2a", "x2x", 2},
    {"a[^b]*c|b", "x", "aabbca", "aaxxca", 2},
    {"(?i)cat|dog", "\\0\\0", "Cat dOg", "CatCat dOgdOg", 2},
    {"(a)|(b)", "<\\1|\\2>", "ab", "<a|><|b>", 2},
    {"abcabd", "x", "abcabcabd", "abcx", 1},
    {"never", "x", "nevenevneve", "nevenevneve", 0},
    {"\\n", "\\n\\t", "a\nb", "a\n\tb", 1},
    {"lab.test", "bank", "lab-test lab.tes", "bank lab.tes", 1},
    {"a{3}", "x", "", "", 0},
};

static void each_pattern_gives_its_result_wherever_the_pieces_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pattern_rows / sizeof *pattern_rows; i++) {
        struct replace replace =
            compiled(pattern_rows[i].find, pattern_rows[i].with);
        const char *text = pattern_rows[i].text;
        size_t len = strlen(text);
        for (size_t one = 0; one <= len; one++)
            for (size_t two = one; two <= len; two++) {
                struct replace_stream stream = {.replace = &replace};
                struct buf out = {0};
                replace_feed(&stream, text, one, &out);
                replace_feed(&stream, text + one, two - one, &out);
                replace_feed(&stream, text + two, len - two, &out);
                assert_int_equal(replace_end(&stream, &out), 0);
                buf_append(&out, "", 1);
                assert_string_equal((char *)buf_head(&out),
                                    pattern_rows[i].result);
                assert_int_equal(stream.count, pattern_rows[i].count);
                replace_close(&stream);
                buf_free(&out);
            }
        forget(&replace);
    }
}

static void any_pattern_in_any_pieces_is_as_in_one(void **state)
{
    static const char *const patterns[] = {
        "a",    "ab",     "a+b?",  "a*",    "(a|b)c",   "a[ab]*c", "[bc]+$",
        "^a|c", "a.?b.?", "(ab)+", "abc|b", "b(a*)(c)", "a.*c|b",  "aab",
    };
    (void)state;
    unsigned seed = 11;
    for (int round = 0; round < 4000; round++) {
        char text[80];
        size_t len = (size_t)rand_r(&seed) % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)('a' + rand_r(&seed) % 3);
        struct replace replace =
            compiled(patterns[(size_t)rand_r(&seed) %
                              (sizeof patterns / sizeof *patterns)],
                     "<\\0:\\1>");
        struct buf got = {0}, want = {0};
        uint64_t one = feed_by_chance(&replace, text, len, 9, &seed, &got);
        struct replace_stream stream = {.replace = &replace};
        assert_int_equal(replace_feed(&stream, text, len, &want), 0);
        assert_int_equal(replace_end(&stream, &want), 0);
        assert_int_equal(one, stream.count);
        assert_same(&got, &want);
        replace_close(&stream);
        buf_free(&got);
        buf_free(&want);
        forget(&replace);
    }
}

static void a_match_is_as_long_as_its_limit_and_so_is_what_is_kept(void **state)
{
    (void)state;
    static char text[5 * REPLACE_MATCH_MOST];
    struct replace replace = compiled("a[^c]*b", "x");
    unsigned seed = 3;
    struct buf out = {0};
    /* One that just fits, and one that is a byte too long. */
    memset(text, '.', sizeof text);
    text[100] = 'a';
    text[100 + REPLACE_MATCH_MOST - 1] = 'b';
    text[100 + REPLACE_MATCH_MOST] = 'c';
    text[100 + 2 * REPLACE_MATCH_MOST] = 'a';
    text[100 + 3 * REPLACE_MATCH_MOST] = 'b';
    for (size_t piece = 1000; piece <= sizeof text; piece *= 7) {
        assert_int_equal(
            feed_by_chance(&replace, text, sizeof text, piece, &seed, &out), 1);
        assert_int_equal(buf_len(&out), sizeof text - REPLACE_MATCH_MOST + 1);
        buf_clear(&out);
    }
    /* What may go on for ever is not kept for ever. */
    struct replace_stream stream = {.replace = &replace};
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(replace_feed(&stream, text, 10000, &out), 0);
        assert_true(buf_len(&stream.kept) <= REPLACE_MATCH_MOST);
    }
    assert_true(buf_len(&out) >= 100000 - REPLACE_MATCH_MOST);
    replace_close(&stream);
    buf_free(&out);
    forget(&replace);
}

static void
who_leads_back_again_and_again_is_not_followed_for_ever(void **state)
{
    (void)state;
    static char text[300 * 1000];
    struct replace replace = compiled("x[^z]*z|x", "y");
    unsigned seed = 5;
    struct buf one = {0}, two = {0};
    memset(text, 'x', sizeof text);
    uint64_t count =
        feed_by_chance(&replace, text, sizeof text, 70 * 1000, &seed, &one);
    assert_int_equal(
        feed_by_chance(&replace, text, sizeof text, 999, &seed, &two), count);
    assert_true(count > 0 && count < 10000);
    assert_same(&one, &two);
    buf_free(&one);
    buf_free(&two);
    forget(&replace);
}

static void what_cannot_match_any_more_is_not_held_back(void **state)
{
    (void)state;
    struct replace replace = compiled("id=\\d+;", "x");
    struct replace_stream stream = {.replace = &replace};
    struct buf out = {0};
    assert_int_equal(replace_feed(&stream, "data: 1\n\n", 9, &out), 0);
    assert_int_equal(buf_len(&out), 9);
    assert_int_equal(replace_feed(&stream, " i", 2, &out), 0);
    assert_int_equal(buf_len(&out), 10);
    assert_int_equal(replace_feed(&stream, "d=1", 3, &out), 0);
    assert_int_equal(buf_len(&out), 10);
    assert_int_equal(replace_feed(&stream, ";", 1, &out), 0);
    assert_int_equal(buf_len(&out), 11);
    replace_close(&stream);
    buf_free(&out);
    forget(&replace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_gives_its_result_wherever_the_pieces_end),
        cmocka_unit_test(any_text_in_any_pieces_is_as_done_slowly),
        cmocka_unit_test(only_the_beginning_of_a_match_is_held_back),
        cmocka_unit_test(without_a_match_all_at_once_writes_nothing),
        cmocka_unit_test(what_grows_too_much_is_refused),
        cmocka_unit_test(each_pattern_gives_its_result_wherever_the_pieces_end),
        cmocka_unit_test(any_pattern_in_any_pieces_is_as_in_one),
        cmocka_unit_test(
            a_match_is_as_long_as_its_limit_and_so_is_what_is_kept),
        cmocka_unit_test(
            who_leads_back_again_and_again_is_not_followed_for_ever),
        cmocka_unit_test(what_cannot_match_any_more_is_not_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
