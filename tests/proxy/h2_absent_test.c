/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 where the server is not there, not any more, or not yet: streams are
 * answered one by one, and the victim's connection outlives the server's. */
#include "tests/proxy/absent_stage.h"
#include "tests/proxy/h2_stage.h"

struct scene {
    struct stage stage;
    struct framer victim, server;
    struct puppet puppet;
};

static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    stage_prepare(&scene->stage, "http");
    puppet_joins(&scene->stage, &scene->puppet);
    scene->server.actor.fd = -1;
    return scene;
}

static void enter(struct scene *scene)
{
    stage_raise(&scene->stage);
    framer_open(&scene->victim, victim_enters(&scene->stage), false);
    framer_turns(&scene->victim);
}

static void server_enters_again(struct scene *scene)
{
    if (scene->server.session)
        framer_leaves(&scene->server);
    framer_open(&scene->server, server_enters(&scene->stage), true);
}

static void close_scene(struct scene *scene)
{
    framer_leaves(&scene->victim);
    if (scene->server.session)
        framer_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    free(scene);
}

static int32_t ask(struct scene *scene)
{
    return framer_asks(&scene->victim, H2_GET, NULL);
}

/* Nobody but the proxy has a word in it. */
static struct seen *told(struct scene *scene, int32_t id)
{
    struct seen *seen = framer_seen(&scene->victim, id);
    FRAMERS_UNTIL(&scene->victim, (struct framer *)NULL, seen->closed);
    return seen;
}

/* The server answers what the victim sent as `id`; its own number is `own`. */
static void serve(struct scene *scene, int32_t id, int32_t own)
{
    struct said hi = {.bytes = "hi", .len = 2};
    struct seen *asked = framer_seen(&scene->server, own);
    struct seen *seen = framer_seen(&scene->victim, id);
    FRAMERS_UNTIL(&scene->victim, &scene->server, asked->ended);
    framer_answers(&scene->server, own, H2_OK, &hi);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->closed);
    seen_is(seen, "hi");
}

static void streams_are_answered_where_nobody_listens(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->puppet.act = HOOK_ANSWER;
    enter(scene);
    server_goes(&scene->stage);
    for (int i = 0; i < 3; i++)
        seen_is(told(scene, ask(scene)), "mine");
    assert_int_equal(scene->puppet.responses, 3);
    assert_false(scene->victim.goaway);
    close_scene(scene);
}

static void
each_stream_tries_the_server_and_finds_it_when_it_is_back(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    enter(scene);
    server_goes(&scene->stage);
    for (int i = 0; i < 2; i++) {
        struct seen *seen = told(scene, ask(scene));
        assert_non_null(strstr(seen->head, ":status: 502\n"));
        assert_non_null(
            memmem(buf_head(&seen->body), buf_len(&seen->body), "refused", 7));
    }
    server_comes(&scene->stage);
    int32_t id = ask(scene);
    server_enters_again(scene);
    serve(scene, id, 1);
    assert_false(scene->victim.goaway);
    close_scene(scene);
}

static void a_server_that_left_is_dialled_for_the_next_stream(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    enter(scene);
    for (int i = 0; i < 3; i++) {
        int32_t id = ask(scene);
        server_enters_again(scene);
        serve(scene, id, 1);
        actor_leaves(&scene->server.actor);
        framers_rest(&scene->victim, NULL);
    }
    assert_false(scene->victim.goaway);
    close_scene(scene);
}

static void a_held_stream_goes_to_the_server_that_is_there_then(void **state)
{
    (void)state;
    for (int absent = 0; absent < 2; absent++) {
        struct scene *scene = scene_new();
        scene->puppet.act = HOOK_WAIT;
        enter(scene);
        if (absent)
            server_goes(&scene->stage);
        int32_t id = ask(scene);
        if (!absent)
            server_enters_again(scene);
        framers_rest(&scene->victim, absent ? NULL : &scene->server);
        assert_int_equal(scene->puppet.requests, 1);
        if (absent)
            server_comes(&scene->stage);
        else
            actor_leaves(&scene->server.actor);
        framers_rest(&scene->victim, NULL);
        hook_resume(scene->puppet.message, HOOK_PASS);
        server_enters_again(scene);
        serve(scene, id, 1);
        close_scene(scene);
    }
}

