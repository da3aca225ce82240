/* SPDX-License-Identifier: MIT
 *
 * Messages as texts that a person edits. */
#include "proxy/message_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

struct scene {
    struct arena arena;
    struct message_field fields[2];
    struct message message;
};

static void open_scene(struct scene *scene, enum http1_kind kind,
                       const char *body)
{
    *scene = (struct scene){.fields = {{"Host", "a"}, {"Cookie", "id=1"}}};
    scene->message = (struct message){.kind = kind,
                                      .arena = &scene->arena,
                                      .method = "POST",
                                      .target = "/pay",
                                      .status = 200,
                                      .reason = "OK",
                                      .minor = 1,
                                      .fields = scene->fields,
                                      .fields_count = 2};
    if (body)
        message_set_body(&scene->message, body, strlen(body));
}

static void close_scene(struct scene *scene)
{
    message_close(&scene->message);
    arena_free(&scene->arena);
}

static void check_text(const struct message *message, const char *text)
{
    struct buf out = {0};
    assert_int_equal(message_text_write(message, &out), 0);
    assert_int_equal(buf_len(&out), strlen(text));
    assert_memory_equal(buf_head(&out), text, strlen(text));
    buf_free(&out);
}

static void a_message_is_a_text_and_a_text_a_message(void **state)
{
    (void)state;
    static const struct {
        enum http1_kind kind;
        const char *body, *edited, *becomes;
    } rows[] = {
        {HTTP1_REQUEST, "a=1", "PUT /x HTTP/1.1\nB: c\n\na=2\n",
         "PUT /x HTTP/1.1\nB: c\n\na=2"},
        {HTTP1_REQUEST, "a\n", "PUT /x\r\nB:c  d\r\n\r\na\r\n",
         "PUT /x HTTP/1.1\nB: c  d\n\na\r\n"},
        {HTTP1_REQUEST, "", "GET /x HTTP/1.1\nB:\n",
         "GET /x HTTP/1.1\nB: \n\n"},
        {HTTP1_RESPONSE, "x", "HTTP/1.1 404 Not Here\n\n\nx\n\n",
         "HTTP/1.1 404 Not Here\n\n\nx\n"},
        {HTTP1_RESPONSE, "x", "404\n\n", "HTTP/1.1 404 \n\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        struct err err = ERR_INIT;
        open_scene(&scene, rows[i].kind, rows[i].body);
        if (message_text_read(&scene.message, rows[i].edited,
                              strlen(rows[i].edited), &err))
            fail_msg("%s: %s", rows[i].edited, err.text);
        check_text(&scene.message, rows[i].becomes);
        close_scene(&scene);
    }
}

static void a_text_that_is_no_message_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        enum http1_kind kind;
        const char *edited, *says;
    } rows[] = {
        {HTTP1_REQUEST, "", "nothing left"},
        {HTTP1_REQUEST, "POST\n\n", "line 1: a request begins with"},
        {HTTP1_REQUEST, "PO(ST /\n\n", "line 1"},
        {HTTP1_REQUEST, "POST /\nHost\n\n", "line 2: a field is Name: value"},
        {HTTP1_REQUEST, "POST /\nA: b\nHo st: a\n\n", "line 3: no field"},
        {HTTP1_REQUEST, "POST /\nA: b\x01\n\n", "line 2: no field"},
        {HTTP1_RESPONSE, "HTTP/1.1 OK\n\n", "line 1: a response begins with"},
        {HTTP1_RESPONSE, "HTTP/1.1 99 OK\n\n", "line 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        struct err err = ERR_INIT;
        open_scene(&scene, rows[i].kind, "body");
        assert_int_equal(message_text_read(&scene.message, rows[i].edited,
                                           strlen(rows[i].edited), &err),
                         -1);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].edited, err.text);
        check_text(&scene.message,
                   rows[i].kind == HTTP1_REQUEST
                       ? "POST /pay HTTP/1.1\nHost: a\nCookie: id=1\n\nbody"
                       : "HTTP/1.1 200 OK\nHost: a\nCookie: id=1\n\nbody");
        close_scene(&scene);
    }
}

/* It streams by: nobody can edit what nobody has. */
static void a_body_that_is_not_there_cannot_be_written(void **state)
{
    (void)state;
    struct scene scene;
    struct err err = ERR_INIT;
    static const char with[] = "POST /\nA: b\n\nbody", without[] = "POST /\n\n";
    open_scene(&scene, HTTP1_REQUEST, NULL);
    assert_int_equal(
        message_text_read(&scene.message, with, strlen(with), &err), -1);
    assert_non_null(strstr(err.text, "this body is not known"));
    assert_int_equal(
        message_text_read(&scene.message, without, strlen(without), &err), 0);
    assert_false(scene.message.has_body);
    scene.message.bodyless = true;
    assert_int_equal(
        message_text_read(&scene.message, with, strlen(with), &err), 0);
    assert_true(scene.message.has_body);
    close_scene(&scene);
}

static void a_copy_owns_what_it_holds(void **state)
{
    (void)state;
    struct scene scene;
    struct arena arena = {0};
    struct message copy;
    open_scene(&scene, HTTP1_REQUEST, "body");
    assert_int_equal(message_copy(&copy, &scene.message, &arena), 0);
    close_scene(&scene);
    check_text(&copy, "POST /pay HTTP/1.1\nHost: a\nCookie: id=1\n\nbody");
    message_close(&copy);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_a_text_and_a_text_a_message),
        cmocka_unit_test(a_text_that_is_no_message_changes_nothing),
        cmocka_unit_test(a_body_that_is_not_there_cannot_be_written),
        cmocka_unit_test(a_copy_owns_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
