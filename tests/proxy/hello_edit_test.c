/* SPDX-License-Identifier: MIT
 *
 * Things taken out of a ClientHello: what is gone, what is still there, and
 * that all of it can be read again. */
#include "proxy/hello.h"
#include "proxy/hello_edit.h"
#include "tests/proxy/hello_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint8_t scratch[HELLO_MOST];

static bool has(const struct hello_list *list, unsigned number)
{
    for (unsigned i = 0; i < list->count; i++)
        if ((unsigned)(list->bytes[2 * i] << 8 | list->bytes[2 * i + 1]) ==
            number)
            return true;
    return false;
}

/* Behind the hello stands "tail", which must stay where it is. */
static void read_again(const struct buf *bytes, struct hello *hello)
{
    const char *why = NULL;
    ssize_t used =
        hello_read(buf_head(bytes), buf_len(bytes), scratch, hello, &why);
    if (used <= 0)
        fail_msg("%zd: %s", used, why ? why : "more");
    assert_int_equal(buf_len(bytes) - (size_t)used, 4);
    assert_memory_equal(buf_head(bytes) + used, "tail", 4);
}

static int edited(const struct hello_edit *edit, struct hello *hello)
{
    struct buf bytes = {0};
    hello_of_openssl(&bytes);
    buf_append_text(&bytes, "tail");
    int gone = hello_edit_apply(edit, &bytes, scratch);
    read_again(&bytes, hello);
    buf_free(&bytes);
    return gone;
}

static void nothing_is_changed_by_an_empty_edit(void **state)
{
    (void)state;
    struct hello_edit edit = {0};
    struct buf bytes = {0}, before = {0};
    hello_of_openssl(&bytes);
    buf_append(&before, buf_head(&bytes), buf_len(&bytes));
    assert_int_equal(hello_edit_apply(&edit, &bytes, scratch), 0);
    assert_int_equal(buf_len(&bytes), buf_len(&before));
    assert_memory_equal(buf_head(&bytes), buf_head(&before), buf_len(&before));
    buf_free(&bytes);
    buf_free(&before);
}

static void a_version_goes(void **state)
{
    (void)state;
    struct hello_edit edit = {0};
    struct hello hello;
    struct err err = ERR_INIT;
    assert_int_equal(hello_edit_version(&edit, "1.3", &err), 0);
    assert_int_equal(edited(&edit, &hello), 1);
    assert_false(has(&hello.versions, 0x0304));
    assert_true(has(&hello.versions, 0x0303));
    assert_true(has(&hello.suites, 0x1301));
    assert_string_equal(hello.server_name, "bank.lab.test");
}

/* With the last of the list the list goes, and the old field speaks. */
static void all_versions_may_go(void **state)
{
    (void)state;
    struct hello_edit edit = {0};
    struct hello hello;
    struct err err = ERR_INIT;
    assert_int_equal(hello_edit_version(&edit, "1.3|1.2|1.1|1.0", &err), 0);
    assert_true(edited(&edit, &hello) >= 4);
    assert_int_equal(hello.versions.count, 0);
    assert_false(has(&hello.extensions, 43));
    assert_int_equal(hello.legacy_version, 0x0300);
}

static void suites_go_by_either_name_and_by_number(void **state)
{
    (void)state;
    struct hello_edit edit = {0};
    struct hello before, hello;
    struct err err = ERR_INIT;
    static const struct hello_edit none = {0};
    assert_int_equal(edited(&none, &before), 0);
    assert_int_equal(
        hello_edit_suite(&edit,
                         "TLS_AES_128_GCM_SHA256|ECDHE-RSA-AES128-GCM-SHA256|"
                         "TLS_RSA_WITH_AES_128_CBC_SHA|0x1303|4866",
                         &err),
        0);
    assert_int_equal(edited(&edit, &hello), 5);
    assert_int_equal(hello.suites.count, before.suites.count - 5);
    for (unsigned number = 0x1301; number <= 0x1303; number++)
        assert_false(has(&hello.suites, number));
    assert_false(has(&hello.suites, 0xc02f));
    assert_false(has(&hello.suites, 0x002f));
    assert_true(has(&hello.suites, 0xc02b));
}

