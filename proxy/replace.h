/* SPDX-License-Identifier: MIT
 *
 * Find a text in bytes that come piece by piece, and put another in its place.
 * Pure: what is fed comes out again as soon as it cannot be part of a match
 * any more. At most the beginning of one match is held back, and since that is
 * a beginning of the text looked for, a stream needs no memory of its own.
 *
 * Matches are taken from the left and do not overlap; what was put in is not
 * searched again. Texts are bytes: no pattern, no case. */
#ifndef PROXY_REPLACE_H
#define PROXY_REPLACE_H

#include "proxy/base/buf.h"

#include <stdint.h>

enum { REPLACE_FIND_MOST = 4096 };

/* Both texts are borrowed. `find` has 1 to REPLACE_FIND_MOST bytes, `with` may
 * be empty. Any number of streams, of any thread, may share one. */
struct replace {
    const char *find, *with;
    size_t find_len, with_len;
};

/* Zeroed but for `replace`: nothing was fed yet. Nothing to be freed. */
struct replace_stream {
    const struct replace *replace;
    uint64_t count; /* matches so far */
    size_t held;    /* bytes of `find` that have come and may go on */
};

/* Feed `len` bytes; what is settled is appended to `out`. 0, or -1 when memory
 * is out: then the stream is of no use any more. */
int replace_feed(struct replace_stream *stream, const void *bytes, size_t len,
                 struct buf *out);

/* No more will come: what was held back goes out. The stream may be fed anew.
 * 0 or -1 as above. */
int replace_end(struct replace_stream *stream, struct buf *out);

/* All at once. Sets *out_count; `out` is left alone when nothing matched. */
int replace_all(const struct replace *replace, const void *bytes, size_t len,
                struct buf *out, uint64_t *out_count);

#endif
