/* SPDX-License-Identifier: MIT
 *
 * The head that a balancer puts before a connection to say whose it is: the
 * PROXY protocol of HAProxy, version 1 (a line) and 2 (binary). Bytes in,
 * values out; no allocation, no I/O. What a head names is what somebody says:
 * it is shown, and no connection is ever made to it. */
#ifndef PROXY_PROXY_HEAD_H
#define PROXY_PROXY_HEAD_H

#include "proxy/base/dial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROXY_HEAD_MOST = 4096, /* bytes of one that is read */
    PROXY_HEAD_OWN = 108,   /* room for any that is written */
};

struct proxy_head {
    int version;
    /* It names two addresses of one family. If not (UNKNOWN, LOCAL, a socket
     * that is a file) those of the connection itself hold. */
    bool told;
    union address from, to;
    /* The name that the victim asked for (a TLV of version 2), in the bytes
     * that were read; NULL: it does not say. */
    const uint8_t *authority;
    size_t authority_len;
};

/* > 0: bytes used; 0: need more; -1: nonsense, and *why says so (static
 * text). A checksum is verified if there is one. */
ssize_t proxy_head_read(const uint8_t *bytes, size_t len,
                        struct proxy_head *out, const char **why);

/* A head of `version` 1 or 2; addresses of two families cannot be told, which
 * is said instead. Returns its length. */
size_t proxy_head_write(int version, const union address *from,
                        const union address *to, uint8_t out[PROXY_HEAD_OWN]);

#endif
