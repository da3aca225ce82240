/* SPDX-License-Identifier: MIT
 *
 * Find a text or a pattern in bytes that come piece by piece, and put another
 * text in its place. Pure: what is fed comes out again as soon as it cannot be
 * part of a match any more, so at most the beginning of one match is held back.
 * Where the pieces end makes no difference.
 *
 * Matches are taken from the left and do not overlap; what was put in is not
 * searched again. A match of a pattern has REPLACE_MATCH_MOST bytes at most,
 * which bounds the memory of a stream; see pattern_run_new() for what would be
 * longer, and for patterns that lead back again and again. */
#ifndef PROXY_REPLACE_H
#define PROXY_REPLACE_H

#include "proxy/base/buf.h"

#include <stdint.h>

struct pattern;
struct pattern_run;

enum {
    REPLACE_FIND_MOST = 4096,
    REPLACE_MATCH_MOST = 64 * 1024, /* of a pattern */
};

/* All is borrowed. `find` has 1 to REPLACE_FIND_MOST bytes, `with` may be
 * empty. Any number of streams, of any thread, may share one. */
struct replace {
    const char *find, *with;
    size_t find_len, with_len;
    const struct pattern *pattern; /* instead of `find`; NULL: that text. In
                                      `with`, \0 to \9 are its groups, \n and
                                      \t what they say */
};

/* Where the first match was, how long it was, and what is there now. */
struct replace_spot {
    uint64_t at; /* before it nothing has changed */
    size_t before, after;
};

/* Zeroed but for `replace`: nothing was fed yet. */
struct replace_stream {
    const struct replace *replace;
    size_t most;               /* bytes of `out`; more is -1. 0: any number */
    uint64_t count;            /* matches so far */
    struct replace_spot first; /* of them */
    uint64_t at;               /* private: bytes that are settled */
    size_t held;               /* bytes of `find` that have come, may go on */
    struct pattern_run *run;   /* of a pattern */
    struct buf kept;           /* may be part of a match of it */
};

/* Feed `len` bytes; what is settled is appended to `out`. 0, or -1 when memory
 * is out, or it would be more than `most`: then the stream is of no use any
 * more. */
int replace_feed(struct replace_stream *stream, const void *bytes, size_t len,
                 struct buf *out);

/* No more will come: what was held back goes out. 0 or -1 as above. */
int replace_end(struct replace_stream *stream, struct buf *out);

/* Free what it holds. */
void replace_close(struct replace_stream *stream);

/* All at once, into an empty `out`. Sets *out_count and, if that is not 0,
 * *out_first; `out` stays empty when nothing matched. -1: memory is out, or
 * there would be more than `most` bytes. */
int replace_all(const struct replace *replace, const void *bytes, size_t len,
                size_t most, struct buf *out, uint64_t *out_count,
                struct replace_spot *out_first);

#endif
