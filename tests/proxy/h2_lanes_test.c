/* SPDX-License-Identifier: MIT
 *
 * Streams of a victim of HTTP/2 go side by side to a server of HTTP/1.1, each
 * on a connection of its own; what happens on one of them is no matter of the
 * others. */
#include "proxy/proxy_head.h"
#include "proxy/relay.h"
#include "proxy/worker.h"
#include "tests/proxy/h2_down.h"

#include <signal.h>

#define H2_GET_OF(path)                                                        \
    ":method: GET\n:scheme: http\n:authority: bank.lab.test\n:path: " path "\n"
#define GET_OF(path) "GET " path " HTTP/1.1\r\nhost: bank.lab.test\r\n\r\n"

enum { LANES = 6 };

static void nobody_is_at_the_door(struct down *down)
{
    down_rests(down);
    assert_true(stage_door(&down->stage) < 0);
}

/* The next connection that the proxy opens, and what it asks there. */
static struct actor next_lane(struct down *down, const char *hears)
{
    struct actor server = {.stage = &down->stage, .fd = -1};
    for (int i = 0; i < PATIENCE_TURNS && server.fd < 0; i++) {
        framer_turns(&down->victim);
        stage_turn(&down->stage);
        server.fd = stage_door(&down->stage);
    }
    assert_true(server.fd >= 0);
    down_server_hears(down, &server, hears);
    return server;
}

/* ---- side by side -------------------------------------------------------- */

/* None is answered before all have arrived. */
static void streams_go_side_by_side(void **state)
{
    (void)state;
    struct down *down = down_new();
    struct actor servers[LANES];
    int32_t ids[LANES];
    for (int i = 0; i < LANES; i++)
        ids[i] = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    servers[0] = down->server;
    for (int i = 1; i < LANES; i++)
        servers[i] = next_lane(down, GET_1);
    for (int i = LANES - 1; i >= 0; i--) {
        actor_says(&servers[i], OK_HI);
        if (i)
            framer_turns(&down->victim);
    }
    for (int i = 0; i < LANES; i++)
        seen_is(down_answered(down, ids[i]), "hi");
    for (int i = 1; i < LANES; i++)
        actor_leaves(&servers[i]);
    down->server = servers[0];
    down_free(down);
}

static void beyond_the_limit_they_wait_in_their_order(void **state)
{
    (void)state;
    struct down *down = down_prepare();
    down->stage.options.lanes_most = 2;
    down_enter(down);
    framer_asks(&down->victim, H2_GET_OF("/1"), NULL);
    framer_asks(&down->victim, H2_GET_OF("/2"), NULL);
    int32_t three = framer_asks(&down->victim, H2_GET_OF("/3"), NULL);
    int32_t four = framer_asks(&down->victim, H2_GET_OF("/4"), NULL);
    down_hears(down, GET_OF("/1"));
    struct actor other = next_lane(down, GET_OF("/2"));
    nobody_is_at_the_door(down);
    actor_says(&other, OK_HI);
    down_server_hears(down, &other, GET_OF("/3"));
    actor_says(&down->server, OK_HI);
    down_hears(down, GET_OF("/4"));
    actor_says(&down->server, OK_HI);
    actor_says(&other, OK_HI);
    seen_is(down_answered(down, three), "hi");
    seen_is(down_answered(down, four), "hi");
    actor_leaves(&other);
    down_free(down);
}

static void a_lane_that_is_free_is_used_again(void **state)
{
    (void)state;
    struct down *down = down_new();
    for (int i = 0; i < 5; i++) {
        int32_t id = framer_asks(&down->victim, H2_GET, NULL);
        down_hears(down, GET_1);
        actor_says(&down->server, OK_HI);
        seen_is(down_answered(down, id), "hi");
    }
    nobody_is_at_the_door(down);
    down_free(down);
}

static void each_lane_is_told_of_with_its_own_addresses(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t one = framer_asks(&down->victim, H2_GET_OF("/1"), NULL);
    int32_t two = framer_asks(&down->victim, H2_GET_OF("/2"), NULL);
    down_hears(down, GET_OF("/1"));
    struct actor other = next_lane(down, GET_OF("/2"));
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    char port[64];
    getpeername(other.fd, (struct sockaddr *)&from, &len);
    snprintf(port, sizeof port, "[\"127.0.0.1\",%d,", ntohs(from.sin_port));
    assert_true(stage_has_event(&down->stage, "flow.open", port));
    actor_says(&down->server, OK_HI);
    actor_says(&other, "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n2");
    actor_finishes(&other);
    seen_is(down_answered(down, one), "hi");
    seen_is(down_answered(down, two), "2");
    down_rests(down);
    char *text = stage_events(&down->stage), *rest = NULL;
    unsigned told = 0, ended = 0;
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (!strstr(line, port))
            continue;
        told += strstr(line, "\"http.request\"") && strstr(line, "\"/2\"");
        told += strstr(line, "\"http.response\"") && strstr(line, "201");
        ended += strstr(line, "\"flow.end\"") != NULL;
    }
    free(text);
    assert_int_equal(told, 2);
    assert_int_equal(ended, 1);
    actor_leaves(&other);
    down_free(down);
}

