/* SPDX-License-Identifier: MIT
 *
 * The loop over N: a scene is played again and again, each time on a stage of
 * its own, and each time the Nth allocation of the proxy fails, once, and then
 * from then on, until the scene needs no more than N. Each time
 *   - nothing crashes, and nothing leaks;
 *   - somebody else's connection, which was there before, is served as before;
 *   - every other flow ends by itself;
 *   - the same scene plays to its end once memory is there again.
 *
 * Where a scene has many allocations, ctest tries every `stride`th; from which
 * on moves by one with each run (a number in BINARY_DIR/fault_NAME.turn), so
 * that as many runs as the stride is wide have tried all.
 *
 *   MITMLAB_FAULT_STRIDE=1   all of them
 *   MITMLAB_FAULT_AT=N       from N on
 *   MITMLAB_FAULT_SCENE=tls  this scene alone
 *   MITMLAB_FAULT_LEAKS=1    says after which N something leaked; slow */
#ifndef TESTS_PROXY_FAULT_LOOP_H
#define TESTS_PROXY_FAULT_LOOP_H

#include "tests/proxy/hunger.h"

enum { TURNS = 60 }; /* nobody waits longer for who got no memory */

#define GET   "GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

struct scene {
    const char *name;
    const char *scheme;        /* of the server */
    const char *friend_scheme; /* NULL: "http" */
    bool sealed_friend; /* whose connection is there before is TLS too: what
                           is made once for all of them is made by then */
    bool alone;         /* nobody is there before: neither are spare buffers */
    unsigned stride;    /* of N in the suite; 0: 1 */
    /* More options; and whatever the scene has is made anew. NULL: nothing. */
    void (*prepare)(struct stage *stage);
    void (*clean)(void);
    /* What both sides say; either may find the other gone at any time. True
     * when all of it was said and heard. */
    bool (*hold)(struct stage *stage);
};

/* ---- what scenes are made of --------------------------------------------- */

/* Without a fault there is an answer, and time to wait for it. */
STAGE int patience(void)
{
    return memory.armed && memory.failed ? TURNS : PATIENCE_TURNS;
}

STAGE void say_bytes(struct actor *actor, const void *bytes, size_t len)
{
    if (actor->fd >= 0)
        (void)!send(actor->fd, bytes, len, MSG_NOSIGNAL);
}

STAGE void say(struct actor *actor, const char *text)
{
    say_bytes(actor, text, strlen(text));
}

STAGE bool gone(const struct actor *actor)
{
    return actor->eof || actor->reset;
}

/* Until `len` bytes are there, or will not come. */
STAGE bool wait_for(struct actor *actor, size_t len)
{
    for (int i = 0; i < patience() && !gone(actor); i++) {
        if (buf_len(&actor->got) >= len)
            break;
        if (!actor_listens(actor))
            stage_turn(actor->stage);
    }
    return buf_len(&actor->got) >= len;
}

/* As many bytes as this text has, whichever; they are taken. */
STAGE bool hear(struct actor *actor, const char *text)
{
    bool heard = actor->fd >= 0 && wait_for(actor, strlen(text));
    if (heard)
        buf_consume(&actor->got, strlen(text));
    return heard;
}

/* The server's side of the victim's connection; fd -1: it does not come. */
STAGE struct actor meet(struct stage *stage, struct actor *victim)
{
    struct actor server = {.stage = stage, .fd = -1};
    for (int i = 0; i < patience() && server.fd < 0 && !gone(victim); i++) {
        server.fd = stage_door(stage);
        if (server.fd >= 0)
            break;
        actor_listens(victim);
        stage_turn(stage);
    }
    return server;
}

/* One says something and the other hears it. */
STAGE bool passes(struct actor *from, struct actor *to, const char *said,
                  const char *heard)
{
    if (to->fd < 0 || gone(from))
        return false;
    say(from, said);
    return hear(to, heard);
}

STAGE void both_leave(struct actor *victim, struct actor *server)
{
    actor_leaves(victim);
    actor_leaves(server);
}

/* A turn of somebody who speaks TLS: shakes hands, says `text` once that is
 * done, hears what there is. */
