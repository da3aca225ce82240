/* SPDX-License-Identifier: MIT
 *
 * Small files and paths. */
#ifndef LABS_ENGINE_TEXT_H
#define LABS_ENGINE_TEXT_H

#include "certs/err.h"

#include <stddef.h>

/* A whole file of at most `most` bytes, with a NUL behind it; free() it. NULL
 * with a sentence. out_len may be NULL. */
char *text_read(const char *path, size_t most, size_t *out_len,
                struct err *err);

/* "DIR/NAME"; free() it. */
char *text_join(const char *dir, const char *name);

#endif
