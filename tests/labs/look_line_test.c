/* SPDX-License-Identifier: MIT
 *
 * Lines of traffic for people: they fit, and say the same without colours. */
#include "labs/cli/look_line.h"
#include "proxy/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static union address victim;

static struct proxy_line a_line(void)
{
    static const char method[] = "GET", host[] = "bank.lab.test:8443";
    static const char target[] = "/a/very/long/path/to/something?with=a&query";
    return (struct proxy_line){.kind = PROXY_LINE_HTTP,
                               .victim = &victim,
                               .method = method,
                               .method_len = strlen(method),
                               .host = host,
                               .host_len = strlen(host),
                               .target = target,
                               .target_len = strlen(target),
                               .status = 404,
                               .down_bytes = 12345678,
                               .tls = true,
                               .ms = 12345};
}

static char *text_of(const struct look *look, const struct proxy_line *line)
{
    struct buf out = {0};
    look_line(look, line, &out);
    char *text = strndup((char *)buf_head(&out), buf_len(&out));
    buf_free(&out);
    return text;
}

static struct proxy_line a_refusal(void)
{
    struct proxy_line line = a_line();
    line.kind = PROXY_LINE_TLS;
    line.method = line.target = NULL;
    line.method_len = line.target_len = 0;
    line.status = 0;
    line.verdict = "refused";
    line.how = "unknown_ca";
    return line;
}

static void a_row_fits_every_width(void **state)
{
    (void)state;
    for (unsigned width = 40; width <= 200; width++) {
        struct look look = {.term = {.width = width}, .table = true};
        struct proxy_line lines[] = {a_line(), a_refusal(), a_line()};
        lines[2].version = "h2 to h1";
        lines[2].request_changed = true;
        for (unsigned i = 0; i < 3; i++) {
            char *text = text_of(&look, &lines[i]);
            for (char *part = strtok(text, "\n"); part;
                 part = strtok(NULL, "\n"))
                assert_in_range(strlen(part), 1, width);
            free(text);
        }
    }
}

static void without_colours_the_words_say_it(void **state)
{
    (void)state;
    struct look look = {.term = {.width = 40}, .table = true};
    struct proxy_line line = a_line(), refusal = a_refusal();
    line.response_changed = true;
    char *text = text_of(&look, &line);
    assert_non_null(strstr(text, "404*"));
    assert_null(strchr(text, '\033'));
    free(text);
    text = text_of(&look, &refusal);
    assert_non_null(strstr(text, "refused"));
    assert_non_null(strstr(text, "unknown_ca"));
    free(text);
    look.term.colour = true;
    text = text_of(&look, &line);
    assert_non_null(strstr(text, "\033[31m404*"));
    free(text);
}

static void what_went_wrong_is_said_in_full_at_every_width(void **state)
{
    (void)state;
    static const char why[] =
        "the server at 127.0.0.1:9999: connection refused";
    struct proxy_line lines[] = {a_line(), a_line()};
    lines[0].reason = lines[1].reason = why;
    lines[1].kind = PROXY_LINE_TLS;
    lines[1].method_len = lines[1].target_len = 0;
    lines[1].status = 0;
    for (unsigned width = 40; width <= 200; width++) {
        struct look look = {.term = {.width = width}, .table = true};
        for (unsigned i = 0; i < 2; i++) {
            char *text = text_of(&look, &lines[i]), said[200] = "";
            for (char *part = strtok(text, "\n"); part;
                 part = strtok(NULL, "\n")) {
                assert_in_range(strlen(part), 1, width);
                if (*said || strstr(part, "the server"))
                    strcat(strcat(said, *said ? " " : ""),
                           part + strspn(part, " "));
            }
            assert_string_equal(said, why);
            free(text);
        }
    }
    struct look plain = {0};
    char *text = text_of(&plain, &lines[1]);
    assert_non_null(strstr(text, " in 12345 ms failed (the server at "
                                 "127.0.0.1:9999: connection refused)\n"));
    free(text);
}

static void a_reason_cannot_command_the_terminal(void **state)
{
    (void)state;
    struct proxy_line line = a_line();
    line.reason = "\033[2J.test: name not in this lab";
    struct look look = {.term = {.width = 80}};
    for (unsigned i = 0; i < 2; i++, look.table = true) {
        char *text = text_of(&look, &line);
        assert_null(strchr(text, '\033'));
        assert_non_null(strstr(text, "\\x1b[2J.test"));
        free(text);
    }
}

static void nothing_is_cut_where_there_is_no_terminal(void **state)
{
    (void)state;
    struct look look = {.term = {.width = 40}};
    struct proxy_line line = a_line();
    char *text = text_of(&look, &line);
    assert_non_null(strstr(text, "GET https://bank.lab.test:8443/a/very/long/"
                                 "path/to/something?with=a&query 404 up 0 "
                                 "down 12345678 in 12345 ms\n"));
    free(text);
}

