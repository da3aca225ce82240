/* SPDX-License-Identifier: MIT
 *
 * Memory runs out under HTTP/2: on both legs, on one of them with HTTP/1.1 on
 * the other, with hooks that edit bodies, and over TLS. How that is tried:
 * fault_loop.h. */
#include "tests/proxy/fault_loop.h"

#include "proxy/message.h"

/* ---- both legs ----------------------------------------------------------- */

static struct said said_hello(void)
{
    return (struct said){.bytes = "hello", .len = 5};
}

/* The first stream that came here asked for something: answer it. */
static void answer_first(struct framer *server, struct said *body,
                         bool *answered)
{
    if (*answered || !server->count || !server->seen[0].ended)
        return;
    *answered = true;
    framer_answers(server, server->seen[0].id, H2_OK, body);
}

/* It has its answer; or it will not. */
static bool has_answer(struct framer *victim, int32_t id, bool *out_over)
{
    struct seen *seen = framer_seen(victim, id);
    bool all = seen->ended && buf_len(&seen->body) >= 2;
    *out_over = all || seen->closed || gone(&victim->actor) || victim->goaway;
    return all;
}

static bool hold_h2(struct stage *stage)
{
    struct framer *victim = calloc(1, sizeof *victim);
    struct framer *server = calloc(1, sizeof *server);
    struct said hello = said_hello(), hi = {.bytes = "hi", .len = 2};
    bool answered = false, all = false, over = false;
    framer_open(victim, victim_enters(stage), false);
    server->actor = (struct actor){.stage = stage, .fd = -1};
    int32_t id = framer_asks(victim, H2_POST, &hello);
    for (int i = 0; i < patience() && !over; i++) {
        framer_turns(victim);
        int fd = server->actor.fd < 0 ? stage_door(stage) : -1;
        if (fd >= 0)
            framer_open(server, (struct actor){.stage = stage, .fd = fd}, true);
        framer_turns(server);
        answer_first(server, &hi, &answered);
        all = has_answer(victim, id, &over);
        stage_turn(stage);
    }
    framer_leaves(victim);
    framer_leaves(server);
    free(victim);
    free(server);
    return all;
}

static void both_legs_survive(void **state)
{
    (void)state;
    try_faults(
        &(struct scene){.name = "h2", .scheme = "http", .hold = hold_h2});
    try_faults(&(struct scene){
        .name = "h2-alone", .scheme = "http", .alone = true, .hold = hold_h2});
}

/* ---- with a hook --------------------------------------------------------- */

static enum hook_act edit(void *config, struct flow *flow,
                          struct message *message)
{
    (void)config;
    (void)flow;
    if (message_set_field(message, "X-Edited", "yes") ||
        message_set_body(message, "another body", 12))
        return HOOK_CUT;
    return HOOK_CHANGED;
}

static struct hook editor = {
    .name = "editor",
    .wants = HOOK_WANTS_REQUEST_BODY | HOOK_WANTS_RESPONSE_BODY,
    .on_request = edit,
    .on_response = edit,
};
static struct hook *const hooks[] = {&editor};

static void edit_bodies(struct stage *stage)
{
    stage->options.hooks = hooks;
    stage->options.hooks_count = 1;
}

static void edited_bodies_survive(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "h2-edited",
                               .scheme = "http",
                               .friend_scheme = "tcp",
                               .prepare = edit_bodies,
                               .hold = hold_h2});
}

/* ---- translated ---------------------------------------------------------- */

static void for_the_victim_alone(struct stage *stage)
{
    stage->options.h2 = PROXY_H2_VICTIM;
}

static void for_the_victim_alone_edited(struct stage *stage)
{
    for_the_victim_alone(stage);
    edit_bodies(stage);
}

#define CHUNKED_HI                                                             \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"                    \
    "2\r\nhi\r\n0\r\n\r\n"

