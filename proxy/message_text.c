/* SPDX-License-Identifier: MIT */
#include "proxy/message_text.h"

#include "proxy/http1_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- copying ------------------------------------------------------------- */

static const char *copied(struct arena *arena, const char *text, bool *failed)
{
    const char *copy = text ? arena_text(arena, text) : NULL;
    *failed |= text && !copy;
    return copy;
}

int message_copy(struct message *to, const struct message *from,
                 struct arena *arena)
{
    bool failed = false;
    *to = *from;
    to->arena = arena;
    to->body = (struct buf){0};
    to->request = NULL;
    to->answer = NULL;
    to->ask = NULL;
    to->method = copied(arena, from->method, &failed);
    to->target = copied(arena, from->target, &failed);
    to->host = copied(arena, from->host, &failed);
    to->reason = copied(arena, from->reason, &failed);
    to->fields_room = from->fields_count + 1;
    to->fields = arena_alloc(arena, to->fields_room * sizeof *to->fields);
    if (!to->fields)
        return -1;
    for (unsigned i = 0; i < from->fields_count; i++) {
        to->fields[i].name = copied(arena, from->fields[i].name, &failed);
        to->fields[i].value = copied(arena, from->fields[i].value, &failed);
    }
    size_t len = buf_len(&from->body);
    failed |= len && buf_append(&to->body, buf_head(&from->body), len);
    if (failed)
        message_close(to);
    return failed ? -1 : 0;
}

/* ---- writing ------------------------------------------------------------- */

int message_text_write(const struct message *message, struct buf *out)
{
    int bad = message->kind == HTTP1_REQUEST
                  ? buf_printf(out, "%s %s HTTP/1.%d\n", message->method,
                               message->target, message->minor)
                  : buf_printf(out, "HTTP/1.%d %d %s\n", message->minor,
                               message->status,
                               message->reason ? message->reason : "");
    for (unsigned i = 0; i < message->fields_count && !bad; i++)
        bad = buf_printf(out, "%s: %s\n", message->fields[i].name,
                         message->fields[i].value);
    bad = bad || buf_append_text(out, "\n");
    size_t len = message->has_body ? buf_len(&message->body) : 0;
    return bad || (len && buf_append(out, buf_head(&message->body), len)) ? -1
                                                                          : 0;
}

/* ---- reading ------------------------------------------------------------- */

struct reader {
    const char *at, *end;
    unsigned line;
    struct message *message;
    struct err *err;
};

static int wrong(const struct reader *reader, const char *sentence)
{
    err_code(reader->err, EXIT_USAGE, "line %u: %s", reader->line, sentence);
    return -1;
}

/* The next line, NUL-terminated, in the arena. NULL when memory is out. */
static char *take_line(struct reader *reader)
{
    size_t left = (size_t)(reader->end - reader->at);
    const char *stop = left ? memchr(reader->at, '\n', left) : NULL;
    size_t len = stop ? (size_t)(stop - reader->at) : left;
    size_t kept = len && reader->at[len - 1] == '\r' ? len - 1 : len;
    char *line = arena_copy(reader->message->arena, reader->at, kept);
    reader->at += len + (stop != NULL);
    reader->line++;
    /* A NUL would hide what stands behind it. */
    if (line && strlen(line) != kept)
        line[0] = '\x01';
    return line;
}

static bool all_of(const char *text, unsigned class)
{
    while (*text && char_is(*text, class))
        text++;
    return !*text;
}

/* The next word of a line; cuts it off. */
static char *cut_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    char *end = word + strcspn(word, " ");
    *line = *end ? end + 1 : end;
    *end = 0;
    return word;
}

static int read_request_line(struct reader *reader, char *line)
{
    struct message *message = reader->message;
    const char *method = cut_word(&line), *target = cut_word(&line);
    if (!*method || !all_of(method, CHAR_TOKEN) || !*target ||
        !all_of(target, CHAR_TARGET))
        return wrong(reader, "a request begins with METHOD TARGET");
    message->method = method;
    message->target = target;
    return 0;
}

static int read_status_line(struct reader *reader, char *line)
{
    struct message *message = reader->message;
    const char *word = cut_word(&line);
    if (!strncmp(word, "HTTP/", 5))
        word = cut_word(&line);
    int status = atoi(word);
    if (strlen(word) != 3 || status < 200 || status > 599 ||
        !all_of(line, CHAR_VALUE))
        return wrong(reader, "a response begins with HTTP/1.1 STATUS REASON");
    message->status = status;
    message->reason = line;
    return 0;
}

/* Up to the empty line. */
static int read_fields(struct reader *reader)
{
    struct message *message = reader->message;
    unsigned room = 0;
    message->fields = NULL;
    message->fields_count = message->fields_room = 0;
    while (reader->at < reader->end) {
        char *line = take_line(reader);
        if (!line)
            return wrong(reader, "out of memory");
        if (!*line)
            return 0;
        char *colon = strchr(line, ':');
        if (!colon || colon == line)
            return wrong(reader, "a field is Name: value");
        *colon++ = 0;
        colon += strspn(colon, " \t");
        if (!all_of(line, CHAR_TOKEN) || !all_of(colon, CHAR_VALUE))
            return wrong(reader, "no field can have this name, or this value");
        if (message->fields_count == HTTP1_FIELDS_MOST)
            return wrong(reader, "there are too many fields");
        if (message->fields_count == room) {
            room = room ? room * 2 : 16;
            struct message_field *more =
                arena_alloc(message->arena, room * sizeof *more);
            if (!more)
                return wrong(reader, "out of memory");
            if (message->fields_count)
                memcpy(more, message->fields,
                       message->fields_count * sizeof *more);
            message->fields = more;
            message->fields_room = room;
        }
        message->fields[message->fields_count++] =
            (struct message_field){line, colon};
    }
    return 0;
}

static int read_body(struct reader *reader, const struct message *before)
{
    const struct buf *old = &before->body;
    size_t len = (size_t)(reader->end - reader->at), had = buf_len(old);
    bool ended = had && buf_head(old)[had - 1] == '\n';
    if (!before->has_body && !before->bodyless)
        return len > 2
                   ? wrong(reader, "this body is not known here and passes as "
                                   "it is; nothing may stand in its place")
                   : 0;
    if (len && reader->end[-1] == '\n' && !ended) {
        len--;
        len -= len && reader->at[len - 1] == '\r';
    }
    if (before->bodyless && !len)
        return 0;
    return message_set_body(reader->message, reader->at, len);
}

int message_text_read(struct message *message, const char *text, size_t len,
                      struct err *err)
{
    struct message before = *message;
    struct reader reader = {
        .at = text, .end = text + len, .message = message, .err = err};
    char *line = len ? take_line(&reader) : NULL;
    if (!line) {
        err_code(err, EXIT_USAGE, "there is nothing left of the message");
        return -1;
    }
    int bad = message->kind == HTTP1_REQUEST ? read_request_line(&reader, line)
                                             : read_status_line(&reader, line);
    if (!bad && !read_fields(&reader) && !read_body(&reader, &before))
        return 0;
    /* The body is the last that changes, so it has not. */
    *message = before;
    return -1;
}
