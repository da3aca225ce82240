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
            (struct said){.bytes = &"abcdefghijklmnopqrst"[i], .len = 1};
        framer_answers(&scene->server, ids[i], H2_OK, &bodies[i]);
        struct seen *seen = answered(scene, ids[i]);
        assert_int_equal(buf_head(&seen->body)[0], 'a' + i);
    }
    close_scene(scene);
}

/* ---- hooks --------------------------------------------------------------- */

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    struct scene *scene = config;
    scene->requests++;
    if (scene->held_count < 4) {
        scene->held[scene->held_count] = request;
        scene->streams[scene->held_count++] = flow->stream;
    }
    if (scene->act == HOOK_ANSWER) {
        struct message *answer = message_answer(request, 203, NULL);
        assert_int_equal(message_set_body(answer, "mine", 4), 0);
        assert_int_equal(message_set_field(answer, "X-Mine", "1"), 0);
    }
    if (scene->body && request->has_body)
        assert_int_equal(
            message_set_body(request, scene->body, strlen(scene->body)), 0);
    if (scene->act == HOOK_CHANGED)
        assert_int_equal(message_set_field(request, "X-Edited", "yes"), 0);
    return scene->act;
}

static enum hook_act on_response(void *config, struct flow *flow,
                                 struct message *response)
{
    struct scene *scene = config;
    (void)flow;
    scene->responses++;
    assert_int_equal(
        message_set_body(response, scene->body, strlen(scene->body)), 0);
    return HOOK_CHANGED;
}

static void on_abandon(void *config, struct flow *flow, struct message *message)
{
    struct scene *scene = config;
    (void)flow;
    (void)message;
    scene->abandoned++;
}

static void hook_scene(struct scene *scene, struct hook hook)
{
    scene->hook = hook;
    scene->hook.name = "scene";
    scene->hook.config = scene;
    scene->hook.on_abandon = on_abandon;
    scene->hooks[0] = &scene->hook;
    scene->stage.options.hooks = scene->hooks;
    scene->stage.options.hooks_count = 1;
    open_scene(scene);
}

static void an_edited_request_goes_out_right(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct said up = {.bytes = "short", .len = 5};
    scene->act = HOOK_CHANGED;
    scene->body = "a longer body";
    hook_scene(scene, (struct hook){.wants = HOOK_WANTS_REQUEST_BODY,
                                    .on_request = on_request});
    int32_t id =
        framer_asks(&scene->victim, H2_POST "content-length: 5\n", &up);
    struct seen *seen = asked(scene, id);
    seen_is(seen, "a longer body");
    assert_string_equal(seen->head,
                        H2_POST "content-length: 13\nx-edited: yes\n");
    framer_answers(&scene->server, id, H2_OK, NULL);
    answered(scene, id);
    close_scene(scene);
}

static void an_edited_response_goes_out_right(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct said down = {.bytes = "hello", .len = 5};
    scene->body = "HACKED";
    hook_scene(scene, (struct hook){.wants = HOOK_WANTS_RESPONSE_BODY,
                                    .on_response = on_response});
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, id);
    framer_answers(&scene->server, id, H2_OK "content-length: 5\n", &down);
    struct seen *seen = answered(scene, id);
    seen_is(seen, "HACKED");
    assert_string_equal(seen->head, H2_OK "content-length: 6\n");
    close_scene(scene);
}

static void waiting_holds_up_one_stream_only(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->act = HOOK_WAIT;
    hook_scene(scene, (struct hook){.on_request = on_request});
    int32_t held = framer_asks(&scene->victim, H2_GET "x: held\n", NULL);
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->requests == 1);
    scene->act = HOOK_PASS;
    int32_t free = framer_asks(&scene->victim, H2_GET "x: free\n", NULL);
    struct seen *seen = asked(scene, 1); /* the first that the server sees */
    assert_non_null(strstr(seen->head, "x: free"));
    framer_answers(&scene->server, 1, H2_OK, NULL);
    answered(scene, free);
    assert_int_equal(scene->server.count, 1);
    hook_resume(scene->held[0], HOOK_PASS);
    seen = asked(scene, 3);
    assert_non_null(strstr(seen->head, "x: held"));
    framer_answers(&scene->server, 3, H2_OK, NULL);
    answered(scene, held);
    assert_int_not_equal(scene->streams[0], scene->streams[1]);
    close_scene(scene);
}

static void cutting_resets_one_stream_only(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->act = HOOK_CUT;
    hook_scene(scene, (struct hook){.on_request = on_request});
    int32_t cut = framer_asks(&scene->victim, H2_GET, NULL);
    assert_int_equal(answered(scene, cut)->error, NGHTTP2_CANCEL);
    scene->act = HOOK_PASS;
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, 1);
    framer_answers(&scene->server, 1, H2_OK, NULL);
    assert_int_equal(answered(scene, id)->error, 0);
    close_scene(scene);
}

