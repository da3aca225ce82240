/* SPDX-License-Identifier: MIT
 *
 * rewrite on messages in memory: what it changes, what it leaves alone, and
 * what it says about it. */
#include "tests/attacks/events.h"

#include "attacks/attack.h"
#include "proxy/message.h"

#include <string.h>

struct scene {
    struct attack_run *run;
    struct flow flow;
    struct message_field fields[4];
    struct message message;
};

/* An attack that is switched on, and a message on its way. */
static void open_scene(struct scene *scene, const char *spec,
                       enum http1_kind kind, const char *body)
{
    struct attack_env env = {.kind = ATTACK_HOOK};
    struct err err = ERR_INIT;
    *scene = (struct scene){.flow = {.id = 1},
                            .fields = {{"Host", "bank"},
                                       {"Set-Cookie", "a=one"},
                                       {"set-cookie", "b=one"},
                                       {"Content-Length", "3"}}};
    scene->message = (struct message){.kind = kind,
                                      .arena = &scene->flow.arena,
                                      .method = "POST",
                                      .target = "/transfer",
                                      .status = 200,
                                      .reason = "OK",
                                      .minor = 1,
                                      .fields = scene->fields,
                                      .fields_count = 4};
    assert_int_equal(attack_start(spec, &env, &scene->run, &err), 0);
    if (body)
        assert_int_equal(message_set_body(&scene->message, body, strlen(body)),
                         0);
}

static void close_scene(struct scene *scene)
{
    message_close(&scene->message);
    arena_free(&scene->flow.arena);
    attack_stop(scene->run);
}

static enum hook_act send_request(struct scene *scene)
{
    struct hook *hook = &scene->run->hook;
    return hook->on_request
               ? hook->on_request(hook->config, &scene->flow, &scene->message)
               : HOOK_PASS;
}

static enum hook_act send_response(struct scene *scene)
{
    struct hook *hook = &scene->run->hook;
    return hook->on_response
               ? hook->on_response(hook->config, &scene->flow, &scene->message)
               : HOOK_PASS;
}

static const char *body_of(struct scene *scene)
{
    return arena_copy(&scene->flow.arena, buf_head(&scene->message.body),
                      buf_len(&scene->message.body));
}

static void every_occurrence_in_a_body_is_replaced(void **state)
{
    static const struct {
        const char *spec, *body, *after; /* NULL: untouched */
        int count;
    } rows[] = {
        {"rewrite,find=bob,with=mallory", "payee=bob&amount=1",
         "payee=mallory&amount=1", 1},
        {"rewrite,find=bob,with=mallory", "bobbob", "mallorymallory", 2},
        {"rewrite,find=bob,with=eve", "bob", "eve", 1},
        {"rewrite,find=bob,with=", "bob,bob", ",", 2},
        {"rewrite,find=aa,with=a", "aaaaa", "aaa", 2},
        {"rewrite,find=a,with=aa", "aba", "aabaa", 2},
        {"rewrite,find=bob,with=bob", "bob", "bob", 1},
        {"rewrite,find=bob,with=eve", "BOB bo b", NULL, 0},
        {"rewrite,find=longer than the body,with=x", "short", NULL, 0},
        {"rewrite,find=bob,with=eve,in=response", "bob", NULL, 0},
        {"rewrite,find=bob,with=eve", "", NULL, 0},
        {"rewrite,find=bob,with=eve", NULL, NULL, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene;
        open_scene(&scene, rows[i].spec, HTTP1_REQUEST, rows[i].body);
        enum hook_act act = send_request(&scene);
        assert_int_equal(act, rows[i].after ? HOOK_CHANGED : HOOK_PASS);
        json_t *event = events_next();
        if (rows[i].after) {
            assert_string_equal(body_of(&scene), rows[i].after);
            assert_string_equal(events_text(event, "kind"), "attack.changed");
            assert_string_equal(events_text(event, "leg"), "server");
            assert_string_equal(events_text(event, "what"), "body");
            assert_int_equal(events_number(event, "count"), rows[i].count);
        } else {
            assert_null(event);
        }
        json_decref(event);
        close_scene(&scene);
    }
}

static void what_is_shown_is_what_stood_around_the_change(void **state)
{
    struct scene scene;
    char body[200], after[200];
    (void)state;
    memset(body, '.', sizeof body);
    memcpy(body + 100, "bob", 3);
    body[199] = 0;
    open_scene(&scene, "rewrite,find=bob,with=mallory", HTTP1_RESPONSE, body);
    assert_int_equal(send_response(&scene), HOOK_CHANGED);
    json_t *event = events_next();
    assert_string_equal(events_text(event, "leg"), "victim");
    memset(after, '.', 71);
    memcpy(after + 32, "mallory", 7);
    after[71] = 0;
    assert_string_equal(events_text(event, "after"), after);
    assert_int_equal(strlen(events_text(event, "before")), 67);
    json_decref(event);
    close_scene(&scene);
}

static void a_field_is_edited_wherever_it_stands(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene, "rewrite,field=SET-COOKIE,find=one,with=two",
               HTTP1_RESPONSE, "one");
    assert_int_equal(scene.run->hook.wants, 0);
    assert_int_equal(send_response(&scene), HOOK_CHANGED);
    assert_string_equal(scene.message.fields[1].value, "a=two");
    assert_string_equal(scene.message.fields[2].value, "b=two");
    assert_string_equal(scene.message.fields[2].name, "set-cookie");
    assert_string_equal(scene.message.fields[0].value, "bank");
    assert_string_equal(body_of(&scene), "one");
    json_t *event = events_next();
    assert_string_equal(events_text(event, "what"), "field");
    assert_string_equal(events_text(event, "field"), "SET-COOKIE");
    json_decref(event);
    close_scene(&scene);
}

