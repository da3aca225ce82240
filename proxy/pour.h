/* SPDX-License-Identifier: MIT
 *
 * Bytes that nobody looks at go from one end to the other inside the kernel
 * (splice(2)), through the worker's one pipe, which is empty again after each
 * call. Both ends must be in clear.
 *
 * The socket stays libuv's: it still says when there is something to read,
 * and is given no memory to read it into (`end->pours`). */
#ifndef PROXY_POUR_H
#define PROXY_POUR_H

#include "proxy/end.h"

enum { POUR_LEAST = 64 * 1024 }; /* less is not worth it */

struct worker;

/* May bytes of `from` go like this, now? */
bool pour_can(const struct end *from);

/* Move what is there, `most` bytes at most, to from->peer, which must not be
 * blocked. Returns how many; call again when something happened. 0 and
 * `hears` tells whether more will come. -1: the peer takes no more. */
ssize_t pour(struct end *from, uint64_t most);

/* For the worker's end. */
void pour_close(struct worker *worker);

#endif
