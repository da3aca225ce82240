/* SPDX-License-Identifier: MIT
 *
 * Which of the programs that a lab can use, or that help to read its capture,
 * this machine has. They are asked for their version and for nothing else. */
#ifndef LABS_NET_VERSIONS_H
#define LABS_NET_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { VERSIONS = 9 };

struct version {
    const char *name;
    bool found;
    char number[32]; /* "7.88.1"; "" if it did not say one in time */
};

/* The first number with a dot in what a program says of its version; "" if
 * there is none. */
void version_number(const char *text, char *out, size_t room);

/* Asks all at once; takes as long as the slowest, at most 10 s. */
void versions_look(struct version out[VERSIONS]);

#endif
