/* SPDX-License-Identifier: MIT
 *
 * Bytes with a front and a back: appended at the back, consumed at the front.
 * Zero-initialised is empty and valid. The bytes move when it grows, so a
 * pointer into one lives until the next append. */
#ifndef PROXY_BASE_BUF_H
#define PROXY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *bytes; /* the allocation */
    size_t at;      /* the first unconsumed byte */
    size_t end;     /* one behind the last */
    size_t room;    /* size of the allocation */
};

void buf_free(struct buf *buf);

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->at;
}

static inline uint8_t *buf_head(const struct buf *buf)
{
    return buf->bytes + buf->at;
}

/* Make room for `more` bytes at the back: returns where they go, NULL when
 * memory is out. Follow with buf_filled(). */
uint8_t *buf_reserve(struct buf *buf, size_t more);

/* `len` bytes have been written at the back, where buf_reserve() said. */
void buf_filled(struct buf *buf, size_t len);

/* 0, or -1 when memory is out (the buffer is then unchanged). */
int buf_append(struct buf *buf, const void *bytes, size_t len);
int buf_append_text(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forget `len` bytes at the front. */
void buf_consume(struct buf *buf, size_t len);
void buf_clear(struct buf *buf);

/* Replace `old` bytes at offset `at` (from the front) with `len` new ones. */
int buf_splice(struct buf *buf, size_t at, size_t old, const void *bytes,
               size_t len);

/* Give the allocation back when the buffer is empty: idle connections hold
 * no memory. */
void buf_shrink(struct buf *buf);

#endif
