/* SPDX-License-Identifier: MIT */
#include "proxy/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first block is small: most flows keep little more than a name. */
enum { FIRST_BLOCK = 512, BLOCK = 4096 };

struct arena_block {
    struct arena_block *before;
    size_t used, room;
    max_align_t bytes[];
};

static size_t aligned(size_t size)
{
    size_t step = sizeof(max_align_t);
    return (size + step - 1) / step * step;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = aligned(size ? size : 1);
    struct arena_block *block = arena->last;
    if (!block || block->room - block->used < size) {
        size_t usual = block ? BLOCK : FIRST_BLOCK;
        size_t room = size > usual ? size : usual;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->room = room;
        block->before = arena->last;
        arena->last = block;
    }
    void *place = (char *)block->bytes + block->used;
    block->used += size;
    return place;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);
    if (copy && len)
        memcpy(copy, bytes, len);
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return NULL;
    char *text = arena_alloc(arena, (size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void arena_free(struct arena *arena)
{
    while (arena->last) {
        struct arena_block *block = arena->last;
        arena->last = block->before;
        free(block);
    }
}