static void what_is_under_way_ends_when_the_server_dies(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    enter(scene);
    int32_t id = ask(scene);
    server_enters_again(scene);
    struct seen *asked = framer_seen(&scene->server, 1);
    FRAMERS_UNTIL(&scene->victim, &scene->server, asked->ended);
    actor_leaves(&scene->server.actor);
    assert_int_not_equal(told(scene, id)->error, 0);
    id = ask(scene);
    server_enters_again(scene);
    serve(scene, id, 1);
    close_scene(scene);
}

/* The walls are no matter of opinion. */
static void no_hook_is_asked_about_what_is_outside(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->puppet.act = HOOK_ANSWER;
    stage_takes(&scene->stage, WAY_SNI);
    enter(scene);
    int32_t id = framer_asks(&scene->victim,
                             ":method: GET\n:scheme: http\n"
                             ":authority: 8.8.8.8\n:path: /\n",
                             NULL);
    struct seen *seen = told(scene, id);
    assert_non_null(strstr(seen->head, ":status: 403\n"));
    assert_non_null(
        memmem(buf_head(&seen->body), buf_len(&seen->body), "outside", 7));
    assert_int_equal(scene->puppet.requests, 0);
    close_scene(scene);
}

/* ---- HTTP/1.1 on the other leg ------------------------------------------- */

#define GET_1 "GET / HTTP/1.1\r\nhost: bank.lab.test\r\n\r\n"

static void a_server_of_http_1_may_come_late(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->stage.options.h2 = PROXY_H2_VICTIM;
    enter(scene);
    server_goes(&scene->stage);
    struct seen *seen = told(scene, ask(scene));
    assert_non_null(strstr(seen->head, ":status: 502\n"));
    server_comes(&scene->stage);
    int32_t id = ask(scene);
    struct actor server = server_enters(&scene->stage);
    actor_hears(&server, GET_1);
    actor_says(&server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    seen_is(told(scene, id), "hi");
    actor_leaves(&server);
    close_scene(scene);
}

static void a_victim_of_http_1_is_told_in_it(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->stage.options.h2 = PROXY_H2_SERVER;
    scene->puppet.act = HOOK_ANSWER;
    stage_raise(&scene->stage);
    server_goes(&scene->stage);
    struct actor victim = victim_enters(&scene->stage);
    actor_says(&victim, "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n");
    actor_hears(&victim, "HTTP/1.1 200 OK\r\n");
    actor_waits_for(&victim, 40);
    buf_clear(&victim.got);
    scene->puppet.act = HOOK_PASS;
    actor_says(&victim, "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n");
    actor_hears(&victim, "HTTP/1.1 502 Bad Gateway\r\n");
    actor_leaves(&victim);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    free(scene);
}

/* ---- what the server has not begun --------------------------------------- */

/* A victim of HTTP/1.1 asks this of a server of HTTP/2, which sees it. */
static struct actor ask_across(struct scene *scene, const char *request)
{
    scene->stage.options.h2 = PROXY_H2_SERVER;
    stage_raise(&scene->stage);
    struct actor victim = victim_enters(&scene->stage);
    actor_says(&victim, request);
    server_enters_again(scene);
    struct seen *asked = framer_seen(&scene->server, 1);
    FRAMERS_UNTIL(&scene->server, (struct framer *)NULL, asked->ended);
    return victim;
}

static void close_across(struct scene *scene, struct actor *victim)
{
    actor_leaves(victim);
    framer_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    free(scene);
}

/* As its stream `own`. */
static void answer_across(struct scene *scene, struct actor *victim,
                          int32_t own)
{
    struct said hi = {.bytes = "hi", .len = 2};
    struct seen *asked = framer_seen(&scene->server, own);
    FRAMERS_UNTIL(&scene->server, (struct framer *)NULL, asked->ended);
    framer_answers(&scene->server, own, H2_OK, &hi);
    FRAMERS_UNTIL(&scene->server, (struct framer *)NULL,
                  (actor_listens(victim), buf_len(&victim->got) > 20));
    actor_hears(victim, "HTTP/1.1 200 OK\r\n");
}

static const char *const bare[] = {
    "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n",
    /* It was not begun, so any method will do. */
    "POST / HTTP/1.1\r\nHost: bank.lab.test\r\nContent-Length: 0\r\n\r\n",
};

static void what_a_leaving_server_did_not_begin_is_asked_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct scene *scene = scene_new();
        struct actor victim = ask_across(scene, bare[i]);
        nghttp2_submit_goaway(scene->server.session, 0, 0, NGHTTP2_NO_ERROR,
                              NULL, 0);
        framers_rest(&scene->server, NULL);
        server_enters_again(scene);
        answer_across(scene, &victim, 1);
        assert_int_equal(scene->puppet.requests, 1);
        close_across(scene, &victim);
    }
}

