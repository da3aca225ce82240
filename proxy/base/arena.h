/* SPDX-License-Identifier: MIT
 *
 * Memory that goes all at once: what is learned about a connection lives here
 * and is freed in one call. Zero-initialised is empty and valid. */
#ifndef PROXY_BASE_ARENA_H
#define PROXY_BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *last;
};

/* Zeroed bytes, aligned for anything; NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy that ends in NUL (so text of `len` bytes may be used as a string). */
char *arena_copy(struct arena *arena, const void *bytes, size_t len);
char *arena_text(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void arena_free(struct arena *arena);

#endif
