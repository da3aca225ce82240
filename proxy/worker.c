/* SPDX-License-Identifier: MIT
 *
 * Buffers go round instead of through malloc(): a turn borrows a block or
 * two, and most turns end with them empty. */
#include "proxy/worker.h"

#include <stdlib.h>

int worker_make_block(struct buf *buf)
{
    uint8_t *bytes = malloc(WORKER_BLOCK);
    if (!bytes)
        return -1;
    *buf = (struct buf){.bytes = bytes, .room = WORKER_BLOCK};
    return 0;
}
