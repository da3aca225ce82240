/* SPDX-License-Identifier: MIT */
#include "attacks/edit.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum {
    BODY_MOST = 64 * 1024 * 1024, /* an edit may not grow a body past this */
    CONTEXT = 32,                 /* bytes shown around the first change */
};

/* ---- messages ------------------------------------------------------------ */

/* JSON text of the first change, with a little of what stands around. */
static const char *excerpt(const char *text, size_t text_len, size_t at,
                           size_t len)
{
    size_t from = at > CONTEXT ? at - CONTEXT : 0;
    size_t to = at + len + CONTEXT;
    to = to < text_len ? to : text_len;
    return event_text(text + from, to - from, 512);
}

static void report(const struct event_where *where, const char *what,
                   const char *field, const char *before, size_t before_len,
                   const struct buf *after, const struct replace_spot *spot,
                   uint64_t count)
{
    event("attack.changed", where,
          "\"what\":\"%s\",\"field\":%s,\"count\":%" PRIu64 ",\"before\":%s,"
          "\"after\":%s",
          what, event_text(field, strlen(field), 256), count,
          excerpt(before, before_len, spot->at, spot->before),
          excerpt(buf_len(after) ? (char *)buf_head(after) : "", buf_len(after),
                  spot->at, spot->after));
}

bool edit_body(const struct replace *edit, const struct event_where *where,
               struct message *message)
{
    size_t len = buf_len(&message->body);
    struct replace_spot spot;
    uint64_t count;
    struct buf edited = {0};
    if (!message->has_body || !len)
        return false;
    const char *text = (const char *)buf_head(&message->body);
    if (replace_all(edit, text, len, BODY_MOST, &edited, &count, &spot) ||
        !count)
        return false;
    report(where, "body", "", text, len, &edited, &spot, count);
    buf_free(&message->body);
    message->body = edited;
    return true;
}

/* A text that lives in the message's arena; NULL: nothing is to be changed. */
static const char *edit_text(const struct replace *edit,
                             const struct event_where *where, const char *what,
                             const char *field, struct message *message,
                             const char *text)
{
    struct buf edited = {0};
    struct replace_spot spot;
    uint64_t count;
    const char *copy = NULL;
    if (!replace_all(edit, text, strlen(text), BODY_MOST, &edited, &count,
                     &spot) &&
        count)
        copy = arena_copy(message->arena, buf_head(&edited), buf_len(&edited));
    if (copy)
        report(where, what, field, text, strlen(text), &edited, &spot, count);
    buf_free(&edited);
    return copy;
}

bool edit_field(const struct replace *edit, const struct event_where *where,
                struct message *message, const char *name)
{
    bool changed = false;
    for (unsigned i = 0; i < message->fields_count; i++) {
        struct message_field *field = &message->fields[i];
        const char *value =
            strcasecmp(field->name, name)
                ? NULL
                : edit_text(edit, where, "field", name, message, field->value);
        if (value)
            field->value = value;
        changed |= value != NULL;
    }
    return changed;
}

bool edit_target(const struct replace *edit, const struct event_where *where,
                 struct message *message)
{
    const char *target =
        edit_text(edit, where, "path", "", message, message->target);
    if (target)
        message->target = target;
    return target;
}

bool edit_is_name(const char *text)
{
    return *text && !text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
                                       "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

/* What could end the line would smuggle in a field of its own. */
bool edit_is_value(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}