static void a_hook_answers_in_the_servers_place(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->act = HOOK_ANSWER;
    hook_scene(scene, (struct hook){.on_request = on_request});
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    struct seen *seen = answered(scene, id);
    seen_is(seen, "mine");
    assert_non_null(strstr(seen->head, ":status: 203\n"));
    assert_non_null(strstr(seen->head, "x-mine: 1\n"));
    assert_non_null(strstr(seen->head, "content-length: 4\n"));
    framers_rest(&scene->victim, &scene->server);
    assert_int_equal(scene->server.count, 0);
    close_scene(scene);
}

static void a_victim_that_gives_up_takes_its_held_message_along(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->act = HOOK_WAIT;
    hook_scene(scene, (struct hook){.on_request = on_request});
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->requests == 1);
    nghttp2_submit_rst_stream(scene->victim.session, 0, id, NGHTTP2_CANCEL);
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->abandoned == 1);
    close_scene(scene);
}

/* ---- wrong --------------------------------------------------------------- */

static const struct {
    const char *what, *head, *body;
    const char *status; /* NULL: the stream is reset */
} bad[] = {
    {"upper case", H2_GET "X-Upper: 1\n", NULL, NULL},
    {"connection", H2_GET "connection: close\n", NULL, NULL},
    {"transfer-encoding", H2_POST "transfer-encoding: chunked\n", "a", NULL},
    {"upgrade", H2_GET "upgrade: h2c\n", NULL, NULL},
    {"te", H2_GET "te: gzip\n", NULL, NULL},
    {"too long", H2_POST "content-length: 3\n", "abcdef", NULL},
    {"too short", H2_POST "content-length: 9\n", "abc", NULL},
    {"two lengths", H2_POST "content-length: 3\ncontent-length: 3\n", "abc",
     NULL},
    {"a signed length", H2_POST "content-length: +3\n", "abc", NULL},
    {"CR in a value", H2_GET "a: b\rc: d\n", NULL, NULL},
    {"space in a name", H2_GET "a b: c\n", NULL, NULL},
    {"colon in a name", H2_GET "a:b: c\n", NULL, NULL},
    {"no path", ":method: GET\n:scheme: http\n:authority: a\n", NULL, NULL},
    {"two methods", ":method: GET\n" H2_GET, NULL, NULL},
    {"pseudo after", H2_GET "a: b\n:path: /x\n", NULL, NULL},
    {"unknown pseudo", ":x: 1\n" H2_GET, NULL, NULL},
    {"another host", H2_GET "host: evil.lab.test\n", NULL, "400"},
    {"two hosts", H2_GET "host: bank.lab.test\nhost: bank.lab.test\n", NULL,
     NULL},
    {"no host", ":method: GET\n:scheme: http\n:path: /\nx: y\n", NULL, NULL},
    {"user name",
     ":method: GET\n:scheme: http\n:authority: me@bank.lab.test\n:path: /\n",
     NULL, "400"},
    {"space in path",
     ":method: GET\n:scheme: http\n:authority: a\n:path: /a HTTP/1.1\n", NULL,
     NULL},
    {"path without slash",
     ":method: GET\n:scheme: http\n:authority: a\n:path: evil\n", NULL, NULL},
    {"another scheme",
     ":method: GET\n:scheme: gopher\n:authority: a\n:path: /\n", NULL, "400"},
    {"space in method",
     ":method: GET / HTTP/1.1\n:scheme: http\n:authority: a\n:path: /\n", NULL,
     NULL},
    {"CONNECT", ":method: CONNECT\n:authority: a:443\n", NULL, "501"},
};

/* What breaks a rule is refused before a byte of it reaches the server, and
 * what is right goes on. */
static void what_is_malformed_goes_no_further(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    open_scene(scene);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct said body = {.bytes = bad[i].body,
                            .len = bad[i].body ? strlen(bad[i].body) : 0};
        int32_t id = framer_asks(&scene->victim, bad[i].head,
                                 bad[i].body ? &body : NULL);
        struct seen *seen = answered(scene, id);
        char status[32];
        snprintf(status, sizeof status, ":status: %s\n",
                 bad[i].status ? bad[i].status : "");
        if (bad[i].status ? !strstr(seen->head, status)
                          : seen->begun || !seen->error)
            fail_msg("%s: error %u, \"%s\"", bad[i].what, seen->error,
                     seen->head);
    }
    for (unsigned i = 0; i < scene->server.count; i++)
        if (scene->server.seen[i].ended)
            fail_msg("the server got \"%s\"", scene->server.seen[i].head);
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    struct framer *server = &scene->server;
    FRAMERS_UNTIL(&scene->victim, server,
                  server->count && server->seen[server->count - 1].ended);
    framer_answers(server, server->seen[server->count - 1].id, H2_OK, NULL);
    assert_int_equal(answered(scene, id)->error, 0);
    assert_true(stage_has_event(&scene->stage, "http.refused", "RFC 9113"));
    close_scene(scene);
}

