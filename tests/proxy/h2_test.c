/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 on both legs: every stream goes its own way through the hooks, and
 * no one of them, nor what a peer does wrong, is felt by the others. */
#include "tests/proxy/h2_stage.h"

#include <signal.h>

/* A proxy in clear, a victim and a server that speak HTTP/2 at once. */
struct scene {
    struct stage stage;
    struct framer victim, server;
    struct hook hook, *hooks[1];
    struct message *held[4];
    unsigned held_count, requests, responses, abandoned;
    uint32_t streams[4];
    bool waits;
    enum hook_act act;
    const char *body;
};

static void open_scene(struct scene *scene)
{
    stage_raise(&scene->stage);
    framer_open(&scene->victim, victim_enters(&scene->stage), false);
    framer_turns(&scene->victim);
    framer_open(&scene->server, server_enters(&scene->stage), true);
}

static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    stage_prepare(&scene->stage, "http");
    return scene;
}

static void close_scene(struct scene *scene)
{
    framer_leaves(&scene->victim);
    framer_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    free(scene);
}

/* The server's view of the request that the victim sent as `id`. */
static struct seen *asked(struct scene *scene, int32_t id)
{
    struct seen *seen = framer_seen(&scene->server, id);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->ended);
    return seen;
}

static struct seen *answered(struct scene *scene, int32_t id)
{
    struct seen *seen = framer_seen(&scene->victim, id);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->closed);
    return seen;
}

/* ---- passing ------------------------------------------------------------- */

static void a_request_and_its_response_pass(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct said body = {.bytes = "hello", .len = 5};
    open_scene(scene);
    int32_t id = framer_asks(&scene->victim, H2_GET "x-order: 1\na: 2\n", NULL);
    struct seen *seen = asked(scene, id);
    assert_string_equal(seen->head, H2_GET "x-order: 1\na: 2\n");
    framer_answers(&scene->server, id, H2_OK "content-length: 5\nb: c\n",
                   &body);
    seen = answered(scene, id);
    assert_int_equal(seen->error, 0);
    assert_string_equal(seen->head, H2_OK "content-length: 5\nb: c\n");
    seen_is(seen, "hello");
    assert_true(stage_has_event(&scene->stage, "http.request",
                                "\"stream\":1,\"method\":\"GET\""));
    assert_true(
        stage_has_event(&scene->stage, "http.response", "\"leg\":\"victim\""));
    assert_true(stage_has_event(&scene->stage, "http.response",
                                "\"stream\":1,\"status\":200"));
    close_scene(scene);
}

static void a_body_and_trailers_pass_up(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    size_t len = 300 * 1000;
    char *bytes = malloc(len);
    memset(bytes, 'x', len);
    struct said up = {.bytes = bytes, .len = len, .trailer = "x-sum"};
    struct said down = {.bytes = bytes, .len = len, .trailer = "x-end"};
    open_scene(scene);
    int32_t id = framer_asks(&scene->victim, H2_POST "te: trailers\n", &up);
    struct seen *seen = asked(scene, id);
    assert_int_equal(buf_len(&seen->body), len);
    assert_string_equal(seen->after, "x-sum: end\n");
    assert_non_null(strstr(seen->head, "te: trailers"));
    framer_answers(&scene->server, id, H2_OK, &down);
    seen = answered(scene, id);
    assert_int_equal(buf_len(&seen->body), len);
    assert_memory_equal(buf_head(&seen->body), bytes, len);
    assert_string_equal(seen->after, "x-end: end\n");
    free(bytes);
    close_scene(scene);
}

static void answers_may_come_in_any_order(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct said bodies[20];
    int32_t ids[20];
    open_scene(scene);
    for (int i = 0; i < 20; i++)
        ids[i] = framer_asks(&scene->victim, H2_GET, NULL);
    for (int i = 19; i >= 0; i--) {
        asked(scene, ids[i]);
        bodies[i] =
            (struct said){.bytes = "abcdefghijklmnopqrst" + i, .len = 1};
        framer_answers(&scene->server, ids[i], H2_OK, &bodies[i]);
        struct seen *seen = answered(scene, ids[i]);
        assert_int_equal(buf_head(&seen->body)[0], 'a' + i);
    }
    close_scene(scene);
}

/* ---- wrong --------------------------------------------------------------- */

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_response_pass),
        cmocka_unit_test(a_body_and_trailers_pass_up),
        cmocka_unit_test(answers_may_come_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