/* ---- what waits ---------------------------------------------------------- */

static struct message *held;

static enum hook_act hold_some(void *config, struct flow *flow,
                               struct message *message)
{
    (void)config;
    (void)flow;
    bool request = message->kind == HTTP1_REQUEST;
    if (strcmp(message->target, request ? "/held" : "/held-answer"))
        return HOOK_PASS;
    held = message;
    return HOOK_WAIT;
}

static struct hook holder = {
    .name = "holder", .on_request = hold_some, .on_response = hold_some};
static struct hook *const hooks[] = {&holder};

static struct down *down_new_held(void)
{
    struct down *down = down_prepare();
    down->stage.options.hooks = hooks;
    down->stage.options.hooks_count = 1;
    down->stage.options.lanes_most = 1;
    down_enter(down);
    return down;
}

/* Even on a single lane. */
static void a_request_that_a_hook_holds_takes_no_lane(void **state)
{
    (void)state;
    struct down *down = down_new_held();
    int32_t waits = framer_asks(&down->victim, H2_GET_OF("/held"), NULL);
    int32_t next = framer_asks(&down->victim, H2_GET_OF("/"), NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, next), "hi");
    hook_resume(held, HOOK_PASS);
    down_hears(down, GET_OF("/held"));
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, waits), "hi");
    down_free(down);
}

static void an_answer_that_a_hook_holds_frees_its_lane(void **state)
{
    (void)state;
    struct down *down = down_new_held();
    int32_t waits = framer_asks(&down->victim, H2_GET_OF("/held-answer"), NULL);
    int32_t next = framer_asks(&down->victim, H2_GET_OF("/"), NULL);
    down_hears(down, GET_OF("/held-answer"));
    actor_says(&down->server, OK_HI);
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, next), "hi");
    assert_false(framer_seen(&down->victim, waits)->begun);
    hook_resume(held, HOOK_PASS);
    seen_is(down_answered(down, waits), "hi");
    down_free(down);
}

/* ---- what goes wrong ----------------------------------------------------- */

static void a_lane_that_breaks_hits_its_own_stream_only(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t one = framer_asks(&down->victim, H2_GET_OF("/1"), NULL);
    int32_t two = framer_asks(&down->victim, H2_GET_OF("/2"), NULL);
    int32_t three = framer_asks(&down->victim, H2_GET_OF("/3"), NULL);
    down_hears(down, GET_OF("/1"));
    struct actor second = next_lane(down, GET_OF("/2"));
    struct actor third = next_lane(down, GET_OF("/3"));
    actor_resets(&second);
    assert_non_null(strstr(down_answered(down, two)->head, ":status: 502"));
    actor_says(&third, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
    actor_finishes(&third);
    assert_int_equal(down_answered(down, three)->error, NGHTTP2_INTERNAL_ERROR);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, one), "hi");
    assert_false(down->victim.goaway);
    actor_leaves(&third);
    down_free(down);
}

static void a_victim_that_takes_one_back_keeps_the_others(void **state)
{
    (void)state;
    struct down *down = down_new();
    struct said half = {.bytes = "half", .len = 4, .endless = true};
    int32_t one = framer_asks(&down->victim, H2_POST, &half);
    int32_t two = framer_asks(&down->victim, H2_GET_OF("/2"), NULL);
    down_hears(down, POST_1 "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    struct actor other = next_lane(down, GET_OF("/2"));
    nghttp2_submit_rst_stream(down->victim.session, 0, one, NGHTTP2_CANCEL);
    down_rests(down);
    actor_hears_end(&down->server);
    actor_says(&other, OK_HI);
    seen_is(down_answered(down, two), "hi");
    actor_leaves(&other);
    down_free(down);
}

static void a_server_that_closes_is_connected_to_again(void **state)
{
    (void)state;
    struct down *down = down_new();
    for (int i = 0; i < 3; i++) {
        int32_t id = framer_asks(&down->victim, H2_GET, NULL);
        down_hears(down, GET_1);
        actor_says(&down->server, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                  "\r\nto the end");
        actor_finishes(&down->server);
        seen_is(down_answered(down, id), "to the end");
        down_rests(down);
        actor_leaves(&down->server);
        if (i < 2)
            framer_asks(&down->victim, H2_GET_OF("/more"), NULL);
        if (i < 2)
            down->server = next_lane(down, GET_OF("/more"));
        if (i < 2)
            actor_says(&down->server, OK_HI);
    }
    assert_false(down->victim.goaway);
    down_free(down);
}

static void an_idle_server_that_hangs_up_ends_nothing(void **state)
{
    (void)state;
    struct down *down = down_new();
    actor_finishes(&down->server);
    down_rests(down);
    assert_false(down->victim.goaway);
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    actor_leaves(&down->server);
    down->server = next_lane(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, id), "hi");
    down_free(down);
}

