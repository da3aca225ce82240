/* SPDX-License-Identifier: MIT */
#include "attacks/edit.h"

#include "proxy/pattern.h"

#include <string.h>
#include <strings.h>

enum {
    BODY_MOST = 64 * 1024 * 1024, /* an edit may not grow a body past this */
    CONTEXT = 32,                 /* bytes shown around the first change */
    BUDGET_TIMES = 64,
    BUDGET_LEAST = 64 * 1024,
};

/* ---- bytes --------------------------------------------------------------- */

/* What comes in the place of one match of a pattern. */
static int add_with(const struct edit *edit, const char *bytes,
                    const struct pattern_group *groups, struct buf *out)
{
    const char *with = edit->text.with, *end = with + edit->text.with_len;
    while (with < end) {
        const char *mark = memchr(with, '\\', (size_t)(end - with));
        size_t plain = (size_t)((mark ? mark : end) - with);
        if (buf_append(out, with, plain))
            return -1;
        with += plain;
        if (!mark)
            return 0;
        bool group = mark + 1 < end && mark[1] >= '0' && mark[1] <= '9';
        const struct pattern_group *which =
            group ? &groups[mark[1] - '0'] : NULL;
        if (which && which->at != SIZE_MAX && which->end != SIZE_MAX &&
            buf_append(out, bytes + which->at, which->end - which->at))
            return -1;
        /* A backslash before anything else stands for that. */
        char letter = mark + 1 < end ? mark[1] : '\\';
        letter = letter == 'n' ? '\n' : letter == 't' ? '\t' : letter;
        if (!group && buf_append(out, &letter, 1))
            return -1;
        with += mark + 1 < end ? 2 : 1;
    }
    return 0;
}

static int edit_pattern(const struct edit *edit, const char *bytes, size_t len,
                        struct buf *out, struct edit_spot *out_spot)
{
    struct pattern_group groups[PATTERN_GROUPS];
    size_t budget = len * BUDGET_TIMES + BUDGET_LEAST, done = 0, from = 0;
    size_t before = buf_len(out);
    int count = 0;
    while (pattern_find(edit->pattern, bytes, len, from, &budget, groups)) {
        if (buf_append(out, bytes + done, groups[0].at - done) ||
            add_with(edit, bytes, groups, out) || buf_len(out) > BODY_MOST)
            return -1;
        if (!count++)
            *out_spot = (struct edit_spot){
                .at = groups[0].at,
                .before = groups[0].end - groups[0].at,
                .after = buf_len(out) - groups[0].at - before};
        done = groups[0].end;
        /* Behind an empty match the search goes on one byte later. */
        from = done + (groups[0].at == done);
    }
    return count && buf_append(out, bytes + done, len - done) ? -1 : count;
}

int edit_bytes(const struct edit *edit, const char *bytes, size_t len,
               struct buf *out, struct edit_spot *out_spot)
{
    uint64_t count = 0;
    const struct replace *text = &edit->text;
    if (edit->pattern)
        return edit_pattern(edit, bytes, len, out, out_spot);
    const char *first = memmem(bytes, len, text->find, text->find_len);
    if (!first)
        return 0;
    *out_spot = (struct edit_spot){(size_t)(first - bytes), text->find_len,
                                   text->with_len};
    if (text->with_len > text->find_len &&
        len / text->find_len * text->with_len > BODY_MOST)
        return -1;
    return replace_all(text, bytes, len, out, &count) ? -1 : (int)count;
}

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
                   const struct buf *after, const struct edit_spot *spot,
                   int count)
{
    event("attack.changed", where,
          "\"what\":\"%s\",\"field\":%s,\"count\":%d,\"before\":%s,"
          "\"after\":%s",
          what, event_text(field, strlen(field), 256), count,
          excerpt(before, before_len, spot->at, spot->before),
          excerpt(buf_len(after) ? (char *)buf_head(after) : "", buf_len(after),
                  spot->at, spot->after));
}

bool edit_body(const struct edit *edit, const struct event_where *where,
               struct message *message)
{
    size_t len = buf_len(&message->body);
    struct edit_spot spot;
    struct buf edited = {0};
    if (!message->has_body || !len)
        return false;
    const char *text = (const char *)buf_head(&message->body);
    int count = edit_bytes(edit, text, len, &edited, &spot);
    if (count <= 0) {
        buf_free(&edited);
        return false;
    }
    report(where, "body", "", text, len, &edited, &spot, count);
    buf_free(&message->body);
    message->body = edited;
    return true;
}

/* A text that lives in the message's arena; NULL: nothing is to be changed. */
static const char *edit_text(const struct edit *edit,
                             const struct event_where *where, const char *what,
                             const char *field, struct message *message,
                             const char *text)
{
    struct buf edited = {0};
    struct edit_spot spot;
    const char *copy = NULL;
    int count = edit_bytes(edit, text, strlen(text), &edited, &spot);
    if (count > 0)
        copy = arena_copy(message->arena, buf_head(&edited), buf_len(&edited));
    if (copy)
        report(where, what, field, text, strlen(text), &edited, &spot, count);
    buf_free(&edited);
    return copy;
}

bool edit_field(const struct edit *edit, const struct event_where *where,
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

bool edit_target(const struct edit *edit, const struct event_where *where,
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
