/* SPDX-License-Identifier: MIT
 *
 * A text is looked for by the rarest of its bytes. Over the edge between two
 * pieces it is the automaton of Knuth, Morris and Pratt, whose table is not
 * kept: it is asked for once a piece, for a text that is rarely long. */
#include "proxy/replace.h"

#include "proxy/pattern.h"

#include <assert.h>
#include <string.h>

/* A match: `at` says where in the text. */
static void note(struct replace_stream *stream, uint64_t at, size_t before,
                 size_t after)
{
    if (!stream->count++)
        stream->first = (struct replace_spot){at, before, after};
}

static bool too_much(const struct replace_stream *stream, const struct buf *out)
{
    return stream->most && buf_len(out) > stream->most;
}

/* ---- texts --------------------------------------------------------------- */

/* Which byte of it is seldom seen in texts? memchr(3) finds that one fast. */
static size_t rarest(const struct replace *replace)
{
    static const char common[] =
        " etaonisrhldcu\n<>/\"=mpfgybwv.,-:;0123456789k'_xjqz&()+";
    size_t best = 0, best_place = 0;
    size_t most = replace->find_len < 64 ? replace->find_len : 64;
    for (size_t i = 0; i < most; i++) {
        char c = replace->find[i];
        const char *found = c ? strchr(common, c) : NULL;
        size_t place = found ? (size_t)(found - common) : sizeof common;
        if (place > best_place) {
            best = i;
            best_place = place;
        }
    }
    return best;
}

/* The next match in from..end, NULL if there is none. Where its rarest byte is
 * seen again and again without it, memmem(3) is faster. */
static const char *next_match(const struct replace *replace, size_t rare,
                              const char *from, const char *end)
{
    size_t len = replace->find_len;
    if ((size_t)(end - from) < len)
        return NULL;
    const char *last = end - (len - 1 - rare), *at = from + rare;
    size_t misses = 0;
    while ((at = memchr(at, replace->find[rare], (size_t)(last - at)))) {
        const char *match = at - rare;
        if (!memcmp(match, replace->find, len))
            return match;
        if (++misses > 16 + (size_t)(at - from) / 64)
            return memmem(match, (size_t)(end - match), replace->find, len);
        at++;
    }
    return NULL;
}

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
            if (have < want) {
                stream->at += have;
                return (ptrdiff_t)have;
            }
            stream->held = 0;
            stream->at += have;
            note(stream, stream->at - replace->find_len, replace->find_len,
                 replace->with_len);
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

static int feed_text(struct replace_stream *stream, const char *bytes,
                     size_t len, struct buf *out)
{
    const struct replace *replace = stream->replace;
    ptrdiff_t used = resume(stream, bytes, len, out);
    /* With a few matches more or less it need not grow on the way. */
    if (used < 0 || !buf_reserve(out, len + len / 16))
        return -1;
    const char *from = bytes + used, *end = bytes + len, *match;
    size_t rare = rarest(replace);
    while (from < end && (match = next_match(replace, rare, from, end))) {
        note(stream, stream->at + (size_t)(match - from), replace->find_len,
             replace->with_len);
        if (buf_append(out, from, (size_t)(match - from)) ||
            buf_append(out, replace->with, replace->with_len) ||
            too_much(stream, out))
            return -1;
        stream->at += (size_t)(match - from) + replace->find_len;
        from = match + replace->find_len;
    }
    if (from == end)
        return 0;
    stream->at += (size_t)(end - from);
    stream->held = begun(replace, from, (size_t)(end - from));
    return buf_append(out, from, (size_t)(end - from) - stream->held);
}

/* ---- patterns ------------------------------------------------------------ */

/* What comes in the place of one match; `bytes` begin at `from` in the text. */
static int add_with(const struct replace *replace, const char *bytes,
                    size_t from, const struct pattern_group *groups,
                    struct buf *out)
{
    const char *with = replace->with, *end = with + replace->with_len;
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
            buf_append(out, bytes + (which->at - from), which->end - which->at))
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

/* Look at the bytes that are there, which begin at stream->at. Returns how many
 * of them are settled, -1 when memory is out. */
static ptrdiff_t settle(struct replace_stream *stream, const char *bytes,
                        size_t len, bool end, struct buf *out)
{
    struct pattern_group groups[PATTERN_GROUPS];
    size_t from = stream->at, done = from, keep;
    while (
        pattern_run_next(stream->run, bytes, from, len, end, groups, &keep)) {
        if (buf_append(out, bytes + (done - from), groups[0].at - done))
            return -1;
        size_t before = buf_len(out);
        if (add_with(stream->replace, bytes, from, groups, out) ||
            too_much(stream, out))
            return -1;
        done = groups[0].end;
        note(stream, groups[0].at, done - groups[0].at, buf_len(out) - before);
    }
    return buf_append(out, bytes + (done - from), keep - done)
               ? -1
               : (ptrdiff_t)(keep - from);
}

static int feed_pattern(struct replace_stream *stream, const char *bytes,
                        size_t len, bool end, struct buf *out)
{
    struct buf *kept = &stream->kept;
    bool behind = buf_len(kept);
    if (!stream->run)
        stream->run =
            pattern_run_new(stream->replace->pattern, REPLACE_MATCH_MOST);
    if (!stream->run || (behind && buf_append(kept, bytes, len)))
        return -1;
    ptrdiff_t used =
        behind ? settle(stream, (char *)buf_head(kept), buf_len(kept), end, out)
               : settle(stream, bytes, len, end, out);
    if (used < 0)
        return -1;
    stream->at += (size_t)used;
    if (behind)
        buf_consume(kept, (size_t)used);
    else if (len > (size_t)used)
        return buf_append(kept, bytes + used, len - (size_t)used);
    return 0;
}

/* ---- streams ------------------------------------------------------------- */

int replace_feed(struct replace_stream *stream, const void *bytes, size_t len,
                 struct buf *out)
{
    const struct replace *replace = stream->replace;
    assert(replace->pattern ||
           (replace->find_len && replace->find_len <= REPLACE_FIND_MOST));
    if (!len)
        return 0;
    return replace->pattern ? feed_pattern(stream, bytes, len, false, out)
                            : feed_text(stream, bytes, len, out);
}

int replace_end(struct replace_stream *stream, struct buf *out)
{
    size_t held = stream->held;
    stream->held = 0;
    if (stream->replace->pattern)
        return feed_pattern(stream, "", 0, true, out);
    return held ? buf_append(out, stream->replace->find, held) : 0;
}

void replace_close(struct replace_stream *stream)
{
    pattern_run_free(stream->run);
    stream->run = NULL;
    buf_free(&stream->kept);
}

int replace_all(const struct replace *replace, const void *bytes, size_t len,
                size_t most, struct buf *out, uint64_t *out_count,
                struct replace_spot *out_first)
{
    struct replace_stream stream = {.replace = replace, .most = most};
    *out_count = 0;
    if (!replace->pattern &&
        !next_match(replace, rarest(replace), bytes, (const char *)bytes + len))
        return 0;
    int rc = replace_feed(&stream, bytes, len, out) || replace_end(&stream, out)
                 ? -1
                 : 0;
    replace_close(&stream);
    *out_first = stream.first;
    if (!rc)
        *out_count = stream.count;
    if (!*out_count)
        buf_free(out);
    return rc;
}
