/* SPDX-License-Identifier: MIT
 *
 * What can be seen of TLS that nobody opens: until TLS 1.2 the server's
 * certificates, and alerts as long as they are in clear. The bytes are only
 * looked at. */
#ifndef PROXY_SIGHT_H
#define PROXY_SIGHT_H

#include "proxy/base/buf.h"
#include "proxy/record.h"

#include <openssl/x509.h>

struct sight;

/* `at` and `len`: the place in the direction that it was seen in. NULL members
 * are not called. */
struct sight_calls {
    /* In the order sent; borrowed. */
    void (*on_certs)(void *owner, STACK_OF(X509) * certs, uint64_t at,
                     uint64_t len);
    void (*on_alert)(void *owner, bool from_victim, int level, int code,
                     uint64_t at, uint64_t len);
};

struct sight *sight_new(const struct sight_calls *calls, void *owner);
void sight_free(struct sight *sight);

/* Its first byte is the one at `at` of that direction of the TCP stream. */
void sight_begin(struct sight *sight, bool from_victim, uint64_t at);

/* Bytes of one direction, in pieces of any size. */
void sight_look(struct sight *sight, bool from_victim, const uint8_t *bytes,
                size_t len);

#endif
