/* SPDX-License-Identifier: MIT */
#include "proxy/post.h"

#include <stdlib.h>

struct post_job {
    struct post_job *next;
    void (*call)(void *argument);
    void *argument;
};

static struct post_job *take_all(struct post *post)
{
    uv_mutex_lock(&post->lock);
    struct post_job *first = post->first;
    post->first = NULL;
    post->last = &post->first;
    uv_mutex_unlock(&post->lock);
    return first;
}

static void do_all(struct post *post)
{
    for (struct post_job *it = take_all(post), *next; it; it = next) {
        next = it->next;
        it->call(it->argument);
        free(it);
    }
}

static void on_async(uv_async_t *async)
{
    do_all(async->data);
}

int post_open(struct post *post, uv_loop_t *loop)
{
    post->first = NULL;
    post->last = &post->first;
    int rc = uv_mutex_init(&post->lock);
    if (rc)
        return rc;
    rc = uv_async_init(loop, &post->async, on_async);
    if (rc)
        uv_mutex_destroy(&post->lock);
    post->async.data = post;
    return rc;
}

void post_close(struct post *post, void *context, uv_close_cb on_closed)
{
    do_all(post);
    post->async.data = context;
    uv_close((uv_handle_t *)&post->async, on_closed);
}

void post_free(struct post *post)
{
    uv_mutex_destroy(&post->lock);
}

int post_send(struct post *post, void (*call)(void *argument), void *argument)
{
    struct post_job *job = malloc(sizeof *job);
    if (!job)
        return -1;
    *job = (struct post_job){.call = call, .argument = argument};
    uv_mutex_lock(&post->lock);
    *post->last = job;
    post->last = &job->next;
    uv_mutex_unlock(&post->lock);
    uv_async_send(&post->async);
    return 0;
}
