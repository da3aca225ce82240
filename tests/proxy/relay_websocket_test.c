/* SPDX-License-Identifier: MIT
 *
 * WebSocket behind a 101: what is told of it, what hooks make of it, and that
 * what nobody changes passes byte for byte. */
#include "tests/proxy/tls_stage.h"

#define ASK                                                                    \
    "GET /chat HTTP/1.1\r\nHost: bank.lab.test\r\nConnection: Upgrade\r\n"     \
    "Upgrade: websocket\r\n\r\n"
#define AGREE                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"              \
    "Upgrade: websocket\r\n"

/* "Hello", masked with zeros, so that it can be read here. */
#define HELLO_UP   "\x81\x85\0\0\0\0Hello"
#define HELLO_DOWN "\x81\x05Hello"
#define PACKED     "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
#define PACKED_2   "\xc1\x05\xf2\x00\x11\x00\x00" /* needs the window */

#define SAYS(actor, bytes)  actor_says_bytes(actor, bytes, sizeof(bytes) - 1)
#define HEARS(actor, bytes) actor_hears_bytes(actor, bytes, sizeof(bytes) - 1)

struct puppet {
    struct hook hook;
    enum hook_act act;
    const char *body; /* to set; NULL: none */
    bool drops;
    char seen[64];
    unsigned messages;
    struct flow *flow;
};

static enum hook_act on_message(void *config, struct flow *flow,
                                struct socket_message *message)
{
    struct puppet *puppet = config;
    puppet->messages++;
    puppet->flow = flow;
    snprintf(puppet->seen, sizeof puppet->seen, "%s %s %.*s",
             message->to == LEG_SERVER ? "up" : "down",
             message->text ? "text" : "binary", (int)buf_len(&message->body),
             buf_len(&message->body) ? (char *)buf_head(&message->body) : "");
    if (puppet->body) {
        buf_clear(&message->body);
        assert_int_equal(buf_append_text(&message->body, puppet->body), 0);
    }
    message->dropped = puppet->drops;
    return puppet->act;
}

struct scene {
    struct stage stage;
    struct puppet puppet;
    struct hook *list[1];
    struct actor victim, server;
    size_t most; /* of a message for a hook; 0: the default */
};

/* Up to the agreement on WebSocket. */
static void scene_open(struct scene *scene, const char *extensions, bool hook)
{
    char agree[256];
    snprintf(agree, sizeof agree, "%s%s\r\n", AGREE, extensions);
    stage_prepare(&scene->stage, "http");
    scene->stage.options.body_most = scene->most;
    if (hook) {
        scene->puppet.hook = (struct hook){.name = "puppet",
                                           .config = &scene->puppet,
                                           .on_message = on_message};
        scene->list[0] = &scene->puppet.hook;
        scene->stage.options.hooks = scene->list;
        scene->stage.options.hooks_count = 1;
    }
    stage_raise(&scene->stage);
    scene->victim = victim_enters(&scene->stage);
    actor_says(&scene->victim, ASK);
    scene->server = server_enters(&scene->stage);
    actor_hears(&scene->server, ASK);
    actor_says(&scene->server, agree);
    actor_hears(&scene->victim, agree);
}

static void scene_close(struct scene *scene)
{
    actor_leaves(&scene->victim);
    actor_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
}

static void messages_of_both_sides_are_told(void **state)
{
    (void)state;
    struct scene scene = {0};
    scene_open(&scene, "", false);
    SAYS(&scene.victim, HELLO_UP);
    HEARS(&scene.server, HELLO_UP);
    SAYS(&scene.server, "\x01\x03Hel\x89\x01!\x80\x02lo");
    HEARS(&scene.victim, "\x01\x03Hel\x89\x01!\x80\x02lo");
    assert_true(
        stage_has_event(&scene.stage, "websocket.message", "\"dir\":\"up\""));
    assert_true(stage_has_event(&scene.stage, "websocket.message",
                                "\"opcode\":\"ping\""));
    assert_true(
        stage_has_event(&scene.stage, "websocket.message",
                        "\"opcode\":\"text\",\"bytes\":5,\"compressed\":false,"
                        "\"changed\":false,\"whole\":true,\"body\":\"Hello\""));
    scene_close(&scene);
}

/* Its frame can be found: behind the request's head. */
static void an_event_says_where_its_bytes_are(void **state)
{
    (void)state;
    struct scene scene = {0};
    char where[64];
    scene_open(&scene, "", false);
    SAYS(&scene.victim, HELLO_UP);
    HEARS(&scene.server, HELLO_UP);
    snprintf(where, sizeof where, "\"at\":%zu,\"len\":%zu", sizeof ASK - 1,
             sizeof HELLO_UP - 1);
    assert_true(stage_has_event(&scene.stage, "websocket.message", where));
    scene_close(&scene);
}

static void nothing_waits_for_the_end_of_a_message(void **state)
{
    (void)state;
    struct scene scene = {0};
    scene_open(&scene, "", false);
    SAYS(&scene.server, "\x81\x05He");
    HEARS(&scene.victim, "\x81\x05He");
    scene_close(&scene);
}

static void a_hook_that_passes_leaves_every_byte(void **state)
{
    (void)state;
    struct scene scene = {0};
    scene_open(&scene, "Sec-WebSocket-Extensions: permessage-deflate\r\n",
               true);
    SAYS(&scene.server, PACKED PACKED_2);
    HEARS(&scene.victim, PACKED PACKED_2);
    assert_int_equal(scene.puppet.messages, 2);
    assert_string_equal(scene.puppet.seen, "down text Hello");
    scene_close(&scene);
}

