/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: how much of everything. */
#include "labs/cli/proxy_parts.h"

/* A victim may have a hundred streams at a time, and no use for more. */
enum { LANES_ASKED_MOST = 100 };

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows, (struct option){"workers", 0, OPTION_NUMBER, "N",
                                     "Threads, each with its own loop",
                                     &wishes->limits.workers});
    option_row(rows,
               (struct option){"idle", 0, OPTION_NUMBER, "SECONDS",
                               "Close connections on which nothing moves (120)",
                               &wishes->limits.idle});
    option_row(rows,
               (struct option){"lanes", 0, OPTION_NUMBER, "N",
                               "Connections to a server of HTTP/1.1 for each "
                               "victim that speaks HTTP/2 (6)",
                               &wishes->limits.lanes});
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    long long workers = wishes->limits.workers, idle = wishes->limits.idle;
    if (workers < 1 || workers > PROXY_WORKERS_MOST) {
        err_code(err, EXIT_USAGE, "--workers wants 1 to %d",
                 PROXY_WORKERS_MOST);
        return -1;
    }
    if (idle < 0 || idle > 24 * 3600) {
        err_code(err, EXIT_USAGE,
                 "--idle wants 1 to %d seconds, or 0 for the usual", 24 * 3600);
        return -1;
    }
    if (wishes->limits.lanes < 0 || wishes->limits.lanes > LANES_ASKED_MOST) {
        err_code(err, EXIT_USAGE, "--lanes wants 1 to %d", LANES_ASKED_MOST);
        return -1;
    }
    setup->options.lanes_most = (unsigned)wishes->limits.lanes;
    setup->workers = (unsigned)workers;
    setup->options.idle_ms = (unsigned)idle * 1000;
    return 0;
}

const struct proxy_part proxy_part_limits = {"limits", rows, take, NULL};