static void lengths_are_put_right_unless_naive(void **state)
{
    static const struct {
        const char *spec, *length;
        unsigned wants;
    } rows[] = {
        {"rewrite,in=request,find=bob,with=mallory", "Content-Length: 7\r\n",
         HOOK_WANTS_REQUEST_BODY},
        {"rewrite,find=bob,with=mallory,naive=yes", "Content-Length: 3\r\n",
         HOOK_WANTS_REQUEST_BODY | HOOK_WANTS_RESPONSE_BODY |
             HOOK_WANTS_NAIVE_LENGTH},
    };
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene scene;
        struct buf out = {0};
        open_scene(&scene, rows[i].spec, HTTP1_REQUEST, "bob");
        unsigned wants = scene.run->hook.wants;
        assert_int_equal(wants, rows[i].wants);
        assert_int_equal(send_request(&scene), HOOK_CHANGED);
        assert_int_equal(message_write(&scene.message,
                                       wants & HOOK_WANTS_NAIVE_LENGTH, &out),
                         0);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_non_null(strstr((char *)buf_head(&out), rows[i].length));
        assert_non_null(strstr((char *)buf_head(&out), "\r\n\r\nmallory"));
        json_decref(events_next());
        buf_free(&out);
        close_scene(&scene);
    }
}

static void texts_that_were_asked_for_are_reported(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene, "rewrite,find=zzz,look=bob|bank", HTTP1_REQUEST,
               "payee=bob&password=secret");
    assert_int_equal(send_request(&scene), HOOK_PASS);
    static const char *const found[] = {"bank", "bob"};
    for (unsigned i = 0; i < 2; i++) {
        json_t *event = events_next();
        assert_string_equal(events_text(event, "kind"), "secret.read");
        assert_string_equal(events_text(event, "value"), found[i]);
        assert_string_equal(events_text(event, "leg"), "victim");
        json_decref(event);
    }
    assert_null(events_next()); /* passwords are not what rewrite looks for */
    close_scene(&scene);
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, events_open, events_close)
    const struct CMUnitTest tests[] = {
        CASE(every_occurrence_in_a_body_is_replaced),
        CASE(what_is_shown_is_what_stood_around_the_change),
        CASE(a_field_is_edited_wherever_it_stands),
        CASE(lengths_are_put_right_unless_naive),
        CASE(texts_that_were_asked_for_are_reported),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
