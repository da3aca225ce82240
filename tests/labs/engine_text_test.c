/* SPDX-License-Identifier: MIT
 *
 * What people read and type: the guide by sections, text on terminals of any
 * kind, answers as they are meant, values drawn from the seed. */
#include "labs/cli/term.h"
#include "labs/engine/canary.h"
#include "labs/engine/guide.h"
#include "labs/engine/quiz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the guide ----------------------------------------------------------- */

static const char guide[] = "# A lab\n"
                            "\n"
                            "What it is about.\n"
                            "\n"
                            "## One\n"
                            "\n"
                            "Before.\n"
                            "\n"
                            "```\n"
                            "# no heading\n"
                            "**no bold**\n"
                            "```\n"
                            "\n"
                            "**After.** And so on.\n"
                            "\n"
                            "### Deeper\n"
                            "\n"
                            "More.\n"
                            "\n"
                            "## Two \n"
                            "\n"
                            "Other.\n";

static void a_section_ends_at_the_next_heading_of_its_rank(void **state)
{
    (void)state;
    char *one = guide_section(guide, "One"), *two = guide_section(guide, "Two");
    assert_non_null(strstr(one, "More."));
    assert_null(strstr(one, "Other."));
    assert_string_equal(two, "Other.");
    assert_null(guide_section(guide, "no heading"));
    assert_true(guide_has(guide, "Deeper"));
    free(one);
    free(two);
}

static void a_section_is_split_where_bold_words_begin_a_paragraph(void **state)
{
    char *before, *after, *one = guide_section(guide, "One");
    (void)state;
    guide_split(one, &before, &after);
    assert_string_equal(before,
                        "Before.\n\n```\n# no heading\n**no bold**\n```");
    assert_memory_equal(after, "**After.**", 10);
    assert_non_null(strstr(after, "More."));
    free(before);
    free(after);
    free(one);
}

static void the_introduction_ends_at_the_first_section(void **state)
{
    (void)state;
    char *text = guide_introduction(guide);
    assert_string_equal(text, "What it is about.");
    free(text);
}

static void the_closing_is_what_stands_behind_a_section(void **state)
{
    (void)state;
    char *one = guide_closing(guide, "One"), *two = guide_closing(guide, "Two");
    assert_string_equal(one, "## Two \n\nOther.");
    assert_string_equal(two, "");
    free(one);
    free(two);
}

/* ---- terminals ----------------------------------------------------------- */

typedef void printer(FILE *out, const struct term *term, const char *text);

static char *printed(printer *print, struct term term, const char *text)
{
    char *bytes = NULL;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);
    print(out, &term, text);
    fclose(out);
    return bytes;
}

static void flow(FILE *out, const struct term *term, const char *text)
{
    term_flow(out, term, text, 2, "- ");
}

static void text_is_broken_between_words(void **state)
{
    static const struct {
        struct term term;
        const char *text, *is;
    } rows[] = {
        {{40, false, true}, "one two", "  - one two\n"},
        {{40, false, true},
         "The quick brown fox jumps over the lazy dog",
         "  - The quick brown fox jumps over the\n    lazy dog\n"},
        {{40, false, true}, "a\nb", "  - a\n    b\n"},
        {{40, false, true},
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b",
         "  - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n    b\n"},
        {{40, true, true}, TERM_BOLD "x" TERM_PLAIN, "  - \033[1mx\033[0m\n"},
        {{40, false, true}, TERM_BOLD "x" TERM_PLAIN, "  - x\n"},
        {{40, false, true}, "caf\u00e9 \u2192", "  - caf\u00e9 \u2192\n"},
        {{40, false, false}, "caf\u00e9 \u2192", "  - caf? ->\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = printed(flow, rows[i].term, rows[i].text);
        assert_string_equal(text, rows[i].is);
        free(text);
    }
}

static void markdown_becomes_plain_text(void **state)
{
    static const struct {
        const char *markdown, *is;
    } rows[] = {
        {"one\ntwo", "one two\n"},
        {"one\n\ntwo", "one\n\ntwo\n"},
        {"`a` and **b**", "`a` and b\n"},
        {"- one\n- two\n  more", "- one\n- two more\n"},
        {"1. one\n2. two", "1. one\n2. two\n"},
        {"x\n\n    code\n      more\n", "x\n\n    code\n      more\n"},
        {"| a | b |\n|---|---|\n| 1 | 2 |\n", "- 1\n      2\n"},
        {"| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | | 5 |\n",
         "- 1\n      b: 2\n      c: 3\n- 4\n      c: 5\n"},
        {"\033]52;x\a", "]52;x\n"},
    };
    struct term term = {60, false, true};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = printed(term_markdown, term, rows[i].markdown);
        assert_string_equal(text, rows[i].is);
        free(text);
    }
}

