/* SPDX-License-Identifier: MIT
 *
 * The one place that opens a packet socket. It exists only inside a network
 * namespace that a run of ours made: anywhere else raw_open() fails with
 * EXIT_CONTAINMENT, root or not. tests/layers.sh keeps libpcap_get() here. */
#ifndef PROXY_CAPTURE_RAW_H
#define PROXY_CAPTURE_RAW_H

#include "certs/err.h"

#include <stddef.h>
#include <stdint.h>

struct raw;

struct raw_frame {
    uint64_t time_ns;
    const uint8_t *bytes; /* until the next raw_next() */
    uint32_t len, original;
};

/* Promiscuous, non-blocking, nanosecond times. A frame can be read a few
 * milliseconds after it passed. On "lo" each packet is seen once. The second
 * form asks for room for `room` bytes of frames in the kernel; raw_open() takes
 * a few megabytes. */
int raw_open(const char *iface, struct raw **out, struct err *err);
int raw_open_room(const char *iface, size_t room, struct raw **out,
                  struct err *err);
void raw_close(struct raw *raw);

/* What captures: the version of libpcap, in its own words. */
const char *raw_library(void);

/* For poll(2): readable when a frame may be there. */
int raw_fd(const struct raw *raw);

/* Link type of its frames, enum pcapng_link. */
uint16_t raw_link(const struct raw *raw);
uint32_t raw_snaplen(const struct raw *raw);

/* 1: a frame; 0: none now; -1: the interface is gone or the like. */
int raw_next(struct raw *raw, struct raw_frame *out, struct err *err);

/* Put a frame, with its link header, on the wire. */
int raw_send(struct raw *raw, const void *bytes, size_t len, struct err *err);

/* Frames that the kernel handed over, and those that it had no room for. */
void raw_counts(struct raw *raw, uint64_t *out_received, uint64_t *out_dropped);

/* Hand every frame that had passed the interface before this call to `each`,
 * waiting for those that the kernel still holds back. Ends under load too:
 * frames that pass meanwhile may stay for the next call. 0, or -1 as
 * raw_next(). */
int raw_drain(struct raw *raw,
              void (*each)(void *context, const struct raw_frame *frame),
              void *context, struct err *err);

#endif