static void header_fields_have_a_limit(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    char head[3000] = H2_GET;
    open_scene(scene);
    for (int i = 0; i < 110; i++)
        snprintf(head + strlen(head), sizeof head - strlen(head), "a%d: b\n",
                 i);
    int32_t id = framer_asks(&scene->victim, head, NULL);
    struct seen *seen = answered(scene, id);
    assert_non_null(strstr(seen->head, ":status: 431\n"));
    assert_int_equal(scene->server.count, 0);
    close_scene(scene);
}

/* A field that is said once and then pointed at again and again: HPACK makes
 * few bytes of it, and they count as what they stand for (RFC 9113 10.5.1). */
static void say_packed(struct scene *scene, unsigned times)
{
    enum { VALUE = 3900, HEAD = 9, FIELD = 14, TIMES_MOST = 100 };
    static const uint8_t field[FIELD] = {0x82, 0x84, 0x86, 0x41, 1,
                                         'a',  0x40, 3,    'x',  '-',
                                         'a',  0x7f, 0xbd, 0x1d};
    uint8_t frame[HEAD + FIELD + VALUE + TIMES_MOST];
    size_t len = FIELD + VALUE + times;
    const uint8_t head[HEAD] = {
        0, (uint8_t)(len >> 8), (uint8_t)len, 1, 5, 0, 0, 0, 1};
    memcpy(frame, head, HEAD);
    memcpy(frame + HEAD, field, FIELD);
    memset(frame + HEAD + FIELD, 'y', VALUE);
    memset(frame + HEAD + FIELD + VALUE, 0xbe, times);
    actor_says_bytes(&scene->victim.actor, frame, HEAD + len);
}

static void packed_fields_count_unpacked(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    open_scene(scene);
    framers_rest(&scene->victim, &scene->server);
    say_packed(scene, 20);
    stage_rest(&scene->stage);
    assert_true(
        stage_has_event(&scene->stage, "http.refused", "\"status\":431"));
    assert_int_equal(scene->server.count, 0);
    close_scene(scene);
}

static void a_flood_of_packed_fields_ends_it(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    open_scene(scene);
    framers_rest(&scene->victim, &scene->server);
    say_packed(scene, 80);
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->victim.goaway);
    assert_int_equal(scene->victim.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    close_scene(scene);
}

/* ---- too much ------------------------------------------------------------ */

static void one_request_after_the_other_taken_back_ends_it(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    open_scene(scene);
    for (int i = 0; i < 450 && !scene->victim.goaway; i++) {
        int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
        framers_rest(&scene->victim, i % 50 ? NULL : &scene->server);
        nghttp2_submit_rst_stream(scene->victim.session, 0, id, NGHTTP2_CANCEL);
        framer_turns(&scene->victim);
    }
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->victim.goaway);
    assert_int_equal(scene->victim.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    close_scene(scene);
}

static void frames_that_bring_nothing_end_it(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    /* However long this machine takes for it. */
    scene->stage.options.idle_ms = 60 * 60 * 1000;
    scene->stage.options.head_ms = 60 * 60 * 1000;
    open_scene(scene);
    framers_rest(&scene->victim, &scene->server);
    for (int i = 0; i < 12000 && !scene->victim.goaway; i++) {
        nghttp2_submit_ping(scene->victim.session, 0, NULL);
        if (i % 100)
            continue;
        framer_turns(&scene->victim);
        stage_turn(&scene->stage);
    }
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->victim.goaway);
    assert_int_equal(scene->victim.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    close_scene(scene);
}

/* Its own window is all that a slow reader costs. */
static void a_slow_reader_holds_up_nobody_else(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    size_t len = 2 * 1000 * 1000;
    char *bytes = malloc(len);
    memset(bytes, 'x', len);
    struct said large = {.bytes = bytes, .len = len};
    struct said small = {.bytes = "small", .len = 5};
    open_scene(scene);
    scene->victim.holds = true;
    int32_t slow = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, slow);
    framer_answers(&scene->server, slow, H2_OK, &large);
    for (int i = 0; i < 20; i++)
        framers_rest(&scene->victim, &scene->server);
    assert_true(large.at < 300 * 1000);
    int32_t quick = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, quick);
    framer_answers(&scene->server, quick, H2_OK, &small);
    seen_is(answered(scene, quick), "small");
    struct seen *seen = framer_seen(&scene->victim, slow);
    scene->victim.holds = false;
    nghttp2_session_consume_stream(scene->victim.session, slow,
                                   buf_len(&seen->body));
    answered(scene, slow);
    assert_int_equal(buf_len(&seen->body), len);
    free(bytes);
    close_scene(scene);
}

