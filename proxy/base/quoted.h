/* SPDX-License-Identifier: MIT
 *
 * Words of a small language that a person types: as they are, or in quotes,
 * where white space and signs mean themselves. */
#ifndef PROXY_BASE_QUOTED_H
#define PROXY_BASE_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

/* Read the text in quotes that begins at `text` with " or '. Inside, \n \r \t
 * \xHH are bytes, and any other letter behind a backslash is itself; with
 * `pattern` backslashes stay, for a pattern has escapes of its own, but for
 * one before the quote. Writes at most strlen(text) bytes to `out`, which may
 * be `text`, and their number to *out_len. Returns how much of `text` was
 * read; 0: the quote is never closed. */
size_t quoted_read(const char *text, bool pattern, char *out, size_t *out_len);

/* 0 to 15, or -1. */
int quoted_hex(char digit);

#endif
