/* SPDX-License-Identifier: MIT
 *
 * Facts in the order in which they happened, as JSON lines. The report is
 * made of these. An event is one object on one line:
 *
 *   t      realtime, nanoseconds since 1970      place  who saw it
 *   kind   "tls.alert" and the like, see event.def
 *   flow   number of the flow in this program    leg    "victim" | "server"
 *   tuple  [src, sport, dst, dport], the end that opened the TCP
 *          connection first
 *   dir    "up" (from the opener) | "down"
 *   at,len bytes at+0 .. at+len-1 of that direction of the TCP stream are
 *          where the fact can be seen
 *   data   object, its keys depend on the kind
 *
 * `flow` to `len` are absent where they make no sense. Bytes from the network
 * appear in JSON strings, with everything that is not printable ASCII as
 * \u00XX (one escape per byte; the text is Latin-1, not UTF-8).
 * \u0000 occurs: readers that use jansson need JSON_ALLOW_NUL.
 *
 * Events go to the descriptor in $MITMLAB_EVENTS_FD, or to stdout with
 * --json, or nowhere. */
#ifndef PROXY_EVENT_H
#define PROXY_EVENT_H

#include "certs/err.h"
#include "proxy/base/buf.h"
#include "proxy/base/dial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_leg { LEG_NONE, LEG_VICTIM, LEG_SERVER };
enum event_dir { DIR_NONE, DIR_UP, DIR_DOWN };

/* Where in the traffic an event was seen. Zeroed: nowhere in particular. */
struct event_where {
    uint64_t flow; /* 0: none */
    enum event_leg leg;
    const union address *opener, *acceptor; /* NULL: none */
    enum event_dir dir;
    uint64_t at, len;
};

/* Open the sink that the environment names. `place` is $MITMLAB_PLACE or
 * `fallback_place`. Process-wide; safe from several threads. */
void event_open(bool json_to_stdout, const char *fallback_place);
bool event_wanted(void);

/* Who does not read the events shall not hold us up: some are kept, then some
 * are dropped and counted (sink.h), which "events.dropped" tells to a reader
 * that comes back. For programs that call event_catch_up() once a second. */
void event_keep_going(void);
void event_catch_up(void);

/* Give every line, with its line feed, to `take` as well; one at a time, from
 * any thread. NULL: no more. Not while another thread writes events. */
void event_copy(void (*take)(void *context, const char *line, size_t len),
                void *context);
void event_close(void);

/* Why the first event that is missing could not be written, as errno; 0: all
 * were. The sink goes on: a disk may have room again. ETIMEDOUT: nobody read
 * them. Known behind event_close(), too. */
int event_lost(void);

/* Write one event. `data` is a format in the manner of printf that must
 * produce the inside of a JSON object without braces; use event_text() for
 * strings that come from outside. Example:
 *   event("tls.alert", &where, "\"name\":\"%s\",\"code\":%d", name, code); */
void event(const char *kind, const struct event_where *where, const char *data,
           ...) __attribute__((format(printf, 3, 4)));

/* JSON text (with quotes) of bytes, cut at `most` bytes with "...". Returns
 * one of eight rotating thread-local buffers for short text; longer text is
 * cut at 4 KiB. */
const char *event_text(const void *bytes, size_t len, size_t most);

/* The same behind what `out` holds already, for data of any length (then
 * given to event() as "%.*s"). 0, or -1 when memory is out. */
int event_append_text(struct buf *out, const void *bytes, size_t len,
                      size_t most);

#endif