/* ---- ends ---------------------------------------------------------------- */

static void nothing_is_pushed(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    open_scene(scene);
    scene->server.settings[NGHTTP2_SETTINGS_ENABLE_PUSH] = 9;
    framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, 1);
    assert_int_equal(scene->server.settings[NGHTTP2_SETTINGS_ENABLE_PUSH], 0);
    assert_int_equal(
        scene->victim.settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100);
    close_scene(scene);
}

static void a_server_that_leaves_is_passed_on(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct said body = {.bytes = "last", .len = 4};
    open_scene(scene);
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, id);
    nghttp2_submit_goaway(scene->server.session, 0, id, 0, NULL, 0);
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->victim.goaway);
    assert_int_equal(scene->victim.goaway_error, 0);
    framer_answers(&scene->server, id, H2_OK, &body);
    seen_is(answered(scene, id), "last");
    FRAMERS_UNTIL(&scene->victim, &scene->server, scene->victim.actor.eof);
    close_scene(scene);
}

static void a_server_that_dies_is_not_taken_for_whole(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct said body = {.bytes = "half", .len = 4, .endless = true};
    open_scene(scene);
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, id);
    framer_answers(&scene->server, id, H2_OK, &body);
    struct seen *seen = framer_seen(&scene->victim, id);
    FRAMERS_UNTIL(&scene->victim, &scene->server, buf_len(&seen->body) == 4);
    actor_leaves(&scene->server.actor);
    FRAMERS_UNTIL(&scene->victim, NULL, seen->closed);
    assert_int_not_equal(seen->error, 0);
    close_scene(scene);
}

static void a_reset_of_either_end_reaches_the_other(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    open_scene(scene);
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, id);
    nghttp2_submit_rst_stream(scene->server.session, 0, id,
                              NGHTTP2_REFUSED_STREAM);
    assert_int_equal(answered(scene, id)->error, NGHTTP2_REFUSED_STREAM);
    id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, id);
    nghttp2_submit_rst_stream(scene->victim.session, 0, id, NGHTTP2_CANCEL);
    struct seen *seen = framer_seen(&scene->server, id);
    FRAMERS_UNTIL(&scene->victim, &scene->server, seen->closed);
    assert_int_equal(seen->error, NGHTTP2_CANCEL);
    close_scene(scene);
}

static void without_a_server_the_answer_is_502(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    scene->stage.options.ways[0].target.port = 1;
    stage_raise(&scene->stage);
    framer_open(&scene->victim, victim_enters(&scene->stage), false);
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    struct seen *seen = framer_seen(&scene->victim, id);
    FRAMERS_UNTIL(&scene->victim, NULL, seen->closed);
    assert_non_null(strstr(seen->head, ":status: 502\n"));
    framer_leaves(&scene->victim);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    free(scene);
}

static void hints_come_first(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    nghttp2_nv hint = {(uint8_t *)":status", (uint8_t *)"103", 7, 3, 0};
    open_scene(scene);
    int32_t id = framer_asks(&scene->victim, H2_GET, NULL);
    asked(scene, id);
    nghttp2_submit_headers(scene->server.session, 0, id, NULL, &hint, 1, NULL);
    framer_answers(&scene->server, id, H2_OK, NULL);
    assert_string_equal(answered(scene, id)->head, ":status: 103\n" H2_OK);
    close_scene(scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_response_pass),
        cmocka_unit_test(a_body_and_trailers_pass_up),
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(an_edited_request_goes_out_right),
        cmocka_unit_test(an_edited_response_goes_out_right),
        cmocka_unit_test(waiting_holds_up_one_stream_only),
        cmocka_unit_test(cutting_resets_one_stream_only),
        cmocka_unit_test(a_hook_answers_in_the_servers_place),
        cmocka_unit_test(a_victim_that_gives_up_takes_its_held_message_along),
        cmocka_unit_test(what_is_malformed_goes_no_further),
        cmocka_unit_test(header_fields_have_a_limit),
        cmocka_unit_test(packed_fields_count_unpacked),
        cmocka_unit_test(a_flood_of_packed_fields_ends_it),
        cmocka_unit_test(one_request_after_the_other_taken_back_ends_it),
        cmocka_unit_test(frames_that_bring_nothing_end_it),
        cmocka_unit_test(a_slow_reader_holds_up_nobody_else),
        cmocka_unit_test(nothing_is_pushed),
        cmocka_unit_test(a_server_that_leaves_is_passed_on),
        cmocka_unit_test(a_server_that_dies_is_not_taken_for_whole),
        cmocka_unit_test(a_reset_of_either_end_reaches_the_other),
        cmocka_unit_test(without_a_server_the_answer_is_502),
        cmocka_unit_test(hints_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