/* The server hears HTTP/1.1. */
static bool hold_down(struct stage *stage)
{
    struct framer *victim = calloc(1, sizeof *victim);
    struct actor server = {.stage = stage, .fd = -1};
    struct said hello = said_hello();
    bool answered = false, all = false, over = false;
    framer_open(victim, victim_enters(stage), false);
    int32_t id = framer_asks(victim, H2_POST, &hello);
    for (int i = 0; i < patience() && !over; i++) {
        framer_turns(victim);
        if (server.fd < 0)
            server.fd = stage_door(stage);
        if (server.fd >= 0)
            actor_listens(&server);
        size_t len = buf_len(&server.got);
        if (!answered && len &&
            (memmem(buf_head(&server.got), len, "\r\n0\r\n\r\n", 7) ||
             memmem(buf_head(&server.got), len, "another body", 12))) {
            answered = true;
            say(&server, CHUNKED_HI);
        }
        all = has_answer(victim, id, &over);
        stage_turn(stage);
    }
    framer_leaves(victim);
    free(victim);
    actor_leaves(&server);
    return all;
}

/* Several streams, each with a connection to a server of HTTP/1.1, which
 * answers none before all are there. */
static bool hold_lanes(struct stage *stage)
{
    enum { MANY = 3 };
    struct framer *victim = calloc(1, sizeof *victim);
    struct actor servers[MANY];
    int32_t ids[MANY];
    unsigned done = 0, met = 0;
    framer_open(victim, victim_enters(stage), false);
    for (int i = 0; i < MANY; i++)
        ids[i] = framer_asks(victim, H2_GET, NULL);
    for (int i = 0; i < patience() && done < MANY && !gone(&victim->actor);
         i++) {
        int fd = met < MANY ? stage_door(stage) : -1;
        if (fd >= 0)
            servers[met++] = (struct actor){.stage = stage, .fd = fd};
        unsigned asked = 0;
        for (unsigned j = 0; j < met; j++) {
            actor_listens(&servers[j]);
            asked += buf_len(&servers[j].got) >= strlen(GET);
        }
        for (unsigned j = 0; j < met && asked == MANY; j++) {
            buf_consume(&servers[j].got, strlen(GET));
            say(&servers[j], OK_HI);
        }
        framer_turns(victim);
        done = 0;
        for (int j = 0; j < MANY; j++)
            done += framer_seen(victim, ids[j])->ended &&
                    buf_len(&framer_seen(victim, ids[j])->body) == 2;
        stage_turn(stage);
    }
    for (unsigned j = 0; j < met; j++)
        actor_leaves(&servers[j]);
    framer_leaves(victim);
    free(victim);
    return done == MANY;
}

static void for_the_server_alone(struct stage *stage)
{
    stage->options.h2 = PROXY_H2_SERVER;
}

#define CHUNKED_HELLO                                                          \
    "POST / HTTP/1.1\r\nHost: bank.lab.test\r\n"                               \
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

/* The victim says HTTP/1.1. */
static bool hold_up(struct stage *stage)
{
    struct framer *server = calloc(1, sizeof *server);
    struct actor victim = victim_enters(stage);
    struct said hi = {.bytes = "hi", .len = 2};
    bool answered = false, all = false;
    server->actor = (struct actor){.stage = stage, .fd = -1};
    say(&victim, CHUNKED_HELLO);
    for (int i = 0; i < patience() && !all && !gone(&victim); i++) {
        int fd = server->actor.fd < 0 ? stage_door(stage) : -1;
        if (fd >= 0)
            framer_open(server, (struct actor){.stage = stage, .fd = fd}, true);
        framer_turns(server);
        answer_first(server, &hi, &answered);
        actor_listens(&victim);
        size_t len = buf_len(&victim.got);
        all = len && memmem(buf_head(&victim.got), len, "\r\n\r\n", 4) &&
              memmem(buf_head(&victim.got), len, "hi", 2);
        stage_turn(stage);
    }
    framer_leaves(server);
    free(server);
    actor_leaves(&victim);
    return all && answered;
}

static void translation_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "h2-down",
                               .scheme = "http",
                               .prepare = for_the_victim_alone,
                               .hold = hold_down});
    try_faults(&(struct scene){.name = "h2-down-edited",
                               .scheme = "http",
                               .friend_scheme = "tcp",
                               .prepare = for_the_victim_alone_edited,
                               .hold = hold_down});
    try_faults(&(struct scene){.name = "h2-lanes",
                               .scheme = "http",
                               .stride = 3,
                               .prepare = for_the_victim_alone,
                               .hold = hold_lanes});
    try_faults(&(struct scene){.name = "h2-up",
                               .scheme = "http",
                               .friend_scheme = "tcp",
                               .prepare = for_the_server_alone,
                               .hold = hold_up});
}

