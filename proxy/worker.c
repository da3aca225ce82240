/* SPDX-License-Identifier: MIT
 *
 * Buffers go round instead of through malloc(): a turn borrows a block or
 * two, and most turns end with them empty. */
#include "proxy/worker.h"

#include <stdlib.h>

int worker_lend(struct worker *worker, struct buf *buf)
{
    if (buf->bytes)
        return 0;
    if (worker->spares_count) {
        *buf = worker->spares[--worker->spares_count];
        return 0;
    }
    uint8_t *bytes = malloc(WORKER_BLOCK);
    if (!bytes)
        return -1;
    *buf = (struct buf){.bytes = bytes, .room = WORKER_BLOCK};
    return 0;
}

void worker_take_back(struct worker *worker, struct buf *buf)
{
    if (!buf_len(buf))
        worker_discard(worker, buf);
}

void worker_discard(struct worker *worker, struct buf *buf)
{
    if (buf->room == WORKER_BLOCK && worker->spares_count < WORKER_SPARES) {
        buf_clear(buf);
        worker->spares[worker->spares_count++] = *buf;
        *buf = (struct buf){0};
    } else {
        buf_free(buf);
    }
}