static void extensions_go_by_name_and_by_number(void **state)
{
    (void)state;
    struct hello_edit edit = {0};
    struct hello hello;
    struct err err = ERR_INIT;
    assert_int_equal(
        hello_edit_extension(&edit, "server_name|alpn|51|0xff01|9999", &err),
        0);
    assert_int_equal(edited(&edit, &hello), 3); /* two were not there */
    assert_string_equal(hello.server_name, "");
    assert_int_equal(hello.alpn.len, 0);
    assert_false(has(&hello.extensions, 51));
    assert_true(has(&hello.extensions, 43));
}

static void the_last_suite_stays(void **state)
{
    (void)state;
    struct hello_edit edit = {.suites = {{0x1301, 0xc02f}, 2}};
    struct buf bytes = {0}, message = {0}, extensions = {0};
    put_hello(&message, &extensions);
    put_records(&bytes, &message, 1000);
    size_t len = buf_len(&bytes);
    assert_int_equal(hello_edit_apply(&edit, &bytes, scratch), -1);
    assert_int_equal(buf_len(&bytes), len);
    edit.suites.count = 1;
    assert_int_equal(hello_edit_apply(&edit, &bytes, scratch), 1);
    assert_int_equal(buf_len(&bytes), len - 2);
    buf_free(&bytes);
    buf_free(&message);
    buf_free(&extensions);
}

/* Without a list of versions: 1.2 becomes 1.1, or what is below that. */
static void the_old_field_goes_down(void **state)
{
    (void)state;
    struct hello_edit edit = {.versions = {{0x0303, 0x0302}, 1}};
    struct hello hello;
    const char *why;
    for (unsigned count = 1; count <= 2; count++) {
        struct buf bytes = {0}, message = {0}, extensions = {0};
        put_hello(&message, &extensions);
        put_records(&bytes, &message, 7);
        edit.versions.count = count;
        assert_int_equal(hello_edit_apply(&edit, &bytes, scratch), count);
        assert_true(hello_read(buf_head(&bytes), buf_len(&bytes), scratch,
                               &hello, &why) > 0);
        assert_int_equal(hello.legacy_version, 0x0303 - count);
        buf_free(&bytes);
        buf_free(&message);
        buf_free(&extensions);
    }
}

static void what_is_no_hello_is_left_alone(void **state)
{
    (void)state;
    struct hello_edit edit = {.extensions = {{0}, 1}};
    struct buf bytes = {0};
    buf_append_text(&bytes, "GET / HTTP/1.1\r\n");
    assert_int_equal(hello_edit_apply(&edit, &bytes, scratch), -1);
    assert_int_equal(buf_len(&bytes), 16);
    buf_free(&bytes);
}

static void words_that_are_wrong_are_named(void **state)
{
    (void)state;
    struct hello_edit edit = {0};
    struct err err = ERR_INIT;
    assert_int_equal(hello_edit_version(&edit, "1.4", &err), -1);
    assert_non_null(strstr(err.text, "\"1.4\""));
    assert_int_equal(hello_edit_extension(&edit, "key_shares", &err), -1);
    assert_non_null(strstr(err.text, "did you mean key_share?"));
    assert_int_equal(
        hello_edit_suite(&edit, "ECDHE-RSA-AES128-GCM-SHA265", &err), -1);
    assert_non_null(strstr(err.text, "ECDHE-RSA-AES128-GCM-SHA256"));
    assert_int_equal(hello_edit_suite(&edit, "0x11111", &err), -1);
    assert_int_equal(err.code, EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_changed_by_an_empty_edit),
        cmocka_unit_test(a_version_goes),
        cmocka_unit_test(all_versions_may_go),
        cmocka_unit_test(suites_go_by_either_name_and_by_number),
        cmocka_unit_test(extensions_go_by_name_and_by_number),
        cmocka_unit_test(the_last_suite_stays),
        cmocka_unit_test(the_old_field_goes_down),
        cmocka_unit_test(what_is_no_hello_is_left_alone),
        cmocka_unit_test(words_that_are_wrong_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
