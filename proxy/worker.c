/* SPDX-License-Identifier: MIT
 *
 * Buffers go round instead of through malloc(): a turn borrows a block or
 * two, and most turns end with them empty. */
#include "proxy/worker.h"

#include <stdlib.h>

int shelf_make(struct buf *buf, size_t room)
{
    uint8_t *bytes = malloc(room);
    if (!bytes)
        return -1;
    *buf = (struct buf){.bytes = bytes, .room = room};
    return 0;
}

static void clear(struct shelf *shelf)
{
    while (shelf->count)
        buf_free(&shelf->spares[--shelf->count]);
}

void worker_free_spares(struct worker *worker)
{
    clear(&worker->blocks);
    clear(&worker->slips);
}
