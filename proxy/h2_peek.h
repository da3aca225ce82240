/* SPDX-License-Identifier: MIT
 *
 * Which server HTTP/2 in clear is for, told from what a victim sends before
 * anybody has answered it: in HTTP/1.1 a Host stands in the first lines, here
 * it stands in frames. Pure; what is read is read again by the speaker. */
#ifndef PROXY_H2_PEEK_H
#define PROXY_H2_PEEK_H

#include <stddef.h>
#include <stdint.h>

enum { H2_PEEK_NAME = 300 }; /* a name, a port, and the end */

/* `bytes` begin with the preface. The :authority of the first request, or its
 * Host, goes to `out`: 1 there it is, 0 no request has come whole, -1 it names
 * none, or what came is no HTTP/2. */
int h2_peek_authority(const uint8_t *bytes, size_t len, char out[H2_PEEK_NAME]);

#endif
