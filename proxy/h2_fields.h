/* SPDX-License-Identifier: MIT
 *
 * Header blocks of HTTP/2 (RFC 9113 8) and messages: one from the other.
 * nghttp2 has checked what it checks (order of pseudo fields, lower case,
 * connection-specific fields, one Content-Length); the rest is judged here,
 * and by the parser of HTTP/1.1 where a message goes on in that version. */
#ifndef PROXY_H2_FIELDS_H
#define PROXY_H2_FIELDS_H

#include "proxy/message.h"

#include <nghttp2/nghttp2.h>

/* A block as it comes in, field by field. Zeroed: empty. */
struct h2_block {
    struct arena arena; /* of all texts; taken over with the message */
    struct message message;
    const char *scheme, *authority;
    struct buf cookie; /* the crumbs, joined */
    bool trailers;
    size_t bytes;   /* as RFC 9113 6.5.2 counts them */
    bool too_large; /* more were left out */
    bool no_memory;
};

enum {
    H2_BLOCK_MOST = HTTP1_HEAD_MOST,
    /* Who goes on and on after having been told the limit has no message in
     * mind. */
    H2_BLOCK_FLOOD = 4 * H2_BLOCK_MOST,
};

void h2_block_begin(struct h2_block *block, enum http1_kind kind,
                    bool trailers);
void h2_block_add(struct h2_block *block, const nghttp2_vec *name,
                  const nghttp2_vec *value);
/* The block is whole. True: *fault says what is wrong with the message. */
bool h2_block_is_wrong(struct h2_block *block, struct http1_fault *fault);
void h2_block_free(struct h2_block *block);

/* A message, or trailers, in the form of nghttp2. The texts are borrowed from
 * the message, or live in its arena. -1: it cannot be said in HTTP/2, or
 * memory is out. The list is freed with the arena. */
struct h2_list {
    nghttp2_nv *fields;
    size_t count;
};
int h2_list_make(struct message *message, const char *scheme,
                 struct h2_list *out);
int h2_list_trailers(struct arena *arena, const struct message_field *fields,
                     unsigned count, struct h2_list *out);

/* Fields that speak of one connection of HTTP/1.1 (RFC 9113 8.2.2). */
bool h2_is_about_connection(const char *name);

#endif
