/* SPDX-License-Identifier: MIT
 *
 * A descriptor that lines are written to, and whoever reads them. Not safe
 * from several threads.
 *
 * Usually who reads slowly holds us up. A sink that keeps going has
 * SINK_BYTES_MOST of patience instead: what is not read at once is kept. When
 * that is full it waits, as long as something is read every SINK_PATIENCE_MS;
 * after one such time without, it is stalled: lines are dropped at once, and
 * counted, until half of what is kept has been read. */
#ifndef PROXY_SINK_H
#define PROXY_SINK_H

#include "proxy/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SINK_BYTES_MOST = 8 << 20, SINK_PATIENCE_MS = 2000 };

struct sink {
    int fd;     /* -1: nobody listens */
    int own;    /* the same without waiting; -1: there is none */
    bool going; /* keeps going: no file, which never waits */
    bool socket, stalled;
    bool torn;       /* the last line is not whole */
    int trouble;     /* errno of the first line that was lost; 0: none was */
    struct buf kept; /* whole lines, but for the beginning of the first */
    uint64_t lost;   /* lines since it stalled */
};

/* `fd` is borrowed; -1: what is put goes nowhere. */
void sink_open(struct sink *sink, int fd);
void sink_keep_going(struct sink *sink);

/* One line, with its line feed. */
void sink_put(struct sink *sink, const char *line, size_t len);

/* Of what is kept, as much as is read by now; sink_put() does the same. */
void sink_flush(struct sink *sink);

/* The same while it is being read, for a twentieth of a second at most: once a
 * second this empties what is kept, however little the pipe holds. */
void sink_catch_up(struct sink *sink);

/* The reader is back: how many lines were dropped, once; 0: none were, or
 * nobody reads yet. */
uint64_t sink_returned(struct sink *sink);

/* What is kept is written as long as it is read. How many lines were lost
 * since sink_returned() spoke last. `trouble` stays. */
uint64_t sink_close(struct sink *sink);

#endif
