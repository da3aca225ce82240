/* SPDX-License-Identifier: MIT
 *
 * Whose TLS is left alone: a list of the operator's, and those victims that
 * have refused a forgery once. One of it serves all workers. */
#ifndef PROXY_PASS_H
#define PROXY_PASS_H

#include "certs/err.h"
#include "proxy/base/dial.h"

#include <stdbool.h>

struct pass;

struct pass *pass_new(void); /* NULL: memory is out */
void pass_free(struct pass *pass);

/* A server's name, "*.NAME" for all below it, or an address. -1 with a
 * sentence. */
int pass_add(struct pass *pass, const char *rule, struct err *err);

/* From now on refusals count. */
void pass_after_refusal(struct pass *pass);

enum pass_why { PASS_NOT, PASS_LISTED, PASS_REFUSED };

/* `name` is the SNI, NULL: none. *out_rule is the rule that says so, for
 * PASS_LISTED; it lives as long as `pass`. `pass` may be NULL. From any
 * thread. */
enum pass_why pass_look(struct pass *pass, const union address *victim,
                        const union address *server, const char *name,
                        const char **out_rule);

/* This victim refused what it was shown there. */
void pass_note_refusal(struct pass *pass, const union address *victim,
                       const union address *server, const char *name);

#endif
