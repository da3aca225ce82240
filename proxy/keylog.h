/* SPDX-License-Identifier: MIT
 *
 * TLS secrets in a file, a line each (RFC 9850), for Wireshark and the like.
 * All workers share it. */
#ifndef PROXY_KEYLOG_H
#define PROXY_KEYLOG_H

#include "certs/err.h"

struct keylog;

/* Append to `path`, which is made for its owner alone where it is missing.
 * -1 with EXIT_MACHINE. */
int keylog_open(const char *path, struct keylog **out, struct err *err);

/* Add a line, given without its line feed. What cannot be written is lost; the
 * first time standard error says so. From any thread. */
void keylog_add(struct keylog *keylog, const char *line);

/* Frees `keylog`, which may be NULL. -1 with EXIT_PARTIAL when lines were
 * lost. */
int keylog_close(struct keylog *keylog, struct err *err);

#endif
