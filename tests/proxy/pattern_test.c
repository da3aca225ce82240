/* SPDX-License-Identifier: MIT
 *
 * Patterns: what they find and where, which are refused, agreement with
 * regexec(3) as a second opinion, and that time grows with the text only. */
#include "proxy/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct pattern *compiled(const char *text)
{
    struct err err = ERR_INIT;
    struct pattern *pattern;
    if (pattern_new(text, false, &pattern, &err))
        fail_msg("%s", err.text);
    return pattern;
}

static void a_pattern_finds_the_leftmost_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        int at, end; /* -1: no match */
    } rows[] = {
        {"abc", "xxabcx", 2, 5},
        {"abc", "ababd", -1, 0},
        {"", "x", 0, 0},
        {"a*", "baaa", 0, 0},
        {"a+", "baaa", 1, 4},
        {"a+?", "baaa", 1, 2},
        {"(a|ab)(c|bcd)", "abcd", 0, 4},
        {"a|ab", "ab", 0, 1},
        {"ab|a", "ab", 0, 2},
        {"^b", "ab", -1, 0},
        {"b$", "ab", 1, 2},
        {"b$", "ab\n", -1, 0},
        {"^$", "", 0, 0},
        {"x*$", "axx", 1, 3},
        {"[a-c]+", "zzabcd", 2, 5},
        {"[^a-c]+", "abzzc", 2, 4},
        {"[]x]+", "a]x", 1, 3},
        {"[a-]+", "b-a", 1, 3},
        {"[\\d_]+", "a1_2", 1, 4},
        {"\\d{2,3}", "1 12345", 2, 5},
        {"\\d{2}", "1 12345", 2, 4},
        {"\\d{2,}", "1 12345", 2, 7},
        {"(ab){2}", "abxabab", 3, 7},
        {"a{0}b", "ab", 1, 2},
        {"\\w+\\s\\w+", "- to be", 2, 7},
        {"\\W", "ab.c", 2, 3},
        {"\\x41\\.", "A.", 0, 2},
        {"a.c", "a\nc", -1, 0},
        {"(?i)BaNk", "the bAnK", 4, 8},
        {"(?:a|b)*c", "ababc", 0, 5},
        {"(a*)*b", "aaab", 0, 4},
        {"(a*)*", "b", 0, 0},
        {"(|a)+b", "aab", 0, 3},
        {"a$|b", "ab", 1, 2},
        {"bc|c$", "abxc", 3, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pattern_group groups[PATTERN_GROUPS];
        struct pattern *pattern = compiled(rows[i].pattern);
        size_t len = strlen(rows[i].text);
        bool found = pattern_find(pattern, rows[i].text, len, 0, groups);
        if (found != (rows[i].at >= 0) ||
            found != pattern_in(pattern, rows[i].text, len))
            fail_msg("%s in \"%s\": found %d", rows[i].pattern, rows[i].text,
                     found);
        if (found && (groups[0].at != (size_t)rows[i].at ||
                      groups[0].end != (size_t)rows[i].end))
            fail_msg("%s in \"%s\": %zu to %zu", rows[i].pattern, rows[i].text,
                     groups[0].at, groups[0].end);
        pattern_free(pattern);
    }
}

static void groups_say_what_they_matched(void **state)
{
    (void)state;
    struct pattern_group groups[PATTERN_GROUPS];
    struct pattern *pattern = compiled("(\\w+)=(\\d+)|(none)");
    const char text[] = "; id=42; none";
    assert_true(pattern_find(pattern, text, strlen(text), 0, groups));
    assert_int_equal(groups[0].at, 2);
    assert_int_equal(groups[1].end, 4);
    assert_int_equal(groups[2].at, 5);
    assert_int_equal(groups[2].end, 7);
    assert_int_equal(groups[3].at, SIZE_MAX);
    assert_true(pattern_find(pattern, text, strlen(text), 7, groups));
    assert_int_equal(groups[3].at, 9);
    assert_int_equal(groups[1].at, SIZE_MAX);
    assert_false(pattern_find(pattern, text, strlen(text), 13, groups));
    pattern_free(pattern);
}

