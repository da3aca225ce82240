/* SPDX-License-Identifier: MIT
 *
 * Forged leaves of one worker, made once for each (name, original, forgery)
 * and shared among its relays; one key pair for each kind of key. */
#ifndef PROXY_LEAF_H
#define PROXY_LEAF_H

#include "certs/forge.h"

struct leaves;

struct leaves *leaves_new(const struct forge_signers *signers);
void leaves_free(struct leaves *leaves);

/* The leaf that this plan makes of `original`. Fills in plan->key if a hook
 * left it empty. Valid until the next call; NULL with a sentence on failure. */
const struct forged *leaves_get(struct leaves *leaves, X509 *original,
                                struct forge_plan *plan, struct err *err);

#endif
