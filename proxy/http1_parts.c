/* SPDX-License-Identifier: MIT
 *
 * Character classes, refusals and the names of the leniencies. */
#include "proxy/http1_parts.h"

#include <string.h>

#define T      CHAR_TOKEN
#define U      CHAR_TARGET
#define H      CHAR_HOST
#define V      CHAR_VALUE
#define X      CHAR_HEX
#define D      CHAR_DIGIT
#define Q      CHAR_QUOTED
#define TEXT   (V | Q)
#define ALPHA  (T | U | H | TEXT)
#define HEXA   (ALPHA | X)
#define DIGIT  (ALPHA | X | D)
#define MARK   (T | U | H | TEXT) /* in tokens, targets and hosts */
#define DELIM  (U | H | TEXT)     /* in targets and hosts */
#define ODD    (T | U | TEXT)     /* in tokens; browsers send it in queries */
#define IN_URL (U | TEXT)

/* Targets follow the WHATWG URL standard where it is wider than RFC 3986,
 * because browsers send \ ^ ` { | } in a query as they are. */
const uint8_t http1_chars[256] = {
    ['\t'] = TEXT,         [' '] = TEXT,
    ['!'] = MARK,          ['"'] = V,
    ['#'] = T | TEXT,      ['$'] = MARK,
    ['%'] = MARK,          ['&'] = MARK,
    ['\''] = MARK,         ['('] = DELIM,
    [')'] = DELIM,         ['*'] = MARK,
    ['+'] = MARK,          [','] = DELIM,
    ['-'] = MARK,          ['.'] = MARK,
    ['/'] = IN_URL,        ['0' ... '9'] = DIGIT,
    [':'] = IN_URL,        [';'] = DELIM,
    ['<'] = TEXT,          ['='] = DELIM,
    ['>'] = TEXT,          ['?'] = IN_URL,
    ['@'] = IN_URL,        ['A' ... 'F'] = HEXA,
    ['G' ... 'Z'] = ALPHA, ['['] = IN_URL,
    ['\\'] = U | V,        [']'] = IN_URL,
    ['^'] = ODD,           ['_'] = MARK,
    ['`'] = ODD,           ['a' ... 'f'] = HEXA,
    ['g' ... 'z'] = ALPHA, ['{'] = IN_URL,
    ['|'] = ODD,           ['}'] = IN_URL,
    ['~'] = MARK,          [0x80 ... 0xff] = TEXT,
};

#undef T
#undef U
#undef H
#undef V
#undef X
#undef D
#undef Q

int http1_refuse(struct http1_fault *fault, enum http1_fault_id id,
                 size_t offset)
{
    static const struct http1_fault faults[] = {
#define X(id, name, status, rule, sentence) {rule, sentence, 0, status, name},
#include "proxy/http1_faults.def"
#undef X
    };
    *fault = faults[id];
    fault->offset = offset;
    return -1;
}

enum http1_fault_id http1_value_fault(char c)
{
    if (c == '\r')
        return HTTP1_FAULT_BARE_CR;
    return c ? HTTP1_FAULT_VALUE_CONTROL : HTTP1_FAULT_VALUE_NUL;
}

static const char *const leniencies[] = {
    "bare-lf", "obs-fold", "space-colon", "two-lengths", "chunk-ext", "no-host",
};

const char *http1_lenient_name(unsigned index)
{
    unsigned count = sizeof leniencies / sizeof *leniencies;
    return index < count ? leniencies[index] : NULL;
}

unsigned http1_lenient_bit(const char *name)
{
    for (unsigned i = 0; http1_lenient_name(i); i++)
        if (!strcmp(leniencies[i], name))
            return 1u << i;
    return 0;
}
