/* SPDX-License-Identifier: MIT
 *
 * One line of `mitmlab proxy` for a person. On a terminal it is a row of a
 * table that fits its width; elsewhere it is complete, with one space between
 * its words. No byte of the network gets out as it came. */
#ifndef LABS_CLI_LOOK_LINE_H
#define LABS_CLI_LOOK_LINE_H

#include "labs/cli/term.h"
#include "proxy/base/buf.h"
#include "proxy/proxy.h"

enum look_detail {
    LOOK_LINES,  /* one line each */
    LOOK_HEADS,  /* with both heads of HTTP */
    LOOK_BODIES, /* and the first bytes of bodies that were kept */
};

struct look {
    struct term term;
    bool table; /* there is a terminal */
    enum look_detail detail;
};

/* Append it, with what is below it and all line breaks. Any thread. Where
 * memory is out, it is shorter. */
void look_line(const struct look *look, const struct proxy_line *line,
               struct buf *out);

/* The names of the columns; nothing where there is no table. */
void look_title(const struct look *look, struct buf *out);

/* "1.2 kB", "15 B"; "12 ms", "1.2 s", "3 min". `room` has LOOK_FIGURE bytes. */
enum { LOOK_FIGURE = 40 };
void look_size(uint64_t bytes, char room[LOOK_FIGURE]);
void look_time(uint64_t ms, char room[LOOK_FIGURE]);

/* Append bytes of the network: printable ASCII as it is, all else as \xNN; of
 * a head or a name blanks, too, unless `blanks`. */
void look_escape(struct buf *out, const void *bytes, size_t len, bool blanks);

#endif
