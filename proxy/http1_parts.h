/* SPDX-License-Identifier: MIT
 *
 * What the head parser (http1.c) and the body reader (http1_body.c) share:
 * the character classes and the refusals. Nobody else includes this. */
#ifndef PROXY_HTTP1_PARTS_H
#define PROXY_HTTP1_PARTS_H

#include "proxy/http1.h"

enum http1_fault_id {
#define X(id, name, status, rule, sentence) HTTP1_FAULT_##id,
#include "proxy/http1_faults.def"
#undef X
    HTTP1_FAULTS
};

enum {
    CHAR_TOKEN = 1 << 0,  /* RFC 9110 5.6.2 */
    CHAR_TARGET = 1 << 1, /* in a request target */
    CHAR_HOST = 1 << 2,   /* in a reg-name, RFC 3986 3.2.2 */
    CHAR_VALUE = 1 << 3,  /* in a field value, RFC 9110 5.5 */
    CHAR_HEX = 1 << 4,
    CHAR_DIGIT = 1 << 5,
    CHAR_QUOTED = 1 << 6, /* in a quoted string, RFC 9110 5.6.4 */
};
extern const uint8_t http1_chars[256];

static inline bool char_is(char c, unsigned classes)
{
    return http1_chars[(uint8_t)c] & classes;
}

static inline char char_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Fill in a refusal; returns -1 so that callers can return it. */
int http1_refuse(struct http1_fault *fault, enum http1_fault_id id,
                 size_t offset);

/* The fault of a byte that a field value must not hold. */
enum http1_fault_id http1_value_fault(char c);

#endif