STAGE void talk(struct talker *talker, const char *text, bool *said)
{
    char bytes[4096];
    if (!talker->ssl)
        return;
    talker_shakes(talker);
    if (!talker->done || talker->failed)
        return;
    ERR_clear_error();
    if (text && !*said)
        *said = SSL_write(talker->ssl, text, (int)strlen(text)) > 0;
    int got = SSL_read(talker->ssl, bytes, sizeof bytes);
    if (got > 0)
        assert_int_equal(buf_append(&talker->actor.got, bytes, (size_t)got), 0);
    else if (SSL_get_error(talker->ssl, got) != SSL_ERROR_WANT_READ)
        talker->failed = true;
}

/* The server that the victim comes to, if it has come. */
STAGE void let_in(struct stage *stage, struct talker *server)
{
    int fd = server->ssl ? -1 : stage_door(stage);
    if (fd >= 0)
        *server = server_greets((struct actor){.stage = stage, .fd = fd});
}

/* A turn that is over as soon as there is something for either of them: with
 * thousands of N a millisecond each time is most of it all. */
STAGE void quick_turn(struct stage *stage, const struct talker *victim,
                      const struct talker *server)
{
    struct pollfd ready[] = {
        {.fd = uv_backend_fd(&stage->loop), .events = POLLIN},
        {.fd = stage->listener, .events = POLLIN},
        {.fd = victim->failed ? -1 : victim->actor.fd, .events = POLLIN},
        {.fd = server->failed ? -1 : server->actor.fd, .events = POLLIN},
    };
    hungry_uv_run(&stage->loop, UV_RUN_NOWAIT);
    if (poll(ready, sizeof ready / sizeof *ready, 1) > 0)
        hungry_uv_run(&stage->loop, UV_RUN_NOWAIT);
}

/* Both have TLS, or will have: one request, one answer. */
STAGE bool ask_sealed(struct talker *victim, struct talker *server)
{
    struct stage *stage = victim->actor.stage;
    bool asked = false, answered = false, all = false;
    for (int i = 0; i < 3 * patience() && !all && !victim->failed; i++) {
        talk(victim, GET, &asked);
        let_in(stage, server);
        bool whole = buf_len(&server->actor.got) >= strlen(GET);
        talk(server, whole ? OK_HI : NULL, &answered);
        all = buf_len(&victim->actor.got) >= strlen(OK_HI);
        quick_turn(stage, victim, server);
    }
    return all;
}

/* ---- somebody else, whom nothing of all this concerns -------------------- */

struct friend
{
    struct talker victim, server; /* without TLS only their actors */
};

STAGE struct actor friend_enters(struct stage *stage, unsigned way)
{
    struct actor actor = {.stage = stage};
    const union address *to = proxy_address(stage->proxy, way);
    actor.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(actor.fd, &to->any, sizeof to->v4), 0);
    stage_set_nonblocking(actor.fd);
    return actor;
}

STAGE void friend_is_served(struct friend *friend)
{
    struct actor *victim = &friend->victim.actor;
    struct actor *server = &friend->server.actor;
    if (friend->victim.ssl) {
        talker_says(&friend->victim, GET);
        talker_hears(&friend->server, GET);
        talker_says(&friend->server, OK_HI);
        talker_hears(&friend->victim, OK_HI);
        return;
    }
    actor_says(victim, GET);
    if (server->fd < 0)
        *server = server_enters(victim->stage);
    actor_hears(server, GET);
    actor_says(server, OK_HI);
    actor_hears(victim, OK_HI);
}

STAGE void friend_comes(struct friend *friend, struct stage *stage, bool sealed)
{
    *friend = (struct friend){.server.actor = {.stage = stage, .fd = -1}};
    if (sealed) {
        friend->victim =
            victim_calls(stage, NULL, TLS1_3_VERSION, "bank.lab.test");
        friend->server = all_shake(&friend->victim);
        assert_true(friend->victim.done && !friend->victim.failed);
    } else {
        friend->victim.actor = friend_enters(stage, 1);
    }
    friend_is_served(friend);
}

STAGE void friend_leaves(struct friend *friend)
{
    talker_leaves(&friend->victim);
    talker_leaves(&friend->server);
}

/* ---- one N --------------------------------------------------------------- */

/* Those who came too late, or were let in by a relay that then died. */
STAGE void empty_the_door(struct stage *stage)
{
    for (int fd; (fd = stage_door(stage)) >= 0;)
        close(fd);
}