/* ---- over TLS ------------------------------------------------------------ */

/* A framer whose bytes go through TLS: it has one end of a pair of sockets,
 * its talker the other. */
struct sealed {
    struct framer *framer;
    struct talker talker;
    int inner; /* the talker's end */
};

static void sealed_opens(struct sealed *sealed, struct talker talker,
                         bool serves)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                     0);
    sealed->talker = talker;
    sealed->framer = calloc(1, sizeof *sealed->framer);
    sealed->inner = pair[1];
    framer_open(sealed->framer,
                (struct actor){.stage = talker.actor.stage, .fd = pair[0]},
                serves);
}

static void sealed_turns(struct sealed *sealed)
{
    uint8_t bytes[4096];
    struct talker *talker = &sealed->talker;
    ssize_t len;
    int got;
    talker_shakes(talker);
    framer_turns(sealed->framer);
    if (!talker->done || talker->failed)
        return;
    ERR_clear_error();
    while ((len = recv(sealed->inner, bytes, sizeof bytes, 0)) > 0)
        if (SSL_write(talker->ssl, bytes, (int)len) <= 0)
            talker->failed = true;
    while ((got = SSL_read(talker->ssl, bytes, sizeof bytes)) > 0)
        (void)!send(sealed->inner, bytes, (size_t)got, MSG_NOSIGNAL);
    if (SSL_get_error(talker->ssl, got) != SSL_ERROR_WANT_READ)
        talker->failed = true;
    framer_turns(sealed->framer);
}

static void sealed_leaves(struct sealed *sealed)
{
    if (!sealed->framer)
        return;
    framer_leaves(sealed->framer);
    free(sealed->framer);
    close(sealed->inner);
    talker_leaves(&sealed->talker);
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *len,
                     const unsigned char *in, unsigned in_len, void *context)
{
    static const unsigned char ours[] = {2, 'h', '2'};
    (void)ssl;
    (void)context;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, len, ours,
                                 sizeof ours, in,
                                 in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void sealed_server_comes(struct sealed *server, struct stage *stage)
{
    int fd = stage_door(stage);
    if (fd < 0)
        return;
    struct talker talker =
        server_greets((struct actor){.stage = stage, .fd = fd});
    SSL_CTX_set_alpn_select_cb(SSL_get_SSL_CTX(talker.ssl), choose_h2, NULL);
    sealed_opens(server, talker, true);
}

static bool hold_sealed(struct stage *stage)
{
    static const unsigned char alpn[] = {2, 'h', '2'};
    struct sealed victim = {0}, server = {0};
    struct said hello = said_hello(), hi = {.bytes = "hi", .len = 2};
    bool answered = false, all = false, over = false;
    struct talker talker =
        victim_calls(stage, NULL, TLS1_3_VERSION, "bank.lab.test");
    SSL_set_alpn_protos(talker.ssl, alpn, sizeof alpn);
    sealed_opens(&victim, talker, false);
    int32_t id = framer_asks(victim.framer, H2_POST, &hello);
    for (int i = 0; i < 3 * patience() && !over && !victim.talker.failed; i++) {
        sealed_turns(&victim);
        if (!server.framer)
            sealed_server_comes(&server, stage);
        if (server.framer) {
            sealed_turns(&server);
            answer_first(server.framer, &hi, &answered);
        }
        all = has_answer(victim.framer, id, &over);
        stage_turn(stage);
    }
    sealed_leaves(&victim);
    sealed_leaves(&server);
    return all;
}

static void h2_over_tls_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "h2-tls",
                               .scheme = "https",
                               .stride = 101,
                               .hold = hold_sealed});
}

int main(void)
{
    if (hunger_begins())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_legs_survive),
        cmocka_unit_test(edited_bodies_survive),
        cmocka_unit_test(translation_survives),
        cmocka_unit_test(h2_over_tls_survives),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
