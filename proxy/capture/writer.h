/* SPDX-License-Identifier: MIT
 *
 * The process that owns the capture file. It parses frames as little as
 * possible: lengths and interface numbers. capture.h starts it. */
#ifndef PROXY_CAPTURE_WRITER_H
#define PROXY_CAPTURE_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Shared with the runner, which reads it at any time, also after the writer
 * was killed. */
struct writer_counts {
    _Atomic uint64_t packets, dropped, lost;
    _Atomic bool failed; /* `why` is complete */
    char why[200];
    _Atomic bool feeder_trouble; /* `trouble` is complete */
    char trouble[256];
};

/* Messages of the runner; one datagram each on the control socket. */
enum writer_request {
    WRITER_SYNC = 1, /* u32, u32 zero, u64 number */
    WRITER_SECRET,   /* u32, then the line */
};

/* Answer to a sync, the same datagram back. */
struct writer_sync {
    uint32_t request;  /* WRITER_SYNC */
    uint32_t answered; /* 1: by the feeder; 0: the feeder is gone */
    uint64_t number;
};

struct writer_plan {
    int control, feed; /* sockets */
    int file, keys;    /* O_APPEND; keys may be -1 */
    bool secrets;      /* write them into the capture too */
    uint64_t whole;    /* length of the file so far */
    struct writer_counts *counts;
};

/* Runs to the end of its inputs; the exit status of the process. */
int writer_run(const struct writer_plan *plan);

#endif
