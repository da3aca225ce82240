/* SPDX-License-Identifier: MIT
 *
 * Calls from other threads into the thread of a loop. */
#ifndef PROXY_POST_H
#define PROXY_POST_H

#include <stdbool.h>
#include <uv.h>

struct post_job;

struct post {
    uv_async_t async;
    uv_mutex_t lock;
    struct post_job *first, **last;
};

/* 0, or libuv's error. Until post_close() the loop has one more handle. */
int post_open(struct post *post, uv_loop_t *loop);

/* On the loop's thread: do what was sent, then give the handle back;
 * async.data is `context` when `on_closed` is called. Nothing may be sent any
 * more. */
void post_close(struct post *post, void *context, uv_close_cb on_closed);
/* When the handle is gone. */
void post_free(struct post *post);

/* From any thread: let the loop call `call` with `argument` soon. -1 when
 * memory is out. */
int post_send(struct post *post, void (*call)(void *argument), void *argument);

#endif
