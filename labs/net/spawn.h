/* SPDX-License-Identifier: MIT
 *
 * Start programs and learn how they end: the same for the init of a place and,
 * with --bare, for the runner itself. A program gets a session of its own,
 * /dev/null for what it was not given, a clean set of descriptors, default
 * signals, no core file, and dies with the one that started it. */
#ifndef LABS_NET_SPAWN_H
#define LABS_NET_SPAWN_H

#include "certs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The descriptor that $MITMLAB_EVENTS_FD names. */
enum { SPAWN_EVENTS_FD = 3 };

struct spawn {
    char *const *argv; /* argv[0] is looked up in the PATH of `env` */
    char *const *env;  /* all of it */
    const char *dir;   /* the folder it starts in */
    int fds[3];        /* -1: /dev/null */
    int events_fd;     /* -1: none */
    bool terminal;     /* fds[0] becomes the terminal of its session */
};

struct child;
struct children {
    int epoll; /* readable when a child has ended; never close it */
    struct child *list;
};

int children_init(struct children *children, struct err *err);

/* Kills them all, with what they started, and waits for them. */
void children_close(struct children *children);

/* Start one under a number of the caller's choice. Returns when the program
 * runs, or -1 when it cannot. */
int children_start(struct children *children, int process,
                   const struct spawn *spawn, struct err *err);

/* SIGKILL goes to all of its process group, other signals to it alone. -1:
 * it is gone. */
int children_kill(struct children *children, int process, int signal);

/* Take one ending, status as of waitpid(2). What the child left running in its
 * process group is killed first. */
bool children_reap(struct children *children, int *out_process,
                   int *out_status);

#endif
