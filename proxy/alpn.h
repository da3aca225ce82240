/* SPDX-License-Identifier: MIT
 *
 * Protocols as ALPN lists them (RFC 7301 3.1): one name behind the other, each
 * with a byte before it that says how long it is. A name is any bytes, 1 to
 * 255 of them; those that mean nothing (GREASE, RFC 8701) are names, too. */
#ifndef PROXY_ALPN_H
#define PROXY_ALPN_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What we offer a server at most: it has to fit into a ClientHello beside all
 * else, of which the extensions together may have 65,535 bytes. */
enum { ALPN_OFFER_MOST = 60 * 1024 };

/* Borrowed, and whole: no name reaches over the end. Zeroed: none. */
struct alpn_list {
    const uint8_t *bytes;
    size_t len;
};

struct alpn_name {
    const uint8_t *bytes;
    uint8_t len; /* 0: none */
};

/* The name at *at, which then is that of the next; false at the end. */
static inline bool alpn_next(struct alpn_list list, size_t *at,
                             struct alpn_name *out)
{
    if (*at >= list.len)
        return false;
    *out = (struct alpn_name){list.bytes + *at + 1, list.bytes[*at]};
    *at += 1U + out->len;
    return true;
}

static inline bool alpn_is(struct alpn_name name, const char *text)
{
    return name.len == strlen(text) && !memcmp(name.bytes, text, name.len);
}

static inline bool alpn_has(struct alpn_list list, const char *text)
{
    struct alpn_name name;
    for (size_t at = 0; alpn_next(list, &at, &name);)
        if (alpn_is(name, text))
            return true;
    return false;
}

/* `text` stays the caller's. */
static inline struct alpn_name alpn_name(const char *text)
{
    return (struct alpn_name){(const uint8_t *)text, (uint8_t)strlen(text)};
}

/* One more name at the end of a list. 0, or -1 when memory is out. */
static inline int alpn_append(struct buf *list, struct alpn_name name)
{
    return buf_append(list, &name.len, 1) ||
                   buf_append(list, name.bytes, name.len)
               ? -1
               : 0;
}

#endif
