/* SPDX-License-Identifier: MIT
 *
 * Bodies that nobody looks at go through the kernel. What the ends see, what
 * the events say and what it costs is the same as if they were read; and as
 * soon as somebody wants to look, they are read. */
#include "tests/proxy/stage.h"

enum { MUCH = 3 * 1024 * 1024 + 77 };

#define GET "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"

/* Both sides of a flow, and a body that has no two alike places. */
struct scene {
    struct stage stage;
    struct actor victim, server;
    uint8_t *body;
};

static void make_body(struct scene *scene)
{
    unsigned seed = 11;
    scene->body = malloc(MUCH);
    assert_non_null(scene->body);
    for (size_t i = 0; i < MUCH; i++)
        scene->body[i] = (uint8_t)(rand_r(&seed) >> 7);
}

static void ask(struct scene *scene)
{
    scene->victim = victim_enters(&scene->stage);
    actor_says(&scene->victim, GET);
    scene->server = server_enters(&scene->stage);
    actor_hears(&scene->server, GET);
}

static void open_scene(struct scene *scene)
{
    make_body(scene);
    stage_open(&scene->stage);
    ask(scene);
}

static void close_scene(struct scene *scene)
{
    actor_leaves(&scene->victim);
    actor_leaves(&scene->server);
    stage_empties(&scene->stage);
    stage_close(&scene->stage);
    free(scene->body);
}

static uint64_t poured(struct scene *scene)
{
    struct proxy_counts counts;
    proxy_count(scene->stage.proxy, &counts);
    return counts.poured;
}

/* Say it as fast as it goes, with the other one listening meanwhile. */
static void carry(struct actor *from, struct actor *to, const uint8_t *bytes,
                  size_t len)
{
    for (int i = 0; i < PATIENCE_TURNS && len; i++) {
        ssize_t sent = send(from->fd, bytes, len, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        }
        stage_turn(from->stage);
        actor_listens(to);
    }
    assert_int_equal(len, 0);
}

static void say_head(struct scene *scene, const char *fields)
{
    char head[256];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%s\r\n", fields);
    actor_says(&scene->server, head);
    actor_hears(&scene->victim, head);
}

static const char *of_length(void)
{
    static char field[64];
    snprintf(field, sizeof field, "Content-Length: %d\r\n", MUCH);
    return field;
}

