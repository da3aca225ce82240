/* SPDX-License-Identifier: MIT
 *
 * One text or pattern in the place of another, in bodies and header fields of
 * messages: what `rewrite` and rules have in common. */
#ifndef ATTACKS_EDIT_H
#define ATTACKS_EDIT_H

#include "proxy/event.h"
#include "proxy/message.h"
#include "proxy/replace.h"

struct pattern;

struct edit {
    struct replace text;     /* the texts are borrowed */
    struct pattern *pattern; /* instead of text.find; NULL: that text. In
                                text.with, \0 to \9 are its groups */
};

/* Where the first match was, how long it was, and what is there now. */
struct edit_spot {
    size_t at, before, after;
};

/* `bytes` with every match replaced, appended to `out`. Returns how many. 0: `out` is as it was. -1 when
 * memory is out or the result is larger than 64 MiB. A pattern sees 64 times
 * the bytes at most; what is behind stays as it was. */
int edit_bytes(const struct edit *edit, const char *bytes, size_t len,
               struct buf *out, struct edit_spot *out_spot);

/* The same in the body of a message that has one, in the values of all fields
 * of a name, in the target. Each change is an event, attack.changed, on the
 * leg that it leaves on. True: something is different now. */
bool edit_body(const struct edit *edit, const struct event_where *where,
               struct message *message);
bool edit_field(const struct edit *edit, const struct event_where *where,
                struct message *message, const char *name);
bool edit_target(const struct edit *edit, const struct event_where *where,
                 struct message *message);

/* May it be the name of a header field, and a value? */
bool edit_is_name(const char *text);
bool edit_is_value(const char *text);

#endif
