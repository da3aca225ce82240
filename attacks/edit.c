/* SPDX-License-Identifier: MIT */
#include "attacks/edit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BODY_MOST = 64 * 1024 * 1024, /* an edit may not grow a body past this */
    CONTEXT = 32,                 /* bytes shown around the first change */
    TAIL = 256,                   /* of what came before, to show them */
};

/* ---- messages ------------------------------------------------------------ */

/* `before` and `after` are JSON. */
static void tell(const struct event_where *where, const char *what,
                 const char *field, uint64_t count, const char *before,
                 const char *after)
{
    event("attack.changed", where,
          "\"what\":\"%s\",\"field\":%s,\"count\":%" PRIu64 ",\"before\":%s,"
          "\"after\":%s",
          what, event_text(field, strlen(field), 256), count, before, after);
}

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
    tell(where, what, field, count,
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
    message_forget_sums(message);
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

/* ---- bodies that pass ---------------------------------------------------- */

struct passing {
    struct replace_stream stream;
    const struct buf *content; /* instead: all of it becomes this */
    bool put;                  /* it is out */
    struct event_where where;
    struct buf out;
    uint64_t came, went; /* bytes before this piece */
    char tail[TAIL];     /* the last of them that came */
    size_t tail_len;
    struct buf before, after; /* what the first change looks like */
};

static void remember_tail(struct passing *passing, const char *bytes,
                          size_t len)
{
    size_t keep = len < TAIL ? TAIL - len : 0;
    keep = keep < passing->tail_len ? keep : passing->tail_len;
    size_t take = len < TAIL ? len : TAIL;
    memmove(passing->tail, passing->tail + passing->tail_len - keep, keep);
    memcpy(passing->tail + keep, bytes + len - take, take);
    passing->tail_len = keep + take;
}

/* The first match lies in this piece, or ends in it. */
static void remember_first(struct passing *passing, const char *bytes,
                           size_t len)
{
    const struct replace_spot *first = &passing->stream.first;
    const struct buf *out = &passing->out;
    uint64_t begin = passing->came - passing->tail_len, at = first->at;
    uint64_t from = at > begin + CONTEXT ? at - CONTEXT : begin;
    size_t end = (size_t)(at + first->before + CONTEXT - passing->came);
    end = end < len ? end : len;
    size_t old = from < passing->came ? (size_t)(passing->came - from) : 0;
    size_t skip = old ? 0 : (size_t)(from - passing->came);
    const char *tail = passing->tail + passing->tail_len - old;
    if (buf_append(&passing->before, tail, old) ||
        buf_append(&passing->before, bytes + skip, end > skip ? end - skip : 0))
        return;
    size_t context = at > from ? (size_t)(at - from) : 0;
    size_t begins = (size_t)(at - passing->went);
    size_t shown = first->after + CONTEXT, have = buf_len(out) - begins;
    (void)(buf_append(&passing->after, buf_head(&passing->before), context) ||
           buf_append(&passing->after,
                      have ? buf_head(out) + begins : (const uint8_t *)"",
                      shown < have ? shown : have));
}

static enum hook_act put_content(struct passing *passing, struct buf *piece)
{
    const struct buf *content = passing->content;
    buf_clear(piece);
    if (!passing->put && buf_len(content) &&
        buf_append(piece, buf_head(content), buf_len(content)))
        return HOOK_CUT;
    passing->put = true;
    return HOOK_CHANGED;
}

static enum hook_act pass_piece(struct passing *passing, struct buf *piece,
                                bool end)
{
    struct replace_stream *stream = &passing->stream;
    size_t len = buf_len(piece);
    const char *bytes = len ? (const char *)buf_head(piece) : "";
    uint64_t count = stream->count;
    if (replace_feed(stream, bytes, len, &passing->out) ||
        (end && replace_end(stream, &passing->out)))
        return HOOK_CUT;
    if (!count && stream->count)
        remember_first(passing, bytes, len);
    if (!stream->count)
        remember_tail(passing, bytes, len);
    passing->came += len;
    passing->went += buf_len(&passing->out);
    struct buf spare = *piece;
    *piece = passing->out;
    passing->out = spare;
    buf_clear(&passing->out);
    return stream->count > count ? HOOK_CHANGED : HOOK_PASS;
}

static const char *text_of(const struct buf *buf)
{
    return buf_len(buf) ? event_text(buf_head(buf), buf_len(buf), 512) : "\"\"";
}

static void pass_over(struct passing *passing)
{
    if (passing->stream.count)
        tell(&passing->where, "body", "", passing->stream.count,
             text_of(&passing->before), text_of(&passing->after));
    replace_close(&passing->stream);
    buf_free(&passing->out);
    buf_free(&passing->before);
    buf_free(&passing->after);
    free(passing);
}

enum hook_act edit_on_body(void *config, struct flow *flow,
                           struct message *message, void *state,
                           struct buf *piece, bool end)
{
    struct passing *passing = state;
    enum hook_act act = HOOK_PASS;
    (void)config;
    (void)flow;
    (void)message;
    if (piece)
        act = passing->content ? put_content(passing, piece)
                               : pass_piece(passing, piece, end);
    if (end)
        pass_over(passing);
    return act;
}

static void pass_later(struct passing *passing, struct message *message)
{
    if (passing && hook_edit_body(message, passing))
        pass_over(passing);
}

void edit_body_later(const struct replace *edit,
                     const struct event_where *where, struct message *message)
{
    struct passing *passing = calloc(1, sizeof *passing);
    if (passing) {
        passing->stream =
            (struct replace_stream){.replace = edit, .most = BODY_MOST};
        passing->where = *where;
    }
    pass_later(passing, message);
}

void edit_content_later(const struct buf *content, struct message *message)
{
    struct passing *passing = calloc(1, sizeof *passing);
    if (passing)
        passing->content = content;
    pass_later(passing, message);
}

/* ---- names and values ---------------------------------------------------- */

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