static void bytes_are_bytes(void **state)
{
    (void)state;
    struct pattern *pattern = compiled("a\\x00[\\x80-\\xff]b");
    assert_true(pattern_in(pattern,
                           "xa\0\xfe"
                           "b",
                           5));
    assert_false(pattern_in(pattern, "xa\0zb", 5));
    pattern_free(pattern);
}

static void a_bad_pattern_is_refused_with_its_column(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *says;
    } rows[] = {
        {"a(b", "column 4: a ( is never closed"},
        {"ab)", "column 3: a ) was never opened"},
        {"[ab", "a [ is never closed"},
        {"[z-a]", "runs backwards"},
        {"*a", "column 1: there is nothing in front to repeat"},
        {"a\\", "a backslash stands at the end"},
        {"(a)\\1", "no back references"},
        {"(?=a)", "only (?:...)"},
        {"a{3,2}", "a repetition is"},
        {"a{256}", "a repetition is"},
        {"a{", "a repetition is"},
        {"(((a{99}){99}){99}){99}", "too large"},
        {"\\xg0", "two hexadecimal digits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern;
        assert_int_equal(pattern_new(rows[i].pattern, false, &pattern, &err),
                         -1);
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].pattern, err.text);
    }
}

/* Whether there is a match does not depend on which of several counts. */
static void regexec_agrees(void **state)
{
    (void)state;
    static const char letters[] = "ab()|*+?.[]^$";
    unsigned compared = 0, matched = 0;
    srandom(7);
    for (int round = 0; round < 20000; round++) {
        char text[12], pattern_text[10];
        size_t len = (size_t)(random() % 9) + 1, i;
        for (i = 0; i < len; i++)
            pattern_text[i] = letters[random() % (long)(sizeof letters - 1)];
        pattern_text[i] = 0;
        for (i = 0; i < (size_t)(random() % 10); i++)
            text[i] = "ab"[random() % 2];
        text[i] = 0;
        regex_t regex;
        struct pattern *pattern;
        struct err err = ERR_INIT;
        if (pattern_new(pattern_text, false, &pattern, &err))
            continue;
        /* POSIX leaves some of what is fine here undefined: `a*?`, `^*`. */
        bool undefined =
            strstr(pattern_text, "*?") || strstr(pattern_text, "+?") ||
            strstr(pattern_text, "??") || strstr(pattern_text, "^*") ||
            strstr(pattern_text, "^+") || strstr(pattern_text, "^?") ||
            strstr(pattern_text, "(?") || strstr(pattern_text, "[^");
        if (!undefined &&
            !regcomp(&regex, pattern_text, REG_EXTENDED | REG_NOSUB)) {
            bool theirs = !regexec(&regex, text, 0, NULL, 0);
            bool ours = pattern_in(pattern, text, strlen(text));
            if (theirs != ours)
                fail_msg("\"%s\" in \"%s\": regexec says %d, we %d",
                         pattern_text, text, theirs, ours);
            compared++;
            matched += theirs;
            regfree(&regex);
        }
        pattern_free(pattern);
    }
    assert_true(compared > 1000);
    assert_true(matched > 100 && matched < compared);
}

static double seconds_of(const struct pattern *pattern, const char *text,
                         size_t len)
{
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    assert_false(pattern_in(pattern, text, len));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) +
           (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* What makes others explode: sixteen times the text is sixteen times the time,
 * where quadratic were 256 times and exponential never ended. */
static void a_hostile_text_costs_time_in_proportion(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a*)*b", "a*b", "(a|a)*b",
                                           "(a|aa)+b", "a{0,99}a{99}b"};
    size_t small = 8 * 1024, large = 16 * small;
    char *text = malloc(large);
    assert_non_null(text);
    memset(text, 'a', large);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct pattern *pattern = compiled(patterns[i]);
        double one = seconds_of(pattern, text, small);
        double sixteen = seconds_of(pattern, text, large);
        if (sixteen > 80 * one + 0.05)
            fail_msg("%s: %.3f s, then %.3f s", patterns[i], one, sixteen);
        pattern_free(pattern);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_finds_the_leftmost_match),
        cmocka_unit_test(groups_say_what_they_matched),
        cmocka_unit_test(bytes_are_bytes),
        cmocka_unit_test(a_bad_pattern_is_refused_with_its_column),
        cmocka_unit_test(regexec_agrees),
        cmocka_unit_test(a_hostile_text_costs_time_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
