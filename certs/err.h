/* SPDX-License-Identifier: MIT
 *
 * The one error type: a sentence for a person, and an exit code for a script.
 * It lives on the lowest floor so that every floor can use it.
 *
 * A function that can fail through the operator or the machine returns -1 (or
 * NULL) and puts one sentence here: what failed, where, and what to do next.
 * What a peer does wrong is never an error but an event. */
#ifndef CERTS_ERR_H
#define CERTS_ERR_H

#include <stddef.h>

/* Exit codes of the program; `mitmlab help exit-codes` prints them. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_GOAL_MISSED = 1, /* the lab ran, its goal was not reached */
    EXIT_USAGE = 2,       /* the command line was wrong */
    EXIT_PARTIAL = 3,     /* something is incomplete, such as the capture */
    EXIT_MACHINE = 4,     /* this machine cannot do it */
    EXIT_LAB_INVALID = 5, /* the lab file is wrong */
    EXIT_CONTAINMENT = 6, /* refused: outside the lab's walls */
    EXIT_BUG = 7,         /* our own mistake */
    EXIT_TIMEOUT = 124,
    EXIT_SIGINT = 130,
    EXIT_SIGTERM = 143,
};

struct err {
    int code; /* enum exit_code, for main() */
    char text[512];
};

#define ERR_INIT                                                               \
    {                                                                          \
        0, ""                                                                  \
    }

/* Write a sentence; the code is EXIT_MACHINE unless err_code() says more. */
void err_set(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with an exit code. */
void err_code(struct err *err, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "<sentence>: <strerror(errno)>". errno is read first and kept. */
void err_errno(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "<sentence>: <oldest reason in OpenSSL's queue>"; the queue is emptied. */
void err_openssl(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "<where>: " before the sentence that is already there. */
void err_prefix(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
