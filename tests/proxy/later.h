/* SPDX-License-Identifier: MIT
 *
 * Time goes by and nobody waits: the clocks of the whole program, libuv's too,
 * are ahead by what stage_later() has added. A test of a deadline lets that
 * much time pass when everything that is to happen before has happened, and
 * so judges the same on a machine that is busy. For one file of a program. */
#ifndef TESTS_PROXY_LATER_H
#define TESTS_PROXY_LATER_H

#include "tests/proxy/stage.h"

#include <sys/syscall.h>
#include <time.h>

/* What the options say nothing about: relay_parts.h. */
enum {
    HEAD_IS_LATE = 10 * 1000 + 10,
    IDLE_IS_OVER = 120 * 1000 + 10,
    CONNECT_IS_LATE = 5 * 1000 + 10,
    DRAIN_IS_OVER = 2 * 1000 + 10,
};

static int64_t ahead_ms;

/* libuv's library finds this one before that of libc. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += ahead_ms / 1000;
    now->tv_nsec += ahead_ms % 1000 * 1000 * 1000;
    if (now->tv_nsec >= 1000 * 1000 * 1000) {
        now->tv_nsec -= 1000 * 1000 * 1000;
        now->tv_sec++;
    }
    return rc;
}

/* What has been said until now is heard, and then so much time is over. */
STAGE void stage_later(struct stage *stage, int64_t ms)
{
    uint64_t before = uv_hrtime();
    stage_rest(stage);
    ahead_ms += ms;
    assert_true(uv_hrtime() - before >= (uint64_t)ms * 1000 * 1000);
    stage_turn(stage);
}

/* So many flows are there. */
STAGE void stage_fills(struct stage *stage, unsigned flows)
{
    for (int i = 0; i < PATIENCE_TURNS && proxy_flows(stage->proxy) < flows;
         i++)
        stage_turn(stage);
    assert_int_equal(proxy_flows(stage->proxy), flows);
}

/* The proxy has something in hand: what was said has come, and waits there. */
STAGE void stage_holds(struct stage *stage)
{
    struct proxy_counts counts = {0};
    for (int i = 0; i < PATIENCE_TURNS && !counts.held; i++) {
        stage_turn(stage);
        proxy_count(stage->proxy, &counts);
    }
    assert_true(counts.held > 0);
}

#endif
