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
    WORKER_SPARES = 16,       /* empty blocks kept for the next turn */
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

    struct buf spares[WORKER_SPARES];
    unsigned spares_count;

    int pipe[2]; /* see pour.h */
    bool piped, pipe_fails;
    uint64_t poured; /* bytes that went through it */

    /* Used within one step of one relay, never across. */
    struct http1_head head;
    uint8_t hello_scratch[HELLO_MOST];
};

/* For worker_lend() only. */
int worker_make_block(struct buf *buf);

/* Give `buf` a block if it has no allocation; -1 when memory is out. A turn
 * that ends with the buffer empty gives it back: idle connections hold none. */
static inline int worker_lend(struct worker *worker, struct buf *buf)
{
    if (buf->bytes)
        return 0;
    if (!worker->spares_count)
        return worker_make_block(buf);
    *buf = worker->spares[--worker->spares_count];
    return 0;
}

/* Take the allocation back, whatever is in it. */
static inline void worker_discard(struct worker *worker, struct buf *buf)
{
    if (buf->room == WORKER_BLOCK && worker->spares_count < WORKER_SPARES) {
        buf_clear(buf);
        worker->spares[worker->spares_count++] = *buf;
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

#endif
