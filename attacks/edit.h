/* SPDX-License-Identifier: MIT
 *
 * One text or pattern in the place of another, in bodies and header fields of
 * messages: what `rewrite` and rules have in common. */
#ifndef ATTACKS_EDIT_H
#define ATTACKS_EDIT_H

#include "proxy/event.h"
#include "proxy/hook.h"
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

/* Of a body that is not there: edit it while it passes, or put `content` in its
 * place, whatever its length. One event at its end. The hook's on_body is
 * edit_on_body(); the first argument is borrowed until then. Only from
 * on_request and on_response. */
void edit_body_later(const struct replace *edit,
                     const struct event_where *where, struct message *message);
void edit_content_later(const struct buf *content, struct message *message);
enum hook_act edit_on_body(void *config, struct flow *flow,
                           struct message *message, void *state,
                           struct buf *piece, bool end);

/* Is the whole body needed to edit it? A length that is known is put right, so
 * such a body is kept if it fits; any other is edited while it passes. */
static inline bool edit_wants_whole(const struct message *head)
{
    return message_field(head, "Content-Length");
}

/* May it be the name of a header field, and a value? */
bool edit_is_name(const char *text);
bool edit_is_value(const char *text);

#endif
