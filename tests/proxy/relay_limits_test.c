/* SPDX-License-Identifier: MIT
 *
 * What one connection may cost, by the proxy's own count: whoever reads
 * nothing, never ends a head, or sends without end takes no more than its
 * share. Those who say nothing at all: relay_idle_test.c. */
#include "tests/proxy/stage.h"

enum {
    BLOCK = 64 * 1024,
    BODY_MOST = 256 * 1024,
};

#define GET "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"

static size_t held_most(struct stage *stage)
{
    struct proxy_counts counts;
    proxy_count(stage->proxy, &counts);
    return counts.held_most;
}

/* Keep sending `bytes` until nobody takes more for a while; returns the most
 * that the proxy held meanwhile, and in *out_sent how much went. */
static size_t flood(struct actor *from, const char *bytes, size_t len,
                    size_t *out_sent)
{
    size_t most = 0;
    *out_sent = 0;
    for (int idle = 0; idle < 50 && *out_sent < 64u << 20;) {
        ssize_t sent = send(from->fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            break;
        idle = sent > 0 ? 0 : idle + 1;
        *out_sent += sent > 0 ? (size_t)sent : 0;
        stage_turn(from->stage);
        size_t held = held_most(from->stage);
        most = held > most ? held : most;
    }
    return most;
}

/* In chunks that are too small to go through the kernel. */
static void a_slow_reader_stops_its_server(void **state)
{
    (void)state;
    struct stage stage;
    static char chunks[1029 * 64];
    size_t len = 0, sent;
    while (len + 1029 <= sizeof chunks) {
        len += (size_t)sprintf(chunks + len, "400\r\n%01024d\r\n", 7);
    }
    stage_open(&stage);
    struct actor victim = victim_enters_with(&stage, 4096);
    actor_says(&victim, GET);
    struct actor server = server_enters(&stage);
    actor_hears(&server, GET);
    actor_says(&server,
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    size_t most = flood(&server, chunks, len, &sent);
    assert_true(sent > 4 * BLOCK); /* the kernel took its part */
    assert_true(sent < 64u << 20);
    assert_in_range(most, 1, 4 * BLOCK);
    actor_leaves(&victim);
    actor_leaves(&server);
    stage_empties(&stage);
    stage_close(&stage);
}

static void a_head_without_end_is_refused_soon(void **state)
{
    (void)state;
    struct stage stage;
    size_t sent;
    static const char field[] = "X: 0123456789012345678901234567890123456789"
                                "\r\n";
    stage_open(&stage);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n");
    size_t most = flood(&victim, field, sizeof field - 1, &sent);
    assert_in_range(most, 1, 3 * BLOCK);
    actor_waits_for(&victim, 12);
    assert_memory_equal(buf_head(&victim.got), "HTTP/1.1 431", 12);
    actor_leaves(&victim);
    stage_empties(&stage);
    stage_close(&stage);
}

static enum hook_act pass(void *config, struct flow *flow,
                          struct message *message)
{
    (void)flow;
    *(bool *)config = message->has_body;
    return HOOK_PASS;
}

/* A stage whose hook wants bodies of requests of up to `most` bytes. */
static void open_for_bodies(struct stage *stage, struct hook *hook, size_t most)
{
    static struct hook *hooks[1];
    hooks[0] = hook;
    stage_prepare(stage, "http");
    stage->options.hooks = hooks;
    stage->options.hooks_count = 1;
    stage->options.body_most = most;
    stage_raise(stage);
}

static void all_leave(struct stage *stage, struct actor *victim,
                      struct actor *server)
{
    actor_leaves(victim);
    actor_leaves(server);
    stage_empties(stage);
    stage_close(stage);
}

#define POST_CHUNKS                                                            \
    "POST / HTTP/1.1\r\nHost: bank.lab.test\r\n"                               \
    "Transfer-Encoding: chunked\r\n\r\n"

/* A hook wants the body; this one is larger than any that is kept. */
static void a_body_without_end_is_not_kept(void **state)
{
    (void)state;
    struct stage stage;
    bool had_body = true;
    size_t sent, len = 0;
    static char chunk[1029 * 16];
    struct hook hook = {.name = "reader",
                        .config = &had_body,
                        .wants = HOOK_WANTS_REQUEST_BODY,
                        .on_request = pass};
    open_for_bodies(&stage, &hook, BODY_MOST);
    while (len + 1029 <= sizeof chunk)
        len += (size_t)sprintf(chunk + len, "400\r\n%01024d\r\n", 7);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, POST_CHUNKS);
    struct actor server = server_enters(&stage);
    size_t most = flood(&victim, chunk, len, &sent);
    assert_true(sent > 4 * BODY_MOST);
    assert_false(had_body);
    /* The body, and the same bytes with their framing, each in a buffer that
     * doubles; and a block for each direction. */
    assert_in_range(most, BODY_MOST, 4 * BODY_MOST + 4 * BLOCK);
    all_leave(&stage, &victim, &server);
}

/* Of a body in chunks of a byte each six bytes are sent for one that counts. */
static void framing_without_end_is_not_kept_either(void **state)
{
    (void)state;
    enum { MOST = 1024 * 1024 };
    struct stage stage;
    bool had_body = true;
    size_t sent, len = 0;
    static char chunks[6 * 4096];
    struct hook hook = {.name = "reader",
                        .config = &had_body,
                        .wants = HOOK_WANTS_REQUEST_BODY,
                        .on_request = pass};
    open_for_bodies(&stage, &hook, MOST);
    while (len + 6 < sizeof chunks)
        len += (size_t)sprintf(chunks + len, "1\r\nx\r\n");
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, POST_CHUNKS);
    struct actor server = server_enters(&stage);
    size_t most = flood(&victim, chunks, len, &sent);
    assert_true(sent > 2 * MOST);
    assert_false(had_body);
    assert_in_range(most, MOST, 4 * MOST);
    all_leave(&stage, &victim, &server);
}

