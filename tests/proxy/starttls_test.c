/* SPDX-License-Identifier: MIT
 *
 * Where does a conversation change to TLS, and what is not let through before
 * it does? */
#include "proxy/starttls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* A conversation: 'C' victim, 'S' server, and what each says. "|" stands
 * where it is to be held back. */
struct line {
    char who;
    const char *text;
};

struct talk {
    const char *name;
    enum starttls_kind kind;
    bool agrees;
    struct line lines[12];
};

static const struct talk talks[] = {
    {"smtp",
     STARTTLS_SMTP,
     true,
     {{'S', "220 mail.lab.test ESMTP\r\n"},
      {'C', "EHLO victim\r\n"},
      {'S', "250-mail.lab.test\r\n250 STARTTLS\r\n"},
      {'C', "STARTTLS\r\n"},
      {'S', "220 go ahead\r\n"}}},
    {"smtp_small_letters_and_spaces",
     STARTTLS_SMTP,
     true,
     {{'S', "220 x\r\n"}, {'C', "starttls  \r\n"}, {'S', "220 go\r\n"}}},
    {"smtp_says_no",
     STARTTLS_SMTP,
     false,
     {{'S', "220 x\r\n"},
      {'C', "STARTTLS\r\n"},
      {'S', "454 not now\r\n"},
      {'C', "QUIT\r\n"},
      {'S', "221 bye\r\n"}}},
    {"smtp_greeting_of_two_lines_is_no_answer",
     STARTTLS_SMTP,
     true,
     {{'S', "220-x\r\n"},
      {'C', "STARTTLS\r\n"},
      {'S', "220 x\r\n"},
      {'S', "220 go\r\n"}}},
    {"smtp_pipelined_behind_another",
     STARTTLS_SMTP,
     true,
     {{'S', "220 x\r\n"},
      {'C', "NOOP\r\nSTARTTLS\r\n"},
      {'S', "220 odd but legal for NOOP\r\n"},
      {'S', "220 go\r\n"}}},
    {"smtp_word_in_a_message",
     STARTTLS_SMTP,
     false,
     {{'S', "220 x\r\n"},
      {'C', "DATA\r\n"},
      {'S', "354 go\r\n"},
      {'C', "STARTTLS\r\n.\r\n"},
      {'S', "220 taken\r\n"},
      {'C', "QUIT\r\n"}}},
    {"smtp_word_in_a_chunk",
     STARTTLS_SMTP,
     false,
     {{'S', "220 x\r\n"},
      {'C', "BDAT 10 LAST\r\nSTARTTLS\r\nQUIT\r\n"},
      {'S', "220 taken\r\n"}}},
    {"smtp_early_command",
     STARTTLS_SMTP,
     true,
     {{'S', "220 x\r\n"}, {'C', "STARTTLS\r\n|RSET\r\n"}, {'S', "220 go\r\n"}}},
    {"smtp_early_answer",
     STARTTLS_SMTP,
     true,
     {{'S', "220 x\r\n"},
      {'C', "STARTTLS\r\n"},
      {'S', "220 go\r\n|250-injected\r\n"}}},
    {"smtp_with_an_argument_is_a_syntax_error",
     STARTTLS_SMTP,
     false,
     {{'S', "220 x\r\n"},
      {'C', "STARTTLS now\r\nQUIT\r\n"},
      {'S', "220 whatever\r\n"}}},
    {"imap",
     STARTTLS_IMAP,
     true,
     {{'S', "* OK ready\r\n"},
      {'C', "a1 STARTTLS\r\n"},
      {'S', "* OK not this\r\na1 OK begin\r\n"}}},
    {"imap_says_no",
     STARTTLS_IMAP,
     false,
     {{'S', "* OK ready\r\n"},
      {'C', "a1 STARTTLS\r\n"},
      {'S', "a1 BAD no\r\n"},
      {'C', "a2 LOGOUT\r\n"}}},
    {"imap_tag_of_another",
     STARTTLS_IMAP,
     true,
     {{'S', "* OK ready\r\n"},
      {'C', "a1 NOOP\r\na2 STARTTLS\r\n"},
      {'S', "a1 OK done\r\n"},
      {'S', "a2 OK begin\r\n"}}},
    {"imap_word_in_a_literal",
     STARTTLS_IMAP,
     false,
     {{'S', "* OK ready\r\n"},
      {'C', "a1 LOGIN {13}\r\n"},
      {'S', "+ go\r\n"},
      {'C', "a1 STARTTLS\r\n {2+}\r\npw\r\n"},
      {'S', "a1 OK in\r\n"}}},
    {"pop3",
     STARTTLS_POP3,
     true,
     {{'S', "+OK ready\r\n"}, {'C', "STLS\r\n"}, {'S', "+OK begin\r\n"}}},
    {"pop3_behind_a_list",
     STARTTLS_POP3,
     true,
     {{'S', "+OK ready\r\n"},
      {'C', "CAPA\r\nSTLS\r\n"},
      {'S', "+OK list\r\n+OK no answer\r\nSTLS\r\n.\r\n"},
      {'S', "+OK begin\r\n"}}},
    {"pop3_says_no",
     STARTTLS_POP3,
     false,
     {{'S', "+OK ready\r\n"}, {'C', "STLS\r\n"}, {'S', "-ERR no\r\n"}}},
    {"ftp",
     STARTTLS_FTP,
     true,
     {{'S', "220-hello\r\n 220 inner\r\n220 ready\r\n"},
      {'C', "AUTH TLS\r\n"},
      {'S', "234 go\r\n"}}},
    {"ftp_preliminary_reply",
     STARTTLS_FTP,
     true,
     {{'S', "120 wait\r\n220 ready\r\n"},
      {'C', "AUTH TLS\r\n"},
      {'S', "234 go\r\n"}}},
    {"ftp_other_mechanism",
     STARTTLS_FTP,
     false,
     {{'S', "220 ready\r\n"}, {'C', "AUTH GSSAPI\r\n"}, {'S', "334 go\r\n"}}},
};

