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
#include <stdio.h>
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
    struct buf bodies;  /* the data of all bodies, one behind the other */
    uint64_t taken;     /* bytes used so far */
    uint64_t start;     /* where the head or body begins that is being read */
    unsigned messages;  /* complete ones */
    bool in_body, refused, closed;
};

static inline void play_init(struct play *play, enum http1_kind kind,
                             const char *method, unsigned lenient)
{
    *play = (struct play){
        .kind = kind, .method = method, .scan = {.lenient = lenient}};
}

static inline void play_free(struct play *play)
{
    buf_free(&play->pending);
    buf_free(&play->said);
    buf_free(&play->data);
    buf_free(&play->bodies);
}

static inline void play_span(struct play *play, const char *bytes,
                             struct span span, size_t used)
{
    assert(span.at <= used && span.len <= used - span.at);
    buf_append(&play->said, bytes + span.at, span.len);
    buf_append_text(&play->said, "|");
}

static inline void play_head(struct play *play, const char *bytes, size_t used)
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

static inline void play_refused(struct play *play)
{
    const struct http1_fault *fault = &play->fault;
    assert(fault->rule && fault->sentence && fault->name && fault->status);
    buf_printf(&play->said, "refused %s at %llu\n", fault->name,
               (unsigned long long)(play->start + fault->offset));
    play->refused = true;
}

static inline void play_message_end(struct play *play)
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

static inline size_t play_body(struct play *play, const char *bytes, size_t len)
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
    buf_append(&play->bodies, bytes + data.at, data.len);
    play->taken += (size_t)used;
    if (play->body.done)
        play_message_end(play);
    return (size_t)used;
}

static inline size_t play_message(struct play *play, const char *bytes,
                                  size_t len)
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
static inline void play_feed(struct play *play, const char *bytes, size_t len)
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
static inline const char *play_said(struct play *play)
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

/* ---- whole connections ------------------------------------------------------
 */

struct played {
    char fault[32]; /* its name; "" when nothing was refused */
    char rule[24];
    int status;
    size_t offset;     /* of the fault, from the first byte of all */
    size_t taken;      /* bytes that messages used */
    unsigned messages; /* complete ones */
    bool waiting;      /* for more bytes */
    char *said;        /* to be freed; ends in NUL, and may hold others */
    size_t said_len;
};

/* What is played, and with what; a row of a table may begin with it. */
struct script {
    enum http1_kind kind;
    const char *method; /* that a response answers */
    unsigned lenient;
    const char *bytes;
    size_t len;
};

/* The first `split` bytes in one piece, the rest in pieces of `step`. */
static inline struct played play_split(const struct script *script,
                                       size_t split, size_t step)
{
    struct play play;
    struct played result = {0};
    play_init(&play, script->kind, script->method, script->lenient);
    if (split)
        play_feed(&play, script->bytes, split);
    for (size_t at = split; at < script->len; at += step)
        play_feed(&play, script->bytes + at,
                  script->len - at < step ? script->len - at : step);
    if (play.refused) {
        snprintf(result.fault, sizeof result.fault, "%s", play.fault.name);
        snprintf(result.rule, sizeof result.rule, "%s", play.fault.rule);
        result.status = play.fault.status;
        result.offset = play.start + play.fault.offset;
    }
    result.taken = play.taken;
    result.messages = play.messages;
    result.waiting = !play.refused && !play.closed &&
                     (play.in_body || buf_len(&play.pending));
    play_said(&play);
    result.said_len = buf_len(&play.said);
    result.said = malloc(result.said_len);
    assert(result.said);
    memcpy(result.said, buf_head(&play.said), result.said_len);
    play_free(&play);
    return result;
}

static inline bool played_same(const struct played *one,
                               const struct played *two)
{
    return one->said_len == two->said_len &&
           !memcmp(one->said, two->said, one->said_len);
}

static inline void play_same(const struct script *script, size_t split,
                             size_t step, const struct played *whole)
{
    struct played other = play_split(script, split, step);
    if (!played_same(&other, whole)) {
        fprintf(stderr, "split at %zu, steps of %zu:\n%s\nwhole:\n%s\n", split,
                step, other.said, whole->said);
        abort();
    }
    free(other.said);
}

/* Whole, in two pieces at every byte, and byte by byte: all the same. */
static inline struct played play_every_split(const struct script *script)
{
    struct played whole = play_split(script, script->len, 1);
    play_same(script, 0, 1, &whole);
    for (size_t split = 1; split < script->len; split++)
        play_same(script, split, script->len, &whole);
    return whole;
}

#endif