/* The server hung up while the request was on its way there. */
static const struct {
    const char *head, *body, *hears;
    bool again;
} hung_up[] = {
    {H2_GET, NULL, GET_1, true},
    {H2_POST, NULL, POST_1 "\r\n", false},
    {":method: PUT\n:scheme: http\n:authority: bank.lab.test\n:path: /\n"
     "content-length: 2\n",
     "hi",
     "PUT / HTTP/1.1\r\nhost: bank.lab.test\r\ncontent-length: 2\r\n\r\nhi",
     false},
};

static void only_what_is_harmless_is_asked_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hung_up / sizeof *hung_up; i++) {
        struct down *down = down_new();
        struct said body = {.bytes = hung_up[i].body, .len = 2};
        int32_t first = framer_asks(&down->victim, H2_GET, NULL);
        down_hears(down, GET_1);
        actor_says(&down->server, OK_HI);
        seen_is(down_answered(down, first), "hi");
        int32_t id = framer_asks(&down->victim, hung_up[i].head,
                                 hung_up[i].body ? &body : NULL);
        down_hears(down, hung_up[i].hears);
        actor_leaves(&down->server);
        if (hung_up[i].again) {
            down->server = next_lane(down, hung_up[i].hears);
            actor_says(&down->server, OK_HI);
        }
        assert_non_null(strstr(down_answered(down, id)->head,
                               hung_up[i].again ? H2_OK : ":status: 502"));
        nobody_is_at_the_door(down);
        down_free(down);
    }
}

static void a_fresh_lane_that_dies_is_502(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_leaves(&down->server);
    assert_non_null(strstr(down_answered(down, id)->head, ":status: 502"));
    nobody_is_at_the_door(down);
    down_free(down);
}

static void nobody_asks_again_for_ever(void **state)
{
    (void)state;
    struct down *down = down_new();
    int32_t first = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, first), "hi");
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    for (int i = 0; i < 2; i++) {
        if (i)
            down->server = next_lane(down, GET_1);
        else
            down_hears(down, GET_1);
        actor_leaves(&down->server);
    }
    assert_non_null(strstr(down_answered(down, id)->head, ":status: 502"));
    nobody_is_at_the_door(down);
    down_free(down);
}

static void where_no_more_can_be_opened_they_wait_for_those_there(void **state)
{
    (void)state;
    struct down *down = down_new();
    close(down->stage.listener);
    down->stage.listener = -1;
    int32_t one = framer_asks(&down->victim, H2_GET_OF("/1"), NULL);
    int32_t two = framer_asks(&down->victim, H2_GET_OF("/2"), NULL);
    down_hears(down, GET_OF("/1"));
    down_rests(down);
    actor_says(&down->server, OK_HI);
    down_hears(down, GET_OF("/2"));
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, one), "hi");
    seen_is(down_answered(down, two), "hi");
    down_free(down);
}

/* A flow may have two descriptors, and there are to be that many flows. */
static void descriptors_are_there_for_victims_first(void **state)
{
    (void)state;
    for (unsigned most = 1; most < 3; most++) {
        struct down *down = down_prepare();
        struct actor servers[LANES] = {{.fd = -1}};
        unsigned lanes = 2 * most - 1;
        down->stage.options.relays_most = most;
        down_enter(down);
        servers[0] = down->server;
        for (unsigned i = 0; i < LANES; i++)
            framer_asks(&down->victim, H2_GET, NULL);
        for (unsigned i = 0; i < lanes; i++)
            if (i)
                servers[i] = next_lane(down, GET_1);
            else
                down_server_hears(down, &servers[0], GET_1);
        nobody_is_at_the_door(down);
        for (unsigned i = 1; i < lanes; i++)
            actor_leaves(&servers[i]);
        down->server = servers[0];
        down_free(down);
    }
}

static struct worker *at_work;

static enum hook_act see_worker(void *config, struct flow *flow,
                                struct message *request)
{
    (void)config;
    (void)request;
    at_work = flow->relay->worker;
    return HOOK_PASS;
}

static struct hook seer = {.name = "seer", .on_request = see_worker};
static struct hook *const seers[] = {&seer};