/* Say it in pieces of at most `most` bytes; check where it is held back. */
static void say(struct starttls *starttls, const struct line *line, size_t most)
{
    char text[256];
    const char *bar = strchr(line->text, '|');
    size_t len = strlen(line->text), held = bar ? len - 1 : len;
    size_t passes = bar ? (size_t)(bar - line->text) : len;
    memcpy(text, line->text, passes);
    memcpy(text + passes, line->text + passes + (bar != NULL), held - passes);
    len = held;
    enum starttls_from from =
        line->who == 'C' ? STARTTLS_VICTIM : STARTTLS_SERVER;
    size_t at = 0;
    while (at < len) {
        size_t some = most < len - at ? most : len - at;
        size_t took = starttls_feed(starttls, from, text + at, some);
        at += took;
        if (took < some)
            break;
    }
    assert_int_equal(at, passes);
}

static void play(const struct talk *talk, size_t most)
{
    struct starttls starttls;
    unsigned lines = 0;
    starttls_init(&starttls, talk->kind);
    while (lines < 12 && talk->lines[lines].text)
        lines++;
    for (unsigned i = 0; i < lines; i++) {
        /* Not one line before it is due. */
        assert_false(starttls.agreed);
        say(&starttls, &talk->lines[i], most);
    }
    if (starttls.agreed != talk->agrees)
        fail_msg("%s, %zu bytes at a time: %s", talk->name, most,
                 talk->agrees ? "does not agree" : "agrees");
}

static void each_conversation_changes_where_it_should(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof talks / sizeof *talks; i++)
        for (size_t most = 1; most < 64; most += 7)
            play(&talks[i], most);
}

static void a_line_without_end_is_no_command_and_no_trouble(void **state)
{
    (void)state;
    struct starttls starttls;
    char much[4096];
    memset(much, 'x', sizeof much);
    starttls_init(&starttls, STARTTLS_SMTP);
    for (int i = 0; i < 16; i++)
        assert_int_equal(
            starttls_feed(&starttls, STARTTLS_VICTIM, much, sizeof much),
            sizeof much);
    starttls_feed(&starttls, STARTTLS_VICTIM, "\r\n", 2);
    assert_false(starttls.asked);
}

static void too_many_commands_without_an_answer_stay_in_clear(void **state)
{
    (void)state;
    struct starttls starttls;
    starttls_init(&starttls, STARTTLS_SMTP);
    for (int i = 0; i < STARTTLS_PENDING + 1; i++)
        starttls_feed(&starttls, STARTTLS_VICTIM, "NOOP\r\n", 6);
    assert_int_equal(
        starttls_feed(&starttls, STARTTLS_VICTIM, "STARTTLS\r\nx", 11), 11);
    for (int i = 0; i < STARTTLS_PENDING + 3; i++)
        starttls_feed(&starttls, STARTTLS_SERVER, "220 x\r\n", 7);
    assert_false(starttls.agreed);
}

static void schemes_and_ports_name_the_protocol(void **state)
{
    (void)state;
    assert_int_equal(starttls_by_scheme("imap"), STARTTLS_IMAP);
    assert_int_equal(starttls_by_scheme("gopher"), STARTTLS_NONE);
    assert_int_equal(starttls_by_port(587), STARTTLS_SMTP);
    assert_int_equal(starttls_by_port(21), STARTTLS_FTP);
    assert_int_equal(starttls_by_port(443), STARTTLS_NONE);
    assert_int_equal(starttls_by_port(0), STARTTLS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_conversation_changes_where_it_should),
        cmocka_unit_test(a_line_without_end_is_no_command_and_no_trouble),
        cmocka_unit_test(too_many_commands_without_an_answer_stay_in_clear),
        cmocka_unit_test(schemes_and_ports_name_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
