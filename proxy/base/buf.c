/* SPDX-License-Identifier: MIT
 *
 * One contiguous allocation, doubled when it is full; the consumed front is
 * reused before it grows. */
#include "proxy/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 256 };

static void slide_to_front(struct buf *buf)
{
    memmove(buf->bytes, buf->bytes + buf->at, buf_len(buf));
    buf->end -= buf->at;
    buf->at = 0;
}

uint8_t *buf_grow(struct buf *buf, size_t more)
{
    if (buf->at && buf->room - buf_len(buf) >= more) {
        slide_to_front(buf);
        return buf->bytes + buf->end;
    }
    if (more > SIZE_MAX / 2 - buf->end)
        return NULL;
    size_t room = buf->room ? buf->room : SMALLEST;
    while (room < buf->end + more)
        room *= 2;
    uint8_t *bytes = realloc(buf->bytes, room);
    if (!bytes)
        return NULL;
    buf->bytes = bytes;
    buf->room = room;
    return buf->bytes + buf->end;
}

int buf_append_number(struct buf *buf, uint64_t number, unsigned digits)
{
    char text[32];
    size_t at = sizeof text;
    assert(digits < sizeof text);
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number || sizeof text - at < digits);
    return buf_append(buf, text + at, sizeof text - at);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *to = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (!to)
        return -1;
    va_start(args, format);
    vsnprintf((char *)to, (size_t)len + 1, format, args);
    va_end(args);
    buf_filled(buf, (size_t)len);
    return 0;
}

int buf_splice(struct buf *buf, size_t at, size_t old, const void *bytes,
               size_t len)
{
    assert(at + old <= buf_len(buf));
    if (len > old && !buf_reserve(buf, len - old))
        return -1;
    uint8_t *place = buf_head(buf) + at;
    memmove(place + len, place + old, buf_len(buf) - at - old);
    if (len)
        memcpy(place, bytes, len);
    buf->end = buf->end - old + len;
    return 0;
}

void buf_shrink(struct buf *buf)
{
    if (!buf_len(buf))
        buf_free(buf);
}
