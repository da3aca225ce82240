/* SPDX-License-Identifier: MIT
 *
 * How long HTTP/2 may take: a connection on which nothing is asked has the
 * time of an idle one, whatever had less time before, and frames that are no
 * part of a message neither shorten nor lengthen that. */
#include "tests/proxy/h2_stage.h"
#include "tests/proxy/later.h"

struct scene {
    struct stage stage;
    struct framer victim, server;
};

static void scene_opens(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    stage_prepare(&scene->stage, "http");
    stage_raise(&scene->stage);
    framer_open(&scene->victim, victim_enters(&scene->stage), false);
    framer_turns(&scene->victim);
    framer_open(&scene->server, server_enters(&scene->stage), true);
    framers_rest(&scene->victim, &scene->server);
}

static void scene_closes(struct scene *scene)
{
    framer_leaves(&scene->victim);
    framer_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
}

static int32_t ask(struct scene *scene)
{
    return framer_asks(&scene->victim, H2_GET, NULL);
}

/* The server has it, as its stream `own`. */
static void asked(struct scene *scene, int32_t own)
{
    struct seen *seen = framer_seen(&scene->server, own);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->ended);
}

static void answer(struct scene *scene, int32_t id, int32_t own)
{
    struct said hi = {.bytes = "hi", .len = 2};
    struct seen *seen = framer_seen(&scene->victim, id);
    framer_answers(&scene->server, own, H2_OK, &hi);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->closed);
    seen_is(seen, "hi");
    assert_false(scene->victim.goaway);
}

static void later(struct scene *scene, int64_t ms)
{
    stage_later(&scene->stage, ms);
    framers_rest(&scene->victim, &scene->server);
}

static void a_victim_may_ask_long_after_it_came(void **state)
{
    (void)state;
    struct scene scene;
    scene_opens(&scene);
    later(&scene, HEAD_IS_LATE);
    assert_false(scene.victim.goaway);
    int32_t id = ask(&scene);
    asked(&scene, 1);
    answer(&scene, id, 1);
    scene_closes(&scene);
}

/* A frame has the time of a head to become whole, and then that is over. */
static void a_frame_in_two_pieces_shortens_nothing(void **state)
{
    (void)state;
    static const char ping[] = "\0\0\10\6\0\0\0\0\0eight by";
    struct scene scene;
    scene_opens(&scene);
    int32_t id = ask(&scene);
    asked(&scene, 1);
    actor_says_bytes(&scene.victim.actor, ping, 5);
    framers_rest(&scene.server, NULL);
    actor_says_bytes(&scene.victim.actor, ping + 5, sizeof ping - 6);
    framers_rest(&scene.victim, &scene.server);
    later(&scene, HEAD_IS_LATE);
    answer(&scene, id, 1);
    scene_closes(&scene);
}

static void a_frame_that_stays_a_piece_ends_it(void **state)
{
    (void)state;
    struct scene scene;
    scene_opens(&scene);
    actor_says_bytes(&scene.victim.actor, "\0\0\10\6\0", 5);
    later(&scene, HEAD_IS_LATE);
    FRAMERS_UNTIL(&scene.victim, &scene.server, scene.victim.goaway);
    scene_closes(&scene);
}

static void a_server_that_was_dialled_anew_may_take_its_time(void **state)
{
    (void)state;
    struct scene scene;
    scene_opens(&scene);
    framer_leaves(&scene.server);
    framers_rest(&scene.victim, NULL);
    int32_t id = ask(&scene);
    framer_open(&scene.server, server_enters(&scene.stage), true);
    asked(&scene, 1);
    later(&scene, HEAD_IS_LATE);
    answer(&scene, id, 1);
    scene_closes(&scene);
}

static void frames_that_are_no_message_keep_nothing_alive(void **state)
{
    (void)state;
    struct scene scene;
    scene_opens(&scene);
    for (int i = 0; i < 13 && !scene.victim.goaway; i++) {
        nghttp2_submit_ping(scene.victim.session, 0, NULL);
        later(&scene, HEAD_IS_LATE);
    }
    FRAMERS_UNTIL(&scene.victim, &scene.server, scene.victim.goaway);
    assert_int_equal(scene.victim.goaway_error, NGHTTP2_NO_ERROR);
    scene_closes(&scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_victim_may_ask_long_after_it_came),
        cmocka_unit_test(a_frame_in_two_pieces_shortens_nothing),
        cmocka_unit_test(a_frame_that_stays_a_piece_ends_it),
        cmocka_unit_test(a_server_that_was_dialled_anew_may_take_its_time),
        cmocka_unit_test(frames_that_are_no_message_keep_nothing_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
