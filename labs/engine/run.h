/* SPDX-License-Identifier: MIT
 *
 * Run a lab: the door from outside. Blocks until the run is over. */
#ifndef LABS_ENGINE_RUN_H
#define LABS_ENGINE_RUN_H

#include "certs/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct run_options {
    const char *folder;   /* of the lab */
    const char *out;      /* the run folder; NULL: one of today's name */
    const char *topology; /* NULL: the lab's first */
    const char *play;     /* "solution", "wrong"; NULL: a person plays */
    const char *student;  /* NULL: none */
    const char *version;  /* of this program */
    uint64_t seed;
    long long timeout_s; /* 0: none */
    bool bare, pause;
    bool check; /* only what the workshop comes to: nothing is asked */
    FILE *talk; /* where to speak */
    bool json;  /* result.json goes to stdout at the end */
};

/* The exit code of the run. -1 when there was no run, with a sentence. */
int run_lab(const struct run_options *options, struct err *err);

#endif