/* Whoever names a length need not send it. */
static void a_length_alone_costs_nothing(void **state)
{
    (void)state;
    struct stage stage;
    bool had_body = true;
    struct hook hook = {.name = "reader",
                        .config = &had_body,
                        .wants = HOOK_WANTS_REQUEST_BODY,
                        .on_request = pass};
    open_for_bodies(&stage, &hook, 64 << 20);
    struct actor victim = victim_enters(&stage);
    actor_says(&victim, "POST / HTTP/1.1\r\nHost: bank.lab.test\r\n"
                        "Content-Length: 50000000\r\n\r\nab");
    struct actor server = server_enters(&stage);
    stage_rest(&stage);
    assert_in_range(held_most(&stage), 1, 4 * BLOCK);
    all_leave(&stage, &victim, &server);
}

/* Those beyond the cap may hear why they are turned away, but not all of them
 * at a time. */
static void few_are_turned_away_at_a_time(void **state)
{
    (void)state;
    enum { MANY = 60, FEW = 20 };
    struct stage stage;
    struct actor victims[MANY];
    unsigned most = 0, closed = 0;
    stage_prepare(&stage, "http");
    stage.options.relays_most = 2;
    stage_raise(&stage);
    for (unsigned i = 0; i < MANY; i++) {
        victims[i] = victim_enters(&stage);
        stage_turn(&stage);
        unsigned flows = proxy_flows(stage.proxy);
        most = flows > most ? flows : most;
    }
    stage_rest(&stage);
    for (unsigned i = 0; i < MANY; i++) {
        actor_listens(&victims[i]);
        closed += victims[i].eof || victims[i].reset;
        actor_leaves(&victims[i]);
    }
    assert_in_range(most, 3, FEW);
    assert_true(closed >= MANY - FEW);
    stage_empties(&stage);
    stage_close(&stage);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_reader_stops_its_server),
        cmocka_unit_test(a_head_without_end_is_refused_soon),
        cmocka_unit_test(a_body_without_end_is_not_kept),
        cmocka_unit_test(framing_without_end_is_not_kept_either),
        cmocka_unit_test(a_length_alone_costs_nothing),
        cmocka_unit_test(few_are_turned_away_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
