/* SPDX-License-Identifier: MIT
 *
 * What the fields of the filter language hold for one flow. Used by filter.c
 * only. */
#ifndef PROXY_FILTER_VALUE_H
#define PROXY_FILTER_VALUE_H

#include "proxy/filter.h"

enum filter_whose { FILTER_OF_ANY, FILTER_OF_REQUEST, FILTER_OF_RESPONSE };

/* A field as it stands in a condition. */
struct filter_what {
    enum filter_field field;
    enum filter_whose whose; /* HEADER and TYPE */
    const char *name;        /* HEADER */
};

/* A text (an absent one is empty) or a number; flags are 0 or 1. */
struct filter_value {
    bool known;
    struct filter_text text;
    uint64_t number;
};

/* Where the search for values is. Zeroed: at the beginning. */
struct filter_cursor {
    unsigned step;  /* values, or messages, that were given already */
    unsigned field; /* of a message that was looked at */
    bool some;      /* a field of that name was there */
    char address[ADDRESS_TEXT];
    struct buf url;
};

/* The next value of the field. A value's text lives until the next call. False
 * behind the last; there is always at least one. */
bool filter_value_next(const struct filter_subject *subject,
                       const struct filter_what *what,
                       struct filter_cursor *cursor,
                       struct filter_value *value);
void filter_value_done(struct filter_cursor *cursor);

#endif