/* All but these are gone. */
STAGE void others_go(struct stage *stage, unsigned friends)
{
    for (int i = 0; i < PATIENCE_TURNS && proxy_flows(stage->proxy) > friends;
         i++) {
        stage_turn(stage);
        empty_the_door(stage);
    }
    assert_int_equal(proxy_flows(stage->proxy), friends);
}

/* The first way is the scene's, the second the friend's. */
STAGE void scene_opens(struct stage *stage, const struct scene *scene)
{
    char url[64];
    struct err err = ERR_INIT;
    tls_stage_prepare(stage, scene->scheme);
    struct way_in *way = &stage->options.ways[1];
    *way = (struct way_in){.mode = WAY_REVERSE};
    snprintf(url, sizeof url, "%s://127.0.0.1:%d",
             scene->friend_scheme ? scene->friend_scheme : "http",
             stage->upstream.port);
    assert_int_equal(target_parse(url, &way->target, &err), 0);
    assert_int_equal(address_parse("127.0.0.1:0", &way->address, &err), 0);
    stage->options.ways_count = 2;
    stage->options.h2_memory = &h2_memory;
    stage->options.drain_ms = 1;
    /* How busy the machine is shall not matter. */
    stage->options.head_ms = stage->options.connect_ms =
        stage->options.idle_ms = 3600 * 1000;
    if (scene->prepare)
        scene->prepare(stage);
    stage_raise(stage);
}

/* Returns true while there was an Nth allocation. */
STAGE bool try_fault(const struct scene *scene, unsigned at, bool for_ever)
{
    struct stage stage;
    struct friend friend;
    scene_opens(&stage, scene);
    if (!scene->alone)
        friend_comes(&friend, &stage, scene->sealed_friend);
    hunger_arm(at, for_ever);
    bool all = scene->hold(&stage);
    bool there = memory.failed;
    hunger_disarm();
    if (!there && !all)
        fail_msg("%s: broken without a fault", scene->name);
    if (!scene->alone)
        friend_is_served(&friend);
    others_go(&stage, !scene->alone);
    empty_the_door(&stage);
    if (!scene->hold(&stage))
        fail_msg("%s: nobody is served after fault %u%s", scene->name, at,
                 for_ever ? " and on" : "");
    if (!scene->alone)
        friend_leaves(&friend);
    stage_empties(&stage);
    stage_close(&stage);
    if (scene->clean)
        scene->clean();
    return there;
}

/* ---- all N --------------------------------------------------------------- */

/* With AddressSanitizer; else NULL. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

STAGE void look_for_leaks(const struct scene *scene, unsigned at)
{
    if (getenv("MITMLAB_FAULT_LEAKS") && __lsan_do_recoverable_leak_check &&
        __lsan_do_recoverable_leak_check())
        fail_msg("%s: a leak after fault %u", scene->name, at);
}

/* How often this scene has been tried here before. */
STAGE unsigned turn_of(const struct scene *scene)
{
    char path[512];
    unsigned turn = 0;
    snprintf(path, sizeof path, BINARY_DIR "/fault_%s.turn", scene->name);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%u", &turn) != 1)
            turn = 0;
        fclose(file);
    }
    file = fopen(path, "w");
    if (file) {
        fprintf(file, "%u\n", turn + 1);
        fclose(file);
    }
    return turn;
}

STAGE void try_faults(const struct scene *scene)
{
    const char *width = getenv("MITMLAB_FAULT_STRIDE");
    const char *begin = getenv("MITMLAB_FAULT_AT");
    const char *only = getenv("MITMLAB_FAULT_SCENE");
    if (only && strcmp(only, scene->name))
        return;
    unsigned stride = width ? (unsigned)atoi(width) : scene->stride, tried = 0;
    stride = stride ? stride : 1;
    unsigned first = begin ? (unsigned)atoi(begin) : turn_of(scene) % stride;
    unsigned at = first;
    for (; try_fault(scene, at, false); at += stride, tried++) {
        look_for_leaks(scene, at);
        (void)try_fault(scene, at, true);
        look_for_leaks(scene, at);
    }
    print_message("%s: %u allocations; %u failed, from the %uth every %u\n",
                  scene->name, memory.count, tried, first, stride);
    assert_true(tried || begin);
}

#endif
