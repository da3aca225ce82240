/* SPDX-License-Identifier: MIT
 *
 * Bytes with a front and a back: appended at the back, consumed at the front.
 * Zero-initialised is empty and valid. The bytes move when it grows, so a
 * pointer into one lives until the next append. */
#ifndef PROXY_BASE_BUF_H
#define PROXY_BASE_BUF_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct buf {
    uint8_t *bytes; /* the allocation */
    size_t at;      /* the first unconsumed byte */
    size_t end;     /* one behind the last */
    size_t room;    /* size of the allocation */
};

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->at;
}

static inline uint8_t *buf_head(const struct buf *buf)
{
    return buf->bytes + buf->at;
}

static inline void buf_free(struct buf *buf)
{
    if (buf->bytes)
        free(buf->bytes);
    *buf = (struct buf){0};
}

/* For buf_reserve() only. */
uint8_t *buf_grow(struct buf *buf, size_t more);

/* Make room for `more` bytes at the back: returns where they go, NULL when
 * memory is out. Follow with buf_filled(). */
static inline uint8_t *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->room - buf->end >= more && buf->bytes)
        return buf->bytes + buf->end;
    return buf_grow(buf, more);
}

/* `len` bytes have been written at the back, where buf_reserve() said. */
static inline void buf_filled(struct buf *buf, size_t len)
{
    assert(len <= buf->room - buf->end);
    buf->end += len;
}

/* 0, or -1 when memory is out (the buffer is then unchanged). */
static inline int buf_append(struct buf *buf, const void *bytes, size_t len)
{
    uint8_t *to = buf_reserve(buf, len);
    if (!to)
        return -1;
    if (len)
        memcpy(to, bytes, len);
    buf_filled(buf, len);
    return 0;
}

static inline int buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

/* In decimal, with zeros in front if it has fewer than `digits`. */
int buf_append_number(struct buf *buf, uint64_t number, unsigned digits);

int buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forget `len` bytes at the front. */
static inline void buf_consume(struct buf *buf, size_t len)
{
    assert(len <= buf_len(buf));
    buf->at += len;
    if (buf->at == buf->end)
        buf->at = buf->end = 0;
}

static inline void buf_clear(struct buf *buf)
{
    buf->at = buf->end = 0;
}

/* Replace `old` bytes at offset `at` (from the front) with `len` new ones. */
int buf_splice(struct buf *buf, size_t at, size_t old, const void *bytes,
               size_t len);

/* Give the allocation back when the buffer is empty: idle connections hold
 * no memory. */
void buf_shrink(struct buf *buf);

#endif