static void bytes_of_the_network_are_escaped(void **state)
{
    (void)state;
    struct proxy_line line = a_line();
    line.target = "/\033]0;x\007\\ \xff";
    line.target_len = strlen(line.target);
    struct look look = {.term = {.width = 200}};
    for (unsigned i = 0; i < 2; i++, look.table = true) {
        char *text = text_of(&look, &line);
        assert_non_null(strstr(text, "/\\x1b]0;x\\x07\\x5c\\x20\\xff"));
        free(text);
    }
}

static void figures_have_three_digits_or_less(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] =
        {{0, "0 B"},           {999, "999 B"},      {1000, "1.0 kB"},
         {1234, "1.2 kB"},     {9999, "9.9 kB"},    {10000, "10 kB"},
         {999999, "999 kB"},   {1000000, "1.0 MB"}, {1234567890, "1.2 GB"},
         {UINT64_MAX, "18 EB"}},
      times[] = {{0, "0 ms"},     {999, "999 ms"},   {1000, "1.0 s"},
                 {12345, "12 s"}, {999999, "999 s"}, {3600000, "60 min"}};
    char room[LOOK_FIGURE];
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        look_size(sizes[i].bytes, room);
        assert_string_equal(room, sizes[i].text);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        look_time(times[i].bytes, room);
        assert_string_equal(room, times[i].text);
    }
}

/* All that comes from the network, in a table and outside, at every detail. */
static void no_byte_of_the_network_reaches_the_terminal(void **state)
{
    (void)state;
    static const char evil[] = "a\33]0;x\7\x9b\r\n\t\x7f\xe2\x80\xae";
    struct message_field fields[] = {{evil, evil}};
    struct message request = {.kind = HTTP1_REQUEST,
                              .method = evil,
                              .target = evil,
                              .fields = fields,
                              .fields_count = 1,
                              .has_body = true};
    assert_int_equal(buf_append_text(&request.body, evil), 0);
    struct message response = request;
    response.kind = HTTP1_RESPONSE;
    response.reason = evil;
    struct filter_text text = {evil, sizeof evil - 1};
    struct filter_subject subject = {.request = &request,
                                     .response = &response,
                                     .to = LEG_SERVER,
                                     .body = text};
    for (unsigned i = 0; i < 4 * 3 * 2; i++) {
        struct proxy_line line = a_line();
        struct look look = {.term = {.width = i % 2 ? 40 : 120},
                            .table = i / 2 % 2,
                            .detail = i / 4 % 3};
        line.kind = i / 12 ? PROXY_LINE_MESSAGE : PROXY_LINE_HTTP;
        line.method = line.host = line.target = evil;
        line.method_len = line.host_len = line.target_len = text.len;
        line.spoken = "text";
        line.detail = evil;
        line.up_bytes = text.len;
        line.subject = &subject;
        char *said = text_of(&look, &line);
        for (const char *it = said; *it; it++)
            if (*it != '\n' && ((unsigned char)*it < ' ' || *it == 0x7f ||
                                (unsigned char)*it > 0x7e))
                fail_msg("byte %02x in: %s", (unsigned char)*it, said);
        free(said);
    }
    buf_free(&request.body);
}

static void a_message_is_a_row_that_fits(void **state)
{
    (void)state;
    struct filter_subject subject = {.to = LEG_VICTIM,
                                     .body = {"\3\350bye", 5}};
    struct proxy_line line = a_line();
    line.kind = PROXY_LINE_MESSAGE;
    line.status = 0;
    line.spoken = "close";
    line.up_bytes = 0;
    line.down_bytes = 5;
    line.subject = &subject;
    for (unsigned width = 40; width <= 200; width++) {
        struct look look = {
            .term = {.width = width}, .table = true, .detail = LOOK_HEADS};
        char *text = text_of(&look, &line);
        for (char *it = strtok(text, "\n"); it; it = strtok(NULL, "\n"))
            if (strlen(it) > width)
                fail_msg("%u columns: %s", width, it);
        free(text);
    }
    struct look look = {
        .term = {.width = 80}, .table = true, .detail = LOOK_HEADS};
    char *text = text_of(&look, &line);
    assert_non_null(strstr(text, "ws <-   close "));
    assert_non_null(strstr(text, "\n  < | 1000 bye\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_of_the_network_reaches_the_terminal),
        cmocka_unit_test(a_message_is_a_row_that_fits),
        cmocka_unit_test(a_row_fits_every_width),
        cmocka_unit_test(without_colours_the_words_say_it),
        cmocka_unit_test(what_went_wrong_is_said_in_full_at_every_width),
        cmocka_unit_test(a_reason_cannot_command_the_terminal),
        cmocka_unit_test(nothing_is_cut_where_there_is_no_terminal),
        cmocka_unit_test(bytes_of_the_network_are_escaped),
        cmocka_unit_test(figures_have_three_digits_or_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
