/* SPDX-License-Identifier: MIT
 *
 * What the runner and the init of a place say to each other: a request of one
 * size with descriptors beside it, and an answer that is a struct err (code 0:
 * done). What has no fixed size, such as a command line or the bytes of a
 * file, travels in a memory file. */
#ifndef LABS_NET_TALK_H
#define LABS_NET_TALK_H

#include "certs/err.h"

#include <stdbool.h>
#include <stddef.h>

enum talk_kind {
    TALK_START, /* blob: argv then env, each string with its NUL */
    TALK_PUT,   /* blob: the bytes of the file */
    TALK_KILL,
    TALK_BEND,
};

enum talk_fd {
    TALK_BLOB,
    TALK_STDIN,
    TALK_STDOUT,
    TALK_STDERR,
    TALK_EVENTS,
    TALK_FDS
};

struct talk_request {
    enum talk_kind kind;
    int process, signal;
    unsigned argc, envc;
    bool terminal;
    bool bent;            /* TALK_BEND: the plan's routes hold, or not */
    bool given[TALK_FDS]; /* filled in by talk_ask() */
    char path[256];
};

/* An ending, from the init of any place, on a pipe that they share. */
struct talk_ending {
    int process, status;
};

/* A memory file with these bytes; -1 with errno. */
int talk_blob(const void *bytes, size_t len);

/* All of a memory file, allocated, with a NUL behind it; NULL with errno. */
char *talk_blob_read(int fd, size_t *out_len);

/* The runner's side: ask and wait for the answer. `fds` (TALK_FDS of them, -1:
 * none) stay the caller's. */
int talk_ask(int control, struct talk_request *request, const int *fds,
             struct err *err);

/* Wait for an answer: of a request, or the first one, which says that the
 * place stands. */
int talk_await(int control, struct err *err);

/* The init's side. 1: a request, its descriptors are the caller's; 0: the
 * runner is gone; -1: nonsense. */
int talk_listen(int control, struct talk_request *out, int *out_fds);
void talk_answer(int control, const struct err *err);

#endif
