/* SPDX-License-Identifier: MIT
 *
 * What the relays of one loop share: options, TLS material, spare buffers and
 * scratch memory. proxy.c owns it. Everything here belongs to one thread. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/base/buf.h"
#include "proxy/hello.h"
#include "proxy/http1.h"
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
    bool stopping;
    void (*on_relay_gone)(struct worker *worker);

    uv_tcp_t dropped; /* a connection that no memory is left for */
    bool dropping;

    struct buf spares[WORKER_SPARES];
    unsigned spares_count;

    /* Used within one step of one relay, never across. */
    struct http1_head head;
    uint8_t hello_scratch[HELLO_MOST];
};

/* Give `buf` a block if it has no allocation; -1 when memory is out. A turn
 * that ends with the buffer empty gives it back: idle connections hold none. */
int worker_lend(struct worker *worker, struct buf *buf);
void worker_take_back(struct worker *worker, struct buf *buf);
/* The same, whatever is in it. */
void worker_discard(struct worker *worker, struct buf *buf);

#endif
