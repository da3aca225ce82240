/* SPDX-License-Identifier: MIT
 *
 * What the proxy says to a victim in its own name: refusals, and that a server
 * cannot be reached. Plain text, and the connection is closed behind it. */
#ifndef PROXY_ANSWER_H
#define PROXY_ANSWER_H

#include "proxy/base/buf.h"

/* 0, or -1 when memory is out. */
int answer_write(struct buf *out, int status, const char *sentence);

#endif
