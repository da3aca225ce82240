/* SPDX-License-Identifier: MIT
 *
 * Two clocks: one for deadlines, one for stamps. */
#ifndef LABS_ENGINE_CLOCK_H
#define LABS_ENGINE_CLOCK_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Nanoseconds since 1970, as in events. */
static inline int64_t clock_stamp(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* RFC 3339, UTC. */
static inline void clock_text(char out[32])
{
    struct tm tm;
    time_t now = time(NULL);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

#endif