static void a_hook_changes_a_message(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_CHANGED, .body = "Bye"}};
    scene_open(&scene, "", true);
    SAYS(&scene.server, "\x01\x03Hel\x89\x01!\x80\x02lo");
    /* The ping does not wait for the message. */
    HEARS(&scene.victim, "\x89\x01!\x81\x03"
                         "Bye");
    SAYS(&scene.victim, HELLO_UP);
    actor_waits_for(&scene.server, 9);
    const uint8_t *got = buf_head(&scene.server.got);
    assert_int_equal(buf_len(&scene.server.got), 9);
    assert_int_equal(got[1], 0x83);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(got[6 + i] ^ got[2 + i], "Bye"[i]);
    assert_string_equal(scene.puppet.seen, "up text Hello");
    assert_true(
        stage_has_event(&scene.stage, "websocket.message", "\"changed\":true"));
    scene_close(&scene);
}

/* Its receiver could not inflate what follows a message that it never saw. */
static void behind_a_changed_message_nothing_is_compressed(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_CHANGED, .body = "Bye"}};
    scene_open(&scene, "Sec-WebSocket-Extensions: permessage-deflate\r\n",
               true);
    SAYS(&scene.server, PACKED);
    HEARS(&scene.victim, "\x81\x03"
                         "Bye");
    scene.puppet.act = HOOK_PASS;
    scene.puppet.body = NULL;
    SAYS(&scene.server, PACKED_2);
    HEARS(&scene.victim, HELLO_DOWN);
    scene_close(&scene);
}

static void a_held_message_waits_and_then_goes(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_WAIT}};
    scene_open(&scene, "", true);
    SAYS(&scene.server, HELLO_DOWN HELLO_DOWN);
    actor_hears_nothing(&scene.victim);
    assert_int_equal(scene.puppet.messages, 1);
    scene.puppet.act = HOOK_PASS;
    flow_resume(scene.puppet.flow);
    HEARS(&scene.victim, HELLO_DOWN HELLO_DOWN);
    assert_int_equal(scene.puppet.messages, 2);
    scene_close(&scene);
}

static void a_held_message_goes_with_nothing_behind_it(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_WAIT}};
    scene_open(&scene, "", true);
    SAYS(&scene.victim, HELLO_UP);
    actor_hears_nothing(&scene.server);
    socket_resume(scene.puppet.flow, LEG_SERVER, HOOK_PASS);
    HEARS(&scene.server, HELLO_UP);
    scene_close(&scene);
}

static void a_message_that_a_hook_drops_goes_nowhere(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_CHANGED, .drops = true}};
    scene_open(&scene, "", true);
    SAYS(&scene.server, HELLO_DOWN);
    actor_hears_nothing(&scene.victim);
    assert_true(
        stage_has_event(&scene.stage, "websocket.message", "\"dropped\":true"));
    scene.puppet.act = HOOK_PASS;
    SAYS(&scene.server, "\x81\x02hi");
    HEARS(&scene.victim, "\x81\x02hi");
    scene_close(&scene);
}

static void a_message_too_long_to_keep_passes_unseen(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_CHANGED, .body = "Bye"}};
    scene.most = 4;
    scene_open(&scene, "", true);
    SAYS(&scene.server, HELLO_DOWN "\x81\x02hi");
    HEARS(&scene.victim, HELLO_DOWN "\x81\x03"
                                    "Bye");
    assert_int_equal(scene.puppet.messages, 1);
    scene_close(&scene);
}

static void a_broken_frame_ends_the_flow_and_says_why(void **state)
{
    (void)state;
    struct scene scene = {0};
    scene_open(&scene, "", false);
    SAYS(&scene.victim, HELLO_DOWN); /* unmasked */
    actor_hears_reset(&scene.victim);
    assert_true(stage_has_event(&scene.stage, "http.refused", "not masked"));
    scene_close(&scene);
}

static void an_unknown_extension_makes_it_bytes(void **state)
{
    (void)state;
    struct scene scene = {.puppet = {.act = HOOK_CHANGED, .body = "Bye"}};
    scene_open(&scene, "Sec-WebSocket-Extensions: x-mystery\r\n", true);
    SAYS(&scene.server, "\xf1\x05Hello");
    HEARS(&scene.victim, "\xf1\x05Hello");
    assert_int_equal(scene.puppet.messages, 0);
    scene_close(&scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_both_sides_are_told),
        cmocka_unit_test(an_event_says_where_its_bytes_are),
        cmocka_unit_test(nothing_waits_for_the_end_of_a_message),
        cmocka_unit_test(a_hook_that_passes_leaves_every_byte),
        cmocka_unit_test(a_hook_changes_a_message),
        cmocka_unit_test(behind_a_changed_message_nothing_is_compressed),
        cmocka_unit_test(a_held_message_waits_and_then_goes),
        cmocka_unit_test(a_held_message_goes_with_nothing_behind_it),
        cmocka_unit_test(a_message_that_a_hook_drops_goes_nowhere),
        cmocka_unit_test(a_message_too_long_to_keep_passes_unseen),
        cmocka_unit_test(a_broken_frame_ends_the_flow_and_says_why),
        cmocka_unit_test(an_unknown_extension_makes_it_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
