/* SPDX-License-Identifier: MIT
 *
 * Takes things out of a ClientHello on its way, and puts all lengths right.
 * What the two ends make of that is not decided here: in a handshake that is
 * protected they find out (RFC 8446 4.4.4, 4.1.3). */
#ifndef PROXY_HELLO_EDIT_H
#define PROXY_HELLO_EDIT_H

#include "certs/err.h"
#include "proxy/base/buf.h"

enum { HELLO_EDIT_MOST = 32 };

struct hello_numbers {
    uint16_t numbers[HELLO_EDIT_MOST];
    unsigned count;
};

/* What is to go. */
struct hello_edit {
    struct hello_numbers versions, suites, extensions;
};

/* Add what a person names: "1.3"; "TLS_AES_128_GCM_SHA256", as OpenSSL or RFCs
 * spell it; "key_share". All may be numbers, "0x1301". Several stand between
 * '|'. -1 with EXIT_USAGE and the nearest known word. */
int hello_edit_version(struct hello_edit *edit, const char *text,
                       struct err *err);
int hello_edit_suite(struct hello_edit *edit, const char *text,
                     struct err *err);
int hello_edit_extension(struct hello_edit *edit, const char *text,
                         struct err *err);

/* Edit the hello whose records, all of them, stand at the front of `bytes`;
 * what follows stays. A list of versions that has become empty goes as a
 * whole, and the old field says a version that may stay. Returns how many things were taken out, 0 if none was there; -1 and
 * an unchanged buffer if this is no hello, no suite would be left, or memory
 * is out. `scratch` is HELLO_MOST bytes. */
int hello_edit_apply(const struct hello_edit *edit, struct buf *bytes,
                     uint8_t *scratch);

#endif
