/* SPDX-License-Identifier: MIT
 *
 * One text or pattern in the place of another, in bodies and header fields of
 * messages: what `rewrite` and rules have in common. */
#ifndef ATTACKS_EDIT_H
#define ATTACKS_EDIT_H

#include "proxy/event.h"
#include "proxy/message.h"
#include "proxy/replace.h"

/* In the body of a message that has one, in the values of all fields of a
 * name, in the target. Each change is an event, attack.changed, on the leg that
 * it leaves on; a body may not grow past 64 MiB. True: something is different
 * now. */
bool edit_body(const struct replace *edit, const struct event_where *where,
               struct message *message);
bool edit_field(const struct replace *edit, const struct event_where *where,
                struct message *message, const char *name);
bool edit_target(const struct replace *edit, const struct event_where *where,
                 struct message *message);

/* May it be the name of a header field, and a value? */
bool edit_is_name(const char *text);
bool edit_is_value(const char *text);

#endif
