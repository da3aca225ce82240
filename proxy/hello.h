/* SPDX-License-Identifier: MIT
 *
 * Reads a TLS ClientHello before any of it is answered: what the victim
 * offered, and whom it asked for (RFC 8446 4.1.2, RFC 6066 3). A hello may
 * span several records; post-quantum key shares make that common. */
#ifndef PROXY_HELLO_H
#define PROXY_HELLO_H

#include "proxy/alpn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HELLO_MOST = 64 * 1024 };

struct hello_list {
    const uint8_t *bytes; /* big-endian 16-bit entries, into the input */
    uint16_t count;
};

/* Pointers lead into `scratch` of hello_read(): valid as long as that is. */
struct hello {
    uint16_t legacy_version;
    uint16_t record_version;
    uint8_t random[32];
    char server_name[256];      /* lower case; "" when not sent */
    struct alpn_list alpn;      /* protocols offered, in order */
    struct hello_list versions; /* supported_versions; count 0 if absent */
    struct hello_list suites, groups, signatures, key_shares, extensions;
    const uint8_t *point_formats;
    uint8_t point_formats_count;
    bool session_id, session_ticket, early_data, psk, status_request, sct;
};

/* Parse the records at `bytes`. `scratch` (HELLO_MOST bytes, caller's) takes
 * the handshake message without record headers. > 0: bytes of whole records
 * that hold the hello; 0: need more; -1: not a ClientHello, *why says what is
 * wrong (static text). */
ssize_t hello_read(const uint8_t *bytes, size_t len, uint8_t *scratch,
                   struct hello *out, const char **why);

/* The same of a handshake message that lies at the front of `scratch` without
 * record headers, `len` bytes. NULL, or what is wrong with it. */
const char *hello_read_message(uint8_t *scratch, size_t len, struct hello *out);

/* True when the first bytes look like a TLS handshake record; needs one
 * byte, and looks at up to three. */
bool hello_looks_like_tls(const uint8_t *bytes, size_t len);

#endif