static void what_a_server_refuses_is_asked_once_more(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        struct scene *scene = scene_new();
        struct actor victim = ask_across(scene, bare[twice]);
        for (int i = 0; i <= twice; i++) {
            struct seen *asked = framer_seen(&scene->server, 2 * i + 1);
            FRAMERS_UNTIL(&scene->server, (struct framer *)NULL, asked->ended);
            nghttp2_submit_rst_stream(scene->server.session, 0, 2 * i + 1,
                                      NGHTTP2_REFUSED_STREAM);
            framers_rest(&scene->server, NULL);
        }
        if (twice)
            actor_hears(&victim, "HTTP/1.1 502 ");
        else
            answer_across(scene, &victim, 3);
        close_across(scene, &victim);
    }
}

static void a_body_that_is_gone_is_not_asked_again(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct actor victim =
        ask_across(scene, "PUT / HTTP/1.1\r\nHost: bank.lab.test\r\n"
                          "Content-Length: 2\r\n\r\nhi");
    nghttp2_submit_rst_stream(scene->server.session, 0, 1,
                              NGHTTP2_REFUSED_STREAM);
    framers_rest(&scene->server, NULL);
    actor_hears(&victim, "HTTP/1.1 502 ");
    close_across(scene, &victim);
}

/* It can ask again by itself. */
static void a_victim_of_http_2_hears_that_it_was_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    enter(scene);
    int32_t id = ask(scene);
    server_enters_again(scene);
    struct seen *asked = framer_seen(&scene->server, 1);
    FRAMERS_UNTIL(&scene->victim, &scene->server, asked->ended);
    nghttp2_submit_goaway(scene->server.session, 0, 0, NGHTTP2_NO_ERROR, NULL,
                          0);
    struct seen *seen = framer_seen(&scene->victim, id);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->closed);
    assert_int_equal(seen->error, NGHTTP2_REFUSED_STREAM);
    close_scene(scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_answered_where_nobody_listens),
        cmocka_unit_test(
            each_stream_tries_the_server_and_finds_it_when_it_is_back),
        cmocka_unit_test(a_server_that_left_is_dialled_for_the_next_stream),
        cmocka_unit_test(a_held_stream_goes_to_the_server_that_is_there_then),
        cmocka_unit_test(what_is_under_way_ends_when_the_server_dies),
        cmocka_unit_test(no_hook_is_asked_about_what_is_outside),
        cmocka_unit_test(a_server_of_http_1_may_come_late),
        cmocka_unit_test(a_victim_of_http_1_is_told_in_it),
        cmocka_unit_test(what_a_leaving_server_did_not_begin_is_asked_anew),
        cmocka_unit_test(what_a_server_refuses_is_asked_once_more),
        cmocka_unit_test(a_body_that_is_gone_is_not_asked_again),
        cmocka_unit_test(a_victim_of_http_2_hears_that_it_was_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
