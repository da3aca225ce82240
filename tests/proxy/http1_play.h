/* SPDX-License-Identifier: MIT
 *
 * Plays the bytes of one direction of a connection to the HTTP/1 parser, in
 * any pieces, and writes down what it says: two ways to split the same bytes
 * must give the same text. Every call sees its bytes at the end of a heap
 * block of exactly their size, so that a read past them is caught. */
#ifndef TESTS_PROXY_HTTP1_PLAY_H
#define TESTS_PROXY_HTTP1_PLAY_H

#include "proxy/base/buf.h"
#include "proxy/http1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct play {
    enum http1_kind kind;
    const char *method; /* that a response answers; may be NULL */
    struct http1_scan scan;
    struct http1_body body;
    struct http1_head head;
    struct http1_fault fault;
    struct buf pending; /* what no message has used yet */
    struct buf said;    /* the text */
    struct buf data;    /* of the body that is being read */
    uint64_t taken;     /* bytes used so far */
    uint64_t start;     /* where the head or body begins that is being read */
    unsigned messages;  /* complete ones */
    bool in_body, refused, closed;
};

static void play_init(struct play *play, enum http1_kind kind,
                      const char *method, unsigned lenient)
{
    *play = (struct play){
        .kind = kind, .method = method, .scan = {.lenient = lenient}};
}

static void play_free(struct play *play)
{
    buf_free(&play->pending);
    buf_free(&play->said);
    buf_free(&play->data);
}

static void play_span(struct play *play, const char *bytes, struct span span,
                      size_t used)
{
    assert(span.at <= used && span.len <= used - span.at);
    buf_append(&play->said, bytes + span.at, span.len);
    buf_append_text(&play->said, "|");
}

static void play_head(struct play *play, const char *bytes, size_t used)
{
    const struct http1_head *head = &play->head;
    assert(head->fields_count <= HTTP1_FIELDS_MOST);
    buf_printf(&play->said,
               "head %zu at %llu: kind %d status %d minor %d framing %d "
               "length %llu flags %d%d%d fields %u|",
               used, (unsigned long long)play->taken, head->kind, head->status,
               head->minor, head->framing, (unsigned long long)head->length,
               head->keep_alive, head->upgrade, head->expect_continue,
               head->fields_count);
    play_span(play, bytes, head->method, used);
    play_span(play, bytes, head->target, used);
    play_span(play, bytes, head->reason, used);
    play_span(play, bytes, head->host, used);
    for (unsigned i = 0; i < head->fields_count; i++) {
        play_span(play, bytes, head->fields[i].name, used);
        play_span(play, bytes, head->fields[i].value, used);
    }
    buf_append_text(&play->said, "\n");
}

static void play_refused(struct play *play)
{
    const struct http1_fault *fault = &play->fault;
    assert(fault->rule && fault->sentence && fault->name && fault->status);
    buf_printf(&play->said, "refused %s at %llu\n", fault->name,
               (unsigned long long)(play->start + fault->offset));
    play->refused = true;
}

static void play_message_end(struct play *play)
{
    const struct http1_head *head = &play->head;
    bool connect = head->method.len == 7 && head->host.len &&
                   head->framing == HTTP1_NONE &&
                   head->host.at == head->target.at;
    buf_append_text(&play->said, "body ");
    buf_append(&play->said, buf_len(&play->data) ? buf_head(&play->data) : NULL,
               buf_len(&play->data));
    buf_append_text(&play->said, "\nend\n");
    buf_clear(&play->data);
    play->in_body = false;
    play->start = play->taken;
    play->messages++;
    /* What follows belongs to another protocol, or to nobody. */
    play->closed = !head->keep_alive || connect ||
                   (head->upgrade && play->kind == HTTP1_REQUEST);
}

static size_t play_body(struct play *play, const char *bytes, size_t len)
{
    struct span data;
    ssize_t used =
        http1_body_read(&play->body, bytes, len, &data, &play->fault);
    if (used < 0) {
        play_refused(play);
        return 0;
    }
    assert((size_t)used <= len && (used || !len || play->body.done));
    assert(data.at <= (size_t)used && data.len <= (size_t)used - data.at);
    buf_append(&play->data, bytes + data.at, data.len);
    play->taken += (size_t)used;
    if (play->body.done)
        play_message_end(play);
    return (size_t)used;
}

static size_t play_message(struct play *play, const char *bytes, size_t len)
{
    ssize_t used = http1_head_read(&play->scan, play->kind, play->method, bytes,
                                   len, &play->head, &play->fault);
    assert(used <= (ssize_t)len);
    if (used < 0)
        play_refused(play);
    if (used <= 0)
        return 0;
    play_head(play, bytes, (size_t)used);
    play->start = play->taken += (size_t)used;
    http1_body_init(&play->body, &play->head, play->scan.lenient);
    play->in_body = true;
    if (play->body.done)
        play_message_end(play);
    return (size_t)used;
}

/* One more piece of the connection has arrived. */
static void play_feed(struct play *play, const char *bytes, size_t len)
{
    buf_append(&play->pending, bytes, len);
    while (!play->refused && !play->closed && buf_len(&play->pending)) {
        size_t have = buf_len(&play->pending);
        char *exact = malloc(have);
        assert(exact);
        memcpy(exact, buf_head(&play->pending), have);
        size_t used = play->in_body ? play_body(play, exact, have)
                                    : play_message(play, exact, have);
        free(exact);
        if (!used)
            return;
        buf_consume(&play->pending, used);
    }
}

/* The text so far, with what is unfinished; ends in NUL. */
static const char *play_said(struct play *play)
{
    if (play->in_body) {
        buf_append_text(&play->said, "body so far ");
        buf_append(&play->said,
                   buf_len(&play->data) ? buf_head(&play->data) : NULL,
                   buf_len(&play->data));
    }
    buf_append(&play->said, "", 1);
    return (const char *)buf_head(&play->said);
}

#endif
