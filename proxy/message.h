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

struct ask;
struct hook;
struct target;

/* A hook that edits the body while it passes: hook_edit_body(). */
struct body_editor {
    const struct hook *hook;
    void *state;
    struct body_editor *next;
};

struct message {
    enum http1_kind kind;
    struct arena *arena;         /* the exchange's; texts live in it */
    const char *method, *target; /* of the request; also set for responses */
    const char *host;            /* Host of the request, may be NULL */
    int status;                  /* responses */
    const char *reason;
    int major, minor; /* HTTP/1.minor, or HTTP/2 */
    struct message_field *fields;
    unsigned fields_count, fields_room;
    struct buf body;   /* decoded */
    bool has_body;     /* false: not wanted, or over the limit */
    bool bodyless;     /* it came without any, and has_body is false */
    enum codec coding; /* how it came, and will leave */
    const struct message *request; /* of a response, for its fields; NULL */
    struct message *answer;      /* of a request: see message_answer(), NULL */
    struct ask *ask;             /* the proxy's own; hooks leave it alone */
    struct body_editor *editors; /* the proxy's own as well */
    /* Of a request that a hook sends to another server: that one, which the
     * hook keeps as long as there are flows. NULL: to its own. HTTP/1.1 only;
     * in HTTP/2 the victim hears 502. */
    const struct target *server;
};

/* From a parsed head (copies everything into the arena). 0, or -1 when memory
 * is out. */
int message_init(struct message *message, struct arena *arena,
                 const struct http1_head *head, const char *bytes);
void message_close(struct message *message); /* frees body and answer */

/* The response that a hook gives in the server's place (HOOK_ANSWER), without
 * fields and with an empty body; the same one when called again, with the new
 * status. `reason` NULL: the usual one. It belongs to the request. NULL when
 * memory is out. */
struct message *message_answer(struct message *request, int status,
                               const char *reason);

/* "Not Found"; "" for a status that RFC 9110 does not know. */
const char *message_reason(int status);

/* Asking twice is as good as asking once (RFC 9110 9.2.2). */
bool method_is_idempotent(const char *method);

/* First value, case-insensitive; NULL if absent. */
const char *message_field(const struct message *message, const char *name);
/* Replace the first, drop further ones, append if absent. */
int message_set_field(struct message *message, const char *name,
                      const char *value);
/* Take the content coding off a body that is all there, if it grows to no
 * more than `most`. -1: it cannot be taken off, and the body is as it was. An
 * empty body is none, whatever its coding says. */
int message_decode(struct message *message, size_t most);
void message_remove_field(struct message *message, const char *name);
int message_set_body(struct message *message, const void *bytes, size_t len);
/* Digests of the body, which is going to be another one. What names a version
 * of it (ETag) stays: whoever keeps a copy keeps ours. */
void message_forget_sums(struct message *message);

/* Append the head (and, when has_body, the body) as it goes on the wire:
 * Content-Length and Content-Encoding put right, chunking dropped; with
 * `naive` the fields stay as they were. */
int message_write(const struct message *message, bool naive, struct buf *out);

/* The same, and then its fields are those that went out: whoever tells of it
 * tells the truth. */
int message_send(struct message *message, bool naive, struct buf *out);

/* The same for those that write heads and bodies apart: the fields are put
 * right, and the body as it goes on the wire is appended to `coded`. */
int message_encode(struct message *message, bool naive, struct buf *coded);

/* Never has a body, whatever its fields say (RFC 9112 6.3). */
bool message_is_bodyless(const struct message *message);

/* No text in it would break out of its place on the wire. */
bool message_is_safe(const struct message *message);

/* Append a field; its texts are copied. 0, or -1 when memory is out. */
int message_add_field(struct message *message, const char *name,
                      size_t name_len, const char *value, size_t value_len);

/* Read the content coding from the fields. */
void message_find_coding(struct message *message);

#endif
