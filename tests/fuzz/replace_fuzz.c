/* SPDX-License-Identifier: MIT
 *
 * The first byte says how the text is cut and whether a text or a pattern is
 * looked for; it, what comes in its place and the text follow, with a line
 * feed between them. What must hold: the size of the pieces makes no
 * difference, and what is kept stays under the limit. */
#include "proxy/pattern.h"
#include "proxy/replace.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

enum { OUT_MOST = 1024 * 1024 };

/* 0, or -1 when it grew too much. */
static int play(const struct replace *replace, const uint8_t *bytes, size_t len,
                size_t piece, struct buf *out, uint64_t *out_count)
{
    struct replace_stream stream = {.replace = replace, .most = OUT_MOST};
    int rc = 0;
    for (size_t at = 0; !rc && at < len; at += piece) {
        size_t some = piece < len - at ? piece : len - at;
        uint8_t *exact = malloc(some);
        CHECK(exact);
        memcpy(exact, bytes + at, some);
        rc = replace_feed(&stream, exact, some, out);
        CHECK(buf_len(&stream.kept) <= REPLACE_MATCH_MOST);
        free(exact);
    }
    rc = rc ? rc : replace_end(&stream, out);
    replace_close(&stream);
    *out_count = stream.count;
    return rc;
}

static void compare(const struct replace *replace, const uint8_t *bytes,
                    size_t len, size_t piece)
{
    struct buf whole = {0}, cut = {0};
    uint64_t one, two;
    if (!play(replace, bytes, len, len + 1, &whole, &one)) {
        CHECK(!play(replace, bytes, len, piece, &cut, &two));
        CHECK(one == two && buf_len(&whole) == buf_len(&cut));
        CHECK(!buf_len(&cut) ||
              !memcmp(buf_head(&whole), buf_head(&cut), buf_len(&cut)));
    }
    buf_free(&whole);
    buf_free(&cut);
}

/* Up to a line feed, as a string. */
static char *take_line(const uint8_t **bytes, size_t *len, size_t *out_len)
{
    const uint8_t *end = *len ? memchr(*bytes, '\n', *len) : NULL;
    *out_len = end ? (size_t)(end - *bytes) : 0;
    char *line = calloc(1, *out_len + 1);
    CHECK(line);
    memcpy(line, *bytes, *out_len);
    *bytes += end ? *out_len + 1 : 0;
    *len -= end ? *out_len + 1 : 0;
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct replace replace = {0};
    struct pattern *pattern = NULL;
    struct err err = ERR_INIT;
    uint8_t how = len ? bytes[0] : 0;
    if (!len--)
        return 0;
    bytes++;
    char *find = take_line(&bytes, &len, &replace.find_len);
    char *with = take_line(&bytes, &len, &replace.with_len);
    replace.find = find;
    replace.with = with;
    bool good = how & 1
                    ? !pattern_new(find, how & 2, &pattern, &err)
                    : replace.find_len && replace.find_len <= REPLACE_FIND_MOST;
    replace.pattern = pattern;
    if (good)
        compare(&replace, bytes, len, 1 + how / 4);
    pattern_free(pattern);
    free(find);
    free(with);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
#define SEED(text) add(text, sizeof(text) - 1)
    SEED("\x04"
         "cat\ndog\na cat sat on the cacat");
    SEED("\x08"
         "aab\n\naaabaab aaab");
    SEED("\x01id=(\\d+)\nid=\\1\\1\n?id=12&id=7&x=id=");
    SEED("\x0d(a|b)*c$\n<\\0>\nabcabababc");
    SEED("\x07"
         "cat|dog\n\\n\nCat Dog DoCat");
    SEED("\x11x[^z]*z|x\ny\nxxxxxxxxxxyz xxx");
    SEED("\x09^a?\n-\naaa");
#undef SEED
}

const char *const fuzz_words[] = {"(a|b)", "[^a]*", "a+?", "$",    "^",
                                  "\\d",   "\n",    "aa",  "ab",   "\\1",
                                  "{2,5}", "cat",   "(",   "(?i)", NULL};
