/* SPDX-License-Identifier: MIT
 *
 * The finder sees the same secrets at the same places however the bytes are
 * cut into pieces. */
#include "tests/attacks/events.h"

#include "attacks/secrets.h"

#include <stdio.h>
#include <string.h>

static const char conversation[] =
    "POST /login HTTP/1.1\r\nHost: bank\r\ncookie:  a=b; session=42 \r\n"
    "X-Cookie: nothing\r\nContent-Length: 60\r\n\r\n"
    "user=alice&oldpassword=no&PassWord=correct+horse%21%zz&x=ledger";

struct list {
    char text[4096];
    size_t used;
};

static void note(void *context, const struct secret *secret)
{
    struct list *list = context;
    assert_true(list->used < sizeof list->text - 200);
    list->used += (size_t)snprintf(
        list->text + list->used, sizeof list->text - list->used,
        "%s|%s|%.*s|%d\n", secret->what, secret->field, (int)secret->value_len,
        secret->value, (int)secret->at);
}

static void feed_in_pieces(size_t first, size_t step, struct list *list)
{
    struct secrets_look look = {{"ledger"}, {6}, 1};
    static struct secrets secrets;
    size_t len = sizeof conversation - 1, at = 0;
    *list = (struct list){0};
    secrets_init(&secrets, &look, note, list);
    while (at < len) {
        size_t piece = at ? step : first;
        piece = piece < len - at ? piece : len - at;
        char *copy = test_malloc(piece); /* so that ASan sees its end */
        memcpy(copy, conversation + at, piece);
        secrets_feed(&secrets, copy, piece);
        test_free(copy);
        at += piece;
    }
    secrets_flush(&secrets);
}

static int place_of(const char *text)
{
    return (int)(strstr(conversation, text) - conversation);
}

static void no_cut_hides_a_secret(void **state)
{
    struct list list;
    char expected[256];
    (void)state;
    snprintf(expected, sizeof expected,
             "cookie|Cookie|a=b; session=42|%d\n"
             "password|password|correct horse!%%zz|%d\n"
             "text||ledger|%d\n",
             place_of("a=b"), place_of("correct"), place_of("ledger"));
    for (size_t first = 1; first < sizeof conversation; first++) {
        feed_in_pieces(first, sizeof conversation, &list);
        assert_string_equal(list.text, expected);
    }
    for (size_t step = 1; step < 20; step++) {
        feed_in_pieces(step, step, &list);
        assert_string_equal(list.text, expected);
    }
}

static void feed_text(const char *text, const char *look_list,
                      struct list *list)
{
    struct secrets_look look;
    struct arena arena = {0};
    struct err err = ERR_INIT;
    static struct secrets secrets;
    *list = (struct list){0};
    assert_int_equal(secrets_look_parse(look_list, &arena, &look, &err), 0);
    secrets_init(&secrets, &look, note, list);
    secrets_feed(&secrets, text, strlen(text));
    secrets_flush(&secrets);
    arena_free(&arena);
}

static void what_is_a_secret_and_what_is_not(void **state)
{
    static const struct {
        const char *text, *look, *found;
    } rows[] = {
        {"password=", NULL, ""},
        {"password=&x", NULL, ""},
        {"password=a&password=b", NULL,
         "password|password|a|9\npassword|password|b|20\n"},
        {"/login?password=a HTTP/1.1", NULL, "password|password|a|16\n"},
        {"my-password=a", NULL, ""},
        {"<input name=\"password\" type=password>", NULL, ""},
        {"\r\nSet-Cookie: session=1; Path=/\r\n", NULL,
         "cookie|Set-Cookie|session=1|14\n"},
        {"\r\nSet-Cookie2: session=1\r\n", NULL, ""},
        {"Cookie: at the very start\r\n", NULL, ""},
        {"\r\nCookie:\r\n", NULL, ""},
        {"\r\nCookie: password=x\r\n", NULL, "cookie|Cookie|password=x|10\n"},
        {"aaaa", "aa", "text||aa|0\ntext||aa|1\ntext||aa|2\n"},
        {"abc", "b||abc|", "text||b|1\ntext||abc|0\n"},
        {"abc", "ABC", ""},
    };
    struct list list;
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        feed_text(rows[i].text, rows[i].look, &list);
        assert_string_equal(list.text, rows[i].found);
    }
}

static void a_value_without_end_is_cut(void **state)
{
    struct list list;
    static char text[3 * SECRETS_VALUE_MOST];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "password=", 9);
    feed_text(text, NULL, &list);
    assert_int_equal(strcspn(list.text, "a"), 1); /* password|... */
    assert_int_equal(list.used,
                     strlen("password|password||9\n") + SECRETS_VALUE_MOST);
}

static void what_was_missed_is_not_made_up(void **state)
{
    struct secrets_look look = {{"abcd"}, {4}, 1};
    static struct secrets secrets;
    struct list list = {0};
    (void)state;
    secrets_init(&secrets, &look, note, &list);
    secrets_feed(&secrets, "password=hun", 12);
    secrets_skip(&secrets, 100);
    secrets_feed(&secrets, "ter2&ab", 7);
    secrets_skip(&secrets, 1);
    secrets_feed(&secrets, "cd&password=x", 13);
    secrets_flush(&secrets);
    assert_string_equal(list.text, "password|password|x|132\n");
}

static void a_message_is_read_whole(void **state)
{
    struct arena arena = {0};
    struct message_field fields[] = {{"Host", "bank"}, {"Cookie", "session=1"}};
    struct message message = {.kind = HTTP1_REQUEST,
                              .arena = &arena,
                              .method = "POST",
                              .target = "/a?password=one",
                              .fields = fields,
                              .fields_count = 2,
                              .has_body = true};
    struct secrets_look look = {0};
    struct list list = {0};
    (void)state;
    assert_int_equal(message_set_body(&message, "password=two", 12), 0);
    secrets_in_message(&message, &look, note, &list);
    const char *text = list.text;
    assert_non_null(text = strstr(text, "password|password|one|"));
    assert_non_null(text = strstr(text, "cookie|Cookie|session=1|"));
    assert_non_null(text = strstr(text, "password|password|two|"));
    message_close(&message);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_cut_hides_a_secret),
        cmocka_unit_test(what_is_a_secret_and_what_is_not),
        cmocka_unit_test(a_value_without_end_is_cut),
        cmocka_unit_test(what_was_missed_is_not_made_up),
        cmocka_unit_test(a_message_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