static void a_body_of_known_length_arrives_unseen(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say_head(&scene, of_length());
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    assert_true(poured(&scene) > MUCH / 2);
    /* And the next exchange finds everything in order. */
    actor_says(&scene.victim, GET);
    actor_hears(&scene.server, GET);
    actor_says(&scene.server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    actor_hears(&scene.victim,
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    close_scene(&scene);
}

static void a_body_up_to_the_end_arrives_unseen(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say_head(&scene, "Connection: close\r\n");
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_finishes(&scene.server);
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    actor_hears_end(&scene.victim);
    assert_true(poured(&scene) > MUCH / 2);
    close_scene(&scene);
}

static void the_inside_of_a_chunk_arrives_unseen(void **state)
{
    (void)state;
    struct scene scene;
    char line[32];
    open_scene(&scene);
    say_head(&scene, "Transfer-Encoding: chunked\r\n");
    snprintf(line, sizeof line, "%x\r\n", MUCH);
    actor_says(&scene.server, line);
    actor_hears(&scene.victim, line);
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_says(&scene.server, "\r\n0\r\n\r\n");
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    actor_hears(&scene.victim, "\r\n0\r\n\r\n");
    assert_true(poured(&scene) > MUCH / 2);
    close_scene(&scene);
}

static void an_upload_arrives_unseen(void **state)
{
    (void)state;
    struct scene scene;
    char head[128];
    make_body(&scene);
    stage_open(&scene.stage);
    scene.victim = victim_enters(&scene.stage);
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: bank.lab.test\r\n%s\r\n", of_length());
    actor_says(&scene.victim, head);
    scene.server = server_enters(&scene.stage);
    actor_hears(&scene.server, head);
    carry(&scene.victim, &scene.server, scene.body, MUCH);
    actor_hears_bytes(&scene.server, scene.body, MUCH);
    assert_true(poured(&scene) > MUCH / 2);
    actor_says(&scene.server, "HTTP/1.1 204 No Content\r\n\r\n");
    actor_hears(&scene.victim, "HTTP/1.1 204 No Content\r\n\r\n");
    close_scene(&scene);
}

/* ---- what the events say ------------------------------------------------- */

/* The value behind `"key":` in the last event of this kind and leg. */
static unsigned long long number_in(struct stage *stage, const char *kind,
                                    const char *leg, const char *key)
{
    char mark[3][64];
    char *text = stage_events(stage), *rest = NULL;
    unsigned long long number = 0;
    bool found = false;
    snprintf(mark[0], sizeof mark[0], "\"kind\":\"%s\"", kind);
    snprintf(mark[1], sizeof mark[1], "\"leg\":\"%s\"", leg);
    snprintf(mark[2], sizeof mark[2], "\"%s\":", key);
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *at = strstr(line, mark[2]);
        if (!at || !strstr(line, mark[0]) || !strstr(line, mark[1]))
            continue;
        number = strtoull(at + strlen(mark[2]), NULL, 10);
        found = true;
    }
    free(text);
    if (!found)
        fail_msg("no %s of leg %s with %s", kind, leg, key);
    return number;
}

static void events_count_what_nobody_saw(void **state)
{
    (void)state;
    struct scene scene;
    char head[128];
    open_scene(&scene);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%s\r\n", of_length());
    size_t len = strlen(head) + MUCH;
    say_head(&scene, of_length());
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    assert_true(poured(&scene) > MUCH / 2);
    struct stage *stage = &scene.stage;
    const char *kind = "http.response";
    assert_int_equal(number_in(stage, kind, "server", "at"), 0);
    assert_int_equal(number_in(stage, kind, "server", "len"), len);
    assert_int_equal(number_in(stage, kind, "server", "body_bytes"), MUCH);
    assert_int_equal(number_in(stage, kind, "victim", "len"), len);
    assert_true(stage_has_event(stage, kind, "\"whole\":true"));
    actor_leaves(&scene.victim);
    actor_leaves(&scene.server);
    stage_empties(stage);
    assert_int_equal(number_in(stage, "flow.end", "server", "down"), len);
    assert_int_equal(number_in(stage, "flow.end", "victim", "down"), len);
    stage_close(stage);
    free(scene.body);
}

/* ---- ends ---------------------------------------------------------------- */

static void a_server_that_ends_early_is_seen_to(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say_head(&scene, of_length());
    carry(&scene.server, &scene.victim, scene.body, MUCH - 1);
    actor_finishes(&scene.server);
    actor_hears_bytes(&scene.victim, scene.body, MUCH - 1);
    actor_hears_end(&scene.victim);
    actor_leaves(&scene.victim);
    stage_empties(&scene.stage);
    assert_true(
        stage_has_event(&scene.stage, "http.response", "\"whole\":false"));
    close_scene(&scene);
}

static void a_reset_goes_on_to_the_other_end(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say_head(&scene, of_length());
    carry(&scene.server, &scene.victim, scene.body, MUCH / 2);
    assert_true(poured(&scene) > 0);
    actor_resets(&scene.server);
    buf_clear(&scene.victim.got);
    for (int i = 0; i < PATIENCE_TURNS && !scene.victim.reset; i++) {
        if (!actor_listens(&scene.victim))
            stage_turn(&scene.stage);
        buf_clear(&scene.victim.got);
    }
    assert_true(scene.victim.reset);
    close_scene(&scene);
}

static void a_victim_that_resets_takes_the_server_with_it(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    say_head(&scene, of_length());
    carry(&scene.server, &scene.victim, scene.body, MUCH / 2);
    assert_true(poured(&scene) > 0);
    actor_resets(&scene.victim);
    for (int i = 0; i < PATIENCE_TURNS && proxy_flows(scene.stage.proxy); i++) {
        send(scene.server.fd, scene.body, 1000, MSG_NOSIGNAL);
        stage_turn(&scene.stage);
    }
    assert_int_equal(proxy_flows(scene.stage.proxy), 0);
    close_scene(&scene);
}

static void a_slow_reader_costs_no_more_than_its_buffers(void **state)
{
    (void)state;
    struct scene scene;
    struct proxy_counts counts;
    make_body(&scene);
    stage_open(&scene.stage);
    scene.victim = victim_enters_with(&scene.stage, 4096);
    actor_says(&scene.victim, GET);
    scene.server = server_enters(&scene.stage);
    actor_hears(&scene.server, GET);
    say_head(&scene, "Connection: close\r\n");
    size_t sent = 0;
    int idle = 0;
    while (idle < 50) { /* until nobody takes anything any more */
        ssize_t more = send(scene.server.fd, scene.body + sent % (MUCH / 2),
                            MUCH / 2, MSG_NOSIGNAL);
        idle = more > 0 ? 0 : idle + 1;
        sent += more > 0 ? (size_t)more : 0;
        stage_turn(&scene.stage);
        proxy_count(scene.stage.proxy, &counts);
        assert_in_range(counts.held_most, 0, 1280 * 1024);
    }
    /* What the kernel held when the socket filled up; no more is added. */
    proxy_count(scene.stage.proxy, &counts);
    assert_true(counts.poured > 0);
    size_t held = counts.held_most;
    stage_rest(&scene.stage);
    proxy_count(scene.stage.proxy, &counts);
    assert_int_equal(counts.held_most, held);
    close_scene(&scene);
}

/* ---- somebody looks ------------------------------------------------------ */

static enum hook_act pass(void *config, struct flow *flow,
                          struct message *message)
{
    (void)flow;
    *(size_t *)config += buf_len(&message->body);
    return HOOK_PASS;
}

static void a_body_that_a_hook_wants_is_read(void **state)
{
    (void)state;
    struct scene scene;
    size_t seen = 0;
    struct hook hook = {.name = "reader",
                        .config = &seen,
                        .wants = HOOK_WANTS_RESPONSE_BODY,
                        .on_response = pass};
    struct hook *hooks[] = {&hook};
    make_body(&scene);
    stage_prepare(&scene.stage, "http");
    scene.stage.options.hooks = hooks;
    scene.stage.options.hooks_count = 1;
    scene.stage.options.body_most = 2 * MUCH;
    stage_raise(&scene.stage);
    ask(&scene);
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%s\r\n", of_length());
    actor_says(&scene.server, head);
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_hears(&scene.victim, head);
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    assert_int_equal(seen, MUCH);
    assert_int_equal(poured(&scene), 0);
    close_scene(&scene);
}

static void the_beginning_that_an_event_shows_is_read(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    memset(scene.body, 'x', MUCH);
    memcpy(scene.body, "beginning", 9);
    say_head(&scene, of_length());
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    assert_true(poured(&scene) > 0);
    assert_true(
        stage_has_event(&scene.stage, "http.response", "\"body\":\"beginning"));
    close_scene(&scene);
}

/* ---- not HTTP ------------------------------------------------------------ */

static enum hook_act look(void *config, struct flow *flow, enum event_leg to,
                          struct buf *data)
{
    (void)flow, (void)to;
    *(size_t *)config += buf_len(data);
    return HOOK_PASS;
}

static void pass_raw_bytes(struct hook *hook, size_t *out_poured)
{
    struct scene scene;
    struct hook *hooks[] = {hook};
    make_body(&scene);
    stage_prepare(&scene.stage, "tcp");
    scene.stage.options.hooks = hooks;
    scene.stage.options.hooks_count = hook ? 1 : 0;
    stage_raise(&scene.stage);
    scene.victim = victim_enters(&scene.stage);
    scene.server = server_enters(&scene.stage);
    carry(&scene.server, &scene.victim, scene.body, MUCH);
    actor_says(&scene.victim, "thanks");
    actor_hears(&scene.server, "thanks");
    actor_hears_bytes(&scene.victim, scene.body, MUCH);
    actor_finishes(&scene.server);
    actor_hears_end(&scene.victim);
    *out_poured = poured(&scene);
    close_scene(&scene);
}

static void raw_bytes_pass_unseen_unless_a_hook_looks(void **state)
{
    (void)state;
    size_t seen = 0, through = 0;
    struct hook hook = {.name = "looker", .config = &seen, .on_data = look};
    pass_raw_bytes(NULL, &through);
    assert_true(through > 0);
    pass_raw_bytes(&hook, &through);
    assert_int_equal(through, 0);
    assert_int_equal(seen, MUCH + 6);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_known_length_arrives_unseen),
        cmocka_unit_test(a_body_up_to_the_end_arrives_unseen),
        cmocka_unit_test(the_inside_of_a_chunk_arrives_unseen),
        cmocka_unit_test(an_upload_arrives_unseen),
        cmocka_unit_test(events_count_what_nobody_saw),
        cmocka_unit_test(a_server_that_ends_early_is_seen_to),
        cmocka_unit_test(a_reset_goes_on_to_the_other_end),
        cmocka_unit_test(a_victim_that_resets_takes_the_server_with_it),
        cmocka_unit_test(a_slow_reader_costs_no_more_than_its_buffers),
        cmocka_unit_test(a_body_that_a_hook_wants_is_read),
        cmocka_unit_test(the_beginning_that_an_event_shows_is_read),
        cmocka_unit_test(raw_bytes_pass_unseen_unless_a_hook_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
