/* SPDX-License-Identifier: MIT
 *
 * A victim of HTTP/1.1 whose server speaks HTTP/2. */
#ifndef TESTS_PROXY_H2_UP_H
#define TESTS_PROXY_H2_UP_H

#include "tests/proxy/h2_stage.h"

struct up {
    struct stage stage;
    struct actor victim;
    struct framer server;
};

STAGE struct up *up_new(const char *request)
{
    struct up *up = calloc(1, sizeof *up);
    stage_prepare(&up->stage, "http");
    up->stage.options.h2 = PROXY_H2_SERVER;
    stage_raise(&up->stage);
    up->victim = victim_enters(&up->stage);
    actor_says(&up->victim, request);
    framer_open(&up->server, server_enters(&up->stage), true);
    return up;
}

STAGE void up_free(struct up *up)
{
    framer_leaves(&up->server);
    actor_leaves(&up->victim);
    stage_empties(&up->stage);
    stage_close(&up->stage);
    free(up);
}

STAGE struct seen *up_asked(struct up *up, int32_t id)
{
    struct seen *seen = framer_seen(&up->server, id);
    FRAMERS_UNTIL(&up->server, (struct framer *)NULL, seen->ended);
    return seen;
}

STAGE void up_hears(struct up *up, const char *text)
{
    for (int i = 0;
         i < PATIENCE_TURNS && buf_len(&up->victim.got) < strlen(text); i++) {
        framer_turns(&up->server);
        actor_listens(&up->victim);
        stage_turn(&up->stage);
    }
    actor_hears(&up->victim, text);
}

#endif
