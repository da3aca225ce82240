/* SPDX-License-Identifier: MIT
 *
 * The programs of a run: started at their places, listened to, ended. Their
 * events and their output come in through pipes; cast_wait() is the only
 * place where the runner waits for anything but a person. */
#ifndef LABS_ENGINE_CAST_H
#define LABS_ENGINE_CAST_H

#include "certs/err.h"
#include "labs/net/net.h"
#include "proxy/base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum actor_role {
    ACTOR_RECORD,
    ACTOR_SERVER,
    ACTOR_PROXY,
    ACTOR_ATTACK,
    ACTOR_ACT
};

enum { ACTOR_OUTPUT_MOST = 64 << 10, ACTOR_LINE_MOST = 4 << 20 };

struct actor {
    struct actor *next;
    unsigned number; /* 1, 2 ... in the order of their start */
    enum actor_role role;
    int process;
    char *name, *place;
    int events_fd, output_fd; /* -1: closed */
    struct buf events, output;
    bool output_cut;
    bool ready;    /* has written its first event */
    bool ended;    /* the process is gone; `status` as of waitpid(2) */
    bool stopping; /* we told it to go */
    int status;
    int64_t heard_ms; /* its last event */
    unsigned open_flows;
};

struct cast {
    struct net *net;
    struct actor *actors; /* newest first */
    unsigned count;
    /* Called for every event, in the order in which they are read. */
    void (*on_event)(void *context, struct actor *actor, json_t *event);
    void *context;
    int interrupt_fd; /* readable when a signal has come; -1: none */
};

void cast_init(struct cast *cast, struct net *net);
void cast_free(struct cast *cast);

/* Start argv at a place. `env` as in net.h. `stdin_fd` -1: nothing. */
struct actor *cast_start(struct cast *cast, enum actor_role role,
                         const char *place, const char *const *argv,
                         const char *const *env, int stdin_fd, struct err *err);

/* Forget an actor of which actor_silent() is true; it is freed. */
void cast_forget(struct cast *cast, struct actor *actor);

/* Wait until done(argument) is true, at most until `deadline_ms` of
 * clock_ms(). True when it is; false at the deadline, or when a signal came
 * (which the caller learns from signals.h). */
typedef bool cast_condition(void *argument);
bool cast_wait(struct cast *cast, cast_condition *done, void *argument,
               int64_t deadline_ms);

/* Has it ended, and has everything that it said been read? */
bool actor_silent(const struct actor *actor);

/* Exit code as a shell gives it: 128 + signal. */
int actor_exit(const struct actor *actor);

/* SIGTERM; 2 s later SIGKILL. Then everything it said has been read. False if
 * it had to be killed. */
bool cast_stop(struct cast *cast, struct actor *actor);

/* A program that should be running and is not: gone without being told, or a
 * proxy that has been silent for too long. NULL: all is well. */
struct actor *cast_fallen(const struct cast *cast);

#endif
