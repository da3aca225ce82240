/* SPDX-License-Identifier: MIT
 *
 * Fields behind the body, where one leg speaks HTTP/2 and the other does not.
 * Not here: those that pass between two legs of one version, as they came. */
#ifndef PROXY_TRAILERS_H
#define PROXY_TRAILERS_H

#include "proxy/message.h"

struct worker;

/* May it stand behind a body? What frames, routes, authenticates or controls a
 * message, or says what its body is, comes too late there (RFC 9110 6.5.1). */
bool trailer_is_fit(const char *name);

/* The trailer section of a chunked body, to its last empty line: fields in the
 * arena, only those that are fit. What is no section is none. */
void trailers_read(struct worker *worker, const struct buf *section,
                   unsigned lenient, struct arena *arena,
                   struct message_field **out, unsigned *out_count);

#endif
