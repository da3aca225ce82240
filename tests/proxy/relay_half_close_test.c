/* SPDX-License-Identifier: MIT
 *
 * Half-closes inside TLS: an end says close_notify, no FIN, and goes on
 * listening (RFC 8446 6.1). What the other end still says must reach it. */
#include "tests/proxy/tls_stage.h"

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const char BANK[] = "bank.lab.test";

/* The versions of both legs. */
static const struct legs {
    int victim, server;
} legs[] = {
    {TLS1_3_VERSION, TLS1_3_VERSION},
    {TLS1_2_VERSION, TLS1_3_VERSION},
    {TLS1_3_VERSION, TLS1_2_VERSION},
    {TLS1_2_VERSION, TLS1_2_VERSION},
};
enum { LEGS = sizeof legs / sizeof *legs };

struct scene {
    struct stage stage;
    struct talker victim, server;
};

static void scene_begins(struct scene *scene, const char *scheme,
                         const struct legs *versions)
{
    struct stage *stage = &scene->stage;
    tls_stage_prepare(stage, scheme);
    stage_raise(stage);
    scene->victim =
        victim_calls(stage, authorities.rogue->root, versions->victim, BANK);
    talker_shakes(&scene->victim);
    scene->server = server_answers(stage);
    SSL_set_max_proto_version(scene->server.ssl, versions->server);
    talkers_shake(&scene->victim, &scene->server);
    assert_true(scene->victim.done);
    talkers_shake(&scene->server, NULL);
    assert_int_equal(SSL_version(scene->victim.ssl), versions->victim);
    assert_int_equal(SSL_version(scene->server.ssl), versions->server);
}

static void scene_ends(struct scene *scene)
{
    talker_leaves(&scene->victim);
    talker_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
}

/* It said goodbye in TLS, and nothing else is there. */
static void hears_bye(struct talker *talker)
{
    assert_int_equal(talker_reads(talker, 1), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(buf_len(&talker->actor.got), 0);
}

/* ---- bytes --------------------------------------------------------------- */

/* One says its last, and the other goes on until it is done, too. */
static void goes_on(struct talker *first, struct talker *other)
{
    talker_says(first, "\1that is all");
    talker_says_bye(first);
    talker_hears(other, "\1that is all");
    hears_bye(other);
    talker_says(other, "\2not for me");
    talker_hears(first, "\2not for me");
    stage_rest(first->actor.stage);
    talker_says(other, "\2yet");
    talker_hears(first, "\2yet");
    talker_says_bye(other);
    hears_bye(first);
}

static void the_server_goes_on_when_the_victim_has_said_all(void **state)
{
    (void)state;
    for (int i = 0; i < LEGS; i++) {
        struct scene scene;
        scene_begins(&scene, "tls", &legs[i]);
        goes_on(&scene.victim, &scene.server);
        stage_empties(&scene.stage);
        scene_ends(&scene);
    }
}

static void the_victim_goes_on_when_the_server_has_said_all(void **state)
{
    (void)state;
    for (int i = 0; i < LEGS; i++) {
        struct scene scene;
        scene_begins(&scene, "tls", &legs[i]);
        talker_says(&scene.victim, "\1hello");
        talker_hears(&scene.server, "\1hello");
        goes_on(&scene.server, &scene.victim);
        scene_ends(&scene);
    }
}

/* ---- HTTP ---------------------------------------------------------------- */

/* The victim has asked its last. */
static void an_answer_comes_after_the_victims_goodbye(void **state)
{
    (void)state;
    for (int i = 0; i < LEGS; i++) {
        struct scene scene;
        scene_begins(&scene, "https", &legs[i]);
        talker_says(&scene.victim, GET);
        talker_says_bye(&scene.victim);
        talker_hears(&scene.server, GET);
        stage_rest(&scene.stage);
        talker_says(&scene.server, OK_HI);
        talker_hears(&scene.victim, OK_HI);
        hears_bye(&scene.victim);
        hears_bye(&scene.server);
        scene_ends(&scene);
    }
}

/* A server of TLS 1.2 that hears a goodbye throws away what it has not sent
 * (RFC 5246 7.2.1), so it must not hear one while it owes an answer. */
static void a_server_of_tls_1_2_hears_it_behind_its_answer(void **state)
{
    (void)state;
    struct scene scene;
    scene_begins(&scene, "https", &legs[2]);
    talker_says(&scene.victim, GET);
    talker_says_bye(&scene.victim);
    talker_hears(&scene.server, GET);
    stage_rest(&scene.stage);
    assert_int_equal(talker_reads(&scene.server, 0), SSL_ERROR_NONE);
    char byte;
    assert_int_equal(recv(scene.server.actor.fd, &byte, 1, MSG_PEEK), -1);
    talker_says(&scene.server, OK_HI);
    talker_hears(&scene.victim, OK_HI);
    hears_bye(&scene.server);
    scene_ends(&scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_goes_on_when_the_victim_has_said_all),
        cmocka_unit_test(the_victim_goes_on_when_the_server_has_said_all),
        cmocka_unit_test(an_answer_comes_after_the_victims_goodbye),
        cmocka_unit_test(a_server_of_tls_1_2_hears_it_behind_its_answer),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
