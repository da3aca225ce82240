/* SPDX-License-Identifier: MIT
 *
 * Notes taken while an HTTP message passes, for its two events (as it came,
 * and as it went on) and for the line that a person reads. Costs nothing when
 * neither is wanted. */
#ifndef PROXY_NOTE_H
#define PROXY_NOTE_H

#include "proxy/base/buf.h"
#include "proxy/codec.h"
#include "proxy/end.h"
#include "proxy/http1.h"
#include "proxy/message.h"

struct relay;

struct note {
    bool open; /* a head was noted, the events are not written yet */
    bool changed;
    bool answered; /* a hook's response: it came from nowhere */
    enum http1_kind kind;
    enum codec coding;
    uint32_t stream, sent_stream; /* HTTP/2's own numbers; 0: not HTTP/2 */
    uint64_t at, end;             /* where it came in */
    uint64_t sent_at, sent_end;   /* where it went out */
    uint64_t began;               /* uv_hrtime(): its head was there */
    uint64_t body_bytes;          /* without chunking, as it came */
    bool clear; /* `body` is decoded, and its first bytes are of so many: */
    uint64_t clear_bytes;
    struct buf head, body; /* the event's text; the body's first bytes */
    struct buf sent_head, sent_body;
    uint64_t sent_bytes;
};

/* Texts of the request for the line, cut to fit. */
enum { NOTE_METHOD = 32, NOTE_HOST = 96, NOTE_TARGET = 192 };
struct note_line {
    char text[NOTE_METHOD + NOTE_HOST + NOTE_TARGET];
    uint16_t method_len, host_len, target_len;
    int status;
    const char *version; /* NULL: HTTP/1.1 on both legs */
    const char *reason;  /* what went wrong, NULL; lives as long as needed */
    uint64_t up_bytes, down_bytes;
    bool request_changed, response_changed; /* by a hook */
    uint64_t began;                         /* of the loop's milliseconds */
};

/* How many bytes of each body events show (and messages of WebSockets); 0: 4
 * KiB. Process-wide; said before there is a relay.
 *
 * What a message keeps for it: as it came at most this, or 64 KiB if that is
 * more and the body has to be decoded first; the same again, without the 64
 * KiB, if a hook changed it. So two such pairs a connection of HTTP/1.1, and
 * two a stream of HTTP/2, until the message has ended. */
enum { NOTE_BODY_MOST = 4 << 20 };
void note_keep(size_t most);
size_t note_kept(void);

void note_head(struct note *note, const struct end *from,
               const struct http1_head *head, const char *bytes);
void note_body(struct note *note, const void *bytes, size_t len);
/* It has all of the body that it will show; and then: more bytes passed that
 * nobody saw. */
bool note_is_full(const struct note *note);
static inline void note_body_unseen(struct note *note, uint64_t len)
{
    note->body_bytes += len;
}
/* A hook changed it. */
void note_changed(struct note *note, const struct message *message);

/* A piece of a body that hooks edit while it passes, as it goes on. */
void note_sent_body(struct note *note, const void *bytes, size_t len);
/* The body is read anew from its beginning. */
void note_body_again(struct note *note);

/* As note_head(), of a message that is no run of bytes. */
void note_message(struct note *note, const struct message *message, uint64_t at,
                  uint32_t stream);
/* It goes out in another version of HTTP than it came in, or by a path where
 * it came with a URL; nobody changed it. */
void note_translated(struct note *note, const struct message *message);

/* A hook answers in the server's place; note_changed() says what. */
void note_answered(struct note *note, uint64_t body_bytes);

/* Write both events. `whole`: the message came to its end. */
void note_write(struct note *note, const struct end *from, const struct end *to,
                bool whole);
/* The same, where the ends say less than is known. */
void note_write_at(struct note *note, const struct event_where *from,
                   const struct event_where *to, bool whole);
void note_close(struct note *note);

void note_line_asked(struct note_line *line, const struct relay *relay,
                     const struct http1_head *head, const char *bytes);
void note_line_message(struct note_line *line, const struct relay *relay,
                       const struct message *message);
/* Hand the line to the options' on_line, with what is known of both messages
 * (NULL: nothing). */
void note_line_write(const struct note_line *line, const struct relay *relay,
                     const struct message *request,
                     const struct message *response);

#endif
