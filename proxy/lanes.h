/* SPDX-License-Identifier: MIT
 *
 * The connections to a server of HTTP/1.1 for a victim whose requests come
 * side by side, in HTTP/2. Each of them, a lane, carries one stream at a time
 * (h1.c); to the streams all of them together are one speaker, which
 * lanes_speaker_new() makes (speaker.h).
 *
 * The first lane is the relay's own server end. Others are opened when a
 * stream waits and none is free, are used again and again, and are closed when
 * nobody has needed them for a while. What goes wrong on one lane is a matter
 * of the stream that it carries. */
#ifndef PROXY_LANES_H
#define PROXY_LANES_H

#include <stdbool.h>
#include <stddef.h>

enum { LANES_MOST = 6 }; /* as browsers have it; proxy_options.lanes_most */

struct lanes;

/* For the relay, behind a step: write, read on or not, and set the time. */
void lanes_settle(struct lanes *lanes);

/* Close one that nobody uses; false if there is none. */
bool lanes_shed(struct lanes *lanes);

/* All is said. The relay closes its own server end by itself. */
void lanes_close(struct lanes *lanes);

/* Bytes of buffers. */
size_t lanes_held(const struct lanes *lanes);

/* When libuv has given all handles back; NULL is fine. */
void lanes_free(struct lanes *lanes);

#endif
