/* SPDX-License-Identifier: MIT
 *
 * One side of a relay: a libuv TCP handle with or without TLS. Both ends are
 * the same thing; which is the victim's and which the server's is known to
 * the relay only (`leg`).
 *
 * Callbacks of libuv note what happened and call relay_advance(); nothing is
 * decided here. */
#ifndef PROXY_END_H
#define PROXY_END_H

#include "proxy/base/buf.h"
#include "proxy/capture/wire.h"
#include "proxy/event.h"
#include "proxy/tls.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct relay;

enum end_hears {
    END_HEARS,     /* more may come */
    END_TOLD_BYE,  /* FIN after close_notify, or without TLS just FIN */
    END_TRUNCATED, /* FIN, but TLS had not said close_notify */
    END_LOST,      /* reset, or TLS is broken */
};

enum end_says {
    END_SAYS,     /* more may go */
    END_FINISHES, /* FIN goes out behind what is still to be written */
    END_FINISHED,
};

struct end {
    uv_tcp_t tcp;
    struct relay *relay;
    struct end *peer;
    enum event_leg leg;
    bool open;    /* the handle is libuv's and must be closed */
    bool closing; /* libuv has not given it back yet */
    bool reading;
    bool pours; /* libuv says when there is something, and reads nothing: see
                   pour.h */
    enum end_hears hears;
    enum end_says says;
    bool fin_in;  /* TCP will bring nothing more */
    bool alerted; /* a server: it said in TLS why it leaves */

    struct buf in;     /* from the wire, not taken yet */
    struct buf clear;  /* with TLS: decrypted, not taken yet */
    struct buf out;    /* for the wire, in this turn */
    struct buf flying; /* libuv is writing it */
    uv_write_t write;
    uint64_t in_total;  /* bytes that TCP brought */
    uint64_t out_total; /* bytes given to TCP, or about to be */
    struct tls_side tls;
    struct wire_link link;      /* for a capture of both legs */
    union address dialled;      /* our address there, until it is connected */
    const union address *local; /* towards the server: our address, where it
                                   is not the flow's; see lanes.h */
};

/* Embedded in a relay. 0, or libuv's error. */
int end_open(struct end *end, struct relay *relay, enum event_leg leg);

/* The handle is connected. */
void end_ready(struct end *end);

/* The addresses of its connection: of the one who opened it (family 0: not
 * known yet), and of the other. */
const union address *end_opener(const struct end *end);
const union address *end_acceptor(const struct end *end);

/* It was dialled: for a capture, if there is one. */
void end_record_dial(struct end *end);

/* The flow knows both addresses: a capture begins here, if there is one and
 * none has, with what has come already: `head` bytes of it as a packet of
 * their own, because readers of captures take such a head for all that is in
 * its packet. */
void end_record(struct end *end, size_t head);

/* Want bytes, or let TCP hold the peer back. */
void end_read(struct end *end, bool on);

/* What is there in clear; consume from it. */
static inline struct buf *end_input(struct end *end)
{
    return end->tls.ssl ? &end->clear : &end->in;
}

/* With TLS: decrypt until `most` bytes are there. Sets `hears`. */
void end_decrypt(struct end *end, size_t most);

/* Send clear bytes. 0, or -1: memory is out, or the end is lost. */
int end_send(struct end *end, const void *bytes, size_t len);

/* Something waits to be written: whoever feeds this end should pause. */
static inline bool end_blocked(const struct end *end)
{
    return buf_len(&end->flying) || buf_len(&end->out);
}

/* Nothing came that was not taken: close(2) would not become a reset, which
 * destroys what is on its way to the peer. */
bool end_all_heard(const struct end *end);

/* No more will be sent: close_notify (unless `truncate`) and FIN follow what
 * is still to be written. */
void end_finish(struct end *end, bool truncate);

/* Hand what was sent in this turn to the kernel; give empty buffers back. */
void end_flush(struct end *end);

/* For pour.h, which reads and writes beside libuv. TCP brings nothing more: it
 * ended, or is `lost`. And: the peer takes no bytes any more. */
void end_fell_silent(struct end *end, bool lost);
void end_went_deaf(struct end *end);

/* Give the handle back; with a reset if `reset`. relay_handle_closed() is
 * called when libuv has. */
void end_close(struct end *end, bool reset);

/* Say goodbye, close it, and be as before end_open(). While it is `closing`,
 * libuv still has the handle. */
void end_vacate(struct end *end);

/* Free what is left, after the handle is gone. */
void end_free(struct end *end);

/* Bytes of its buffers. */
static inline size_t end_held(const struct end *end)
{
    return end->in.room + end->clear.room + end->out.room + end->flying.room;
}

/* Offsets in the TCP streams, for events: of the first byte of end_input(),
 * behind the last byte that was taken, and of the next byte to be sent. With
 * TLS they are those of whole records. */
uint64_t end_input_at(const struct end *end);
uint64_t end_input_end(const struct end *end);
uint64_t end_output_at(const struct end *end);

#endif
