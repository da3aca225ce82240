/* SPDX-License-Identifier: MIT */
#include "proxy/record.h"

#include <string.h>

const char *record_type_name(unsigned type)
{
    static const char *const names[] = {"change_cipher_spec", "alert",
                                        "handshake", "application_data"};
    return type >= RECORD_CHANGE_CIPHER_SPEC && type <= RECORD_APPLICATION_DATA
               ? names[type - RECORD_CHANGE_CIPHER_SPEC]
               : NULL;
}

/* As soon as a byte of it says so. */
static bool is_no_header(const struct record *record)
{
    const uint8_t *header = record->header;
    if (!record_type_name(header[0]) || (record->have > 1 && header[1] != 3))
        return true;
    return record->have == RECORD_HEADER_LEN &&
           record_body_len(record) > RECORD_BODY_MOST;
}

static size_t take_head(struct record *record, const uint8_t *bytes, size_t len)
{
    if (record->have == RECORD_HEADER_LEN) /* of the record before */
        record->have = 0;
    if (!record->have)
        record->at = record->seen;
    size_t want = RECORD_HEADER_LEN - record->have;
    size_t took = len < want ? len : want;
    memcpy(record->header + record->have, bytes, took);
    record->have += (unsigned)took;
    record->lost = is_no_header(record);
    if (!record->lost && record->have == RECORD_HEADER_LEN) {
        record->left = record_body_len(record);
        record->number++;
    }
    return took;
}

size_t record_next(struct record *record, const uint8_t *bytes, size_t len,
                   enum record_part *out_part)
{
    size_t took = len;
    if (!record->lost && record->left) {
        took = len < record->left ? len : record->left;
        record->left -= took;
        *out_part = RECORD_BODY;
    } else if (!record->lost) {
        took = take_head(record, bytes, len);
        *out_part = RECORD_HEAD;
    }
    if (record->lost)
        *out_part = RECORD_NONE;
    record->seen += took;
    return took;
}