static void bytes_of_the_network_never_reach_a_terminal(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool lines;
        const char *is;
    } rows[] = {
        {"plain", 5, false, "plain"},
        {"a\033[31mb", 7, false, "a\\x1b[31mb"},
        {"\033]52;c;YQ==\a", 12, false, "\\x1b]52;c;YQ==\\x07"},
        {"\xe2\x80\xae", 3, false, "\\xe2\\x80\\xae"},
        {"a\nb", 3, false, "a\\x0ab"},
        {"a\nb\r", 4, true, "a\nb\\x0d"},
        {"\0x", 2, false, "\\x00x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = term_escape(rows[i].bytes, rows[i].len, rows[i].lines);
        assert_string_equal(text, rows[i].is);
        free(text);
    }
}

static void the_width_comes_from_columns_and_has_bounds(void **state)
{
    struct term term;
    (void)state;
    setenv("COLUMNS", "10", 1);
    term_look(&term, 1);
    assert_int_equal(term.width, 40);
    setenv("COLUMNS", "1000", 1);
    term_look(&term, 1);
    assert_int_equal(term.width, 200);
    setenv("COLUMNS", "77", 1);
    setenv("NO_COLOR", "1", 1);
    term_look(&term, 1);
    assert_int_equal(term.width, 77);
    assert_false(term.colour);
    unsetenv("COLUMNS");
    unsetenv("NO_COLOR");
}

/* ---- answers ------------------------------------------------------------- */

static void answers_are_compared_as_they_are_meant(void **state)
{
    static const struct {
        const char *given, *answer;
        bool same;
    } rows[] = {
        {"48", "48", true},
        {" 48. ", "48", true},
        {"048", "48", true},
        {"48.0", "48", true},
        {"Unknown_CA", "unknown_ca", true},
        {"\"mallory12\"", "mallory12", true},
        {"two   words", "Two words", true},
        {"49", "48", false},
        {"", "48", false},
        {"unknown", "unknown_ca", false},
        {"4 8", "48", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (quiz_same(rows[i].given, rows[i].answer) != rows[i].same)
            fail_msg("\"%s\" and \"%s\"", rows[i].given, rows[i].answer);
}

/* ---- canaries ------------------------------------------------------------ */

static void every_canary_follows_from_the_seed_alone(void **state)
{
    const struct canary *canary;
    (void)state;
    for (unsigned i = 0; (canary = canary_at(i)); i++) {
        char one[CANARY_TEXT], again[CANARY_TEXT], other[CANARY_TEXT];
        unsigned differs = 0;
        canary_draw(7, canary, one);
        canary_draw(7, canary, again);
        assert_string_equal(one, again);
        assert_int_equal(strspn(one, "abcdefghijklmnopqrstuvwxyzLB-0123456789"),
                         strlen(one));
        for (uint64_t seed = 8; seed < 16; seed++) {
            canary_draw(seed, canary, other);
            differs += strcmp(one, other) != 0;
        }
        assert_true(differs >= 6);
    }
}

static void the_payee_and_the_mule_never_are_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        char user[CANARY_TEXT], payee[CANARY_TEXT], mule[CANARY_TEXT];
        canary_draw(seed, canary_find("user"), user);
        canary_draw(seed, canary_find("payee"), payee);
        canary_draw(seed, canary_find("mule"), mule);
        assert_string_not_equal(user, payee);
        assert_true(strlen(mule) > strlen(payee));
    }
}

static void students_have_seeds_of_their_own(void **state)
{
    (void)state;
    assert_true(canary_student_seed("ada") == canary_student_seed("ada"));
    assert_true(canary_student_seed("ada") != canary_student_seed("bob"));
    assert_true(canary_student_seed("ada") < (uint64_t)1 << 53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_ends_at_the_next_heading_of_its_rank),
        cmocka_unit_test(a_section_is_split_where_bold_words_begin_a_paragraph),
        cmocka_unit_test(the_introduction_ends_at_the_first_section),
        cmocka_unit_test(the_closing_is_what_stands_behind_a_section),
        cmocka_unit_test(text_is_broken_between_words),
        cmocka_unit_test(markdown_becomes_plain_text),
        cmocka_unit_test(bytes_of_the_network_never_reach_a_terminal),
        cmocka_unit_test(the_width_comes_from_columns_and_has_bounds),
        cmocka_unit_test(answers_are_compared_as_they_are_meant),
        cmocka_unit_test(every_canary_follows_from_the_seed_alone),
        cmocka_unit_test(the_payee_and_the_mule_never_are_the_same),
        cmocka_unit_test(students_have_seeds_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
