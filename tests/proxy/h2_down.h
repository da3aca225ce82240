/* SPDX-License-Identifier: MIT
 *
 * A victim of HTTP/2 whose server speaks HTTP/1.1, over one connection or
 * several. */
#ifndef TESTS_PROXY_H2_DOWN_H
#define TESTS_PROXY_H2_DOWN_H

#include "tests/proxy/h2_stage.h"

struct down {
    struct stage stage;
    struct framer victim;
    struct actor server; /* on the connection that comes first */
};

/* Options may be set before down_enter(). */
STAGE struct down *down_prepare(void)
{
    struct down *down = calloc(1, sizeof *down);
    stage_prepare(&down->stage, "http");
    down->stage.options.h2 = PROXY_H2_VICTIM;
    return down;
}

STAGE void down_enter(struct down *down)
{
    stage_raise(&down->stage);
    framer_open(&down->victim, victim_enters(&down->stage), false);
    framer_turns(&down->victim);
    down->server = server_enters(&down->stage);
}

STAGE struct down *down_new(void)
{
    struct down *down = down_prepare();
    down_enter(down);
    return down;
}

/* All that is said goes over one connection. */
STAGE struct down *down_new_with_one(void)
{
    struct down *down = down_prepare();
    down->stage.options.lanes_most = 1;
    down_enter(down);
    return down;
}

STAGE void down_free(struct down *down)
{
    framer_leaves(&down->victim);
    actor_leaves(&down->server);
    stage_empties(&down->stage);
    stage_close(&down->stage);
    free(down);
}

/* Everything that a server hears until this is its end. */
STAGE void down_server_hears(struct down *down, struct actor *server,
                             const char *text)
{
    size_t len = strlen(text);
    for (int i = 0; i < PATIENCE_TURNS && buf_len(&server->got) < len; i++) {
        framer_turns(&down->victim);
        actor_listens(server);
        stage_turn(&down->stage);
    }
    actor_hears(server, text);
}

STAGE void down_hears(struct down *down, const char *text)
{
    down_server_hears(down, &down->server, text);
}

STAGE struct seen *down_answered(struct down *down, int32_t id)
{
    struct seen *seen = framer_seen(&down->victim, id);
    FRAMERS_UNTIL(&down->victim, (struct framer *)NULL, seen->closed);
    return seen;
}

STAGE void down_rests(struct down *down)
{
    framers_rest(&down->victim, NULL);
}

#define GET_1  "GET / HTTP/1.1\r\nhost: bank.lab.test\r\n\r\n"
#define POST_1 "POST / HTTP/1.1\r\nhost: bank.lab.test\r\n"
#define OK_HI  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

#endif
