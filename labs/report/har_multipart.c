/* SPDX-License-Identifier: MIT
 *
 * The parts of a form that carries files (RFC 7578), as a HAR lists what was
 * posted. What a stranger sent need not be one. */
#include "labs/report/har_parts.h"

#include <string.h>
#include <strings.h>

enum { BOUNDARY_MOST = 70 /* RFC 2046 5.1.1 */, PARTS_MOST = 1000 };

static struct text rest_of(struct text text, size_t at)
{
    return (struct text){text.bytes + at, text.len - at};
}

/* Where `what` begins; text.len: nowhere. */
static size_t find(struct text text, const char *what, size_t len)
{
    const char *at = text.len ? memmem(text.bytes, text.len, what, len) : NULL;
    return at ? (size_t)(at - text.bytes) : text.len;
}

/* name=value or name="value" of a field with parameters; empty: none such. */
static struct text parameter(struct text field, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < field.len;) {
        at += find(rest_of(field, at), ";", 1) + 1;
        while (at < field.len && strchr(" \t", field.bytes[at]))
            at++;
        if (at + len >= field.len || field.bytes[at + len] != '=' ||
            strncasecmp(field.bytes + at, name, len) != 0)
            continue;
        struct text value = rest_of(field, at + len + 1);
        bool quoted = value.len && *value.bytes == '"';
        if (quoted)
            value = rest_of(value, 1);
        value.len = find(value, quoted ? "\"" : ";", 1);
        return value;
    }
    return TEXT("");
}

/* The value of a field in the head of a part. */
static struct text field_of(struct text head, const char *name)
{
    size_t len = strlen(name);
    while (head.len) {
        size_t end = find(head, "\r\n", 2);
        if (end > len && head.bytes[len] == ':' &&
            !strncasecmp(head.bytes, name, len)) {
            struct text value = {head.bytes + len + 1, end - len - 1};
            while (value.len && strchr(" \t", *value.bytes))
                value = rest_of(value, 1);
            return value;
        }
        head = rest_of(head, end < head.len ? end + 2 : end);
    }
    return TEXT("");
}

/* Text is there as it is; of a file of bytes the name has to do. */
static json_t *part_json(struct text head, struct text value, bool cut)
{
    struct text about = field_of(head, "content-disposition");
    struct text file = parameter(about, "filename");
    struct text type = field_of(head, "content-type");
    bool exact;
    json_t *text = har_text(value, &exact);
    json_t *part =
        json_pack("{s:o}", "name", har_text(parameter(about, "name"), NULL));
    if (exact || cut)
        json_object_set(part, "value", text);
    if (file.len)
        json_object_set_new(part, "fileName", har_text(file, NULL));
    if (type.len)
        json_object_set_new(part, "contentType", har_text(type, NULL));
    if (cut || !exact)
        json_object_set_new(part, "comment",
                            json_string(cut ? "only the first bytes were kept"
                                            : "bytes, and no text"));
    json_decref(text);
    return part;
}

/* "\r\n--" and the boundary; 0: the type names none. */
static size_t delimiter_of(const char *type, char room[BOUNDARY_MOST + 5])
{
    struct text boundary = parameter(text_of(type), "boundary");
    if (!boundary.len || boundary.len > BOUNDARY_MOST)
        return 0;
    memcpy(room, "\r\n--", 4);
    memcpy(room + 4, boundary.bytes, boundary.len);
    return boundary.len + 4;
}

json_t *har_multipart(struct text body, const char *type)
{
    char mark[BOUNDARY_MOST + 5];
    size_t len = delimiter_of(type, mark);
    json_t *list = json_array();
    /* The first one has no line before it. */
    size_t at = len ? find(body, mark + 2, len - 2) : body.len;
    if (at < body.len)
        at += len - 2;
    while (at < body.len && json_array_size(list) < PARTS_MOST) {
        struct text left = rest_of(body, at);
        size_t head = find(left, "\r\n", 2) + 2;
        size_t end = find(left, "\r\n\r\n", 4);
        if (left.bytes[0] == '-' || end == left.len)
            break;
        struct text value = rest_of(left, end + 4);
        size_t next = find(value, mark, len);
        bool cut = next == value.len;
        struct text fields = {left.bytes + head, end > head ? end - head : 0};
        value.len = next;
        json_array_append_new(list, part_json(fields, value, cut));
        at += end + 4 + next + (cut ? 0 : len);
    }
    return list;
}
