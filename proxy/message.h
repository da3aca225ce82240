/* SPDX-License-Identifier: MIT
 *
 * One HTTP request or response as a hook sees it, and edits it. Header fields
 * keep their order and their case. The body is decoded (no chunking, no
 * content coding); whoever sends the message on puts length, chunking and
 * coding right again. Built only for flows that some hook looks at. */
#ifndef PROXY_MESSAGE_H
#define PROXY_MESSAGE_H

#include "proxy/base/arena.h"
#include "proxy/base/buf.h"
#include "proxy/codec.h"
#include "proxy/http1.h"

#include <stdbool.h>

struct message_field {
    const char *name, *value; /* in the arena, NUL-terminated */
};

struct message {
    enum http1_kind kind;
    struct arena *arena;         /* the exchange's; texts live in it */
    const char *method, *target; /* of the request; also set for responses */
    const char *host;            /* Host of the request, may be NULL */
    int status;                  /* responses */
    const char *reason;
    int minor;
    struct message_field *fields;
    unsigned fields_count, fields_room;
    struct buf body;   /* decoded */
    bool has_body;     /* false: not wanted, or over the limit */
    enum codec coding; /* how it came, and will leave */
};

/* From a parsed head (copies everything into the arena). 0, or -1 when memory
 * is out. */
int message_init(struct message *message, struct arena *arena,
                 const struct http1_head *head, const char *bytes);
void message_close(struct message *message); /* frees the body */

/* First value, case-insensitive; NULL if absent. */
const char *message_field(const struct message *message, const char *name);
/* Replace the first, drop further ones, append if absent. */
int message_set_field(struct message *message, const char *name,
                      const char *value);
void message_remove_field(struct message *message, const char *name);
int message_set_body(struct message *message, const void *bytes, size_t len);

/* Append the head (and, when has_body, the body) as it goes on the wire:
 * Content-Length and Content-Encoding put right, chunking dropped; with
 * `naive` the fields stay as they were. */
int message_write(const struct message *message, bool naive, struct buf *out);

#endif
