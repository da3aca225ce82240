/* SPDX-License-Identifier: MIT
 *
 * What the relays of one loop share: options, TLS material, spare buffers and
 * scratch memory. proxy.c owns it. Everything here belongs to one thread. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/base/buf.h"
#include "proxy/hello.h"
#include "proxy/http1.h"
#include "proxy/post.h"
#include "proxy/proxy.h"

#include <uv.h>

struct leaves;
struct relay;
struct tls;

enum {
    WORKER_BLOCK = 64 * 1024, /* what one read may bring */
    WORKER_SLIP = 1024,       /* what is remembered of a usual request */
    WORKER_SPARES = 16,       /* empty blocks kept for the next turn, */
    WORKER_SLIPS = 128,       /* and slips for the next requests */
};

/* Empty allocations of one size that wait for their next use. */
struct shelf {
    struct buf spares[WORKER_SLIPS];
    unsigned count;
};

struct worker {
    uv_loop_t *loop;
    const struct proxy_options *options;
    struct tls *tls;
    struct leaves *leaves; /* NULL: nobody can sign, TLS passes as it is */
    struct relay *first;   /* all that are open */
    unsigned count, most;
    unsigned lanes; /* connections to servers beyond one for each; lanes.h */
    bool stopping;
    void (*on_relay_gone)(struct worker *worker);
    /* No memory is left for who came to this listener. It is taken and closed,
     * because libuv offers nothing more until it is. */
    void (*drop)(struct worker *worker, uv_stream_t *listener);
    struct post post; /* calls of other threads */

    struct shelf blocks, slips;

    int pipe[2]; /* see pour.h */
    bool piped, pipe_fails;
    uint64_t poured; /* bytes that went through it */

    /* Used within one step of one relay, never across. */
    struct http1_head head;
    uint8_t hello_scratch[HELLO_MOST];
};

/* For the functions below only. */
int shelf_make(struct buf *buf, size_t room);

static inline int shelf_lend(struct shelf *shelf, struct buf *buf, size_t room)
{
    if (buf->bytes)
        return 0;
    if (!shelf->count)
        return shelf_make(buf, room);
    *buf = shelf->spares[--shelf->count];
    return 0;
}

/* Give `buf` a block if it has no allocation; -1 when memory is out. A turn
 * that ends with the buffer empty gives it back: idle connections hold none. */
static inline int worker_lend(struct worker *worker, struct buf *buf)
{
    return shelf_lend(&worker->blocks, buf, WORKER_BLOCK);
}

/* The same for little that is kept for long. */
static inline int worker_lend_slip(struct worker *worker, struct buf *buf)
{
    return shelf_lend(&worker->slips, buf, WORKER_SLIP);
}

/* Take the allocation back, whatever is in it. */
static inline void worker_discard(struct worker *worker, struct buf *buf)
{
    bool block = buf->room == WORKER_BLOCK;
    struct shelf *shelf = block ? &worker->blocks : &worker->slips;
    unsigned most = block                      ? WORKER_SPARES
                    : buf->room == WORKER_SLIP ? WORKER_SLIPS
                                               : 0;
    if (shelf->count < most) {
        buf_clear(buf);
        shelf->spares[shelf->count++] = *buf;
        *buf = (struct buf){0};
    } else {
        buf_free(buf);
    }
}

/* The same, if it is empty. */
static inline void worker_take_back(struct worker *worker, struct buf *buf)
{
    if (buf->bytes && !buf_len(buf))
        worker_discard(worker, buf);
}

/* Free what is on the shelves. */
void worker_free_spares(struct worker *worker);

#endif
