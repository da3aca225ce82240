/* SPDX-License-Identifier: MIT
 *
 * Where one TLS record ends and the next begins (RFC 8446 5.1), in bytes that
 * come in pieces of any size. Nothing is kept and nothing is opened. */
#ifndef PROXY_RECORD_H
#define PROXY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_HEADER_LEN = 5,
    RECORD_BODY_MOST = (1 << 14) + 2048, /* RFC 5246 6.2.3 allows so much */
};

enum record_type {
    RECORD_CHANGE_CIPHER_SPEC = 20,
    RECORD_ALERT,
    RECORD_HANDSHAKE,
    RECORD_APPLICATION_DATA,
};

/* One direction. Zeroed is its beginning. */
struct record {
    uint8_t header[RECORD_HEADER_LEN];
    unsigned have;   /* bytes of the header that are known */
    size_t left;     /* bytes of the body that are still to come */
    uint64_t at;     /* offset of the header */
    uint64_t seen;   /* bytes taken so far, of all records */
    uint64_t number; /* of this record, from 1; counted with its header */
    bool lost;       /* this is no TLS; everything is RECORD_NONE from here */
};

enum record_part {
    RECORD_NONE, /* no TLS */
    RECORD_HEAD, /* a piece of a header; whole when have is 5 */
    RECORD_BODY, /* a piece of a body */
};

/* The next piece, of at least one of the `len` bytes (one or more). Behind it
 * record_is_whole() tells whether the record has ended. */
size_t record_next(struct record *record, const uint8_t *bytes, size_t len,
                   enum record_part *out_part);

static inline bool record_is_whole(const struct record *record)
{
    return record->have == RECORD_HEADER_LEN && !record->left;
}

static inline unsigned record_body_len(const struct record *record)
{
    return (unsigned)(record->header[3] << 8 | record->header[4]);
}

/* "handshake", as RFC 8446 B.1 has it; NULL for a type that is not there. */
const char *record_type_name(unsigned type);

#endif
