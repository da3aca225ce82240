/* SPDX-License-Identifier: MIT
 *
 * What a proxy's own connections would have looked like on a wire: it tells
 * which bytes came and went, and the capture gets them as the packets of a
 * TCP connection, from SYN to FIN. No privilege is needed for that, and the
 * interfaces say that it is synthetic.
 *
 * Events and TLS secrets go into the same file, so that one file is all that
 * is needed to read it back. A process of its own writes (capture.h): killing
 * the proxy never cuts a block. */
#ifndef PROXY_CAPTURE_WIRE_H
#define PROXY_CAPTURE_WIRE_H

#include "certs/err.h"
#include "proxy/base/dial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_interface { WIRE_VICTIM, WIRE_SERVER, WIRE_INTERFACES };

/* Shared by all threads. */
struct wire;

/* One connection, embedded by whoever has it. Zeroed: not recorded, and all
 * functions do nothing. The addresses are borrowed until it is over. */
struct wire_link {
    struct wire *wire;
    const union address *opener, *acceptor;
    enum wire_interface interface;
    bool dials; /* nobody has answered yet */
    struct wire_way {
        uint32_t seq; /* of the next byte */
        bool ended;
    } up, down; /* up: from the opener */
};

/* Creates `path`, replacing what was there. Before any thread is started. */
int wire_open(const char *path, struct wire **out, struct err *err);

/* We ask for a connection: SYN. If it comes to one, wire_begin() follows; if it
 * is refused, RST; and if nobody answers, nothing. */
void wire_dial(struct wire_link *link, struct wire *wire,
               enum wire_interface interface, const union address *opener,
               const union address *acceptor);
void wire_refused(struct wire_link *link);

/* Connected: SYN, unless there was one, SYN and ACK, ACK. */
void wire_begin(struct wire_link *link, struct wire *wire,
                enum wire_interface interface, const union address *opener,
                const union address *acceptor);
void wire_data(struct wire_link *link, bool up, const void *bytes, size_t len);
/* FIN; and RST, behind which nothing is recorded. Again: nothing. */
void wire_finish(struct wire_link *link, bool up);
void wire_reset(struct wire_link *link, bool up);

/* One line of event.h with its line feed. A secret in it becomes a secret of
 * the capture. */
void wire_event(struct wire *wire, const char *line, size_t len);

/* What was told so far reaches the writer; call it now and then. */
void wire_flush(struct wire *wire);

/* All is written. Frees `wire`. -1 with EXIT_PARTIAL when something is
 * missing. The file is still to be finished: see capture_finish(). */
int wire_close(struct wire *wire, struct err *err);

#endif