static void where_descriptors_run_out_an_idle_lane_goes_first(void **state)
{
    (void)state;
    struct down *down = down_prepare();
    down->stage.options.hooks = seers;
    down->stage.options.hooks_count = 1;
    down_enter(down);
    int32_t one = framer_asks(&down->victim, H2_GET_OF("/1"), NULL);
    int32_t two = framer_asks(&down->victim, H2_GET_OF("/2"), NULL);
    down_hears(down, GET_OF("/1"));
    struct actor other = next_lane(down, GET_OF("/2"));
    actor_says(&other, OK_HI);
    seen_is(down_answered(down, two), "hi");
    assert_true(relay_shed(at_work));
    actor_hears_end(&other);
    assert_int_equal(at_work->lanes, 0);
    actor_says(&down->server, OK_HI);
    seen_is(down_answered(down, one), "hi");
    assert_false(down->victim.goaway);
    /* Without one, the flow itself. */
    assert_true(relay_shed(at_work));
    actor_leaves(&other);
    down_free(down);
}

static void without_any_the_victim_is_told(void **state)
{
    (void)state;
    struct down *down = down_new();
    close(down->stage.listener);
    down->stage.listener = -1;
    actor_leaves(&down->server);
    down_rests(down);
    for (int i = 0; i < 2; i++) {
        int32_t id = framer_asks(&down->victim, H2_GET, NULL);
        struct seen *seen = down_answered(down, id);
        assert_non_null(strstr(seen->head, ":status: 502"));
    }
    assert_true(stage_has_event(&down->stage, "server.unreachable", "once"));
    down_free(down);
}

/* Its end is its only end, and comes while nobody takes what came before. */
static void a_body_that_ends_with_its_connection_is_whole(void **state)
{
    (void)state;
    enum { LEN = 192 * 1024 };
    struct down *down = down_new();
    char *body = malloc(LEN + 1);
    memset(body, 'x', LEN);
    body[LEN] = 0;
    down->victim.holds = true;
    int32_t id = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, GET_1);
    actor_says(&down->server, "HTTP/1.0 200 OK\r\n\r\n");
    actor_says_bytes(&down->server, body, LEN);
    actor_finishes(&down->server);
    down_rests(down);
    down->victim.holds = false;
    struct seen *seen = framer_seen(&down->victim, id);
    nghttp2_session_consume_stream(down->victim.session, id,
                                   buf_len(&seen->body));
    down_answered(down, id);
    assert_int_equal(seen->error, 0);
    assert_int_equal(buf_len(&seen->body), LEN);
    free(body);
    down_free(down);
}

/* The head of the PROXY protocol belongs to a connection. */
static void each_lane_begins_with_who_the_victim_is(void **state)
{
    (void)state;
    struct down *down = down_prepare();
    down->stage.options.introduce = 1;
    down_enter(down);
    char hears[256];
    union address from;
    socklen_t size = sizeof from;
    getsockname(down->victim.actor.fd, &from.any, &size);
    size_t len = proxy_head_write(1, &from, proxy_address(down->stage.proxy, 0),
                                  (uint8_t *)hears);
    strcpy(hears + len, GET_1);
    int32_t ids[2];
    for (int i = 0; i < 2; i++)
        ids[i] = framer_asks(&down->victim, H2_GET, NULL);
    down_hears(down, hears);
    struct actor other = next_lane(down, hears);
    actor_says(&down->server, OK_HI);
    actor_says(&other, OK_HI);
    for (int i = 0; i < 2; i++)
        seen_is(down_answered(down, ids[i]), "hi");
    actor_leaves(&other);
    down_free(down);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_go_side_by_side),
        cmocka_unit_test(beyond_the_limit_they_wait_in_their_order),
        cmocka_unit_test(a_lane_that_is_free_is_used_again),
        cmocka_unit_test(each_lane_is_told_of_with_its_own_addresses),
        cmocka_unit_test(each_lane_begins_with_who_the_victim_is),
        cmocka_unit_test(a_request_that_a_hook_holds_takes_no_lane),
        cmocka_unit_test(an_answer_that_a_hook_holds_frees_its_lane),
        cmocka_unit_test(a_lane_that_breaks_hits_its_own_stream_only),
        cmocka_unit_test(a_victim_that_takes_one_back_keeps_the_others),
        cmocka_unit_test(a_server_that_closes_is_connected_to_again),
        cmocka_unit_test(an_idle_server_that_hangs_up_ends_nothing),
        cmocka_unit_test(only_what_is_harmless_is_asked_again),
        cmocka_unit_test(a_fresh_lane_that_dies_is_502),
        cmocka_unit_test(nobody_asks_again_for_ever),
        cmocka_unit_test(where_no_more_can_be_opened_they_wait_for_those_there),
        cmocka_unit_test(descriptors_are_there_for_victims_first),
        cmocka_unit_test(where_descriptors_run_out_an_idle_lane_goes_first),
        cmocka_unit_test(without_any_the_victim_is_told),
        cmocka_unit_test(a_body_that_ends_with_its_connection_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
