/* SPDX-License-Identifier: MIT
 *
 * A stage for the victims: a folder with certificates and a table of names, a
 * bank on ports that the kernel chose, clients that are run to their end, and
 * the events of all of them. */
#ifndef TESTS_VICTIMS_STAGE_H
#define TESTS_VICTIMS_STAGE_H

/* cmocka wants these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/ca.h"
#include "certs/forge.h"

#include <cmocka.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct stage {
    char dir[64]; /* lab.pem, bank.crt, bank.key, hosts */
    struct ca *lab, *rogue;
    X509 *original;
    EVP_PKEY *original_key;

    char staple[128]; /* FILE of the bank's --staple; "": none */

    /* The bank, while it runs. */
    pid_t bank;
    int events; /* where its events come out */
    int http, https;
    json_t *seen; /* array of all events so far */
};

int stage_setup(void **state);
int stage_teardown(void **state);

/* Start the bank with the certificate of that forgery (NULL: its own). If it
 * is one of the gallery's, {dir}/gallery.pem is whom a victim should trust. */
void stage_open_bank(struct stage *stage, const char *forgery);

/* SIGTERM; the bank must exit 0 within two seconds. Its events are all in
 * stage->seen afterwards. */
void stage_close_bank(struct stage *stage);

/* How a client ended. */
struct stage_visit {
    int exit;
    char output[65536];
    json_t *result; /* data of its client.result; json_decref() it */
};

/* Run a program of victims/ with words split at spaces; "{http}", "{https}"
 * and "{dir}" stand for the bank's ports and the folder. */
void stage_run(struct stage *stage, const char *command,
               struct stage_visit *out);

/* Wait for an event of this kind that is number `nth` (from 0) of its kind.
 * Returns its data; fails the test when none comes in five seconds. */
json_t *stage_event(struct stage *stage, const char *kind, unsigned nth);
unsigned stage_count(const struct stage *stage, const char *kind);

/* A TCP connection to the bank. */
int stage_connect(int port);

/* Send bytes, close that half, and read all that comes back. */
size_t stage_talk(int port, const void *bytes, size_t len, char *answer,
                  size_t room);

#endif
