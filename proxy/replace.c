/* SPDX-License-Identifier: MIT
 *
 * Inside one piece memmem(3) does the work. Over the edge between two pieces
 * it is the automaton of Knuth, Morris and Pratt, whose table is not kept: it
 * is asked for once a piece, for a text that is rarely long. */
#include "proxy/replace.h"

#include <assert.h>
#include <string.h>

/* The longest beginning of `find` that is shorter than `held` and with which
 * its first `held` bytes end too. */
static size_t next_held(const struct replace *replace, size_t held)
{
    const char *find = replace->find;
    for (size_t less = held - 1; less; less--)
        if (!memcmp(find, find + held - less, less))
            return less;
    return 0;
}

/* How many of the last bytes may be the beginning of a match? */
static size_t begun(const struct replace *replace, const char *bytes,
                    size_t len)
{
    size_t most = replace->find_len - 1;
    const char *end = bytes + len;
    const char *at = len > most ? end - most : bytes;
    while (at < end &&
           (at = memchr(at, replace->find[0], (size_t)(end - at)))) {
        if (!memcmp(at, replace->find, (size_t)(end - at)))
            return (size_t)(end - at);
        at++;
    }
    return 0;
}

/* Go on with what is held. Returns how many bytes were used; -1 when memory is
 * out. `held` is 0 then, or nothing is left. */
static ptrdiff_t resume(struct replace_stream *stream, const char *bytes,
                        size_t len, struct buf *out)
{
    const struct replace *replace = stream->replace;
    while (stream->held) {
        size_t want = replace->find_len - stream->held;
        size_t have = len < want ? len : want;
        if (!memcmp(replace->find + stream->held, bytes, have)) {
            stream->held += have;
            if (have < want)
                return (ptrdiff_t)have;
            stream->held = 0;
            stream->count++;
            return buf_append(out, replace->with, replace->with_len)
                       ? -1
                       : (ptrdiff_t)have;
        }
        size_t less = next_held(replace, stream->held);
        if (buf_append(out, replace->find, stream->held - less))
            return -1;
        stream->held = less;
    }
    return 0;
}

int replace_feed(struct replace_stream *stream, const void *bytes, size_t len,
                 struct buf *out)
{
    const struct replace *replace = stream->replace;
    assert(replace->find_len && replace->find_len <= REPLACE_FIND_MOST);
    if (!len)
        return 0;
    ptrdiff_t used = resume(stream, bytes, len, out);
    if (used < 0 || !buf_reserve(out, len))
        return -1;
    const char *from = (const char *)bytes + used;
    const char *end = (const char *)bytes + len;
    const char *match;
    while (from < end && (match = memmem(from, (size_t)(end - from),
                                         replace->find, replace->find_len))) {
        if (buf_append(out, from, (size_t)(match - from)) ||
            buf_append(out, replace->with, replace->with_len))
            return -1;
        stream->count++;
        from = match + replace->find_len;
    }
    if (from == end)
        return 0;
    stream->held = begun(replace, from, (size_t)(end - from));
    return buf_append(out, from, (size_t)(end - from) - stream->held);
}

int replace_end(struct replace_stream *stream, struct buf *out)
{
    size_t held = stream->held;
    stream->held = 0;
    return held ? buf_append(out, stream->replace->find, held) : 0;
}

int replace_all(const struct replace *replace, const void *bytes, size_t len,
                struct buf *out, uint64_t *out_count)
{
    struct replace_stream stream = {.replace = replace};
    *out_count = 0;
    if (len < replace->find_len ||
        !memmem(bytes, len, replace->find, replace->find_len))
        return 0;
    if (replace_feed(&stream, bytes, len, out) || replace_end(&stream, out))
        return -1;
    *out_count = stream.count;
    return 0;
}
