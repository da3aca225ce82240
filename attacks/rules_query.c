/* SPDX-License-Identifier: MIT
 *
 * Parameters in the query of a target: "/pay?to=alice&amount=10". Whatever is
 * not touched stays as it was spelled. */
#include "attacks/rules_parts.h"

#include <ctype.h>
#include <string.h>

static int digit_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Is `text`, in which + and %XX stand for others, this name? */
static bool is_named(const char *text, size_t len, const char *name)
{
    size_t i = 0;
    for (; i < len && *name; i++, name++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%' && i + 2 < len && isxdigit((unsigned char)text[i + 1]) &&
            isxdigit((unsigned char)text[i + 2])) {
            c = (char)(digit_of(text[i + 1]) << 4 | digit_of(text[i + 2]));
            i += 2;
        }
        if (c != *name)
            return false;
    }
    return i == len && !*name;
}

/* What RFC 3986 2.3 leaves alone, and what is harmless in a query (3.4). */
static int append_encoded(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        int bad = isalnum(c) || strchr("-._~:/@,;!$'()*", c)
                      ? buf_append(out, text, 1)
                      : buf_printf(out, "%%%02X", c);
        if (bad)
            return -1;
    }
    return 0;
}

static int append_pair(struct buf *out, const char *name, const char *value,
                       bool first)
{
    return buf_append(out, first ? "?" : "&", 1) || append_encoded(out, name) ||
           buf_append(out, "=", 1) || append_encoded(out, value);
}

/* All parameters but those of this name, in whose first place is the new one. */
static int edit_query(struct buf *out, const char *query, const char *name,
                      const char *value)
{
    bool first = true, done = !value;
    int bad = 0;
    while (query && !bad) {
        size_t len = strcspn(++query, "&");
        bool ours = is_named(query, strcspn(query, "=&"), name);
        if (ours && !done) {
            bad = append_pair(out, name, value, first);
            done = true;
            first = false;
        } else if (!ours) {
            bad = buf_append(out, first ? "?" : "&", 1) ||
                  buf_append(out, query, len);
            first = false;
        }
        query = query[len] ? query + len : NULL;
    }
    return bad || (!done && append_pair(out, name, value, first)) ? -1 : 0;
}

const char *rules_set_query(struct message *message, const char *name,
                            const char *value)
{
    struct buf out = {0};
    const char *target = message->target, *text = NULL;
    size_t path = strcspn(target, "?");
    if (!buf_append(&out, target, path) &&
        !edit_query(&out, target[path] ? target + path : NULL, name, value))
        text = arena_copy(message->arena,
                          buf_len(&out) ? buf_head(&out) : (uint8_t *)"",
                          buf_len(&out));
    buf_free(&out);
    return text;
}
