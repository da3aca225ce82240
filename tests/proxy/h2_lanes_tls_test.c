/* SPDX-License-Identifier: MIT
 *
 * Several connections to a server of HTTP/1.1 behind TLS, for one victim of
 * HTTP/2: each handshake is one of its own, and believed for itself. */
#include "tests/proxy/h2_down.h"
#include "tests/proxy/tls_stage.h"

struct hall {
    struct stage stage;
    struct framer victim;
    struct talker servers[2];
};

static struct hall *hall_open(void)
{
    struct hall *hall = calloc(1, sizeof *hall);
    tls_stage_prepare(&hall->stage, "https");
    hall->stage.options.h2 = PROXY_H2_VICTIM;
    stage_raise(&hall->stage);
    framer_open(&hall->victim, victim_enters(&hall->stage), false);
    framer_turns(&hall->victim);
    hall->servers[0] = server_answers(&hall->stage);
    talkers_shake(&hall->servers[0], NULL);
    assert_true(hall->servers[0].done);
    return hall;
}

static void hall_close(struct hall *hall)
{
    framer_leaves(&hall->victim);
    for (int i = 0; i < 2; i++)
        talker_leaves(&hall->servers[i]);
    stage_empties(&hall->stage);
    stage_close(&hall->stage);
    free(hall);
}

static unsigned count_events(struct stage *stage, const char *kind,
                             const char *part)
{
    char mark[64], *rest = NULL, *text = stage_events(stage);
    unsigned count = 0;
    snprintf(mark, sizeof mark, "\"kind\":\"%s\"", kind);
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        count += strstr(line, mark) && strstr(line, part);
    free(text);
    return count;
}

static struct seen *hall_answered(struct hall *hall, int32_t id)
{
    struct seen *seen = framer_seen(&hall->victim, id);
    FRAMERS_UNTIL(&hall->victim, (struct framer *)NULL, seen->closed);
    return seen;
}

static void each_lane_shakes_hands_and_verifies(void **state)
{
    (void)state;
    struct hall *hall = hall_open();
    int32_t one = framer_asks(&hall->victim, H2_GET, NULL);
    int32_t two = framer_asks(&hall->victim, H2_GET, NULL);
    talker_hears(&hall->servers[0], GET_1);
    hall->servers[1] = server_answers(&hall->stage);
    talkers_shake(&hall->servers[1], NULL);
    talker_hears(&hall->servers[1], GET_1);
    for (int i = 1; i >= 0; i--)
        talker_says(&hall->servers[i], OK_HI);
    seen_is(hall_answered(hall, one), "hi");
    seen_is(hall_answered(hall, two), "hi");
    assert_int_equal(
        count_events(&hall->stage, "tls.upstream", "\"verified\":true"), 2);
    assert_int_equal(count_events(&hall->stage, "tls.done", "server"), 2);
    hall_close(hall);
}

/* A certificate that nobody vouches for. */
static struct talker impostor_greets(struct actor actor)
{
    static const char *const names[] = {"127.0.0.1"};
    struct err err = ERR_INIT;
    struct talker talker = server_greets(actor);
    X509 *leaf;
    EVP_PKEY *key;
    assert_int_equal(ca_issue(authorities.rogue, names, 1, &leaf, &key, &err),
                     0);
    SSL_use_cert_and_key(talker.ssl, leaf, key, NULL, 1);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return talker;
}

static void a_lane_that_does_not_verify_carries_nothing(void **state)
{
    (void)state;
    struct hall *hall = hall_open();
    int32_t one = framer_asks(&hall->victim, H2_GET, NULL);
    int32_t two = framer_asks(&hall->victim, H2_GET, NULL);
    talker_hears(&hall->servers[0], GET_1);
    hall->servers[1] = impostor_greets(server_enters(&hall->stage));
    talkers_shake(&hall->servers[1], NULL);
    FRAMERS_UNTIL(
        &hall->victim, (struct framer *)NULL,
        stage_has_event(&hall->stage, "server.unreachable", "does not verify"));
    talker_says(&hall->servers[0], OK_HI);
    talker_hears(&hall->servers[0], GET_1);
    talker_says(&hall->servers[0], OK_HI);
    seen_is(hall_answered(hall, one), "hi");
    seen_is(hall_answered(hall, two), "hi");
    hall_close(hall);
}

/* That it hung up is seen while nothing more is asked of it. */
static void an_early_answer_ends_the_upload(void **state)
{
    (void)state;
    struct hall *hall = hall_open();
    struct said half = {.bytes = "half", .len = 4, .endless = true};
    int32_t id = framer_asks(&hall->victim, H2_POST, &half);
    talker_hears(&hall->servers[0],
                 POST_1 "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    talker_says(&hall->servers[0], "HTTP/1.1 413 No\r\nContent-Length: 3\r\n"
                                   "Connection: close\r\n\r\nbig");
    talker_says_bye(&hall->servers[0]);
    actor_finishes(&hall->servers[0].actor);
    struct seen *seen = hall_answered(hall, id);
    seen_is(seen, "big");
    assert_int_equal(seen->error, NGHTTP2_NO_ERROR);
    hall->servers[1].actor.fd = -1;
    hall_close(hall);
}

/* It has seen that there is something, and answered in its way. */
static void a_lane_that_ends_with_an_alert_is_not_asked_again(void **state)
{
    (void)state;
    struct hall *hall = hall_open();
    int32_t id = framer_asks(&hall->victim, H2_GET, NULL);
    talker_hears(&hall->servers[0], GET_1);
    talker_says(&hall->servers[0], OK_HI);
    seen_is(hall_answered(hall, id), "hi");
    id = framer_asks(&hall->victim, H2_GET, NULL);
    talker_hears(&hall->servers[0], GET_1);
    talker_alerts(&hall->servers[0]);
    assert_non_null(strstr(hall_answered(hall, id)->head, ":status: 502"));
    framers_rest(&hall->victim, NULL);
    assert_int_equal(stage_door(&hall->stage), -1);
    hall->servers[1].actor.fd = -1;
    hall_close(hall);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_shakes_hands_and_verifies),
        cmocka_unit_test(a_lane_that_does_not_verify_carries_nothing),
        cmocka_unit_test(an_early_answer_ends_the_upload),
        cmocka_unit_test(a_lane_that_ends_with_an_alert_is_not_asked_again),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
