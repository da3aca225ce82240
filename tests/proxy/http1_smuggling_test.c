/* SPDX-License-Identifier: MIT
 *
 * No trick of request smuggling passes: it is refused before any message of
 * it is handed on, or there is but one way to read it. */
#include "tests/proxy/http1_play.h"
#include "tests/proxy/smuggling.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void http1_lets_no_smuggling_trick_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < SMUGGLING_ROWS; i++) {
        const struct smuggling *row = &smuggling[i];
        const char *fault = row->fault ? row->fault : "";
        struct script script = {row->kind, NULL, 0, row->bytes, row->len};
        struct played played = play_every_split(&script);
        if (strcmp(played.fault, fault) || played.messages != row->messages)
            print_message("%s: %s\n", row->trick, played.said);
        assert_string_equal(played.fault, fault);
        assert_int_equal(played.messages, row->messages);
        if (!row->fault) {
            assert_int_equal(played.taken, row->len);
            assert_false(played.waiting);
        }
        free(played.said);
    }
    print_message("%d tricks\n", SMUGGLING_ROWS);
}

/* The rows are told apart by their tricks, so that a failure is found. */
static void http1_smuggling_tricks_have_names_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < SMUGGLING_ROWS; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(smuggling[i].trick, smuggling[j].trick);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_lets_no_smuggling_trick_pass),
        cmocka_unit_test(http1_smuggling_tricks_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
